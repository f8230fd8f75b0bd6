//! One set of permissions: which commands, on which keys and channels.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use super::commands::Commands;
use super::{MAX_RULES, RuleError};
use crate::words;

/// Keys by a pattern, and what may be done to them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct KeyPattern {
    pub(super) pattern: Box<[u8]>,
    pub(super) reads: bool,
    pub(super) writes: bool,
}

/// Commands, keys and channels that go together: a command runs if one selector of a user allows all of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selector {
    /// Every command, also of those that are not in the table.
    pub(super) all_commands: bool,
    pub(super) all_keys: bool,
    pub(super) all_channels: bool,
    /// A bit for each command of the table.
    bits: Box<[u64]>,
    /// Commands that are not allowed as such, but with one of these as their first argument.
    first_args: BTreeMap<usize, BTreeSet<Box<[u8]>>>,
    pub(super) keys: Vec<KeyPattern>,
    pub(super) channels: Vec<Box<[u8]>>,
    /// What `bits` and `first_args` came of: `+@all` or `-@all`, then these.
    begins_with_all: bool,
    command_rules: Vec<String>,
}

impl Selector {
    /// Nothing is allowed; every channel if `channels` says so (`acl-pubsub-default allchannels`).
    pub(super) fn new(commands: &Commands, channels: bool) -> Self {
        Self {
            all_commands: false,
            all_keys: false,
            all_channels: channels,
            bits: alloc::vec![0; commands.list.len().div_ceil(64)].into(),
            first_args: BTreeMap::new(),
            keys: Vec::new(),
            channels: Vec::new(),
            begins_with_all: false,
            command_rules: Vec::new(),
        }
    }

    /// Whether nothing is denied.
    pub(super) fn is_unrestricted(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels
    }

    /// Whether command number `index` is among the allowed ones, whatever its arguments.
    #[inline]
    pub(super) fn has(&self, index: usize) -> bool {
        self.bits.get(index / 64).is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    /// Whether command number `index` is allowed for the sake of its first argument.
    pub(super) fn has_with(&self, index: usize, first: Option<&[u8]>) -> bool {
        let allowed = self.first_args.get(&index);
        allowed.zip(first).is_some_and(|(list, first)| list.iter().any(|a| a.eq_ignore_ascii_case(first)))
    }

    fn set(&mut self, index: usize, allow: bool) {
        if let Some(word) = self.bits.get_mut(index / 64) {
            let bit = 1 << (index % 64);
            *word = if allow { *word | bit } else { *word & !bit };
        }
        self.first_args.remove(&index);
    }

    /// A command with all its subcommands.
    fn set_whole(&mut self, commands: &Commands, index: usize, allow: bool) {
        self.set(index, allow);
        for &sub in commands.list.get(index).map(|e| &e.subcommands[..]).unwrap_or_default() {
            self.set(sub, allow);
        }
    }

    fn set_all(&mut self, allow: bool) {
        self.bits.fill(if allow { u64::MAX } else { 0 });
        self.all_commands = allow;
        self.first_args.clear();
        self.command_rules.clear();
        self.begins_with_all = allow;
    }

    /// Applies one rule.
    pub(super) fn apply(&mut self, commands: &Commands, rule: &[u8]) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        if is("allkeys") || rule == b"~*" {
            self.all_keys = true;
            self.keys.clear();
        } else if is("resetkeys") {
            self.all_keys = false;
            self.keys.clear();
        } else if is("allchannels") || rule == b"&*" {
            self.all_channels = true;
            self.channels.clear();
        } else if is("resetchannels") {
            self.all_channels = false;
            self.channels.clear();
        } else if is("allcommands") || is("+@all") {
            self.set_all(true);
        } else if is("nocommands") || is("-@all") {
            self.set_all(false);
        } else {
            return match rule {
                [b'~', pattern @ ..] => self.add_keys(pattern, true, true),
                [b'%', rest @ ..] => self.add_keys_for(rest),
                [b'&', pattern @ ..] => self.add_channels(pattern),
                [sign @ (b'+' | b'-'), b'@', category @ ..] => self.change_category(commands, *sign, category),
                [sign @ (b'+' | b'-'), name @ ..] => self.change_command(commands, *sign, name),
                _ => Err(RuleError::Syntax),
            };
        }
        Ok(())
    }

    /// `%R~pattern` and the like. As in Redis, what has no `~` is the empty pattern.
    fn add_keys_for(&mut self, rest: &[u8]) -> Result<(), RuleError> {
        let (mut reads, mut writes) = (false, false);
        let mut letters = rest.iter();
        for letter in &mut letters {
            match letter {
                b'R' | b'r' if !reads => reads = true,
                b'W' | b'w' if !writes => writes = true,
                b'~' if reads || writes => break,
                _ => return Err(RuleError::Syntax),
            }
        }
        if !(reads || writes) {
            return Err(RuleError::Syntax);
        }
        self.add_keys(letters.as_slice(), reads, writes)
    }

