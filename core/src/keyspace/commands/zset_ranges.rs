//! Ranges of sorted sets: answered, counted, stored, removed.

use super::super::Keyspace;
use super::super::store::Access;
use super::super::zset::{By, Window, ZsetEdit, ZsetRef, limit};
use super::zsets::{read, reply_pairs, write};
use super::{NOT_AN_INTEGER, SYNTAX};
use crate::dataset::{Classes, Context};
use crate::resp::{Args, parse_i64};

/// What a member of the family of `ZRANGE` is by its name alone.
#[derive(Clone, Copy, Default, Debug)]
struct Family {
    /// Where the source key stands: 2 behind a key that takes the result.
    source: usize,
    /// What it goes by, if no option says so.
    by: Option<By>,
    /// Which way it goes, if no option says so.
    down: Option<bool>,
}

/// What is to be answered.
#[derive(Debug)]
struct Query<'a> {
    window: Window<'a>,
    down: bool,
    scores: bool,
    offset: i64,
    count: i64,
}

impl<'a> Query<'a> {
    fn parse(args: Args<'a>, family: Family) -> Result<Self, &'static str> {
        let Family { source, mut by, mut down } = family;
        let (mut scores, mut offset, mut count) = (false, 0, -1);
        let mut i = source + 3;
        while i < args.len() {
            if source == 1 && args.is(i, "WITHSCORES") {
                scores = true;
            } else if args.is(i, "LIMIT") && i + 2 < args.len() {
                offset = parse_i64(args.at(i + 1)).ok_or(NOT_AN_INTEGER)?;
                count = parse_i64(args.at(i + 2)).ok_or(NOT_AN_INTEGER)?;
                i += 2;
            } else if down.is_none() && args.is(i, "REV") {
                down = Some(true);
            } else if by.is_none() && args.is(i, "BYLEX") {
                by = Some(By::Member);
            } else if by.is_none() && args.is(i, "BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(SYNTAX);
            }
            i += 1;
        }
        let (by, down) = (by.unwrap_or(By::Rank), down.unwrap_or(false));
        if count != -1 && by == By::Rank {
            return Err("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
        }
        if scores && by == By::Member {
            return Err("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
        }
        // Downwards the greater end stands first; ranks count from the other side then.
        let (a, b) = (args.at(source + 1), args.at(source + 2));
        let window = if down && by != By::Rank { Window::parse(by, b, a) } else { Window::parse(by, a, b) }?;
        if by == By::Rank {
            (offset, count) = (0, -1);
        }
        Ok(Self { window, down, scores, offset, count })
    }

    /// The ranks that are wanted, from the lowest score on.
    fn span(&self, zset: ZsetRef<'_>) -> core::ops::Range<usize> {
        let span = zset.span(&self.window);
        match self.window {
            Window::Ranks(..) if self.down => {
                let n = zset.len();
                n - span.end..n - span.start
            }
            Window::Ranks(..) => span,
            _ => limit(span, self.offset, self.count, self.down),
        }
    }
}

fn range(ks: &mut Keyspace, args: Args<'_>, family: Family, cx: &mut Context<'_, '_>) {
    let query = match Query::parse(args, family) {
        Ok(query) => query,
        Err(text) => return cx.reply.error(text),
    };
    let Ok(zset) = read(ks, args, 1, cx) else { return };
    let Some(zset) = zset else { return cx.reply.array(0) };
    let span = query.span(zset);
    reply_pairs(zset.walk(span.clone(), query.down), span.len(), query.scores, cx);
}

const FAMILY: Family = Family { source: 1, by: None, down: None };

pub(super) fn zrange(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    range(ks, args, FAMILY, cx);
}

pub(super) fn zrevrange(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    range(ks, args, Family { by: Some(By::Rank), down: Some(true), ..FAMILY }, cx);
}

pub(super) fn zrangebyscore(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    range(ks, args, Family { by: Some(By::Score), down: Some(false), ..FAMILY }, cx);
}

pub(super) fn zrevrangebyscore(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    range(ks, args, Family { by: Some(By::Score), down: Some(true), ..FAMILY }, cx);
}

pub(super) fn zrangebylex(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    range(ks, args, Family { by: Some(By::Member), down: Some(false), ..FAMILY }, cx);
}

pub(super) fn zrevrangebylex(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    range(ks, args, Family { by: Some(By::Member), down: Some(true), ..FAMILY }, cx);
}

pub(super) fn zrangestore(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let query = match Query::parse(args, Family { source: 2, ..FAMILY }) {
        Ok(query) => query,
        Err(text) => return cx.reply.error(text),
    };
    let (hash_key, limit) = (ks.hash_key, ks.limits.zset);
    let Ok(zset) = read(ks, args, 2, cx) else { return };
    let mut result = ZsetEdit::empty(hash_key, limit);
    if let Some(zset) = zset {
        let span = query.span(zset);
        result.announce(span.len(), 0);
        for (member, score) in zset.walk(span, query.down) {
            result.put(member.text(&mut [0; 20]), score);
        }
    }
    store(ks, args.at(1), result, "zrangestore", cx);
}

/// Gives a key a sorted set instead of whatever it holds, or deletes it if the set is empty; answers how many members
/// there are. The event has the command's name.
pub(super) fn store(
    ks: &mut Keyspace,
    name: &[u8],
    result: ZsetEdit<'static>,
    event: &'static str,
    cx: &mut Context<'_, '_>,
) {
    let key = ks.key(cx.db, name);
    let n = result.view().len();
    let place = ks.find(&key, cx, Access::Write);
    if n > 0 {
        ks.replace(&key, place, result.into_slot(name, None), cx);
        cx.effects.notify(Classes::ZSET, event, key.db, key.bytes);
    } else if let Some(place) = place {
        ks.remove(&key, place, cx);
        cx.effects.notify(Classes::GENERIC, "del", key.db, key.bytes);
    }
    if n > 0 || place.is_some() {
        cx.effects.itself();
    }
    cx.reply.int(n as i64);
}

pub(super) fn zcount(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    count(ks, args, By::Score, cx);
}

pub(super) fn zlexcount(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    count(ks, args, By::Member, cx);
}

fn count(ks: &mut Keyspace, args: Args<'_>, by: By, cx: &mut Context<'_, '_>) {
    let window = match Window::parse(by, args.at(2), args.at(3)) {
        Ok(window) => window,
        Err(text) => return cx.reply.error(text),
    };
    let Ok(zset) = read(ks, args, 1, cx) else { return };
    cx.reply.int(zset.map_or(0, |zset| zset.span(&window).len()) as i64);
}

pub(super) fn zremrangebyrank(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    remove(ks, args, By::Rank, cx);
}

pub(super) fn zremrangebyscore(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    remove(ks, args, By::Score, cx);
}

pub(super) fn zremrangebylex(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    remove(ks, args, By::Member, cx);
}

fn remove(ks: &mut Keyspace, args: Args<'_>, by: By, cx: &mut Context<'_, '_>) {
    let window = match Window::parse(by, args.at(2), args.at(3)) {
        Ok(window) => window,
        Err(text) => return cx.reply.error(text),
    };
    let Ok((key, place)) = write(ks, args, cx) else { return };
    let Some(place) = place else { return cx.reply.int(0) };
    let zset = ks.zset_at(&key, place);
    let (span, all) = (zset.span(&window), zset.len());
    let n = span.len();
    if n == all {
        ks.remove(&key, place, cx);
    } else if n > 0 {
        ks.edit_zset(&key, Some(place), cx, |zset| zset.remove_range(span));
    }
    if n > 0 {
        let event = match by {
            By::Rank => "zremrangebyrank",
            By::Score => "zremrangebyscore",
            By::Member => "zremrangebylex",
        };
        ks.tell_removal(Classes::ZSET, event, &key, cx);
        cx.effects.itself();
        cx.effects.dirty += n as u64 - 1;
    }
    cx.reply.int(n as i64);
}
