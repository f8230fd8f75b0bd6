//! What rules speak of: the commands of a server.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::category::categories;
use super::password::Passwords;
use crate::client::commands::keyuse::KeyUse;
use crate::dataset::{Flags, Spec};

/// The channels that a command names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Channels {
    None,
    /// The first argument.
    One,
    /// All arguments.
    All,
    /// All arguments, which are patterns.
    Patterns,
}

/// One command.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) spec: &'static Spec,
    /// Its categories, by bits.
    pub(super) categories: u32,
    /// Its subcommands.
    pub(super) subcommands: Vec<usize>,
    /// Whether it is one.
    pub(super) is_subcommand: bool,
    /// Allowed before anybody has logged in, and to everybody.
    pub(super) free: bool,
    pub(super) keys: KeyUse,
    pub(super) channels: Channels,
}

/// The commands of a server, each under its number in the command table.
#[derive(Debug)]
pub struct Commands {
    pub(super) list: Box<[Entry]>,
    names: BTreeMap<&'static str, usize>,
    /// How the passwords in rules become hashes.
    pub(super) passwords: Passwords,
}

impl Commands {
    /// The commands of a table, in its order; of two with one name the first counts.
    pub fn new(specs: impl Iterator<Item = &'static Spec>) -> Self {
        let mut list: Vec<Entry> = specs.map(Entry::new).collect();
        let mut names = BTreeMap::new();
        for (i, entry) in list.iter().enumerate() {
            names.entry(entry.spec.name).or_insert(i);
        }
        for i in 0..list.len() {
            let parent = list[i].spec.name.split_once('|').and_then(|(parent, _)| names.get(parent).copied());
            if let Some(parent) = parent {
                list[i].is_subcommand = true;
                list[parent].subcommands.push(i);
            }
        }
        Self { list: list.into(), names, passwords: Passwords::default() }
    }

    /// In a replay: what the token of a password hashes to ([`Machine::learn_password`](crate::Machine::learn_password)).
    pub(crate) fn learn_password(&mut self, token: &[u8], hash: [u8; 32]) {
        self.passwords.learn(token, hash);
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.names.get(&*name.to_ascii_lowercase()).copied()
    }

    /// The names of the commands in a category, or nothing if there is no such.
    pub fn in_category(&self, category: &[u8]) -> Option<impl Iterator<Item = &'static str>> {
        let bit = super::category::bit(category)?;
        Some(self.list.iter().filter(move |e| e.categories & bit != 0).map(|e| e.spec.name))
    }
}

impl Entry {
    fn new(spec: &'static Spec) -> Self {
        Self {
            spec,
            categories: categories(spec),
            subcommands: Vec::new(),
            is_subcommand: false,
            free: spec.flags.has(Flags::NO_AUTH),
            keys: KeyUse::of(spec),
            channels: match spec.name {
                "publish" | "spublish" => Channels::One,
                "subscribe" | "ssubscribe" => Channels::All,
                "psubscribe" => Channels::Patterns,
                _ => Channels::None,
            },
        }
    }
}