    fn add_keys(&mut self, pattern: &[u8], reads: bool, writes: bool) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::KeysAfterAll);
        }
        if has_space(pattern) {
            return Err(RuleError::Syntax);
        }
        if let Some(known) = self.keys.iter_mut().find(|k| *k.pattern == *pattern) {
            known.reads |= reads;
            known.writes |= writes;
            self.notice_all_keys();
            return Ok(());
        }
        full(self.keys.len())?;
        self.keys.push(KeyPattern { pattern: pattern.into(), reads, writes });
        self.notice_all_keys();
        Ok(())
    }

    /// What is written as `~*` is read as all keys, so it is that.
    fn notice_all_keys(&mut self) {
        if self.keys.iter().any(|k| *k.pattern == *b"*" && k.reads && k.writes) {
            self.all_keys = true;
            self.keys.clear();
        }
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::ChannelsAfterAll);
        }
        if has_space(pattern) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|c| **c == *pattern) {
            full(self.channels.len())?;
            self.channels.push(pattern.into());
        }
        Ok(())
    }

    fn change_category(&mut self, commands: &Commands, sign: u8, category: &[u8]) -> Result<(), RuleError> {
        let bit = super::category::bit(category).ok_or(RuleError::Unknown)?;
        full(self.command_rules.len())?;
        for (i, entry) in commands.list.iter().enumerate().filter(|(_, e)| !e.is_subcommand) {
            if entry.categories & bit != 0 {
                self.set_whole(commands, i, sign == b'+');
            }
            // A container may be in another category than some of what it holds.
            for &sub in &entry.subcommands {
                if commands.list.get(sub).is_some_and(|e| e.categories & bit != 0) {
                    self.set(sub, sign == b'+');
                }
            }
        }
        self.remember(sign, &alloc::format!("@{}", text(category)));
        Ok(())
    }

    fn change_command(&mut self, commands: &Commands, sign: u8, name: &[u8]) -> Result<(), RuleError> {
        let name = text(name);
        full(self.command_rules.len())?;
        match name.rsplit_once('|') {
            Some((command, first)) if sign == b'+' => {
                let index = commands.find(command).ok_or(RuleError::Unknown)?;
                let entry = commands.list.get(index).ok_or(RuleError::Unknown)?;
                if entry.is_subcommand {
                    return Err(RuleError::FirstArgOfSubcommand);
                }
                if first.is_empty() {
                    return Err(RuleError::Syntax);
                }
                if entry.subcommands.is_empty() {
                    if has_space(first.as_bytes()) || !first.is_ascii() {
                        return Err(RuleError::Syntax);
                    }
                    self.allow_first_arg(index, first)?;
                } else {
                    self.set(commands.find(&name).ok_or(RuleError::Unknown)?, true);
                }
            }
            Some(_) => self.set(commands.find(&name).ok_or(RuleError::Unknown)?, false),
            None => {
                let index = commands.find(&name).ok_or(RuleError::Unknown)?;
                self.set_whole(commands, index, sign == b'+');
            }
        }
        self.remember(sign, &name);
        Ok(())
    }

    fn allow_first_arg(&mut self, index: usize, first: &str) -> Result<(), RuleError> {
        let list = self.first_args.entry(index).or_default();
        if !list.contains(first.as_bytes()) {
            full(list.len())?;
            list.insert(first.as_bytes().into());
        }
        Ok(())
    }

    /// Keeps a rule of commands; those before it that it makes void go.
    fn remember(&mut self, sign: u8, name: &str) {
        self.command_rules.retain(|rule| {
            let old = rule.get(1..).unwrap_or_default();
            old.strip_prefix(name).is_none_or(|rest| !rest.is_empty() && !rest.starts_with('|'))
        });
        self.command_rules.push(alloc::format!("{}{name}", char::from(sign)));
        self.all_commands = self.begins_with_all && !self.command_rules.iter().any(|rule| rule.starts_with('-'));
    }

    /// The rules of its keys.
    pub(super) fn keys_text(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".into();
        }
        let one = |k: &KeyPattern| {
            let sign = match (k.reads, k.writes) {
                (true, true) => &b"~"[..],
                (true, false) => b"%R~",
                _ => b"%W~",
            };
            [sign, &k.pattern].concat()
        };
        self.keys.iter().map(one).collect::<Vec<_>>().join(&b' ')
    }

    /// The rules of its channels, without `resetchannels`.
    pub(super) fn channels_text(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".into();
        }
        self.channels.iter().map(|c| [b"&", &c[..]].concat()).collect::<Vec<_>>().join(&b' ')
    }

    /// The rules of its commands.
    pub(super) fn commands_text(&self) -> Vec<u8> {
        let all = if self.begins_with_all { "+@all" } else { "-@all" };
        let words: Vec<&str> = [all].into_iter().chain(self.command_rules.iter().map(|r| &r[..])).collect();
        words.join(" ").into_bytes()
    }

    /// All its rules, in an order in which they make it again.
    pub(super) fn text(&self) -> Vec<u8> {
        let reset: &[u8] = if self.all_channels { b"" } else { b"resetchannels" };
        let parts = [self.keys_text(), reset.into(), self.channels_text(), self.commands_text()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&b' ')
    }

    /// The same for within parentheses, where quotes have a meaning.
    pub(super) fn text_in_parentheses(&self) -> Vec<u8> {
        let text = self.text();
        let one = |word: &[u8]| match word {
            w if w.ends_with(b")") || w.iter().any(|b| matches!(b, b'"' | b'\'' | b'\\')) => {
                words::quote(w).into_bytes()
            }
            w => w.into(),
        };
        let quoted: Vec<Vec<u8>> = text.split(|b| *b == b' ').map(one).collect();
        [b"(", &quoted.join(&b' ')[..], b")"].concat()
    }
}

fn full(len: usize) -> Result<(), RuleError> {
    if len < MAX_RULES { Ok(()) } else { Err(RuleError::TooMany) }
}

/// White space ends a word where rules are written down, and a zero byte ends a text for Redis.
fn has_space(pattern: &[u8]) -> bool {
    pattern.iter().any(|b| matches!(b, b' ' | 0x09..=0x0d | 0))
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_lowercase()
}
