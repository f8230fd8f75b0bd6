//! LPOS: where elements stand in a list.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::list::{Needle, Side};
use super::lists::read;
use super::options::range_error;
use super::{NOT_AN_INTEGER, SYNTAX};
use crate::dataset::Context;
use crate::resp::{Args, parse_i64};

/// What is looked for.
struct Wanted {
    /// The first match that counts, from 1 on.
    rank: u64,
    /// The side where the search begins.
    from: Side,
    /// How many matches; 0 for all. `None`: one, and not in an array.
    count: Option<u64>,
    /// How many elements are looked at; 0 for all.
    most: u64,
}

/// Reads the options; an error has been answered if it is `None`.
fn options(args: Args<'_>, cx: &mut Context<'_, '_>) -> Option<Wanted> {
    let mut wanted = Wanted { rank: 1, from: Side::Left, count: None, most: 0 };
    let mut i = 3;
    while i < args.len() {
        let Some(text) = args.get(i + 1) else {
            cx.reply.error(SYNTAX);
            return None;
        };
        let n = parse_i64(text);
        let natural = n.and_then(|n| u64::try_from(n).ok());
        if args.is(i, "rank") {
            (wanted.rank, wanted.from) = rank(n, cx)?;
        } else if args.is(i, "count") {
            wanted.count = natural;
            if natural.is_none() {
                cx.reply.error("ERR COUNT can't be negative");
                return None;
            }
        } else if args.is(i, "maxlen") {
            let Some(most) = natural else {
                cx.reply.error("ERR MAXLEN can't be negative");
                return None;
            };
            wanted.most = most;
        } else {
            cx.reply.error(SYNTAX);
            return None;
        }
        i += 2;
    }
    Some(wanted)
}

fn rank(n: Option<i64>, cx: &mut Context<'_, '_>) -> Option<(u64, Side)> {
    match n {
        None => cx.reply.error(NOT_AN_INTEGER),
        Some(i64::MIN) => range_error(-i64::MAX, i64::MAX, cx),
        Some(0) => cx.reply.error(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to \
             start from the end of the list",
        ),
        Some(n) => return Some((n.unsigned_abs(), if n < 0 { Side::Right } else { Side::Left })),
    }
    None
}

pub(super) fn lpos(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(wanted) = options(args, cx) else { return };
    let Ok(list) = read(ks, args, cx) else { return };
    let mut found = Vec::new();
    if let Some(list) = list {
        let needle = Needle::new(args.at(2));
        let limit = |n: u64| if n == 0 { usize::MAX } else { usize::try_from(n).unwrap_or(usize::MAX) };
        let len = list.len();
        let matches = list.iter(wanted.from).take(limit(wanted.most)).enumerate().filter(|(_, e)| needle.is(*e));
        let places = matches.map(|(i, _)| if wanted.from == Side::Left { i } else { len - 1 - i });
        // A rank is 1 at least.
        let skipped = usize::try_from(wanted.rank - 1).unwrap_or(usize::MAX);
        found.extend(places.skip(skipped).take(limit(wanted.count.unwrap_or(1))));
    }
    match (wanted.count, found.first()) {
        (Some(_), _) => {
            cx.reply.array(found.len());
            found.iter().for_each(|&i| cx.reply.int(i as i64));
        }
        (None, Some(&i)) => cx.reply.int(i as i64),
        (None, None) => cx.reply.null(),
    }
}
