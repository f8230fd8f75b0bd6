//! Who may do what: users, the rules that make them, and the check of a command.
//!
//! [`Commands`] is what the rules speak of: a server's command table with the categories, keys and channels of each
//! command. [`User`] is what rules make, [`Users`] all of a server's, [`Log`] what was denied. Nothing here knows of
//! connections; texts are those of redis-server 7.0, but that the rules of commands are shown as they were given, as 7.2
//! shows them.

mod category;
mod check;
mod commands;
mod log;
mod password;
mod rules;
mod selector;
#[cfg(test)]
pub(crate) mod tests;
mod user;
mod users;

pub(crate) use category::{CATEGORIES, categories};
pub use check::Denied;
pub use commands::Commands;
pub use log::{Context, Entry, Log, What};
pub use rules::RuleError;
pub(crate) use rules::merge_selectors;
pub use selector::Selector;
pub use user::User;
pub(crate) use users::valid_name;
pub use users::{LoadError, UserId, Users};

/// The SHA-256 that 64 hexadecimal digits in lower case spell.
pub(crate) fn parse_hash(hex: &[u8]) -> Option<[u8; 32]> {
    password::Hash::parse(hex).map(|hash| hash.bytes())
}

/// The digits of a SHA-256.
pub(crate) fn hash_text(hash: &[u8; 32]) -> alloc::string::String {
    password::Hash::new(*hash).hex()
}

/// Users at most: what `ACL SETUSER` and files may make.
pub const MAX_USERS: usize = 100_000;
/// Rules, patterns and passwords of one user at most, and words of one line.
pub const MAX_RULES: usize = 100_000;
