//! What is done only if a string compares with another: `DELIFEQ` (Valkey 9.0), `DELEX` and conditions of `SET` (Redis 8.4;
//! `IFEQ` also Valkey 8.1).
//!
//! Digests (`IFDEQ`, `IFDNE`) are not offered to clients: they need XXH3. A master's word for them is taken.

use alloc::borrow::Cow;

use super::super::Keyspace;
use super::super::entry::Slot;
use super::super::store::{Access, Key};
use super::super::table::Place;
use super::WRONG_TYPE;
use crate::dataset::{Classes, Context, Origin};
use crate::resp::Args;

/// Argument `i`, put together if it came in pieces.
pub(super) fn flat(args: Args<'_>, i: usize) -> Cow<'_, [u8]> {
    match args.pieces(i) {
        Some(pieces) => Cow::Owned(pieces.concat()),
        None => Cow::Borrowed(args.at(i)),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Relation {
    /// `IFEQ`: there is a string, and it is this one.
    Equal,
    /// `IFNE`: there is none, or another one.
    Other,
    /// `IFDEQ`, `IFDNE`: by the digest.
    Digest,
}

/// A string has to compare with that in an argument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compare {
    relation: Relation,
    /// The argument to compare with.
    with: usize,
}

impl Compare {
    /// The condition that argument `i` names, if one follows it that can be compared with.
    pub(super) fn parse(args: Args<'_>, i: usize) -> Option<Self> {
        let relation = match () {
            () if args.is(i, "IFEQ") => Relation::Equal,
            () if args.is(i, "IFNE") => Relation::Other,
            () if args.is(i, "IFDEQ") || args.is(i, "IFDNE") => Relation::Digest,
            () => return None,
        };
        (i + 1 < args.len()).then_some(Self { relation, with: i + 1 })
    }

    /// Whether it can be decided here: digests only by the master that the command comes from.
    pub(super) fn is_known(self, origin: Origin) -> bool {
        self.relation != Relation::Digest || origin == Origin::Upstream
    }

    /// Whether it holds for what a key has; the error if that is no string.
    pub(super) fn holds(self, args: Args<'_>, slot: Option<&Slot>, origin: Origin) -> Result<bool, &'static str> {
        // What comes from a master was decided there.
        if origin == Origin::Upstream {
            return Ok(true);
        }
        let Some(slot) = slot else { return Ok(self.relation != Relation::Equal) };
        let text = slot.string().ok_or(WRONG_TYPE)?;
        let with = flat(args, self.with);
        let equal = text.len() == with.len() && text.flat() == with;
        Ok(equal == (self.relation == Relation::Equal))
    }
}

pub(super) fn delifeq(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    let Some(place) = ks.find(&key, cx, Access::Write) else { return cx.reply.int(0) };
    let equal = Compare { relation: Relation::Equal, with: 2 };
    delete_if(ks, args, &key, place, equal, WRONG_TYPE, cx);
}

pub(super) fn delex(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if args.len() != 2 && args.len() != 4 {
        return cx.reply.error("ERR wrong number of arguments for 'delex' command");
    }
    let key = ks.key(cx.db, args.at(1));
    let Some(place) = ks.find(&key, cx, Access::Write) else { return cx.reply.int(0) };
    // Without a condition a key of any type goes.
    if args.len() == 2 {
        return delete(ks, &key, place, cx);
    }
    const NO_STRING: &str = "ERR Key should be of string type if conditions are specified";
    if ks.slot(&key, place).string().is_none() {
        return cx.reply.error(NO_STRING);
    }
    match Compare::parse(args, 2) {
        Some(compare) if compare.is_known(cx.origin) => delete_if(ks, args, &key, place, compare, NO_STRING, cx),
        _ => cx.reply.error("ERR Invalid condition. Use IFEQ or IFNE"),
    }
}

fn delete_if(
    ks: &mut Keyspace,
    args: Args<'_>,
    key: &Key<'_>,
    place: Place,
    compare: Compare,
    no_string: &'static str,
    cx: &mut Context<'_, '_>,
) {
    match compare.holds(args, Some(ks.slot(key, place)), cx.origin) {
        Ok(true) => delete(ks, key, place, cx),
        Ok(false) => cx.reply.int(0),
        Err(_) => cx.reply.error(no_string),
    }
}

fn delete(ks: &mut Keyspace, key: &Key<'_>, place: Place, cx: &mut Context<'_, '_>) {
    ks.remove(key, place, cx);
    cx.effects.notify(Classes::GENERIC, "del", key.db, key.bytes);
    cx.effects.command(key.db, &[ks.words.deleted, key.bytes]);
    cx.reply.int(1);
}
