//! One user: how to log in, and the selectors that say what it may do.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::commands::Commands;
use super::password::Hash;
use super::selector::Selector;
use super::{MAX_RULES, RuleError};
use crate::words;

/// Who may do what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    pub(super) name: Box<[u8]>,
    pub(super) enabled: bool,
    /// Any password does.
    pub(super) nopass: bool,
    /// `sanitize-payload` or `skip-sanitize-payload`, if either was said; it is shown, and payloads are always checked.
    sanitize: Option<bool>,
    passwords: Vec<Hash>,
    pub(super) root: Selector,
    pub(super) selectors: Vec<Selector>,
}

impl User {
    /// A new user, who may nothing and cannot log in; `channels`: but every channel.
    pub(super) fn new(name: &[u8], commands: &Commands, channels: bool) -> Self {
        Self {
            name: name.into(),
            enabled: false,
            nopass: false,
            sanitize: None,
            passwords: Vec::new(),
            root: Selector::new(commands, channels),
            selectors: Vec::new(),
        }
    }

    /// The user that everybody is at first, who may do everything.
    pub(super) fn default(commands: &Commands) -> Self {
        let mut user = Self::new(b"default", commands, true);
        for rule in [&b"+@all"[..], b"~*", b"&*", b"on", b"nopass"] {
            let known = user.apply(commands, rule, false);
            debug_assert_eq!(known, Ok(()));
        }
        user
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether it may log in.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Whether nothing is denied to it.
    pub(super) fn is_unrestricted(&self) -> bool {
        self.root.is_unrestricted()
    }

    /// Whether it logs in with this password.
    pub(super) fn accepts(&self, commands: &Commands, password: &[u8]) -> bool {
        let hash = commands.passwords.hash(password);
        // All are compared: the time tells neither which one it was nor whether it was one.
        let found = self.passwords.iter().filter(|known| **known == hash).count();
        self.enabled && (self.nopass || found > 0)
    }

    /// All selectors, the root first.
    pub(super) fn all_selectors(&self) -> impl Iterator<Item = &Selector> {
        core::iter::once(&self.root).chain(&self.selectors)
    }

    /// Applies one rule. `channels`: a reset leaves every channel (`acl-pubsub-default allchannels`).
    pub(crate) fn apply(&mut self, commands: &Commands, rule: &[u8], channels: bool) -> Result<(), RuleError> {
        let lower = rule.to_ascii_lowercase();
        match (&lower[..], rule) {
            (b"on", _) => self.enabled = true,
            (b"off", _) => self.enabled = false,
            (b"nopass", _) => {
                self.nopass = true;
                self.passwords.clear();
            }
            (b"resetpass", _) => {
                self.nopass = false;
                self.passwords.clear();
            }
            (b"sanitize-payload", _) => self.sanitize = Some(true),
            (b"skip-sanitize-payload", _) => self.sanitize = Some(false),
            (b"reset", _) => {
                let name = core::mem::take(&mut self.name);
                *self = Self { sanitize: Some(true), ..Self::new(&name, commands, channels) };
            }
            (b"clearselectors", _) => self.selectors.clear(),
            (_, [b'>', password @ ..]) => self.add_password(commands.passwords.hash(password))?,
            (_, [b'#', hash @ ..]) => self.add_password(Hash::parse(hash).ok_or(RuleError::Hash)?)?,
            (_, [b'<', password @ ..]) => self.remove_password(commands.passwords.hash(password))?,
            (_, [b'!', hash @ ..]) => self.remove_password(Hash::parse(hash).ok_or(RuleError::Hash)?)?,
            (_, [b'(', inner @ .., b')']) => self.add_selector(commands, inner, channels)?,
            _ => return self.root.apply(commands, rule),
        }
        Ok(())
    }

    fn add_password(&mut self, hash: Hash) -> Result<(), RuleError> {
        if !self.passwords.contains(&hash) {
            if self.passwords.len() >= MAX_RULES {
                return Err(RuleError::TooMany);
            }
            self.passwords.push(hash);
        }
        self.nopass = false;
        Ok(())
    }

    fn remove_password(&mut self, hash: Hash) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| *known == hash).ok_or(RuleError::NoSuchPassword)?;
        self.passwords.remove(at);
        Ok(())
    }

    fn add_selector(&mut self, commands: &Commands, inner: &[u8], channels: bool) -> Result<(), RuleError> {
        let rules = words::split(inner).map_err(|_| RuleError::Syntax)?;
        if self.selectors.len() >= MAX_RULES {
            return Err(RuleError::TooMany);
        }
        let mut selector = Selector::new(commands, channels);
        for rule in rules {
            selector.apply(commands, &rule).map_err(|error| RuleError::InSelector {
                word: String::from_utf8_lossy(&rule).into(),
                error: error.into(),
            })?;
        }
        self.selectors.push(selector);
        Ok(())
    }

    /// The flags that `ACL GETUSER` shows.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let sanitize = self.sanitize.map(|yes| if yes { "sanitize-payload" } else { "skip-sanitize-payload" });
        [Some(if self.enabled { "on" } else { "off" }), self.nopass.then_some("nopass"), sanitize].into_iter().flatten()
    }

    /// The hashes of its passwords, in hexadecimal.
    pub fn password_hashes(&self) -> impl ExactSizeIterator<Item = String> + '_ {
        self.passwords.iter().map(Hash::hex)
    }

    /// What its selectors allow, the root first: rules of commands, of keys, of channels.
    pub fn permissions(&self) -> impl Iterator<Item = [Vec<u8>; 3]> + '_ {
        self.all_selectors().map(|s| [s.commands_text(), s.keys_text(), s.channels_text()])
    }

    /// Its rules as `ACL LIST` and files have them, without `user` and the name: they make it again.
    pub fn rules(&self) -> Vec<u8> {
        let flags = self.flags().map(|flag| flag.as_bytes().to_vec());
        let hashes = self.password_hashes().map(|hash| alloc::format!("#{hash}").into_bytes());
        let more = self.selectors.iter().map(Selector::text_in_parentheses);
        let all: Vec<Vec<u8>> = flags.chain(hashes).chain([self.root.text()]).chain(more).collect();
        all.join(&b' ')
    }

    /// `user`, its name, and its rules.
    pub fn line(&self) -> Vec<u8> {
        [b"user ", &self.name[..], b" ", &self.rules()].concat()
    }

    /// Whether it may listen to a channel, or by a pattern, in any of its selectors.
    pub(crate) fn may_listen(&self, name: &[u8], is_pattern: bool) -> bool {
        self.all_selectors().any(|s| s.all_channels || s.allows_channel(name, is_pattern))
    }

    /// Whether there may be channels that it may not use any more since it was `before`.
    pub(crate) fn lost_channels(&self, before: &Self) -> bool {
        if self.all_selectors().any(|s| s.all_channels) {
            return false;
        }
        let kept = |name: &[u8]| self.all_selectors().any(|s| s.channels.iter().any(|c| **c == *name));
        before.all_selectors().any(|s| s.all_channels || s.channels.iter().any(|c| !kept(c)))
    }
}
