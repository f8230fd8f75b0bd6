//! The hello message, by which sentinels find each other and pass configurations on.

use alloc::boxed::Box;
use core::fmt;

use super::info::is_host;
use crate::ids::RunId;

/// The channel that hellos are published on.
pub const CHANNEL: &str = "__sentinel__:hello";

/// Bytes of a hello, at most; longer ones are no hellos.
pub const MAX_HELLO: usize = 1024;

/// What one sentinel tells of itself and of one master, in eight fields with commas between.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// Its address.
    pub host: Box<str>,
    /// Its port.
    pub port: u16,
    /// Its id.
    pub run_id: RunId,
    /// Its current epoch.
    pub epoch: u64,
    /// The master's name.
    pub name: Box<str>,
    /// The master's address, as it knows it.
    pub master_host: Box<str>,
    /// The master's port.
    pub master_port: u16,
    /// The epoch of that configuration.
    pub config_epoch: u64,
}

impl Hello {
    /// Reads a hello; `None` for anything that is not one.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > MAX_HELLO {
            return None;
        }
        let mut fields = str::from_utf8(text).ok()?.split(',');
        let mut next = || fields.next();
        let host = |text: &str| is_host(text).then(|| Box::from(text));
        let port = |text: &str| text.parse::<u16>().ok().filter(|&p| p > 0);
        let hello = Self {
            host: host(next()?)?,
            port: port(next()?)?,
            run_id: RunId::parse(next()?.as_bytes()).ok()?,
            epoch: next()?.parse().ok()?,
            name: next().filter(|n| !n.is_empty() && !n.chars().any(char::is_control))?.into(),
            master_host: host(next()?)?,
            master_port: port(next()?)?,
            config_epoch: next()?.parse().ok()?,
        };
        fields.next().is_none().then_some(hello)
    }
}

impl fmt::Display for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, run_id, epoch, name, master_host, master_port, config_epoch } = self;
        write!(f, "{host},{port},{run_id},{epoch},{name},{master_host},{master_port},{config_epoch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "127.0.0.1,26379,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,3,mymaster,10.0.0.1,6379,2";

    #[test]
    fn there_and_back() {
        let hello = Hello::parse(GOOD.as_bytes()).unwrap();
        assert_eq!((hello.epoch, hello.config_epoch, hello.master_port), (3, 2, 6379));
        assert_eq!(alloc::format!("{hello}"), GOOD);
    }

    #[test]
    fn what_is_no_hello() {
        for (from, to) in [
            ("127.0.0.1", ""),
            ("26379", "0"),
            ("26379", "65536"),
            ("26379", "-1"),
            ("aaaaaaaa,", "a\n,"),
            (",3,", ",-3,"),
            (",3,", ",99999999999999999999999,"),
            ("mymaster", "my\nmaster"),
            ("mymaster", ""),
            ("10.0.0.1", "10.0 0.1"),
            (",2", ",2,"),
            (",2", ""),
        ] {
            let bad = GOOD.replacen(from, to, 1);
            assert_ne!(bad, GOOD);
            assert_eq!(Hello::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Hello::parse(&[b'a'; MAX_HELLO + 1]), None);
        assert_eq!(Hello::parse(b"\xff"), None);
    }
}
