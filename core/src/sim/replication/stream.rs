//! The replication stream, read independently of the code under test: a parser of its own, and the commands that the
//! workload leads to.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::collections;
use super::ops::{Key, Mark};

/// A command of the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// `SELECT`.
    Select(u32),
    /// `MULTI`.
    Multi,
    /// `EXEC`.
    Exec,
    /// `PING`, `REPLCONF GETACK`: bytes without an effect.
    Skip,
    /// `SET`, with whether it has an expiry.
    Set(Key, Vec<u8>, bool),
    /// `APPEND`.
    Append(Key, Vec<u8>),
    /// `INCRBY`.
    Incr(Key, i64),
    /// `DEL`, `UNLINK`.
    Del(Vec<Key>),
    /// `PEXPIREAT`.
    Expire(Key),
    /// A write to a collection, with the mark of the element that it adds.
    Collect(Option<Mark>),
}

impl Command {
    /// The command of these arguments; an error for one that the workload never leads to.
    pub fn understand(args: &[Vec<u8>]) -> Result<Self, String> {
        let unknown = || {
            let words: Vec<String> = args.iter().map(|a| format!("{}", a[..a.len().min(40)].escape_ascii())).collect();
            format!("the stream has '{}', which no client asked for", words.join(" "))
        };
        let key = |i: usize| args.get(i).and_then(|a| Key::parse(a)).ok_or_else(unknown);
        let text = |i: usize| args.get(i).and_then(|a| core::str::from_utf8(a).ok()).ok_or_else(unknown);
        let name = args.first().map(|a| a.to_ascii_lowercase()).unwrap_or_default();
        Ok(match &name[..] {
            b"select" => Self::Select(text(1)?.parse().map_err(|_| unknown())?),
            b"multi" => Self::Multi,
            b"exec" => Self::Exec,
            b"ping" | b"replconf" => Self::Skip,
            b"set" if args.len() >= 3 => Self::Set(key(1)?, args[2].clone(), args.len() > 3),
            b"append" if args.len() == 3 => Self::Append(key(1)?, args[2].clone()),
            b"incrby" => Self::Incr(key(1)?, text(2)?.parse().map_err(|_| unknown())?),
            b"del" | b"unlink" => Self::Del((1..args.len()).map(key).collect::<Result<_, _>>()?),
            b"pexpireat" => Self::Expire(key(1)?),
            _ => Self::Collect(collections::understand(args).ok_or_else(unknown)?),
        })
    }
}

/// A whole command: its arguments, and its length in bytes.
pub type Whole<'o> = (&'o [Vec<u8>], usize);

/// The arguments of the first whole command in `bytes`, put into `out`, and its length; `None` if it is not whole.
pub fn next_command<'o>(bytes: &[u8], out: &'o mut Vec<Vec<u8>>) -> Result<Option<Whole<'o>>, String> {
    let Some((count, mut at)) = number(bytes, 0, b'*')? else { return Ok(None) };
    out.clear();
    for _ in 0..count {
        let Some((len, from)) = number(bytes, at, b'$')? else { return Ok(None) };
        let Some(arg) = bytes.get(from..from + len).filter(|_| bytes.len() >= from + len + 2) else { return Ok(None) };
        out.push(arg.to_vec());
        at = from + len + 2;
    }
    Ok(Some((out, at)))
}

/// The number behind `mark` at `at`, and where its line ends.
fn number(bytes: &[u8], at: usize, mark: u8) -> Result<Option<(usize, usize)>, String> {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some(end) = rest.iter().position(|b| *b == b'\n') else { return Ok(None) };
    let wrong = || format!("'{}' where the stream has '{}'", rest[..end.min(40)].escape_ascii(), char::from(mark));
    let digits = rest[..end].strip_prefix(&[mark]).and_then(|r| r.strip_suffix(b"\r")).ok_or_else(wrong)?;
    let n = core::str::from_utf8(digits).ok().and_then(|d| d.parse().ok()).ok_or_else(wrong)?;
    Ok(Some((n, at + end + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_commands_only() {
        let wire = crate::resp::Command::new(&["INCRBY", "n3", "77"]);
        let bytes = wire.frame();
        let mut out = Vec::new();
        for cut in 0..bytes.len() {
            assert_eq!(next_command(&bytes[..cut], &mut out), Ok(None), "cut at {cut}");
        }
        let (args, used) = next_command(bytes, &mut out).unwrap().unwrap();
        assert_eq!(used, bytes.len());
        let key = Key::parse(b"n3").unwrap();
        assert_eq!(Command::understand(args), Ok(Command::Incr(key, 77)));
        assert!(next_command(b"PING\r\n", &mut out).is_err());
    }
}
