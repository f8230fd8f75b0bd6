//! Parts of strings.

use super::super::Keyspace;
use super::super::store::{Access, Key};
use super::super::string::{Form, New, Str};
use super::super::table::Place;
use super::strings::value;
use super::{NOT_AN_INTEGER, WRONG_TYPE};
use crate::dataset::{Classes, Context};
use crate::resp::{Args, parse_i64};

const TOO_LONG: &str = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";

/// The length of the string at a place, 0 where there is none; an error has been answered if it is no string.
pub(super) fn length(ks: &Keyspace, key: &Key<'_>, place: Option<Place>, cx: &mut Context<'_, '_>) -> Option<usize> {
    let Some(place) = place else { return Some(0) };
    let len = ks.slot(key, place).string().map(Str::len);
    if len.is_none() {
        cx.reply.error(WRONG_TYPE);
    }
    len
}

pub(super) fn strlen(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    let place = ks.find(&key, cx, Access::Read);
    if let Some(len) = length(ks, &key, place, cx) {
        cx.reply.int(len as i64);
    }
}

pub(super) fn append(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    let place = ks.find(&key, cx, Access::Write);
    let Some(len) = length(ks, &key, place, cx) else { return };
    let new = value(args, 2);
    let max = ks.limits.string_for(cx.origin);
    let Some(total) = len.checked_add(new.len()).filter(|&total| total <= max || new.len() == 0) else {
        return cx.reply.error(TOO_LONG);
    };
    match (place, new) {
        (None, _) => ks.put(&key, None, new, None, Form::Auto, cx),
        (Some(place), New::Flat(bytes)) => ks.write_at(&key, place, len, &[bytes], cx),
        (Some(place), New::Pieces(pieces)) => ks.write_at(&key, place, len, pieces, cx),
    }
    cx.effects.notify(Classes::STRING, "append", key.db, key.bytes);
    cx.reply.int(total as i64);
    cx.effects.itself();
}

pub(super) fn setrange(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(offset) = parse_i64(args.at(2)) else { return cx.reply.error(NOT_AN_INTEGER) };
    let Ok(offset) = usize::try_from(offset) else { return cx.reply.error("ERR offset is out of range") };
    let key = ks.key(cx.db, args.at(1));
    let place = ks.find(&key, cx, Access::Write);
    let Some(len) = length(ks, &key, place, cx) else { return };
    let bytes = args.at(3);
    if bytes.is_empty() {
        return cx.reply.int(len as i64);
    }
    let max = ks.limits.string_for(cx.origin);
    let Some(end) = offset.checked_add(bytes.len()).filter(|&end| end <= max) else {
        return cx.reply.error(TOO_LONG);
    };
    if let Some(place) = ks.place_to_write(&key, place, cx) {
        ks.write_at(&key, place, offset, &[bytes], cx);
    }
    cx.effects.notify(Classes::STRING, "setrange", key.db, key.bytes);
    cx.reply.int(len.max(end) as i64);
    cx.effects.itself();
}

impl Keyspace {
    /// Where the key is; it is made with an empty string if it is not there.
    pub(super) fn place_to_write(
        &mut self,
        key: &Key<'_>,
        place: Option<Place>,
        cx: &mut Context<'_, '_>,
    ) -> Option<Place> {
        if place.is_some() {
            return place;
        }
        self.put(key, None, New::Flat(b""), None, Form::Raw, cx);
        self.find(key, cx, Access::Write)
    }

    /// Overwrites the string at a place with `parts` from `at` on, after zeros if it ends before.
    pub(super) fn write_at<B: AsRef<[u8]>>(
        &mut self,
        key: &Key<'_>,
        place: Place,
        mut at: usize,
        parts: &[B],
        cx: &mut Context<'_, '_>,
    ) {
        self.table_mut(key.db).update(place, |slot| {
            for part in parts {
                slot.write_at(at, part.as_ref());
                at += part.as_ref().len();
            }
        });
        cx.effects.touch(key.db, key.bytes);
    }
}

pub(super) fn getrange(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let (Some(start), Some(end)) = (parse_i64(args.at(2)), parse_i64(args.at(3))) else {
        return cx.reply.error(NOT_AN_INTEGER);
    };
    let key = ks.key(cx.db, args.at(1));
    let Some(slot) = ks.read(&key, cx) else { return cx.reply.bulk(b"") };
    let Some(text) = slot.string() else { return cx.reply.error(WRONG_TYPE) };
    let len = text.len() as i64;
    // Negative positions count from the end; both ends are inside the range.
    let place = |n: i64| if n < 0 { n.saturating_add(len).max(0) } else { n };
    let inverted = start < 0 && end < 0 && start > end;
    let (from, to) = (place(start), place(end).min(len - 1));
    if inverted || from > to || len == 0 {
        return cx.reply.bulk(b"");
    }
    text.reply_range(from as usize, to as usize + 1, cx.reply);
}
