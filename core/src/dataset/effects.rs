//! What a command did: to be repeated by replicas, told to who watches keys, and published as keyspace events.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::config::Notify;
use crate::resp::Command;

/// One step that replicas have to take.
#[derive(Debug)]
pub enum Effect {
    /// The command itself, as it came.
    Itself,
    /// Another command, in this database.
    Command(u32, Command),
}

/// Classes of keyspace events, as the letters of `notify-keyspace-events` name them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Classes(pub u32);

impl Classes {
    /// `g`: commands of no type, such as `DEL`, `EXPIRE`, `RENAME`.
    pub const GENERIC: Self = Self(1);
    /// `$`: strings.
    pub const STRING: Self = Self(1 << 1);
    /// `l`: lists.
    pub const LIST: Self = Self(1 << 2);
    /// `s`: sets.
    pub const SET: Self = Self(1 << 3);
    /// `h`: hashes.
    pub const HASH: Self = Self(1 << 4);
    /// `z`: sorted sets.
    pub const ZSET: Self = Self(1 << 5);
    /// `t`: streams.
    pub const STREAM: Self = Self(1 << 6);
    /// `x`: keys that expired.
    pub const EXPIRED: Self = Self(1 << 7);
    /// `e`: keys that were evicted.
    pub const EVICTED: Self = Self(1 << 8);
    /// `m`: reads that found no key.
    pub const MISS: Self = Self(1 << 9);
    /// `n`: keys that are new.
    pub const NEW: Self = Self(1 << 10);
    /// `d`: modules.
    pub const MODULE: Self = Self(1 << 11);

    /// Whether all of `other` are among these.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The classes that anybody can hear of by the directive: none while it names no channel.
    pub fn of(directive: Notify) -> Self {
        const CLASSES: [(Notify, Classes); 12] = [
            (Notify::GENERIC, Classes::GENERIC),
            (Notify::STRING, Classes::STRING),
            (Notify::LIST, Classes::LIST),
            (Notify::SET, Classes::SET),
            (Notify::HASH, Classes::HASH),
            (Notify::ZSET, Classes::ZSET),
            (Notify::STREAM, Classes::STREAM),
            (Notify::EXPIRED, Classes::EXPIRED),
            (Notify::EVICTED, Classes::EVICTED),
            (Notify::KEY_MISS, Classes::MISS),
            (Notify::NEW, Classes::NEW),
            (Notify::MODULE, Classes::MODULE),
        ];
        if !directive.has(Notify::KEYSPACE) && !directive.has(Notify::KEYEVENT) {
            return Self::default();
        }
        let chosen = CLASSES.iter().filter(|(class, _)| directive.has(*class));
        chosen.fold(Self::default(), |all, (_, class)| Self(all.0 | class.0))
    }
}

/// One keyspace event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyEvent {
    /// What happened (`set`, `expired` …).
    pub event: &'static str,
    /// In which database.
    pub db: u32,
    /// To which key.
    pub key: Box<[u8]>,
}

/// What a command (or a whole transaction) did, in order, in terms that replicas can repeat.
#[derive(Debug, Default)]
pub struct Effects {
    list: Vec<Effect>,
    /// Changes since it was emptied, as `rdb_changes_since_last_save` counts them.
    pub dirty: u64,
    /// Whether anybody wants to know which keys changed; if not, [`Effects::touch`] costs nothing.
    pub watching: bool,
    touched: Vec<(u32, Box<[u8]>)>,
    /// The classes of events that anybody is told of; [`Effects::notify`] of another class costs nothing.
    pub told: Classes,
    events: Vec<KeyEvent>,
}

impl Effects {
    /// Of nothing yet; events of these classes will be gathered.
    pub fn telling(told: Classes) -> Self {
        Self { told, ..Self::default() }
    }

    /// The command itself is to be repeated as it came; counts one change.
    #[inline]
    pub fn itself(&mut self) {
        self.list.push(Effect::Itself);
        self.dirty += 1;
    }

    /// `args` are to be executed in database `db`; counts one change.
    pub fn command<A: AsRef<[u8]>>(&mut self, db: u32, args: &[A]) {
        self.list.push(Effect::Command(db, Command::new(args)));
        self.dirty += 1;
    }

    /// If the last step is the command itself, another one takes its place, in database `db`.
    pub fn replace_itself(&mut self, db: u32, command: Command) {
        if let Some(last @ Effect::Itself) = self.list.last_mut() {
            *last = Effect::Command(db, command);
        }
    }

    /// `key` has a new value, another expiry, or is gone: transactions that watch it fail.
    #[inline]
    pub fn touch(&mut self, db: u32, key: &[u8]) {
        if self.watching {
            self.touched.push((db, key.into()));
        }
    }

    /// `event` of this class happened to `key`: `notify-keyspace-events`.
    #[inline]
    pub fn notify(&mut self, class: Classes, event: &'static str, db: u32, key: &[u8]) {
        if self.told.has(class) {
            self.events.push(KeyEvent { event, db, key: key.into() });
        }
    }

    /// Whether anybody is told of events of any class.
    #[inline]
    pub fn tells(&self) -> bool {
        self.told != Classes::default()
    }

    /// Whether events wait to be taken out.
    #[inline]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Takes out the events.
    pub fn take_events(&mut self) -> Vec<KeyEvent> {
        core::mem::take(&mut self.events)
    }

    /// Whether nothing is to be propagated.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The steps so far.
    pub fn list(&self) -> &[Effect] {
        &self.list
    }

    /// Takes the steps out.
    pub fn take(&mut self) -> Vec<Effect> {
        core::mem::take(&mut self.list)
    }

    /// Forgets the steps; the memory stays.
    #[inline]
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// Takes out the touched keys.
    pub fn take_touched(&mut self) -> Vec<(u32, Box<[u8]>)> {
        core::mem::take(&mut self.touched)
    }
}
