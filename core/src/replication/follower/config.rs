//! Settings of the replica side.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use smallvec::SmallVec;

use crate::machine::SocketOptions;
use crate::resp::Command;

/// What the replica side needs to know; defaults are Redis's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FollowerConfig {
    /// `masteruser` and `masterauth`.
    pub auth: Option<Credentials>,
    /// The port that the master shall name us by (`replica-announce-port`, else our own).
    pub port: u16,
    /// The address that the master shall name us by (`replica-announce-ip`), if it is not the one we come from.
    pub ip: Option<Box<str>>,
    /// Silence after which the link counts as broken (`repl-timeout`).
    pub timeout: Duration,
    /// Whether the link is encrypted (`tls-replication`).
    pub tls: bool,
    /// The local address to come from (`bind-source-addr`).
    pub from: Option<IpAddr>,
    /// Socket options of the link (`tcp-keepalive`).
    pub options: SocketOptions,
    /// Whether to offer a full resync over two connections (`repl-rdb-channel`): the stream is kept while the snapshot
    /// comes. A master that does not know it sends both over one.
    pub two_channel: bool,
    /// Bytes of the stream that are kept so (`replica-full-sync-buffer-limit`); beyond, no more is read until the snapshot is
    /// in place.
    pub stream_buffer: u64,
}

impl Default for FollowerConfig {
    fn default() -> Self {
        Self {
            auth: None,
            port: 6379,
            ip: None,
            timeout: Duration::from_secs(60),
            tls: false,
            from: None,
            options: SocketOptions::default(),
            two_channel: false,
            stream_buffer: 256 << 20,
        }
    }
}

/// Who we are to our master. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user (`masteruser`); the default user if `None`.
    pub user: Option<Vec<u8>>,
    /// The password (`masterauth`).
    pub password: Vec<u8>,
}

impl Credentials {
    /// `AUTH`.
    pub(super) fn command(&self) -> Command {
        let mut args: SmallVec<[&[u8]; 3]> = SmallVec::new();
        args.push(b"AUTH");
        args.extend(self.user.as_deref());
        args.push(&self.password);
        Command::new(&args)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}
