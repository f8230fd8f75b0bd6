//! Where the keys of a command stand, and what it does to each.

use alloc::boxed::Box;
use alloc::vec::Vec;

use smallvec::SmallVec;

use super::facts;
use crate::dataset::{Flags, KeySpec, Spec};
use crate::resp::{Args, Reply, parse_i64};

/// Where a group of keys begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Begin {
    Index(usize),
    /// Behind a word, which is looked for from an argument on.
    Keyword(&'static str, usize),
    Unknown,
}

/// Which arguments from there on are keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Find {
    /// Up to a last one (relative to the first; negative: to the end), by steps; of what is left, so many parts only one.
    Range {
        last: i64,
        step: usize,
        limit: usize,
    },
    /// As many as a number says.
    Count {
        at: usize,
        first: usize,
        step: usize,
    },
    Unknown,
}

/// What a command does to a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Uses {
    /// In the words of `COMMAND INFO`.
    pub(super) words: &'static str,
    /// Whether what is in it may show, or be copied.
    pub(crate) reads: bool,
    /// Whether it may change.
    pub(crate) writes: bool,
}

impl Uses {
    const fn new(words: &'static str, reads: bool, writes: bool) -> Self {
        Self { words, reads, writes }
    }

    fn of(words: &'static str) -> Self {
        let has = |w: &str| words.split(' ').any(|word| word == w);
        Self::new(words, has("access"), has("insert") || has("delete") || has("update"))
    }
}

/// Where one key stands, and what is done to it.
type Places = SmallVec<[(usize, Uses); 4]>;

/// One group of keys.
#[derive(Clone, Copy, Debug)]
struct Group {
    uses: Uses,
    begin: Begin,
    find: Find,
}

impl Group {
    /// Reads the notation of [`facts`]. `None`: it is not one.
    fn parse(text: &'static str) -> Option<Self> {
        let (head, find) = text.rsplit_once(' ')?;
        let (flags, begin) = head.rsplit_once(' ')?;
        let begin = match (begin.strip_prefix('@'), begin.split_once('>')) {
            (Some(index), _) => Begin::Index(index.parse().ok()?),
            (None, Some((word, from))) => Begin::Keyword(word, from.parse().ok()?),
            (None, None) if begin == "?" => Begin::Unknown,
            _ => return None,
        };
        let find = match find.strip_prefix('n') {
            _ if find == "?" => Find::Unknown,
            Some(count) => {
                let (at, keys) = count.split_once('+')?;
                let (first, step) = keys.split_once(':')?;
                Find::Count { at: at.parse().ok()?, first: first.parse().ok()?, step: step.parse().ok()? }
            }
            None => {
                let (last, rest) = find.split_once(':')?;
                let (step, limit) = rest.split_once(':')?;
                Find::Range { last: last.parse().ok()?, step: step.parse().ok()?, limit: limit.parse().ok()? }
            }
        };
        Some(Self { uses: Uses::of(flags), begin, find })
    }

    /// Whether these are no keys, but words that decide where a command goes, too (`SSUBSCRIBE`).
    fn is_not_key(&self) -> bool {
        self.uses.words.contains("not_key")
    }

    /// Appends the places of its keys. `false`: the arguments contradict themselves.
    fn places(&self, spec: &Spec, args: Args<'_>, out: &mut Places) -> bool {
        let first = match self.begin {
            Begin::Index(index) => index,
            Begin::Keyword(word, from) => match (from..args.len()).find(|&i| args.is(i, word)) {
                Some(at) => at + 1,
                None => return true,
            },
            Begin::Unknown => {
                // What SORT reads by patterns cannot be named; what it stores can.
                if spec.name == "sort" && self.uses.words.contains("OW") {
                    out.extend(sort_target(args).map(|at| (at, self.uses)));
                }
                return true;
            }
        };
        if first >= args.len() {
            return true;
        }
        match self.find {
            Find::Range { last, step, limit } => {
                let left = args.len() - first;
                let end = match usize::try_from(last) {
                    Ok(last) => first + last,
                    // Keys without what goes with each.
                    Err(_) if limit > left => return false,
                    Err(_) if limit > 1 => first + (left / limit).saturating_sub(1),
                    Err(_) => match args.len().checked_sub(last.unsigned_abs() as usize) {
                        Some(end) => end,
                        None => return false,
                    },
                };
                out.extend((first..=end.min(args.len() - 1)).step_by(step.max(1)).map(|at| (at, self.uses)));
                true
            }
            Find::Count { at, first: behind, step } => {
                let count = parse_i64(args.at(first + at)).and_then(|n| usize::try_from(n).ok());
                let from = first + behind;
                let room = args.len().saturating_sub(from).div_ceil(step.max(1));
                match count.filter(|&n| (1..=room).contains(&n)) {
                    Some(n) => out.extend((0..n).map(|i| (from + i * step.max(1), self.uses))),
                    None => return false,
                }
                true
            }
            Find::Unknown => true,
        }
    }

