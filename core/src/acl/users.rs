//! All users of a server.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use super::check::{Denied, check};
use super::commands::Commands;
use super::user::User;
use super::{MAX_USERS, RuleError, merge_selectors};
use crate::resp::Args;

/// Names a user for as long as it is there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct UserId(u32);

impl UserId {
    /// The user `default`, who is always there.
    pub const DEFAULT: Self = Self(0);
}

/// Why the line of a user is not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It does not begin with `user` and a name.
    #[error("should start with user keyword followed by the username")]
    NoUser,
    /// The name has white space in it.
    #[error("username '{0}' contains invalid characters")]
    Name(Box<str>),
    /// The user is there already.
    #[error("Duplicate user '{0}' found")]
    Twice(Box<str>),
    /// A parenthesis that nobody closes.
    #[error("Unmatched parenthesis in selector definition starting at '{0}'")]
    Unmatched(Box<str>),
    /// A rule of it is wrong.
    #[error("Error in the rule '{rule}' of user '{user}': {error}")]
    Rule {
        /// Whose.
        user: Box<str>,
        /// Which one, lossily as text; not that of a password, nor of its hash.
        rule: Box<str>,
        /// What is wrong with it.
        error: RuleError,
    },
    /// More users than [`MAX_USERS`].
    #[error("More users than there may be ({MAX_USERS})")]
    TooMany,
}

/// The users of a server. `default` is always among them.
#[derive(Clone, Debug)]
pub struct Users {
    /// By [`UserId`]; what is empty is free for another.
    slots: Vec<Option<User>>,
    free: Vec<u32>,
    names: BTreeMap<Box<[u8]>, UserId>,
    default: User,
}

impl Users {
    /// `default` alone, who may do everything.
    pub fn new(commands: &Commands) -> Self {
        let default = User::default(commands);
        let names = [(default.name.clone(), UserId::DEFAULT)].into();
        Self { slots: [Some(default.clone())].into(), free: Vec::new(), names, default }
    }

    /// The user of this id. Ids outlive no user: who is removed takes its sessions along.
    #[inline]
    pub fn get(&self, id: UserId) -> &User {
        self.slots.get(id.0 as usize).and_then(Option::as_ref).unwrap_or(&self.default)
    }

    /// The id of the user of this name.
    pub fn id(&self, name: &[u8]) -> Option<UserId> {
        self.names.get(name).copied()
    }

    /// The user of this name.
    pub fn by_name(&self, name: &[u8]) -> Option<&User> {
        self.id(name).map(|id| self.get(id))
    }

