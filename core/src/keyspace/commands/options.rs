//! The options that SET and GETEX share with those that do the same to several keys or fields, and the times in them.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::super::Keyspace;
use super::compare::Compare;
use super::{NOT_AN_INTEGER, SYNTAX};
use crate::dataset::{Context, Origin};
use crate::resp::{Args, parse_i64};

/// Unit and base of a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Time {
    /// `EX`: seconds from now.
    InSeconds,
    /// `PX`: milliseconds from now.
    InMillis,
    /// `EXAT`: seconds since 1970.
    AtSeconds,
    /// `PXAT`: milliseconds since 1970.
    AtMillis,
}

impl Time {
    fn seconds(self) -> bool {
        matches!(self, Self::InSeconds | Self::AtSeconds)
    }

    fn relative(self) -> bool {
        matches!(self, Self::InSeconds | Self::InMillis)
    }

    /// The time `n` in this unit as ms since 1970; `None` if that is beyond the range.
    pub(super) fn at(self, n: i64, now_ms: u64) -> Option<i64> {
        let n = if self.seconds() { n.checked_mul(1000)? } else { n };
        if self.relative() { n.checked_add(i64::try_from(now_ms).ok()?) } else { Some(n) }
    }
}

/// What the options say.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Options {
    /// `NX`: only if there is no such key, or none of several.
    pub(super) absent: bool,
    /// `XX`: only if there is one, or all of several.
    pub(super) present: bool,
    /// `FNX`: only if there is none of the fields.
    pub(super) fields_absent: bool,
    /// `FXX`: only if there are all of the fields.
    pub(super) fields_present: bool,
    /// `IFEQ` and the like: only if the string before compares so.
    pub(super) compare: Option<Compare>,
    /// `GET`: answer the value before.
    pub(super) get: bool,
    /// `KEEPTTL`: the expiry stays.
    pub(super) keep: bool,
    /// `PERSIST`: the expiry goes.
    pub(super) persist: bool,
    /// An expiry: its unit, and the argument that holds it.
    pub(super) expiry: Option<(Time, usize)>,
    /// The argument that is the word `FIELDS`, which ends the options; the number of arguments if there is none.
    pub(super) fields: usize,
}

/// Which command the options belong to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum For {
    /// `SET`.
    Set,
    /// `GETEX`.
    GetEx,
    /// `MSETEX`.
    MSetEx,
    /// `HSETEX`.
    HSetEx,
    /// `HGETEX`.
    HGetEx,
    /// `HGETDEL`.
    HGetDel,
}

impl For {
    /// Whether it gives values.
    fn sets(self) -> bool {
        matches!(self, Self::Set | Self::MSetEx | Self::HSetEx)
    }

    /// Whether it reads values and may change their expiry.
    fn reads(self) -> bool {
        matches!(self, Self::GetEx | Self::HGetEx)
    }

    /// Whether it is about fields, behind the word `FIELDS`.
    fn fields(self) -> bool {
        matches!(self, Self::HSetEx | Self::HGetEx | Self::HGetDel)
    }
}

