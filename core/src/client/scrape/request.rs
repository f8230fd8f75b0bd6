//! The head of an HTTP/1 request (RFC 9112): which path is asked for, or with which status it is refused.

use alloc::vec::Vec;

/// Bytes that the head of a request may have.
pub(crate) const HEAD_MAX: usize = 8 * 1024;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Path {
    /// `/metrics`.
    Metrics,
    /// `/healthz`.
    Health,
    /// `/readyz`.
    Ready,
    /// Any other.
    Unknown,
}

/// A request that can be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    pub(crate) path: Path,
    /// Only the head of the answer is wanted.
    pub(crate) head_only: bool,
    /// The client is of HTTP/1.0, which knows no chunks.
    pub(crate) old: bool,
}

/// Why a request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    BadRequest,
    NotAllowed,
    HeadTooLarge,
    Version,
}

impl Status {
    /// As the status line has it.
    pub(crate) const fn line(self) -> &'static str {
        match self {
            Self::BadRequest => "400 Bad Request",
            Self::NotAllowed => "405 Method Not Allowed",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::Version => "505 HTTP Version Not Supported",
        }
    }
}

/// The head of a request as it comes in. What stands behind it is dropped: no request that is served has a body.
#[derive(Debug, Default)]
pub(crate) struct Head {
    bytes: Vec<u8>,
    /// Where the line begins that is not complete, and whether the line of the request came before it.
    line: usize,
    begun: bool,
}

impl Head {
    /// Takes the next bytes; `Some` once it is known what to answer.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Option<Result<Request, Status>> {
        for &byte in bytes {
            // What begins like this is another protocol: a command of Redis, a TLS handshake.
            if self.bytes.is_empty() && !is_token(byte) && !matches!(byte, b'\r' | b'\n') {
                return Some(Err(Status::BadRequest));
            }
            if self.bytes.len() == HEAD_MAX {
                return Some(Err(Status::HeadTooLarge));
            }
            self.bytes.push(byte);
            if byte != b'\n' {
                continue;
            }
            let line = trimmed(&self.bytes[self.line..]);
            match (line.is_empty(), self.begun) {
                (true, true) => return Some(parse(&self.bytes)),
                // Empty lines before a request are passed over.
                (true, false) | (false, true) => {}
                // What is no request at all is not waited for.
                (false, false) => match request_line(line) {
                    Ok(_) => self.begun = true,
                    Err(status) => return Some(Err(status)),
                },
            }
            self.line = self.bytes.len();
        }
        None
    }
}

/// A line without its end.
fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether a byte may stand in a method or in the name of a field.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Method, target, and whether it is HTTP/1.0.
fn request_line(line: &[u8]) -> Result<(&[u8], &[u8], bool), Status> {
    let mut words = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Status::BadRequest);
    };
    let visible = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
    if method.is_empty() || !method.iter().all(|b| is_token(*b)) || !visible(target) {
        return Err(Status::BadRequest);
    }
    match version {
        b"HTTP/1.0" => Ok((method, target, true)),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor] if minor.is_ascii_digit() => Ok((method, target, false)),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Err(Status::Version)
        }
        _ => Err(Status::BadRequest),
    }
}

fn parse(head: &[u8]) -> Result<Request, Status> {
    let mut lines = head.split_inclusive(|b| *b == b'\n').map(trimmed).skip_while(|l| l.is_empty());
    let (method, target, old) = request_line(lines.next().unwrap_or_default())?;
    let mut hosts = 0;
    for line in lines.take_while(|l| !l.is_empty()) {
        let colon = line.iter().position(|b| *b == b':').ok_or(Status::BadRequest)?;
        let (name, value) = line.split_at(colon);
        let printable = |b: &u8| *b == b'\t' || (*b >= b' ' && *b != 0x7f);
        if name.is_empty() || !name.iter().all(|b| is_token(*b)) || !value.iter().all(printable) {
            return Err(Status::BadRequest);
        }
        hosts += usize::from(name.eq_ignore_ascii_case(b"host"));
    }
    if hosts > 1 || (hosts == 0 && !old) {
        return Err(Status::BadRequest);
    }
    let head_only = match method {
        b"GET" => false,
        b"HEAD" => true,
        _ => return Err(Status::NotAllowed),
    };
    let path = match path_of(target) {
        b"/metrics" => Path::Metrics,
        b"/healthz" => Path::Health,
        b"/readyz" => Path::Ready,
        _ => Path::Unknown,
    };
    Ok(Request { path, head_only, old })
}

