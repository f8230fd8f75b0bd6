//! What a command is like: its properties, where its keys stand, and what is said of it.

use alloc::vec::Vec;

use crate::resp::{Args, parse_i64};

/// Properties of a command, as `COMMAND` shows them, and a few of our own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags(pub u32);

impl Flags {
    /// May change data.
    pub const WRITE: Self = Self(1);
    /// Only reads keys.
    pub const READONLY: Self = Self(1 << 1);
    /// Refused when memory is short.
    pub const DENYOOM: Self = Self(1 << 2);
    /// Administration.
    pub const ADMIN: Self = Self(1 << 3);
    /// Publishes or subscribes.
    pub const PUBSUB: Self = Self(1 << 4);
    /// Not for scripts.
    pub const NOSCRIPT: Self = Self(1 << 5);
    /// Allowed while a dataset loads.
    pub const LOADING: Self = Self(1 << 6);
    /// Allowed on a replica with stale data.
    pub const STALE: Self = Self(1 << 7);
    /// Constant or logarithmic time.
    pub const FAST: Self = Self(1 << 8);
    /// May block the client.
    pub const BLOCKING: Self = Self(1 << 9);
    /// Allowed before authentication.
    pub const NO_AUTH: Self = Self(1 << 10);
    /// Refused inside MULTI.
    pub const NO_MULTI: Self = Self(1 << 11);
    /// Not shown by MONITOR.
    pub const SKIP_MONITOR: Self = Self(1 << 12);
    /// Not recorded by SLOWLOG.
    pub const SKIP_SLOWLOG: Self = Self(1 << 13);
    /// May be propagated though it writes no key.
    pub const MAY_REPLICATE: Self = Self(1 << 14);
    /// Refused while an asynchronous load runs.
    pub const NO_ASYNC_LOADING: Self = Self(1 << 15);
    /// Runs at once inside MULTI instead of being queued (EXEC, DISCARD, WATCH …).
    pub const IN_MULTI: Self = Self(1 << 16);
    /// Ours: takes its value argument in pieces.
    pub const PIECES: Self = Self(1 << 17);
    /// Key positions depend on the arguments.
    pub const MOVABLE_KEYS: Self = Self(1 << 18);
    /// A container: its first argument names the subcommand.
    pub const CONTAINER: Self = Self(1 << 19);

    /// Allowed while a script or a function runs too long.
    pub const ALLOW_BUSY: Self = Self(1 << 20);
    /// Needs no ASKING before it while a slot of a cluster moves.
    pub const ASKING: Self = Self(1 << 21);
    /// May come without any key.
    pub const NO_MANDATORY_KEYS: Self = Self(1 << 22);

    /// Both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among these.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Where a command's keys stand among its arguments: some at fixed places, others behind their own number, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KeySpec {
    /// Index of the first key at a fixed place; 0: there is none.
    pub first: i16,
    /// Index of the last of these; negative: counted from the end.
    pub last: i16,
    /// Distance between two.
    pub step: i16,
    /// Index of the argument that says how many keys follow it (`numkeys`); 0: there is none.
    pub numkeys: u16,
    /// Distance between two of these; at least 1.
    pub apart: u16,
    /// The word that keys stand behind, and the index from which on it is looked for: the first half of all that follows
    /// it are keys (`STREAMS`).
    pub keyword: Option<(&'static str, u16)>,
}

impl KeySpec {
    /// No keys.
    pub const NONE: Self = Self::fixed(0, 0, 0);

    /// Keys at fixed places: index of the first, of the last, and the distance between two.
    pub const fn fixed(first: i16, last: i16, step: i16) -> Self {
        Self { first, last, step, numkeys: 0, apart: 1, keyword: None }
    }

    /// And keys behind the argument at this index, which says how many.
    pub const fn counted(self, numkeys: u16) -> Self {
        Self { numkeys, ..self }
    }

    /// The same with values or the like between the keys that are counted.
    pub const fn apart(self, apart: u16) -> Self {
        Self { apart, ..self }
    }

    /// And keys behind this word, which is looked for from the argument at index `from` on: the first half of what follows.
    pub const fn behind(self, word: &'static str, from: u16) -> Self {
        Self { keyword: Some((word, from)), ..self }
    }

    /// Whether there are no keys, whatever the arguments.
    pub const fn is_none(self) -> bool {
        (self.first <= 0 || self.step <= 0) && self.numkeys == 0 && self.keyword.is_none()
    }

    /// The keys of a command in their order. `None` if a number of keys is none, or more than there are arguments, or if the
    /// word that keys stand behind is missing or not followed by two halves.
    pub fn keys(self, args: Args<'_>) -> Option<Vec<&[u8]>> {
        Some(self.places(args)?.into_iter().map(|at| args.at(at)).collect())
    }

    /// Where they stand among the arguments; see [`KeySpec::keys`].
    pub fn places(self, args: Args<'_>) -> Option<Vec<usize>> {
        let mut places = Vec::new();
        if self.first > 0 && self.step > 0 {
            // No command has as many arguments as an i64 counts.
            let last = if self.last < 0 { args.len() as i64 + i64::from(self.last) } else { i64::from(self.last) };
            let fixed = (i64::from(self.first)..=last).step_by(self.step.unsigned_abs().into());
            places.extend(fixed.filter_map(|i| usize::try_from(i).ok()).take_while(|&i| i < args.len()));
        }
        if self.numkeys > 0 {
            let from = usize::from(self.numkeys) + 1;
            let n = usize::try_from(parse_i64(args.get(from - 1)?)?).ok()?;
            let apart = usize::from(self.apart).max(1);
            if n == 0 || n > args.len().checked_sub(from)? / apart {
                return None;
            }
            places.extend((from..args.len()).step_by(apart).take(n));
        }
        if let Some((word, from)) = self.keyword {
            let at = (usize::from(from)..args.len()).find(|&i| args.is(i, word))? + 1;
            let behind = args.len() - at;
            if behind == 0 || !behind.is_multiple_of(2) {
                return None;
            }
            places.extend(at..at + behind / 2);
        }
        Some(places)
    }
}

/// One command of a command table.
#[derive(Debug)]
pub struct Spec {
    /// Lower-case name.
    pub name: &'static str,
    /// Number of arguments with the name; negative: at least so many.
    pub arity: i16,
    /// Properties.
    pub flags: Flags,
    /// Where its keys stand.
    pub keys: KeySpec,
    /// The group that the documentation files it under (`string`, `generic`, `server` …).
    pub group: &'static str,
    /// The Redis version that introduced it.
    pub since: &'static str,
    /// One sentence, for `COMMAND DOCS`.
    pub summary: &'static str,
}