    /// Writes it as `COMMAND INFO` shows it.
    fn write(&self, r: &mut Reply<'_>) {
        r.map(3);
        r.bulk(b"flags");
        write_flags(self.uses.words, r);
        let head = |r: &mut Reply<'_>, name: &str, kind: &str, fields: &[(&str, i64)]| {
            r.bulk(name.as_bytes());
            r.map(2);
            r.bulk(b"type");
            r.bulk(kind.as_bytes());
            r.bulk(b"spec");
            r.map(fields.len());
            for (field, n) in fields {
                r.bulk(field.as_bytes());
                r.int(*n);
            }
        };
        match self.begin {
            Begin::Index(index) => head(r, "begin_search", "index", &[("index", index as i64)]),
            Begin::Unknown => head(r, "begin_search", "unknown", &[]),
            Begin::Keyword(word, from) => {
                r.bulk(b"begin_search");
                r.map(2);
                r.bulk(b"type");
                r.bulk(b"keyword");
                r.bulk(b"spec");
                r.map(2);
                r.bulk(b"keyword");
                r.bulk(word.as_bytes());
                r.bulk(b"startfrom");
                r.int(from as i64);
            }
        }
        match self.find {
            Find::Range { last, step, limit } => {
                let fields = [("lastkey", last), ("keystep", step as i64), ("limit", limit as i64)];
                head(r, "find_keys", "range", &fields);
            }
            Find::Count { at, first, step } => {
                let fields = [("keynumidx", at as i64), ("firstkey", first as i64), ("keystep", step as i64)];
                head(r, "find_keys", "keynum", &fields);
            }
            Find::Unknown => head(r, "find_keys", "unknown", &[]),
        }
    }
}

/// Writes flags of keys.
pub(super) fn write_flags(flags: &str, r: &mut Reply<'_>) {
    r.set(flags.split(' ').count());
    flags.split(' ').for_each(|flag| r.simple(flag));
}

/// Where the key stands that SORT stores into: the last one counts.
fn sort_target(args: Args<'_>) -> Option<usize> {
    let (mut i, mut found) = (2, None);
    while i < args.len() {
        if args.is(i, "LIMIT") {
            i += 2;
        } else if args.is(i, "BY") || args.is(i, "GET") {
            i += 1;
        } else if args.is(i, "STORE") && i + 1 < args.len() {
            found = Some(i + 1);
            i += 1;
        }
        i += 1;
    }
    found
}

/// The groups of keys of a command as they are known by its name.
fn groups(spec: &Spec) -> Vec<Group> {
    facts::keys(spec.name).filter_map(Group::parse).collect()
}

/// Writes the groups of keys of a command as `COMMAND INFO` shows them.
pub(super) fn write(spec: &Spec, r: &mut Reply<'_>) {
    let groups = groups(spec);
    r.set(groups.len());
    groups.iter().for_each(|group| group.write(r));
}

/// Whether a command has no keys, whatever its arguments.
pub(super) fn has_none(spec: &Spec) -> bool {
    spec.keys.is_none() && groups(spec).iter().all(Group::is_not_key)
}

/// What a command does to its keys where the arguments decide.
fn by_arguments(spec: &Spec, args: Args<'_>, uses: Uses) -> Uses {
    const UPDATES: Uses = Uses::new("OW update", false, true);
    const SHOWS: Uses = Uses::new("RO access", true, false);
    const BOTH: Uses = Uses::new("RW access update", true, true);
    match spec.name {
        "set" if !(3..args.len()).any(|i| args.is(i, "GET")) => UPDATES,
        "set" => BOTH,
        "bitfield" if (2..args.len()).any(|i| args.is(i, "SET") || args.is(i, "INCRBY")) => BOTH,
        "bitfield" => SHOWS,
        _ => uses,
    }
}

/// The keys of one command, looked up once.
#[derive(Debug)]
pub(crate) struct KeyUse {
    spec: &'static Spec,
    groups: Box<[Group]>,
    /// Of a command that has nothing but its row.
    plain: Option<(KeySpec, Uses)>,
    by_arguments: bool,
    none: bool,
}

impl KeyUse {
    pub(crate) fn of(spec: &'static Spec) -> Self {
        let groups = groups(spec);
        let uses = Uses::of(if spec.flags.has(Flags::WRITE) { "RW access update" } else { "RO access" });
        Self {
            spec,
            plain: groups.is_empty().then_some((spec.keys, uses)),
            groups: groups.into_iter().filter(|g| !g.is_not_key()).collect(),
            by_arguments: matches!(spec.name, "set" | "bitfield"),
            none: has_none(spec),
        }
    }

    /// Whether there are none, whatever the arguments.
    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        self.none
    }

    /// Shows `each` the place of every key and what is done to it, until that says no. `None`: the arguments contradict
    /// themselves, else whether all were agreed to.
    pub(crate) fn all(&self, args: Args<'_>, mut each: impl FnMut(usize, Uses) -> bool) -> Option<bool> {
        if let Some((keys, uses)) = self.plain {
            return Some(keys.places(args)?.into_iter().all(|at| each(at, uses)));
        }
        let mut places = Places::new();
        if !self.groups.iter().all(|group| group.places(self.spec, args, &mut places)) {
            return self.spec.flags.has(Flags::NO_MANDATORY_KEYS).then_some(true);
        }
        Some(
            places
                .into_iter()
                .all(|(at, uses)| each(at, if self.by_arguments { by_arguments(self.spec, args, uses) } else { uses })),
        )
    }
}

/// The keys of a command and what it does to each, in their order. `None`: the arguments contradict themselves.
pub(crate) fn keys<'a>(spec: &'static Spec, args: Args<'a>) -> Option<Vec<(&'a [u8], &'static str)>> {
    let mut found = Vec::new();
    KeyUse::of(spec).all(args, |at, uses| {
        found.push((args.at(at), uses.words));
        true
    })?;
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_is_read() {
        assert!(facts::all().count() > 50);
        for text in facts::all() {
            assert!(Group::parse(text).is_some(), "{text}");
        }
    }
}
