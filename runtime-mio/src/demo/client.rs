//! A small blocking client: sends commands, reads replies (RESP2).

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No node of the demonstration takes longer for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of one reply, items of one array: more is no answer to what is asked here.
const MOST: usize = 16 << 20;
/// Arrays within arrays.
const DEPTH: usize = 8;

/// One reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    Text(String),
    Error(String),
    Integer(i64),
    Nil,
    Array(Vec<Self>),
}

impl Reply {
    /// Whether it is this text.
    pub(crate) fn is(&self, text: &str) -> bool {
        matches!(self, Self::Text(t) if t == text)
    }
}

#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::patient(address, TIMEOUT)
    }

    /// A connection that waits no longer than this for anything.
    pub(crate) fn patient(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// From now on [`Client::next`] waits for ever, or until the connection that this answers is shut down.
    pub(crate) fn endless(&mut self) -> io::Result<TcpStream> {
        self.stream.get_ref().set_read_timeout(None)?;
        self.stream.get_ref().try_clone()
    }

    /// What comes in without having been asked for.
    pub(crate) fn next(&mut self) -> io::Result<Reply> {
        read(&mut self.stream, DEPTH)
    }

    /// One command, one reply.
    pub(crate) fn command(&mut self, args: &[&str]) -> io::Result<Reply> {
        let args = args.iter().map(|a| a.as_bytes().to_vec()).collect();
        self.pipeline(&[args])?.pop().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Many commands at once, their replies in order.
    pub(crate) fn pipeline(&mut self, commands: &[Vec<Vec<u8>>]) -> io::Result<Vec<Reply>> {
        let mut bytes = Vec::new();
        for args in commands {
            write!(bytes, "*{}\r\n", args.len())?;
            for arg in args {
                write!(bytes, "${}\r\n", arg.len())?;
                bytes.extend_from_slice(arg);
                bytes.extend_from_slice(b"\r\n");
            }
        }
        self.stream.get_mut().write_all(&bytes)?;
        commands.iter().map(|_| read(&mut self.stream, DEPTH)).collect()
    }

    /// The fields of a section of INFO.
    pub(crate) fn info(&mut self, section: &str) -> io::Result<HashMap<String, String>> {
        match self.command(&["INFO", section])? {
            Reply::Text(text) => {
                let fields = text.lines().filter_map(|line| line.split_once(':'));
                Ok(fields.map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
            }
            other => Err(io::Error::other(format!("INFO {section} was answered {other:?}"))),
        }
    }
}

fn read(from: &mut impl BufRead, depth: usize) -> io::Result<Reply> {
    let mut line = String::new();
    if from.take(MOST as u64).read_line(&mut line)? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
    }
    let line = line.trim_end();
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, format!("{line:?} is no reply of a Redis server"));
    let (kind, rest) = line.split_at_checked(1).ok_or_else(wrong)?;
    let number = || rest.parse::<i64>().map_err(|_| wrong());
    let length = || match number()? {
        -1 => Ok(None),
        n => usize::try_from(n).ok().filter(|n| *n <= MOST).map(Some).ok_or_else(wrong),
    };
    Ok(match kind {
        "+" => Reply::Text(rest.to_owned()),
        "-" => Reply::Error(rest.to_owned()),
        ":" => Reply::Integer(number()?),
        "$" => match length()? {
            None => Reply::Nil,
            Some(len) => {
                let mut bulk = vec![0; len + 2];
                from.read_exact(&mut bulk)?;
                bulk.truncate(len);
                Reply::Text(String::from_utf8_lossy(&bulk).into_owned())
            }
        },
        "*" if depth > 0 => match length()? {
            None => Reply::Nil,
            Some(len) => Reply::Array((0..len).map(|_| read(from, depth - 1)).collect::<io::Result<_>>()?),
        },
        _ => return Err(wrong()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read() {
        let mut bytes = &b"+OK\r\n:-7\r\n$3\r\na\nb\r\n$-1\r\n*2\r\n-ERR x\r\n*0\r\n"[..];
        let mut next = || read(&mut bytes, DEPTH).unwrap();
        assert!(next().is("OK"));
        assert_eq!(next(), Reply::Integer(-7));
        assert!(next().is("a\nb"));
        assert_eq!(next(), Reply::Nil);
        assert_eq!(next(), Reply::Array(vec![Reply::Error("ERR x".into()), Reply::Array(vec![])]));
        assert_eq!(read(&mut bytes, DEPTH).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["hello\r\n", "$99999999999\r\n", ":x\r\n", "$-2\r\n", "\r\n", &"*1\r\n".repeat(100)] {
            assert!(read(&mut bad.as_bytes(), DEPTH).is_err(), "{bad:?}");
        }
    }
}
