//! The check of one command.

use alloc::boxed::Box;
use alloc::string::String;

use super::commands::{Channels, Commands, Entry};
use super::log::What;
use super::selector::Selector;
use super::user::User;
use crate::glob;
use crate::resp::Args;

/// Why a command is not allowed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Denied {
    /// No selector has the command.
    Command(&'static str),
    /// A key that the selectors with the command do not have.
    Key(Box<[u8]>),
    /// A channel that the selectors with the command do not have.
    Channel(Box<[u8]>),
    /// `BY` or `GET` of SORT by one who may not read every key.
    Sort(&'static str),
}

impl Denied {
    /// The error that a client is answered.
    pub fn error(&self) -> String {
        match self {
            Self::Command(name) => {
                alloc::format!("NOPERM this user has no permissions to run the '{name}' command")
            }
            Self::Key(_) => "NOPERM this user has no permissions to access one of the keys used as arguments".into(),
            Self::Channel(_) => {
                "NOPERM this user has no permissions to access one of the channels used as arguments".into()
            }
            Self::Sort(option) => {
                alloc::format!("ERR {option} option of SORT denied due to insufficient ACL permissions.")
            }
        }
    }

    /// What `EXEC` answers for a command that was allowed when it was queued.
    pub fn error_in_exec(&self) -> String {
        let why = match self {
            Self::Command(_) => "no permission to execute the command or subcommand",
            Self::Key(_) => "no permission to touch the specified keys",
            Self::Channel(_) => "no permission to access one of the channels used as arguments to the command",
            Self::Sort(_) => return self.error(),
        };
        alloc::format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is \
             no longer allowed for the following reason: {why}"
        )
    }

    /// What `ACL DRYRUN` answers.
    pub fn verdict(&self) -> String {
        let text = String::from_utf8_lossy;
        match self {
            Self::Command(name) => alloc::format!("This user has no permissions to run the '{name}' command"),
            Self::Key(key) => alloc::format!("This user has no permissions to access the '{}' key", text(key)),
            Self::Channel(name) => {
                alloc::format!("This user has no permissions to access the '{}' channel", text(name))
            }
            Self::Sort(_) => self.error(),
        }
    }

    /// What is noted in the log, if it is: the kind, and which.
    pub fn what(&self) -> Option<(What, &[u8])> {
        match self {
            Self::Command(name) => Some((What::Command, name.as_bytes())),
            Self::Key(key) => Some((What::Key, key)),
            Self::Channel(name) => Some((What::Channel, name)),
            Self::Sort(_) => None,
        }
    }
}

/// Which argument of a command a selector does not allow: the greatest of several is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Missing {
    Command,
    Key(usize),
    Channel(usize),
}

/// Whether `user` may run command number `index` with these arguments.
///
/// Keys are those that the command's description names ([`COMMAND GETKEYSANDFLAGS`](crate::client)); where its arguments
/// contradict themselves there are none, and the command says so itself.
pub(super) fn check(user: &User, commands: &Commands, index: usize, args: Args<'_>) -> Result<(), Denied> {
    if user.is_unrestricted() {
        return Ok(());
    }
    let Some(entry) = commands.list.get(index) else { return Err(Denied::Command("")) };
    let mut worst = Missing::Command;
    for selector in user.all_selectors() {
        match selector.check(entry, index, args) {
            Ok(()) => return check_sort(user, entry, index, args),
            Err(missing) => worst = worst.max(missing),
        }
    }
    Err(match worst {
        Missing::Command => Denied::Command(entry.spec.name),
        Missing::Key(at) => Denied::Key(args.at(at).into()),
        Missing::Channel(at) => Denied::Channel(args.at(at).into()),
    })
}

/// SORT reads keys that no argument names: only who may read all may let it.
fn check_sort(user: &User, entry: &Entry, index: usize, args: Args<'_>) -> Result<(), Denied> {
    if !matches!(entry.spec.name, "sort" | "sort_ro") {
        return Ok(());
    }
    let all = |s: &Selector| s.all_keys || s.keys.iter().any(|k| *k.pattern == *b"*" && k.reads);
    if user.all_selectors().any(|s| all(s) && s.allows_command(entry, index, args)) {
        return Ok(());
    }
    let mut i = 2;
    while i < args.len() {
        let left = args.len() - i - 1;
        for option in ["BY", "GET"] {
            if args.is(i, option) && left >= 1 {
                return Err(Denied::Sort(option));
            }
        }
        i += match () {
            () if args.is(i, "LIMIT") && left >= 2 => 3,
            () if args.is(i, "STORE") && left >= 1 => 2,
            () => 1,
        };
    }
    Ok(())
}

impl Selector {
    #[inline]
    fn allows_command(&self, entry: &Entry, index: usize, args: Args<'_>) -> bool {
        self.all_commands || self.has(index) || entry.free || self.has_with(index, args.get(1))
    }

    #[inline]
    fn check(&self, entry: &Entry, index: usize, args: Args<'_>) -> Result<(), Missing> {
        if !self.allows_command(entry, index, args) {
            return Err(Missing::Command);
        }
        if !self.all_keys && !entry.keys.is_none() {
            let mut denied = None;
            entry.keys.all(args, |at, uses| {
                let allowed = self.allows_key(args.at(at), uses.reads, uses.writes);
                if !allowed {
                    denied = Some(Missing::Key(at));
                }
                allowed
            });
            if let Some(denied) = denied {
                return Err(denied);
            }
        }
        if !self.all_channels && entry.channels != Channels::None {
            let last = if entry.channels == Channels::One { 2.min(args.len()) } else { args.len() };
            let is_pattern = entry.channels == Channels::Patterns;
            if let Some(at) = (1..last).find(|&at| !self.allows_channel(args.at(at), is_pattern)) {
                return Err(Missing::Channel(at));
            }
        }
        Ok(())
    }

    fn allows_key(&self, key: &[u8], reads: bool, writes: bool) -> bool {
        self.keys.iter().any(|k| (k.reads || !reads) && (k.writes || !writes) && glob::matches(&k.pattern, key))
    }

    /// A pattern is allowed as it is written alone.
    pub(super) fn allows_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        self.channels.iter().any(|c| if is_pattern { **c == *name } else { glob::matches(c, name) })
    }
}
