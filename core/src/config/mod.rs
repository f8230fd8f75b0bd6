//! redis.conf: text to typed settings and back.
//!
//! [`Config`] reads files and arguments, answers `CONFIG GET`, takes `CONFIG SET` all or nothing and rewrites a file
//! as `CONFIG REWRITE` does. It opens nothing: included files come through a closure of the host. Every directive of
//! Redis 7.2 is known to the [table](Directive); one that a node cannot honour is an error that says what to do.

mod directive;
mod error;
mod get_set;
mod kind;
mod rewrite;
pub mod sentinel;
mod settings;
mod syntax;
mod table;
mod values;

pub use directive::{Directive, directives, find};
pub use error::{ConfigError, SetError};
pub use kind::{Kind, memory};
pub use settings::Settings;
pub use values::{
    BindAddress, DisklessLoad, EvictionPolicy, Guard, LogFormat, LogLevel, MasterAddress, Notify, OutputLimit,
    OutputLimits, PropagationError, PubSubDefault, RdbVersion, SaveRule, UserLine,
};

/// How deep files may include one another.
pub const MAX_INCLUDE_DEPTH: usize = 16;
/// Addresses that `bind` may name, as in Redis.
pub const MAX_BIND: usize = 16;

/// The configuration of one node.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Config {
    /// What the node obeys.
    pub settings: Settings,
    /// Whether a `save` line was read: the first one replaces the default rules, later ones add to them.
    save_seen: bool,
}

impl Config {
    /// Redis's defaults.
    pub fn new() -> Self {
        Self::default()
    }
}

#[cfg(test)]
mod tests;
