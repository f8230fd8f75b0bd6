//! A small blocking client: RESP2 and RESP3, pipelines, time limits. It shares no code with the core, so that a
//! misreading of the protocol there cannot hide behind the same misreading here.

use crate::Result;
use std::fmt;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A reply.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// `+text`
    Simple(String),
    /// `-text`
    Error(String),
    /// `:n`
    Int(i64),
    /// `$n`
    Bulk(Vec<u8>),
    /// `$-1`, `*-1` or `_`
    Nil,
    /// `*n`
    Array(Vec<Self>),
    /// `%n`
    Map(Vec<(Self, Self)>),
    /// `~n`
    Set(Vec<Self>),
    /// `>n`
    Push(Vec<Self>),
    /// `#t`, `#f`
    Bool(bool),
    /// `,n`, kept as text
    Double(String),
    /// `(n`
    Big(String),
    /// `=n`, the format's three letters and the text
    Verbatim(String, Vec<u8>),
}

impl Value {
    /// The reply as text: simple strings, errors, bulks and numbers; an empty text for the others.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Simple(s) | Self::Error(s) | Self::Double(s) | Self::Big(s) => s.clone(),
            Self::Bulk(b) | Self::Verbatim(_, b) => String::from_utf8_lossy(b).into_owned(),
            Self::Int(n) => n.to_string(),
            _ => String::new(),
        }
    }

    /// The elements of an array, set or push; none for the others.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match self {
            Self::Array(v) | Self::Set(v) | Self::Push(v) => v,
            _ => &[],
        }
    }

    /// The bytes of a bulk string.
    #[must_use]
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Bulk(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether the reply is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(s) => write!(f, "+{s}"),
            Self::Error(s) => write!(f, "-{s}"),
            Self::Int(n) => write!(f, ":{n}"),
            Self::Bulk(b) if b.len() > 200 => write!(f, "${} bytes", b.len()),
            Self::Bulk(b) => write!(f, "\"{}\"", b.escape_ascii()),
            Self::Nil => write!(f, "nil"),
            Self::Array(v) => f.debug_list().entries(v).finish(),
            Self::Map(v) => f.debug_map().entries(v.iter().map(|(k, v)| (k, v))).finish(),
            Self::Set(v) => {
                write!(f, "~")?;
                f.debug_set().entries(v).finish()
            }
            Self::Push(v) => {
                write!(f, ">")?;
                f.debug_list().entries(v).finish()
            }
            Self::Bool(b) => write!(f, "#{b}"),
            Self::Double(s) => write!(f, ",{s}"),
            Self::Big(s) => write!(f, "({s}"),
            Self::Verbatim(kind, b) => write!(f, "={kind}:{}", b.escape_ascii()),
        }
    }
}

/// Appends a command as a multi-bulk frame.
pub fn encode<A: AsRef<[u8]>>(out: &mut Vec<u8>, args: &[A]) {
    out.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for a in args {
        let a = a.as_ref();
        out.extend_from_slice(format!("${}\r\n", a.len()).as_bytes());
        out.extend_from_slice(a);
        out.extend_from_slice(b"\r\n");
    }
}

/// Splits a line into words at spaces: arguments of commands that hold none.
#[must_use]
pub fn words(line: &str) -> Vec<Vec<u8>> {
    line.split_whitespace().map(|w| w.as_bytes().to_vec()).collect()
}

/// One connection.
pub struct Client {
    stream: TcpStream,
    buf: Vec<u8>,
    at: usize,
    out: Vec<u8>,
}

