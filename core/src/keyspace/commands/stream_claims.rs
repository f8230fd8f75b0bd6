//! XCLAIM and XAUTOCLAIM: pending entries change their consumer.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::store::Key;
use super::super::stream::{Group, Pending, id};
use super::super::table::Place;
use super::SYNTAX;
use super::stream_args::{
    End, end_at, group_at, id_at, integer_or, no_group, now_ms, read_place, reply_id, reply_item,
};
use super::stream_deliver::{Delivery, propagate_claim, propagate_group};
use crate::dataset::Context;
use crate::rdb::StreamId;
use crate::resp::{Args, parse_i64};

/// What XCLAIM is told behind the ids.
#[derive(Clone, Copy, Default, Debug)]
struct Options {
    /// `IDLE` or `TIME`: when it counts as delivered, ms since 1970.
    at_ms: Option<i64>,
    /// `RETRYCOUNT`.
    deliveries: Option<u64>,
    /// `FORCE`: what is not pending becomes so.
    force: bool,
    /// `JUSTID`: answer ids only, and count no delivery.
    just_id: bool,
    /// `LASTID`: the group has read up to this one at least.
    last_id: StreamId,
}

/// Reads them from argument `i` on. An error has been answered if it is `None`.
fn options(args: Args<'_>, mut i: usize, cx: &mut Context<'_, '_>) -> Option<Options> {
    let mut o = Options::default();
    while i < args.len() {
        let more = i + 1 < args.len();
        let number = |word: &str, cx: &mut Context<'_, '_>| {
            integer_or(args, i + 1, &alloc::format!("ERR Invalid {word} option argument for XCLAIM"), cx)
        };
        if args.is(i, "force") {
            o.force = true;
        } else if args.is(i, "justid") {
            o.just_id = true;
        } else if args.is(i, "idle") && more {
            let idle = number("IDLE", cx)?;
            o.at_ms = Some(now_ms(cx).wrapping_sub(idle));
            i += 1;
        } else if args.is(i, "time") && more {
            o.at_ms = Some(number("TIME", cx)?);
            i += 1;
        } else if args.is(i, "retrycount") && more {
            // A negative one counts as none.
            o.deliveries = u64::try_from(number("RETRYCOUNT", cx)?).ok();
            i += 1;
        } else if args.is(i, "lastid") && more {
            o.last_id = id_at(args, i + 1, 0, cx)?;
            i += 1;
        } else {
            let text = [b"ERR Unrecognized XCLAIM option '", args.at(i), b"'"].concat();
            cx.reply.error_bytes(&text);
            return None;
        }
        i += 1;
    }
    Some(o)
}

/// How an entry is claimed.
#[derive(Clone, Copy, Debug)]
struct Claim<'a> {
    to: Delivery<'a>,
    /// What is not idle for so long stays, ms.
    min_idle: i64,
    now_ms: i64,
    at_ms: i64,
    deliveries: Option<u64>,
    force: bool,
    just_id: bool,
}

impl Claim<'_> {
    fn is_ripe(&self, pending: &Pending) -> bool {
        self.min_idle <= 0 || self.now_ms.saturating_sub(pending.at_ms) >= self.min_idle
    }

    /// Claims an entry; it as it is then, if it was claimed.
    fn apply(&self, group: &mut Group, id: StreamId) -> Option<Pending> {
        let pending = group.pending(id);
        if !pending.map_or(self.force, |pending| self.is_ripe(pending)) {
            return None;
        }
        // One that is forced to pend counts as delivered once.
        let before = pending.map_or(1, |pending| pending.deliveries);
        let deliveries = self.deliveries.unwrap_or(before.saturating_add(u64::from(!self.just_id)));
        group.give(id, self.to.consumer, self.at_ms, deliveries);
        group.pending(id).cloned()
    }
}

/// What became of claims, in their order: an entry that was claimed, or that is no part of the stream any more.
enum Outcome {
    Claimed(Pending),
    Gone(Pending),
}

/// Does claims of the ids that are there, and forgets those of entries that are gone; the group afterwards.
fn claim_all(
    ks: &mut Keyspace,
    key: &Key<'_>,
    place: Place,
    claim: &Claim<'_>,
    ids: &[(StreamId, bool)],
) -> (Vec<Outcome>, Option<Group>) {
    let mut outcomes = Vec::new();
    let group = ks.edit_groups(key, place, |stream| {
        stream.edit_group(claim.to.group, |group| {
            for &(id, there) in ids {
                if there {
                    outcomes.extend(claim.apply(group, id).map(Outcome::Claimed));
                } else {
                    outcomes.extend(group.acknowledge(id).map(Outcome::Gone));
                }
            }
            if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Claimed(_))) {
                group.activate(claim.to.consumer, claim.now_ms);
            }
            group.clone()
        })
    });
    (outcomes, group)
}

/// Answers the entries that were claimed, and tells replicas of all.
fn tell(
    ks: &Keyspace,
    key: &Key<'_>,
    place: Place,
    claim: &Claim<'_>,
    outcomes: &[Outcome],
    group: &Group,
    cx: &mut Context<'_, '_>,
) {
    let claimed =
        || outcomes.iter().filter_map(|outcome| if let Outcome::Claimed(p) = outcome { Some(p) } else { None });
    cx.reply.array(claimed().count());
    for pending in claimed() {
        match ks.stream_at(key, place).and_then(|stream| stream.get(pending.id)) {
            Some(item) if !claim.just_id => reply_item(item, cx),
            _ => reply_id(pending.id, cx),
        }
    }
    for outcome in outcomes {
        let (Outcome::Claimed(pending) | Outcome::Gone(pending)) = outcome;
        propagate_claim(key, claim.to.group, group.last_id, pending, cx);
    }
}

