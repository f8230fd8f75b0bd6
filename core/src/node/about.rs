//! What a node says of itself.

use alloc::boxed::Box;

/// The version of Redis whose behaviour is offered (`redis_version` in INFO and HELLO).
pub(super) const REDIS_VERSION: &str = "7.2.5";

/// The version of Primacy (`primacy_version` in INFO).
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Facts of the process that only its runtime knows; INFO shows them.
#[derive(Clone, Debug, Default)]
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
    pub reactor: &'static str,
}
