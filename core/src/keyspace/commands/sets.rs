//! Sets: members added, removed and asked for.

use super::super::Keyspace;
use super::super::entry::Slot;
use super::super::pack::Text as _;
use super::super::record::Kind;
use super::super::set::{Member, SetRef};
use super::super::store::Answered;
use crate::dataset::{Classes, Context};
use crate::resp::Args;

/// The set of the key in argument 1 for a reader, if there is such a key.
pub(super) fn read<'k>(
    ks: &'k mut Keyspace,
    args: Args<'_>,
    cx: &mut Context<'_, '_>,
) -> Result<Option<SetRef<'k>>, Answered> {
    let key = ks.key(cx.db, args.at(1));
    ks.read_as(&key, cx, Slot::set)
}

pub(super) fn sadd(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    let Ok(place) = ks.find_kind(&key, Kind::Set, cx) else { return };
    let there = place.map_or(SetRef::EMPTY, |place| ks.set_at(&key, place));
    // A bucket is handed over to a snapshot, and watchers hear of it, only if there is something to add.
    if args.iter().skip(2).all(|member| there.has(ks.hash_key, Member::new(member))) {
        return cx.reply.int(0);
    }
    let added = ks.edit_set(&key, place, cx, |set| {
        set.announce(args.len() - 2, args.at(2));
        args.iter().skip(2).filter(|member| set.add(member)).count()
    });
    cx.effects.notify(Classes::SET, "sadd", key.db, key.bytes);
    cx.effects.itself();
    cx.effects.dirty += (added as u64).saturating_sub(1);
    cx.reply.int(added as i64);
}

pub(super) fn srem(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    let Ok(place) = ks.find_kind(&key, Kind::Set, cx) else { return };
    let there = place.map_or(SetRef::EMPTY, |place| ks.set_at(&key, place));
    if !args.iter().skip(2).any(|member| there.has(ks.hash_key, Member::new(member))) {
        return cx.reply.int(0);
    }
    let removed = ks.edit_set(&key, place, cx, |set| args.iter().skip(2).filter(|member| set.remove(member)).count());
    ks.tell_removal(Classes::SET, "srem", &key, cx);
    cx.effects.itself();
    cx.effects.dirty += (removed as u64).saturating_sub(1);
    cx.reply.int(removed as i64);
}

pub(super) fn smove(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let (from, to, member) = (ks.key(cx.db, args.at(1)), ks.key(cx.db, args.at(2)), args.at(3));
    let Ok(source) = ks.find_kind(&from, Kind::Set, cx) else { return };
    if source.is_none() {
        return cx.reply.int(0);
    }
    if ks.find_kind(&to, Kind::Set, cx).is_err() {
        return;
    }
    // Looked up again: the other key may have expired, and a removal moves entries of its bucket.
    let Ok(Some(source)) = ks.find_kind(&from, Kind::Set, cx) else { return cx.reply.int(0) };
    if !ks.set_at(&from, source).has(ks.hash_key, Member::new(member)) {
        return cx.reply.int(0);
    }
    cx.reply.int(1);
    if from.bytes == to.bytes {
        return;
    }
    ks.edit_set(&from, Some(source), cx, |set| set.remove(member));
    ks.tell_removal(Classes::SET, "srem", &from, cx);
    cx.effects.itself();
    let Ok(target) = ks.find_kind(&to, Kind::Set, cx) else { return };
    let there = target.is_some_and(|place| ks.set_at(&to, place).has(ks.hash_key, Member::new(member)));
    if !there {
        ks.edit_set(&to, target, cx, |set| {
            set.announce(1, member);
            set.add(member)
        });
        cx.effects.notify(Classes::SET, "sadd", to.db, to.bytes);
        cx.effects.dirty += 1;
    }
}

pub(super) fn sismember(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let hash_key = ks.hash_key;
    let Ok(set) = read(ks, args, cx) else { return };
    cx.reply.int(i64::from(set.is_some_and(|set| set.has(hash_key, Member::new(args.at(2))))));
}

pub(super) fn smismember(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let hash_key = ks.hash_key;
    let Ok(set) = read(ks, args, cx) else { return };
    cx.reply.array(args.len() - 2);
    for member in args.iter().skip(2) {
        cx.reply.int(i64::from(set.is_some_and(|set| set.has(hash_key, Member::new(member)))));
    }
}

pub(super) fn scard(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Ok(set) = read(ks, args, cx) else { return };
    cx.reply.int(set.map_or(0, SetRef::len) as i64);
}

pub(super) fn smembers(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Ok(set) = read(ks, args, cx) else { return };
    cx.reply.set(set.map_or(0, SetRef::len));
    set.into_iter().flat_map(SetRef::members).for_each(|member| member.name.reply(cx.reply));
}
