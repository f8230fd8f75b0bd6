//! Names without the C library's resolver, for static programs: glibc's loads libraries at run time, which are of its very
//! version or are not there. `/etc/hosts` first, `localhost`, then the name servers of `/etc/resolv.conf`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use super::dns::{self, Answer, Kind};

/// More of a file is not read, bytes.
#[cfg_attr(not(target_feature = "crt-static"), allow(dead_code, reason = "others ask the C library"))]
const FILE_MAX: u64 = 1 << 20;
/// The longest answer over UDP, bytes.
const DATAGRAM: usize = 4096;
/// The most of each that a resolv.conf can ask for; the first three are glibc's.
const SERVERS_MAX: usize = 3;
const NDOTS_MAX: usize = 15;
const ATTEMPTS_MAX: u32 = 5;
const TIMEOUT_MAX: u64 = 30;
const SEARCH_MAX: usize = 32;

/// What the two files say; they are read for each name, so that a change counts at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Names {
    /// The text of `/etc/hosts`.
    hosts: String,
    servers: Vec<SocketAddr>,
    search: Vec<String>,
    /// A name with so many dots is tried as it is before it is searched for.
    ndots: usize,
    timeout: Duration,
    attempts: u32,
}

impl Names {
    /// What this machine's files say. One that is not there says nothing.
    #[cfg_attr(not(target_feature = "crt-static"), allow(dead_code, reason = "others ask the C library"))]
    pub(super) fn of_this_machine() -> Self {
        let read = |path: &str| -> String {
            let mut bytes = Vec::new();
            let _ = File::open(Path::new(path)).and_then(|f| f.take(FILE_MAX).read_to_end(&mut bytes));
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Self::new(read("/etc/hosts"), &read("/etc/resolv.conf"))
    }

    /// `hosts` and `resolv.conf` as texts. What is unknown in them is passed over, as other resolvers do.
    fn new(hosts: String, resolv_conf: &str) -> Self {
        let mut names = Self {
            hosts,
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
        };
        for line in resolv_conf.lines() {
            let mut words = line.split(['#', ';']).next().unwrap_or_default().split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    if let Some(ip) = words.next().and_then(|w| w.parse::<IpAddr>().ok()) {
                        names.servers.push(SocketAddr::new(ip, 53));
                    }
                }
                // The last line of these wins.
                Some("search" | "domain") => {
                    names.search = words.take(SEARCH_MAX).map(|w| w.trim_end_matches('.').to_owned()).collect();
                }
                Some("options") => words.for_each(|w| names.option(w)),
                _ => {}
            }
        }
        names.servers.truncate(SERVERS_MAX);
        if names.servers.is_empty() {
            names.servers.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 53)));
        }
        names
    }

    fn option(&mut self, word: &str) {
        let Some((name, value)) = word.split_once(':') else { return };
        let Ok(value) = value.parse::<u64>() else { return };
        match name {
            "ndots" => self.ndots = value.min(NDOTS_MAX as u64) as usize,
            "timeout" => self.timeout = Duration::from_secs(value.clamp(1, TIMEOUT_MAX)),
            "attempts" => self.attempts = value.clamp(1, ATTEMPTS_MAX.into()) as u32,
            _ => {}
        }
    }

    /// The addresses of a name, IPv4 first: where IPv6 has no way out it would be tried in vain.
    pub(super) fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![ip]);
        }
        let (name, absolute) = match host.strip_suffix('.') {
            Some(name) => (name, true),
            None => (host, false),
        };
        if dns::question(0, name, Kind::A).is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no host can have this name"));
        }
        let found = self.in_hosts(name);
        if !found.is_empty() {
            return Ok(found);
        }
        // RFC 6761: never asked for elsewhere.
        if is_localhost(name) {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let mut failed = None;
        for candidate in self.candidates(name, absolute) {
            match self.ask_all(&candidate) {
                Ok(found) if found.is_empty() => {}
                Ok(found) => return Ok(found),
                // Nobody answers: the next name would wait as long for nothing.
                Err(e) if e.kind() == io::ErrorKind::TimedOut => return Err(e),
                Err(e) => failed = Some(e),
            }
        }
        Err(failed
            .unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name servers know no address for it")))
    }

    fn in_hosts(&self, name: &str) -> Vec<IpAddr> {
        let mut found = Vec::new();
        for line in self.hosts.lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let Some(ip) = words.next().and_then(|w| w.parse::<IpAddr>().ok()) else { continue };
            if words.any(|w| w.eq_ignore_ascii_case(name)) {
                found.push(ip);
            }
        }
        found.sort_by_key(IpAddr::is_ipv6);
        found
    }

    /// The names to ask for, in order.
    fn candidates(&self, name: &str, absolute: bool) -> Vec<String> {
        let mut all = vec![name.to_owned()];
        if !absolute {
            let searched = self.search.iter().filter(|s| !s.is_empty()).map(|s| format!("{name}.{s}"));
            all.extend(searched);
            if name.matches('.').count() < self.ndots {
                all.rotate_left(1);
            }
        }
        all
    }

    /// The addresses of both kinds; none if the name has none or is not there.
    fn ask_all(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let (mut found, mut failed) = (Vec::new(), None);
        for kind in [Kind::A, Kind::Aaaa] {
            match self.ask(name, kind) {
                Ok(Answer::Addresses(more)) => found.extend(more),
                // It has no others either.
                Ok(_) => break,
                Err(e) => failed = Some(e),
            }
        }
        match failed {
            Some(e) if found.is_empty() => Err(e),
            _ => Ok(found),
        }
    }

    /// Asks one server after the other until one knows: [`Answer::Addresses`] or [`Answer::NoSuchName`].
    fn ask(&self, name: &str, kind: Kind) -> io::Result<Answer> {
        let mut failed = io::Error::new(io::ErrorKind::TimedOut, "no name server answers");
        for _ in 0..self.attempts {
            for &server in &self.servers {
                let Some(question) = dns::question(random_id()?, name, kind) else { return Ok(Answer::NoSuchName) };
                match exchange(server, &question, kind, self.timeout) {
                    Ok(Answer::Refused(code)) => {
                        failed = io::Error::other(format!("the name server {} answers with code {code}", server.ip()));
                    }
                    Ok(answer) => return Ok(answer),
                    Err(e) if is_timeout(&e) => {}
                    Err(e) => failed = io::Error::new(e.kind(), format!("the name server {}: {e}", server.ip())),
                }
            }
        }
        Err(failed)
    }
}