    /// All users in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &User> {
        self.names.values().map(|id| self.get(*id))
    }

    /// Whether everybody is `default` without a password.
    #[inline]
    pub fn is_open(&self) -> bool {
        let default = self.get(UserId::DEFAULT);
        default.nopass && default.enabled
    }

    /// Whether `default` takes any password, enabled or not.
    pub fn default_has_no_password(&self) -> bool {
        self.get(UserId::DEFAULT).nopass
    }

    /// The user who logs in with this name and password.
    pub fn log_in(&self, commands: &Commands, name: &[u8], password: &[u8]) -> Option<UserId> {
        let id = self.id(name);
        // Whether there is such a user does not show in the time: the password is hashed and compared all the same.
        let right = id.map_or(&self.default, |id| self.get(id)).accepts(commands, password);
        id.filter(|_| right)
    }

    /// Whether the user may run command number `index` with these arguments.
    #[inline]
    pub fn check(&self, id: UserId, commands: &Commands, index: usize, args: Args<'_>) -> Result<(), Denied> {
        check(self.get(id), commands, index, args)
    }

    /// The password of `default` becomes this one; with none, any does (`requirepass`).
    pub fn require_password(&mut self, commands: &Commands, password: &[u8]) {
        let mut user = self.get(UserId::DEFAULT).clone();
        let rule = if password.is_empty() { b"nopass".to_vec() } else { [b">", password].concat() };
        for rule in [&b"resetpass"[..], &rule] {
            let taken = user.apply(commands, rule, false);
            debug_assert_eq!(taken, Ok(()));
        }
        self.put(user);
    }

    /// A copy of the user of this name to apply rules to, or a new one.
    pub fn draft(&self, name: &[u8], commands: &Commands, channels: bool) -> User {
        self.by_name(name).cloned().unwrap_or_else(|| User::new(name, commands, channels))
    }

    /// Puts a user in the place of the one of its name, or beside the others.
    pub fn put(&mut self, user: User) -> Option<UserId> {
        if let Some(id) = self.id(&user.name) {
            if let Some(slot) = self.slots.get_mut(id.0 as usize) {
                *slot = Some(user);
            }
            return Some(id);
        }
        if self.names.len() >= MAX_USERS {
            return None;
        }
        let id = UserId(self.free.pop().unwrap_or(self.slots.len() as u32));
        self.names.insert(user.name.clone(), id);
        match self.slots.get_mut(id.0 as usize) {
            Some(slot) => *slot = Some(user),
            None => self.slots.push(Some(user)),
        }
        Some(id)
    }

    /// Removes a user, never `default`; its sessions have to end. `None`: there is no such.
    pub fn remove(&mut self, name: &[u8]) -> Option<UserId> {
        let id = self.id(name).filter(|id| *id != UserId::DEFAULT)?;
        self.names.remove(name);
        if let Some(slot) = self.slots.get_mut(id.0 as usize) {
            *slot = None;
        }
        self.free.push(id.0);
        Some(id)
    }

    /// Takes what a `user` line says, without that word: a name and rules. `seen` are the names of the lines before it.
    pub fn load<'w>(
        &mut self,
        commands: &Commands,
        mut words: impl Iterator<Item = &'w [u8]>,
        channels: bool,
        seen: &mut BTreeSet<Box<[u8]>>,
    ) -> Result<UserId, LoadError> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned().into_boxed_str();
        let name = words.next().filter(|name| !name.is_empty()).ok_or(LoadError::NoUser)?;
        if !valid_name(name) {
            return Err(LoadError::Name(text(name)));
        }
        if !seen.insert(name.into()) {
            return Err(LoadError::Twice(text(name)));
        }
        // As in Redis a line says all of a user, of `default` too.
        let mut user = User::new(name, commands, channels);
        for rule in merge_selectors(words).map_err(LoadError::Unmatched)? {
            user.apply(commands, &rule, channels).map_err(|error| LoadError::Rule {
                user: text(name),
                rule: if matches!(rule.first(), Some(b'<' | b'>' | b'#' | b'!')) {
                    "(a password)".into()
                } else {
                    text(&rule)
                },
                error,
            })?;
        }
        self.put(user).ok_or(LoadError::TooMany)
    }

    /// The users that a file names, each line of it a `user` line or empty; `default` is as at first if it is not among
    /// them. The errors of all lines, with their numbers from 1 on.
    pub fn parse(commands: &Commands, file: &[u8], channels: bool) -> Result<Self, Vec<(usize, LoadError)>> {
        let mut users = Self::new(commands);
        let mut seen = BTreeSet::new();
        let mut errors = Vec::new();
        for (n, line) in file.split(|b| *b == b'\n').enumerate() {
            let mut words = line.trim_ascii().split(|b| *b == b' ').filter(|w| !w.is_empty());
            let loaded = match words.next() {
                None => continue,
                Some(b"user") => users.load(commands, words, channels, &mut seen).map(drop),
                Some(_) => Err(LoadError::NoUser),
            };
            if let Err(error) = loaded {
                errors.push((n + 1, error));
            }
        }
        if errors.is_empty() { Ok(users) } else { Err(errors) }
    }

    /// The file that makes these users again.
    pub fn file(&self) -> Vec<u8> {
        self.iter().flat_map(|user| user.line().into_iter().chain([b'\n'])).collect()
    }
}

/// Names have no white space and no zero byte.
pub(crate) fn valid_name(name: &[u8]) -> bool {
    !name.iter().any(|b| matches!(b, b' ' | 0x09..=0x0d | 0))
}
