//! What is done only if a string compares with another: `DELIFEQ` (Valkey 9.0), `DELEX` and conditions of `SET` (Redis 8.4;
//! `IFEQ` also Valkey 8.1), by the string itself or by its digest, which `DIGEST` tells (Redis 8.4).

use alloc::borrow::Cow;
use core::fmt::Write as _;

use xxhash_rust::xxh3::Xxh3Default;

use super::super::Keyspace;
use super::super::entry::Slot;
use super::super::store::{Access, Key};
use super::super::string::Str;
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

/// How long a digest is: 64 bits, each four of them a hexadecimal digit.
const DIGEST_LEN: usize = 16;

/// The digest of a string: its XXH3 of 64 bits without a seed, in lower case.
fn digest_of(text: Str<'_>) -> alloc::string::String {
    let mut hash = Xxh3Default::new();
    text.slices(0, text.len()).for_each(|slice| hash.update(slice));
    let mut digits = alloc::string::String::with_capacity(DIGEST_LEN);
    // Nothing is written to that could fail.
    let _ = write!(digits, "{:0DIGEST_LEN$x}", hash.digest());
    digits
}

pub(super) fn digest(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    match ks.read(&key, cx).map(Slot::string) {
        Some(Some(text)) => cx.reply.bulk(digest_of(text).as_bytes()),
        Some(None) => cx.reply.error(WRONG_TYPE),
        None => cx.reply.null(),
    }
}

/// A string has to compare with that in an argument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compare {
    /// `IFDEQ`, `IFDNE`: its digest has to.
    digest: bool,
    /// `IFNE`, `IFDNE`: there is no string, or another one. The others: there is one, and it is this one.
    differs: bool,
    /// The argument to compare with.
    with: usize,
}

impl Compare {
    /// The condition that argument `i` names, if one follows it that can be compared with.
    pub(super) fn parse(args: Args<'_>, i: usize) -> Option<Self> {
        let (digest, differs) = match () {
            () if args.is(i, "IFEQ") => (false, false),
            () if args.is(i, "IFNE") => (false, true),
            () if args.is(i, "IFDEQ") => (true, false),
            () if args.is(i, "IFDNE") => (true, true),
            () => return None,
        };
        (i + 1 < args.len()).then_some(Self { digest, differs, with: i + 1 })
    }

    /// Whether it holds for what a key has; the error if that is no string, or if it cannot be compared.
    pub(super) fn holds(self, args: Args<'_>, slot: Option<&Slot>, origin: Origin) -> Result<bool, &'static str> {
        // What comes from a master was decided there.
        if origin == Origin::Upstream {
            return Ok(true);
        }
        let Some(slot) = slot else { return Ok(self.differs) };
        let text = slot.string().ok_or(WRONG_TYPE)?;
        let with = flat(args, self.with);
        let equal = match self.digest {
            true if with.len() != DIGEST_LEN => return Err("ERR must be exactly 16 hexadecimal characters"),
            true => digest_of(text).as_bytes().eq_ignore_ascii_case(&with),
            false => text.len() == with.len() && text.flat() == with,
        };
        Ok(equal != self.differs)
    }
}

pub(super) fn delifeq(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    let Some(place) = ks.find(&key, cx, Access::Write) else { return cx.reply.int(0) };
    let equal = Compare { digest: false, differs: false, with: 2 };
    delete_if(ks, args, &key, place, equal, cx);
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
    if ks.slot(&key, place).string().is_none() {
        return cx.reply.error("ERR Key should be of string type if conditions are specified");
    }
    match Compare::parse(args, 2) {
        Some(compare) => delete_if(ks, args, &key, place, compare, cx),
        None => cx.reply.error("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"),
    }
}

fn delete_if(
    ks: &mut Keyspace,
    args: Args<'_>,
    key: &Key<'_>,
    place: Place,
    compare: Compare,
    cx: &mut Context<'_, '_>,
) {
    match compare.holds(args, Some(ks.slot(key, place)), cx.origin) {
        Ok(true) => delete(ks, key, place, cx),
        Ok(false) => cx.reply.int(0),
        Err(text) => cx.reply.error(text),
    }
}

fn delete(ks: &mut Keyspace, key: &Key<'_>, place: Place, cx: &mut Context<'_, '_>) {
    ks.remove(key, place, cx);
    cx.effects.notify(Classes::GENERIC, "del", key.db, key.bytes);
    cx.effects.command(key.db, &[ks.words.deleted, key.bytes]);
    cx.reply.int(1);
}
