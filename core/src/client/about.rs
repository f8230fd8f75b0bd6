//! What a server says of itself.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::journal::Recorded;
use crate::journal::wire::{Cursor, Malformed, put_bytes, put_number};

/// The version of Redis whose behaviour is offered (`redis_version` in INFO and HELLO).
pub(crate) const REDIS_VERSION: &str = "7.2.5";

/// The version of Primacy (`primacy_version` in INFO).
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Facts of the process that only its runtime knows; INFO shows them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct About {
    /// Process id.
    pub pid: u32,
    /// Operating system and machine, as `uname` says (`Linux 6.1.0 x86_64`).
    pub os: Box<str>,
    /// 32 or 64.
    pub arch_bits: u32,
    /// Absolute path of the program.
    pub executable: Box<str>,
    /// Absolute path of the configuration file; empty if there is none.
    pub config_file: Box<str>,
    /// Which reactor drives it (`mio`), for INFO's `multiplexing_api`.
    pub reactor: Cow<'static, str>,
}

impl Recorded for About {
    fn record(&self, out: &mut Vec<u8>) {
        put_number(out, self.pid.into());
        put_number(out, self.arch_bits.into());
        for text in [&*self.os, &self.executable, &self.config_file, &self.reactor] {
            put_bytes(out, text.as_bytes());
        }
    }

    fn recall(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            pid: from.narrow("a process id")?,
            arch_bits: from.narrow("32 or 64")?,
            os: from.text("the operating system")?,
            executable: from.text("the path of the program")?,
            config_file: from.text("the path of the configuration file")?,
            reactor: Cow::Owned(from.text("the name of a reactor")?.into()),
        })
    }
}
