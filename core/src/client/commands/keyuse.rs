//! Where the keys of a command stand, and what it does to each.

use alloc::vec::Vec;

use super::facts;
use crate::dataset::{Flags, Spec};
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

/// One group of keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    flags: &'static str,
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
        Some(Self { flags, begin, find })
    }

    /// Whether these are no keys, but words that decide where a command goes, too (`SSUBSCRIBE`).
    fn is_not_key(&self) -> bool {
        self.flags.contains("not_key")
    }

    /// Appends the places of its keys. `false`: the arguments contradict themselves.
    fn places(&self, spec: &Spec, args: Args<'_>, out: &mut Vec<(usize, &'static str)>) -> bool {
        let first = match self.begin {
            Begin::Index(index) => index,
            Begin::Keyword(word, from) => match (from..args.len()).find(|&i| args.is(i, word)) {
                Some(at) => at + 1,
                None => return true,
            },
            Begin::Unknown => {
                // What SORT reads by patterns cannot be named; what it stores can.
                if spec.name == "sort" && self.flags.contains("OW") {
                    out.extend(sort_target(args).map(|at| (at, self.flags)));
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
                    Err(_) if limit > 1 => first + (left / limit).saturating_sub(1),
                    Err(_) => match args.len().checked_sub(last.unsigned_abs() as usize) {
                        Some(end) => end,
                        None => return false,
                    },
                };
                out.extend((first..=end.min(args.len() - 1)).step_by(step.max(1)).map(|at| (at, self.flags)));
                true
            }
            Find::Count { at, first: behind, step } => {
                let count = parse_i64(args.at(first + at)).and_then(|n| usize::try_from(n).ok());
                let from = first + behind;
                let room = args.len().saturating_sub(from).div_ceil(step.max(1));
                match count.filter(|&n| (1..=room).contains(&n)) {
                    Some(n) => out.extend((0..n).map(|i| (from + i * step.max(1), self.flags))),
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
        write_flags(self.flags, r);
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
fn by_arguments(spec: &Spec, args: Args<'_>, flags: &'static str) -> &'static str {
    match spec.name {
        "set" if !(3..args.len()).any(|i| args.is(i, "GET")) => "OW update",
        "set" => "RW access update",
        "bitfield" if (2..args.len()).any(|i| args.is(i, "SET") || args.is(i, "INCRBY")) => "RW access update",
        "bitfield" => "RO access",
        _ => flags,
    }
}

/// The keys of a command and what it does to each, in their order. `None`: the arguments contradict themselves.
pub(super) fn keys<'a>(spec: &Spec, args: Args<'a>) -> Option<Vec<(&'a [u8], &'static str)>> {
    let groups = groups(spec);
    if groups.is_empty() {
        let flags = if spec.flags.has(Flags::WRITE) { "RW access update" } else { "RO access" };
        return Some(spec.keys.keys(args)?.into_iter().map(|key| (key, flags)).collect());
    }
    let mut places = Vec::new();
    let sound = groups.iter().filter(|group| !group.is_not_key()).all(|group| group.places(spec, args, &mut places));
    if !sound {
        return spec.flags.has(Flags::NO_MANDATORY_KEYS).then(Vec::new);
    }
    Some(places.into_iter().map(|(at, flags)| (args.at(at), by_arguments(spec, args, flags))).collect())
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