fn is_localhost(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    last.eq_ignore_ascii_case("localhost")
}

fn is_timeout(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Whoever cannot see the question cannot guess it.
fn random_id() -> io::Result<u16> {
    let mut id = [0; 2];
    crate::clock::random(&mut id)?;
    Ok(u16::from_ne_bytes(id))
}

/// One question to one server, over TCP where the answer does not fit a datagram.
fn exchange(server: SocketAddr, question: &[u8], kind: Kind, timeout: Duration) -> io::Result<Answer> {
    let from: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((from, 0))?;
    // Connected: datagrams of others do not come in, and a port where nobody listens is told at once.
    socket.connect(server)?;
    socket.send(question)?;
    let (end, mut buffer) = (Instant::now() + timeout, vec![0; DATAGRAM]);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let len = socket.recv(&mut buffer)?;
        match dns::answer(&buffer[..len], question, kind) {
            Answer::NotOurs => {}
            Answer::Truncated => return over_tcp(server, question, kind, timeout),
            answer => return Ok(answer),
        }
    }
}

fn over_tcp(server: SocketAddr, question: &[u8], kind: Kind, timeout: Duration) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&server, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    let mut framed = (question.len() as u16).to_be_bytes().to_vec();
    framed.extend_from_slice(question);
    stream.write_all(&framed)?;
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut message)?;
    match dns::answer(&message, question, kind) {
        Answer::NotOurs | Answer::Truncated => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "its answer makes no sense"))
        }
        answer => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::{Arc, Mutex};

    use super::super::dns::tests::reply;
    use super::*;

    fn files(hosts: &str, conf: &str) -> Names {
        Names::new(hosts.into(), conf)
    }

    fn ips(all: &[&str]) -> Vec<IpAddr> {
        all.iter().map(|a| a.parse().unwrap()).collect()
    }

    /// The name in a question, and whether it is for IPv4.
    fn asked(question: &[u8]) -> (String, bool) {
        let (mut name, mut at) = (Vec::new(), 12);
        while question[at] != 0 {
            let len = usize::from(question[at]);
            name.push(String::from_utf8(question[at + 1..=at + len].to_vec()).unwrap());
            at += 1 + len;
        }
        (name.join("."), question[at + 2] == 1)
    }

    type Log = Arc<Mutex<Vec<String>>>;

    /// A name server on a port of its own, that answers by `say` and keeps what it was asked for IPv4 addresses.
    fn server(say: impl Fn(&str, bool, &[u8]) -> Vec<u8> + Send + 'static) -> (SocketAddr, Log) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (at, log) = (socket.local_addr().unwrap(), Log::default());
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                let question = &buffer[..len];
                let (name, four) = asked(question);
                if four {
                    kept.lock().unwrap().push(name.clone());
                }
                let answer = say(&name, four, question);
                if !answer.is_empty() {
                    // An answer to another question comes first; it must not be taken.
                    let mut other = answer.clone();
                    other[0] ^= 1;
                    socket.send_to(&other, from).unwrap();
                    socket.send_to(&answer, from).unwrap();
                }
            }
        });
        (at, log)
    }

    #[test]
    fn files_are_read_as_others_read_them() {
        let conf = "# x\nnameserver 10.0.0.1 ; y\nnameserver ::1\nnameserver bad\ndomain a\nsearch b. c.d\noptions ndots:5 \
                    edns0 timeout:0 attempts:99\n";
        let names = files("", conf);
        assert_eq!(names.servers, ["10.0.0.1:53", "[::1]:53"].map(|a| a.parse().unwrap()));
        assert_eq!(names.search, ["b", "c.d"]);
        assert_eq!((names.ndots, names.timeout, names.attempts), (5, Duration::from_secs(1), ATTEMPTS_MAX));
        assert_eq!(files("", "").servers, ["127.0.0.1:53".parse().unwrap()]);
    }

    #[test]
    fn numbers_hosts_and_localhost_need_no_server() {
        let names = files("::5 both # not\n10.1.1.1 One.x both\n", "nameserver 127.0.0.1\n");
        for (name, expected) in [
            ("10.0.0.7", &["10.0.0.7"][..]),
            ("::7", &["::7"]),
            ("one.X", &["10.1.1.1"]),
            ("one.x.", &["10.1.1.1"]),
            ("both", &["10.1.1.1", "::5"]),
            ("localhost", &["127.0.0.1", "::1"]),
            ("a.LocalHost.", &["127.0.0.1", "::1"]),
        ] {
            assert_eq!(names.lookup(name).unwrap(), ips(expected), "{name}");
        }
        assert_eq!(names.lookup("bad name").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn names_are_searched_for_by_their_dots() {
        let names = files("", "search a b\noptions ndots:2\n");
        assert_eq!(names.candidates("x", false), ["x.a", "x.b", "x"]);
        assert_eq!(names.candidates("x.y.z", false), ["x.y.z", "x.y.z.a", "x.y.z.b"]);
        assert_eq!(names.candidates("x", true), ["x"]);
    }

    #[test]
    fn a_server_is_asked_for_both_kinds() {
        let (at, log) = server(|name, four, q| match (name, four) {
            ("redis-0.redis.default", true) => reply(q, 0, &[(1, &[10, 0, 0, 1])]),
            ("redis-0.redis.default", false) => reply(q, 0, &[(28, &Ipv6Addr::LOCALHOST.octets())]),
            ("silent", _) => Vec::new(),
            ("broken", _) => reply(q, 2, &[]),
            _ => reply(q, 3, &[]),
        });
        let mut names = files("", "search nowhere default\noptions ndots:5 timeout:1 attempts:1\n");
        names.servers = vec![at];
        assert_eq!(names.lookup("redis-0.redis").unwrap(), ips(&["10.0.0.1", "::1"]));
        assert_eq!(*log.lock().unwrap(), ["redis-0.redis.nowhere", "redis-0.redis.default"]);
        assert_eq!(names.lookup("absent").unwrap_err().kind(), io::ErrorKind::NotFound);
        let text = names.lookup("broken.").unwrap_err().to_string();
        assert!(text.contains("code 2") && text.contains("127.0.0.1"), "{text}");
        names.timeout = Duration::from_millis(50);
        assert_eq!(names.lookup("silent.").unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn another_server_is_asked_when_one_fails() {
        let (bad, _) = server(|_, _, q| reply(q, 5, &[]));
        let (good, _) = server(|_, four, q| reply(q, 0, if four { &[(1, &[10, 0, 0, 3])] } else { &[] }));
        let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut names = files("", "");
        names.servers = vec![closed, bad, good];
        assert_eq!(names.lookup("name").unwrap(), ips(&["10.0.0.3"]));
    }

    #[test]
    fn an_answer_that_does_not_fit_comes_over_tcp() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let socket = UdpSocket::bind(at).unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                let mut answer = reply(&buffer[..len], 0, &[]);
                answer[2] |= 2;
                socket.send_to(&answer, from).unwrap();
            }
        });
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut buffer = [0; 512];
                stream.read_exact(&mut buffer[..2]).unwrap();
                let len = usize::from(u16::from_be_bytes([buffer[0], buffer[1]]));
                stream.read_exact(&mut buffer[..len]).unwrap();
                let (_, four) = asked(&buffer[..len]);
                let many = [(1, &[10, 0, 0, 1][..]); 100];
                let answer = reply(&buffer[..len], 0, if four { &many } else { &[] });
                stream.write_all(&(answer.len() as u16).to_be_bytes()).unwrap();
                stream.write_all(&answer).unwrap();
            }
        });
        let mut names = files("", "");
        names.servers = vec![at];
        assert_eq!(names.lookup("many").unwrap().len(), 100);
    }
}
