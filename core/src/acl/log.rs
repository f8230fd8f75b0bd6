//! What was denied lately: `ACL LOG`.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use core::time::Duration;

use crate::time::Now;

/// The same again within this time is the same entry.
const SAME: Duration = Duration::from_secs(60);
/// Bytes of a key, a channel or a name that an entry keeps.
const KEPT: usize = 1024;

/// What was denied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum What {
    /// A command.
    Command,
    /// A key.
    Key,
    /// A channel.
    Channel,
    /// To log in.
    Auth,
    /// To be logged in by a certificate.
    Certificate,
}

impl What {
    /// In the words of `ACL LOG`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Key => "key",
            Self::Channel => "channel",
            Self::Auth => "auth",
            Self::Certificate => "tls-cert",
        }
    }
}

/// Where a command came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Context {
    /// By itself.
    Toplevel,
    /// In a transaction.
    Multi,
}

impl Context {
    /// In the words of `ACL LOG`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Toplevel => "toplevel",
            Self::Multi => "multi",
        }
    }
}

/// One line of the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number, from 0 on.
    pub id: u64,
    /// How often.
    pub count: u64,
    /// What was denied.
    pub what: What,
    /// Where it came from.
    pub context: Context,
    /// Which command, key or channel; for a login the command that asked. At most 1024 bytes.
    pub object: Box<[u8]>,
    /// To whom. At most 1024 bytes.
    pub user: Box<[u8]>,
    /// The first time.
    pub first: Now,
    /// The last time.
    pub last: Now,
    /// The client's line of `CLIENT LIST` at that time.
    pub client: String,
}

/// The denials that were noted, the latest first; `acllog-max-len` at most.
#[derive(Debug, Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    next_id: u64,
}

impl Log {
    /// Notes a denial.
    pub fn note(&mut self, mut entry: Entry, most: usize) {
        entry.object = cut(&entry.object);
        entry.user = cut(&entry.user);
        let same = self.entries.iter().position(|e| {
            (e.what, e.context) == (entry.what, entry.context)
                && entry.last.mono.since(e.last.mono) <= SAME
                && (&e.object, &e.user) == (&entry.object, &entry.user)
        });
        match same.and_then(|at| self.entries.remove(at)) {
            Some(old) => entry = Entry { id: old.id, count: old.count + 1, first: old.first, ..entry },
            None => {
                entry.id = self.next_id;
                self.next_id += 1;
            }
        }
        self.entries.push_front(entry);
        self.entries.truncate(most);
    }

    /// The entries, the latest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

fn cut(bytes: &[u8]) -> Box<[u8]> {
    bytes.get(..KEPT).unwrap_or(bytes).into()
}