/// Reads the options from argument `from` on.
pub(super) fn parse(args: Args<'_>, from: usize, command: For) -> Result<Options, &'static str> {
    let (sets, fields) = (command.sets(), command.fields());
    let mut o = Options { fields: args.len(), ..Options::default() };
    let mut i = from;
    while i < args.len() {
        let timed = o.expiry.is_some();
        let unit =
            [("EX", Time::InSeconds), ("PX", Time::InMillis), ("EXAT", Time::AtSeconds), ("PXAT", Time::AtMillis)]
                .into_iter()
                .find(|(word, _)| args.is(i, word));
        if fields && args.is(i, "FIELDS") {
            o.fields = i;
            break;
        } else if sets && args.is(i, "NX") && !o.present && o.compare.is_none() {
            o.absent = true;
        } else if sets && args.is(i, "XX") && !o.absent && o.compare.is_none() {
            o.present = true;
        } else if command == For::HSetEx && args.is(i, "FNX") && !o.fields_present {
            o.fields_absent = true;
        } else if command == For::HSetEx && args.is(i, "FXX") && !o.fields_absent {
            o.fields_present = true;
        } else if command == For::Set
            && let Some(compare) = Compare::parse(args, i)
            && !o.absent
            && !o.present
            && o.compare.is_none()
        {
            o.compare = Some(compare);
            i += 1;
        } else if command == For::Set && args.is(i, "GET") {
            o.get = true;
        } else if sets && args.is(i, "KEEPTTL") && !timed {
            o.keep = true;
        } else if command.reads() && args.is(i, "PERSIST") && !timed {
            o.persist = true;
        } else if let Some((_, unit)) = unit
            && (sets || command.reads())
            && !o.keep
            && !o.persist
            && i + 1 < args.len()
            // The same unit may come twice, and the last one counts; different ones exclude each other.
            && o.expiry.is_none_or(|(before, _)| before == unit)
        {
            o.expiry = Some((unit, i + 1));
            i += 1;
        } else {
            return Err(SYNTAX);
        }
        i += 1;
    }
    Ok(o)
}

/// The expiry that argument `i` gives, ms since 1970: a positive number whose sum with now has room. An error has been
/// answered if it is `None`.
pub(super) fn expiry(args: Args<'_>, unit: Time, i: usize, command: &str, cx: &mut Context<'_, '_>) -> Option<i64> {
    let Some(n) = parse_i64(args.at(i)) else {
        cx.reply.error(NOT_AN_INTEGER);
        return None;
    };
    let at = if n > 0 { unit.at(n, cx.now.unix_ms) } else { None };
    if at.is_none() {
        cx.reply.error_fmt(format_args!("ERR invalid expire time in '{command}' command"));
    }
    at
}

impl Keyspace {
    /// Whether a key that is given the expiry `at` is deleted at once instead: on a master only, replicas wait for its
    /// word.
    pub(super) fn is_due(at: i64, cx: &Context<'_, '_>) -> bool {
        u64::try_from(at).map_or(true, |at| at <= cx.now.unix_ms) && cx.may_expire && cx.origin != Origin::Upstream
    }
}

/// The most elements that one command answers at random with repetition: each costs as much as it is long, whatever the
/// collection holds.
const SAMPLE_MAX: u64 = 1 << 24;

/// Answers that a number is not between two others.
pub(super) fn range_error(low: i64, high: i64, cx: &mut Context<'_, '_>) {
    cx.reply.error_fmt(format_args!("ERR value is out of range, value must between {low} and {high}"));
}

/// Random indices below `len`: `count` different ones in their order, or all if there are no more; for a negative count
/// as many, in any order, and the same may come several times. An error has been answered if it is `None`.
pub(super) fn sample(len: usize, count: i64, cx: &mut Context<'_, '_>) -> Option<Vec<usize>> {
    let wanted = count.unsigned_abs();
    if len == 0 || count == 0 {
        return Some(Vec::new());
    }
    if count < 0 {
        if wanted > SAMPLE_MAX {
            cx.reply.error("ERR value is out of range");
            return None;
        }
        return Some((0..wanted).map(|_| cx.rng.below(len as u64) as usize).collect());
    }
    if wanted >= len as u64 {
        return Some((0..len).collect());
    }
    // Each index is taken with the odds of what is still wanted among what is left; few of many are drawn one by one.
    let wanted = wanted as usize;
    if wanted > len / 8 {
        let mut left = wanted as u64;
        return Some(
            (0..len)
                .filter(|&i| {
                    let taken = left > 0 && cx.rng.below((len - i) as u64) < left;
                    left -= u64::from(taken);
                    taken
                })
                .collect(),
        );
    }
    let mut chosen = BTreeSet::new();
    while chosen.len() < wanted {
        chosen.insert(cx.rng.below(len as u64) as usize);
    }
    Some(chosen.into_iter().collect())
}
