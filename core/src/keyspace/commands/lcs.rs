//! LCS: the longest common subsequence of two strings.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::ops::Range;

use super::super::Keyspace;
use super::super::string::Str;
use super::{NOT_AN_INTEGER, SYNTAX};
use crate::dataset::Context;
use crate::resp::{Args, parse_i64};

#[derive(Default)]
struct Options {
    len: bool,
    idx: bool,
    min: i64,
    with_len: bool,
}

fn parse(args: Args<'_>) -> Result<Options, &'static str> {
    let mut o = Options::default();
    let mut i = 3;
    while i < args.len() {
        if args.is(i, "IDX") {
            o.idx = true;
        } else if args.is(i, "LEN") {
            o.len = true;
        } else if args.is(i, "WITHMATCHLEN") {
            o.with_len = true;
        } else if args.is(i, "MINMATCHLEN") && i + 1 < args.len() {
            o.min = parse_i64(args.at(i + 1)).ok_or(NOT_AN_INTEGER)?.max(0);
            i += 1;
        } else {
            return Err(SYNTAX);
        }
        i += 1;
    }
    if o.idx && o.len {
        return Err("ERR If you want both the length and indexes, please just use IDX.");
    }
    Ok(o)
}

/// The string of a key, empty if there is no such key; `None` if it is no string.
fn text<'k>(ks: &'k mut Keyspace, name: &[u8], cx: &mut Context<'_, '_>) -> Option<Cow<'k, [u8]>> {
    let key = ks.key(cx.db, name);
    match ks.read(&key, cx) {
        None => Some(Cow::Borrowed(&[])),
        Some(slot) => slot.string().map(Str::flat),
    }
}

pub(super) fn lcs(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    // As in Redis, the table is held against the limit of a string.
    let max = ks.limits.string_for(cx.origin);
    let a = text(ks, args.at(1), cx).map(Cow::into_owned);
    let b = text(ks, args.at(2), cx);
    let (Some(a), Some(b)) = (a, b) else {
        return cx.reply.error("ERR The specified keys must contain string values");
    };
    let options = match parse(args) {
        Ok(options) => options,
        Err(text) => return cx.reply.error(text),
    };
    let Some(lengths) = Lengths::of(&a, &b, max) else {
        return cx.reply.error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    };
    let total = lengths.at(a.len(), b.len());
    if options.len {
        return cx.reply.int(i64::from(total));
    }
    if !options.idx {
        let mut common = Vec::with_capacity(total as usize);
        lengths.walk(&a, &b, |i, _| common.push(a[i]));
        common.reverse();
        return cx.reply.bulk(&common);
    }
    let mut matches = lengths.matches(&a, &b);
    matches.retain(|(in_a, _)| in_a.len() as i64 >= options.min);
    cx.reply.map(2);
    cx.reply.bulk(b"matches");
    cx.reply.array(matches.len());
    for (in_a, in_b) in matches {
        cx.reply.array(2 + usize::from(options.with_len));
        for range in [&in_a, &in_b] {
            cx.reply.array(2);
            cx.reply.int(range.start as i64);
            cx.reply.int(range.end as i64 - 1);
        }
        if options.with_len {
            cx.reply.int(in_a.len() as i64);
        }
    }
    cx.reply.bulk(b"len");
    cx.reply.int(i64::from(total));
}

/// The lengths of the longest common subsequences of all pairs of prefixes.
struct Lengths {
    width: usize,
    table: Vec<u32>,
}

impl Lengths {
    /// `None` if the table would take more than `max` bytes of memory.
    fn of(a: &[u8], b: &[u8], max: usize) -> Option<Self> {
        let width = b.len() + 1;
        let cells = width.checked_mul(a.len() + 1)?;
        if cells.checked_mul(size_of::<u32>())? > max {
            return None;
        }
        let mut table = Vec::new();
        table.try_reserve_exact(cells).ok()?;
        table.resize(width, 0u32);
        for x in a {
            let above = table.len() - width;
            table.push(0);
            for (j, y) in b.iter().enumerate() {
                // The row above is complete, so `above + j + 1` was written before.
                let left = table.last().copied().unwrap_or(0);
                table.push(if x == y { table[above + j] + 1 } else { left.max(table[above + j + 1]) });
            }
        }
        Some(Self { width, table })
    }

    // Only asked for prefixes of the two strings that it was made of.
    fn at(&self, i: usize, j: usize) -> u32 {
        self.table[i * self.width + j]
    }

    /// Shows the places of the common bytes in both strings, from the end, as Redis chooses among equals.
    fn walk(&self, a: &[u8], b: &[u8], mut show: impl FnMut(usize, usize)) {
        let (mut i, mut j) = (a.len(), b.len());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                show(i, j);
            } else if self.at(i - 1, j) > self.at(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
    }

    /// The runs of common bytes, from the end.
    fn matches(&self, a: &[u8], b: &[u8]) -> Vec<(Range<usize>, Range<usize>)> {
        let mut out: Vec<(Range<usize>, Range<usize>)> = Vec::new();
        self.walk(a, b, |i, j| match out.last_mut() {
            Some((x, y)) if x.start == i + 1 && y.start == j + 1 => (x.start, y.start) = (i, j),
            _ => out.push((i..i + 1, j..j + 1)),
        });
        out
    }
}