pub(super) fn xclaim(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Ok((key, place)) = read_place(ks, args, 1, cx) else { return };
    let (name, consumer) = (args.at(2), args.at(3));
    let (Some(place), Some((_, group))) = (place, group_at(ks, &key, place, name)) else {
        return no_group(key.bytes, name, "", cx);
    };
    let group_last = group.last_id;
    let Some(min_idle) = integer_or(args, 4, "ERR Invalid min-idle-time argument for XCLAIM", cx) else { return };
    let parsed = args.iter().skip(5).map_while(|text| id::parse(text, 0));
    let ids: Vec<StreamId> = parsed.collect();
    let Some(o) = options(args, 5 + ids.len(), cx) else { return };
    let now = now_ms(cx);
    // A time that cannot be is taken for now.
    let at_ms = o.at_ms.filter(|at| (0..=now).contains(at)).unwrap_or(now);
    let further = o.last_id > group_last;
    if further {
        ks.edit_groups(&key, place, |stream| stream.edit_group(name, |group| group.last_id = o.last_id));
    }
    let to = Delivery { group: name, consumer, no_ack: false };
    to.meet(ks, &key, place, cx);
    let Some((stream, _)) = group_at(ks, &key, Some(place), name) else { return };
    let wanted: Vec<(StreamId, bool)> = ids.iter().map(|&id| (id, stream.get(id).is_some())).collect();
    let Options { deliveries, force, just_id, .. } = o;
    let claim = Claim { to, min_idle, now_ms: now, at_ms, deliveries, force, just_id };
    let (outcomes, group) = claim_all(ks, &key, place, &claim, &wanted);
    let Some(group) = group else { return };
    tell(ks, &key, place, &claim, &outcomes, &group, cx);
    if further && outcomes.is_empty() {
        propagate_group(&key, &group, cx);
    }
}

/// Reads what XAUTOCLAIM is told behind the start: how many entries, and whether only ids are wanted. An error has been
/// answered if it is `None`.
fn auto_options(args: Args<'_>, cx: &mut Context<'_, '_>) -> Option<(usize, bool)> {
    /// How many entries are looked at for each that is wanted, and the most that may be wanted.
    const COUNT_MAX: i64 = i64::MAX / 16;
    let (mut count, mut just_id, mut i) = (100, false, 6);
    while i < args.len() {
        if args.is(i, "count") && i + 1 < args.len() {
            let n = parse_i64(args.at(i + 1)).filter(|n| (1..=COUNT_MAX).contains(n));
            let Some(n) = n else {
                cx.reply.error("ERR COUNT must be > 0");
                return None;
            };
            count = usize::try_from(n).unwrap_or(usize::MAX);
            i += 1;
        } else if args.is(i, "justid") {
            just_id = true;
        } else {
            cx.reply.error(SYNTAX);
            return None;
        }
        i += 1;
    }
    Some((count, just_id))
}

pub(super) fn xautoclaim(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    /// Entries that are looked at for each that is wanted.
    const ATTEMPTS: usize = 10;
    let Some(min_idle) = integer_or(args, 4, "ERR Invalid min-idle-time argument for XAUTOCLAIM", cx) else { return };
    let Some(start) = end_at(args, 5, End::Start, cx) else { return };
    let Some((count, just_id)) = auto_options(args, cx) else { return };
    let Ok((key, place)) = read_place(ks, args, 1, cx) else { return };
    let (name, consumer) = (args.at(2), args.at(3));
    let (Some(place), Some(_)) = (place, group_at(ks, &key, place, name)) else {
        return no_group(key.bytes, name, "", cx);
    };
    let to = Delivery { group: name, consumer, no_ack: false };
    to.meet(ks, &key, place, cx);
    let Some((stream, group)) = group_at(ks, &key, Some(place), name) else { return };
    let now = now_ms(cx);
    let claim = Claim { to, min_idle, now_ms: now, at_ms: now, deliveries: None, force: false, just_id };
    let mut wanted: Vec<(StreamId, bool)> = Vec::new();
    let mut pending = group.pending_since(start);
    let mut looked_at = 0;
    while looked_at < count.saturating_mul(ATTEMPTS) && wanted.len() < count {
        let Some(next) = pending.next() else { break };
        looked_at += 1;
        let there = stream.get(next.id).is_some();
        if !there || claim.is_ripe(next) {
            wanted.push((next.id, there));
        }
    }
    let cursor = pending.next().map(|pending| pending.id).unwrap_or_default();
    drop(pending);
    let (outcomes, group) = claim_all(ks, &key, place, &claim, &wanted);
    let Some(group) = group else { return };
    cx.reply.array(3);
    reply_id(cursor, cx);
    tell(ks, &key, place, &claim, &outcomes, &group, cx);
    let gone: Vec<StreamId> = wanted.iter().filter(|(_, there)| !there).map(|(id, _)| *id).collect();
    cx.reply.array(gone.len());
    gone.into_iter().for_each(|id| reply_id(id, cx));
}