/// The path of a target, without its query; of one with scheme and host (as a proxy is asked) what stands behind them.
fn path_of(target: &[u8]) -> &[u8] {
    let path = match target.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case(b"http://") => {
            let slash = target[7..].iter().position(|b| *b == b'/');
            slash.map_or(&b"/"[..], |at| &target[7 + at..])
        }
        _ => target,
    };
    path.split(|b| *b == b'?').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    /// What comes of it, whole and in two pieces at every split.
    fn of(text: &str) -> Option<Result<Request, Status>> {
        let whole = Head::default().take(text.as_bytes());
        for at in 0..=text.len() {
            let (mut head, (a, b)) = (Head::default(), text.as_bytes().split_at(at));
            assert_eq!(head.take(a).or_else(|| head.take(b)), whole, "{text:?} split at {at}");
        }
        whole
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is held against what `of` gives")]
    fn asks(path: Path, head_only: bool, old: bool) -> Option<Result<Request, Status>> {
        Some(Ok(Request { path, head_only, old }))
    }

    #[test]
    fn requests_that_are_served() {
        let host = "Host: a\r\n\r\n";
        assert_eq!(of(&format!("GET /metrics HTTP/1.1\r\n{host}")), asks(Path::Metrics, false, false));
        assert_eq!(of(&format!("HEAD /healthz HTTP/1.1\r\n{host}")), asks(Path::Health, true, false));
        assert_eq!(of("GET /readyz HTTP/1.0\r\n\r\n"), asks(Path::Ready, false, true));
        assert_eq!(of("GET /readyz HTTP/1.0\n\n"), asks(Path::Ready, false, true), "bare line feeds");
        assert_eq!(of(&format!("\r\n\r\nGET /metrics HTTP/1.1\r\n{host}")), asks(Path::Metrics, false, false));
        assert_eq!(of(&format!("GET /metrics?name[]=up HTTP/1.1\r\n{host}")), asks(Path::Metrics, false, false));
        assert_eq!(of(&format!("GET http://a:9/healthz HTTP/1.1\r\n{host}")), asks(Path::Health, false, false));
        let more = "Accept: text/plain;q=0.5, */*\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\nEmpty:\r\n";
        assert_eq!(of(&format!("GET /metrics HTTP/1.1\r\n{more}{host}")), asks(Path::Metrics, false, false));
        assert_eq!(of(&format!("GET /metrics HTTP/1.1\r\n{host}what is behind")), asks(Path::Metrics, false, false));
    }

    #[test]
    fn requests_that_are_refused() {
        let refused = |text: &str, status| assert_eq!(of(text), Some(Err(status)), "{text:?}");
        let host = "Host: a\r\n\r\n";
        for target in ["/", "/metrics/", "/metric", "*", "http://a", "//metrics", "/metrics%00"] {
            assert_eq!(of(&format!("GET {target} HTTP/1.1\r\n{host}")), asks(Path::Unknown, false, false), "{target}");
        }
        for method in ["POST", "DELETE", "get", "OPTIONS", "CONNECT"] {
            refused(&format!("{method} /metrics HTTP/1.1\r\n{host}"), Status::NotAllowed);
        }
        for version in ["HTTP/2.0", "HTTP/0.9"] {
            refused(&format!("GET /metrics {version}\r\n{host}"), Status::Version);
        }
        for line in [
            "GET /metrics",
            "GET  /metrics HTTP/1.1",
            "GET /metrics HTTP/1.1 ",
            "GET /metrics HTTP/1.10",
            "PING",
            "GET /metrics http/1.1",
            "GET /met\u{e4} HTTP/1.1",
            "G(T /metrics HTTP/1.1",
            "GET /\0 HTTP/1.1",
        ] {
            refused(&format!("{line}\r\n{host}"), Status::BadRequest);
        }
        for field in ["no colon", ": no name", "a b: c", "a : c", " folded: c", "a: \u{1}", "Host: b"] {
            refused(&format!("GET /metrics HTTP/1.1\r\n{field}\r\n{host}"), Status::BadRequest);
        }
        refused("GET /metrics HTTP/1.1\r\n\r\n", Status::BadRequest);
        // Refused by their first byte, before any line is complete.
        for text in ["\x16\x03\x01", " GET", "\0", "(", "\u{e4}"] {
            refused(text, Status::BadRequest);
        }
        // And by their first line, though no empty one comes.
        for text in ["*1\r\n$4\r\nPING\r\n", "PING\r\n", "\r\nSET a 1\r\n", "GET /metrics\r\n"] {
            refused(text, Status::BadRequest);
        }
        refused("PRI * HTTP/2.0\r\n", Status::Version);
    }

    #[test]
    fn a_head_has_an_end_or_is_refused() {
        assert_eq!(of("GET /metrics HTTP/1.1\r\nHost: a\r\n"), None);
        let long = |n: usize| format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(n));
        let fits = HEAD_MAX - long(0).len();
        let whole = |text: &str| Head::default().take(text.as_bytes());
        assert_eq!(whole(&long(fits)), asks(Path::Metrics, false, false));
        assert_eq!(whole(&long(fits + 1)), Some(Err(Status::HeadTooLarge)));
        assert_eq!(whole(&"\r\n".repeat(HEAD_MAX)), Some(Err(Status::HeadTooLarge)));
        assert_eq!(Head::default().take(&[b'x'; HEAD_MAX + 1]), Some(Err(Status::HeadTooLarge)));
    }

    quickcheck::quickcheck! {
        fn any_bytes_give_the_same_at_any_split(bytes: Vec<u8>, cuts: Vec<u8>) -> bool {
            let whole = Head::default().take(&bytes);
            let (mut head, mut rest, mut seen) = (Head::default(), &bytes[..], None);
            for cut in cuts {
                let (piece, left) = rest.split_at(usize::from(cut).min(rest.len()));
                rest = left;
                seen = seen.or_else(|| head.take(piece));
            }
            seen.or_else(|| head.take(rest)) == whole && head.bytes.len() <= HEAD_MAX
        }
    }
}