/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl Client {
    /// Connects to a port on 127.0.0.1.
    pub fn connect(port: u16) -> Result<Self> {
        Self::connect_to("127.0.0.1", port)
    }

    /// Connects to an address.
    pub fn connect_to(host: &str, port: u16) -> Result<Self> {
        let stream = TcpStream::connect((host, port)).map_err(|e| format!("connect to {host}:{port}: {e}"))?;
        Self::from_stream(stream)
    }

    /// Takes a connection that is there already.
    pub fn from_stream(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, buf: Vec::new(), at: 0, out: Vec::new() })
    }

    /// Sets how long a reply may take.
    pub fn set_patience(&mut self, limit: Duration) -> Result<()> {
        self.stream.set_read_timeout(Some(limit))?;
        self.stream.set_write_timeout(Some(limit))?;
        Ok(())
    }

    /// The socket, to write raw bytes to.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends raw bytes.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Queues a command; [`Client::flush`] sends what is queued.
    pub fn push<A: AsRef<[u8]>>(&mut self, args: &[A]) {
        encode(&mut self.out, args);
    }

    /// Sends what is queued.
    pub fn flush(&mut self) -> Result<()> {
        let out = std::mem::take(&mut self.out);
        self.stream.write_all(&out)?;
        self.out = out;
        self.out.clear();
        Ok(())
    }

    /// Sends a command and gives its reply, an error reply too.
    pub fn ask<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<Value> {
        self.push(args);
        self.flush()?;
        self.read()
    }

    /// Like [`Client::ask`], with a command whose words hold no spaces; an error reply is a failure.
    pub fn run(&mut self, line: &str) -> Result<Value> {
        let reply = self.ask(&words(line))?;
        if let Value::Error(e) = &reply {
            return Err(format!("{line}: -{e}").into());
        }
        Ok(reply)
    }

    /// Like [`Client::run`], as text.
    pub fn text(&mut self, line: &str) -> Result<String> {
        Ok(self.run(line)?.text())
    }

    /// One field of INFO; a failure if it is not there.
    pub fn info(&mut self, section: &str, field: &str) -> Result<String> {
        let all = self.text(&format!("INFO {section}"))?;
        find_info(&all, field).ok_or_else(|| format!("INFO {section} has no field {field}:\n{all}").into())
    }

    /// One field of INFO as a number.
    pub fn info_num(&mut self, section: &str, field: &str) -> Result<i64> {
        let text = self.info(section, field)?;
        text.parse().map_err(|_| format!("INFO {section} {field} is not a number: {text}").into())
    }

    /// Reads until the peer closes; what came before is dropped. A failure if it does not close in time.
    pub fn expect_close(&mut self, within: Duration) -> Result<Vec<u8>> {
        self.stream.set_read_timeout(Some(within))?;
        let mut seen = self.buf.split_off(self.at);
        self.buf.clear();
        self.at = 0;
        let mut chunk = [0; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(seen),
                Ok(n) => seen.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return Ok(seen),
                Err(e) => {
                    return Err(format!("the peer did not close: {e}; it sent \"{}\"", seen.escape_ascii()).into());
                }
            }
        }
    }

    fn more(&mut self) -> Result<()> {
        if self.at > 1 << 20 {
            self.buf.drain(..self.at);
            self.at = 0;
        }
        let mut chunk = [0; 16_384];
        let n = self.stream.read(&mut chunk)?;
        if n == 0 {
            return Err("the server closed the connection".into());
        }
        self.buf.extend_from_slice(&chunk[..n]);
        Ok(())
    }

    fn line(&mut self) -> Result<Vec<u8>> {
        let mut from = self.at;
        loop {
            if let Some(n) = self.buf[from..].windows(2).position(|w| w == b"\r\n") {
                let line = self.buf[self.at..from + n].to_vec();
                self.at = from + n + 2;
                return Ok(line);
            }
            // `more` may move what is buffered to the front: keep the distance, not the place.
            let seen = (self.buf.len() - self.at).saturating_sub(1);
            self.more()?;
            from = self.at + seen;
        }
    }

    fn exact(&mut self, len: usize) -> Result<Vec<u8>> {
        while self.buf.len() - self.at < len + 2 {
            self.more()?;
        }
        let bytes = self.buf[self.at..self.at + len].to_vec();
        if &self.buf[self.at + len..self.at + len + 2] != b"\r\n" {
            return Err("a bulk reply does not end in CRLF".into());
        }
        self.at += len + 2;
        Ok(bytes)
    }

    fn many(&mut self, n: i64) -> Result<Vec<Value>> {
        (0..n).map(|_| self.read()).collect()
    }

    /// The replies that are there by now. A reply that is not whole yet is waited for.
    pub fn arrived(&mut self) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        loop {
            if self.at == self.buf.len() {
                self.stream.set_nonblocking(true)?;
                let more = self.stream.peek(&mut [0]);
                self.stream.set_nonblocking(false)?;
                match more {
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return Ok(all),
                    Err(e) => return Err(e.into()),
                    Ok(_) => {}
                }
            }
            all.push(self.read()?);
        }
    }

    /// Reads one reply or push.
    pub fn read(&mut self) -> Result<Value> {
        let line = self.line()?;
        let Some((&kind, rest)) = line.split_first() else { return Err("an empty line for a reply".into()) };
        let rest = String::from_utf8_lossy(rest).into_owned();
        let number = || rest.parse::<i64>().map_err(|_| format!("not a number in a reply: {}{rest}", kind as char));
        Ok(match kind {
            b'+' => Value::Simple(rest),
            b'-' => Value::Error(rest),
            b':' => Value::Int(number()?),
            b'$' if number()? < 0 => Value::Nil,
            b'$' => Value::Bulk(self.exact(number()? as usize)?),
            b'*' if number()? < 0 => Value::Nil,
            b'*' => Value::Array(self.many(number()?)?),
            b'~' => Value::Set(self.many(number()?)?),
            b'>' => Value::Push(self.many(number()?)?),
            b'%' => {
                let flat = self.many(number()? * 2)?;
                Value::Map(flat.chunks(2).map(|c| (c[0].clone(), c[1].clone())).collect())
            }
            b'_' => Value::Nil,
            b'#' => Value::Bool(rest == "t"),
            b',' => Value::Double(rest),
            b'(' => Value::Big(rest),
            b'=' => {
                let body = self.exact(number()? as usize)?;
                let (kind, text) = body.split_at(3.min(body.len()));
                Value::Verbatim(String::from_utf8_lossy(kind).into_owned(), text.get(1..).unwrap_or_default().to_vec())
            }
            other => return Err(format!("unknown reply type '{}' before \"{rest}\"", other.escape_ascii()).into()),
        })
    }
}

/// A field of an INFO text.
#[must_use]
pub fn find_info(all: &str, field: &str) -> Option<String> {
    all.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':')).map(|v| v.trim_end().to_owned())
}
