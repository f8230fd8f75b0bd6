//! Numbers in strings.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::float::{self, Extended, Spelled};
use super::super::store::{Access, Key};
use super::super::string::{Form, New};
use super::super::table::Place;
use super::{NOT_AN_INTEGER, WRONG_TYPE};
use crate::dataset::{Classes, Context};
use crate::resp::{Args, decimal_i64, parse_i64};

pub(super) fn incr(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    add(ks, args, 1, cx);
}

pub(super) fn decr(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    add(ks, args, -1, cx);
}

pub(super) fn incrby(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    match parse_i64(args.at(2)) {
        Some(n) => add(ks, args, n, cx),
        None => cx.reply.error(NOT_AN_INTEGER),
    }
}

pub(super) fn decrby(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    match parse_i64(args.at(2)).map(i64::checked_neg) {
        Some(Some(n)) => add(ks, args, n, cx),
        Some(None) => cx.reply.error("ERR decrement would overflow"),
        None => cx.reply.error(NOT_AN_INTEGER),
    }
}

fn add(ks: &mut Keyspace, args: Args<'_>, n: i64, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    let place = ks.find(&key, cx, Access::Write);
    let (mut before, mut expiry) = (0, None);
    if let Some(place) = place {
        let slot = ks.slot(&key, place);
        let Some(text) = slot.string() else { return cx.reply.error(WRONG_TYPE) };
        let Some(number) = (text.len() <= 20).then(|| parse_i64(&text.flat())).flatten() else {
            return cx.reply.error(NOT_AN_INTEGER);
        };
        (before, expiry) = (number, slot.expiry());
    }
    let Some(sum) = before.checked_add(n) else {
        return cx.reply.error("ERR increment or decrement would overflow");
    };
    let mut buf = [0; 20];
    ks.put(&key, place, New::Flat(decimal_i64(&mut buf, sum)), expiry, Form::Auto, cx);
    cx.effects.notify(Classes::STRING, "incrby", key.db, key.bytes);
    cx.reply.int(sum);
    cx.effects.itself();
}

pub(super) fn incrbyfloat(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    let place = ks.find(&key, cx, Access::Write);
    let expiry = place.and_then(|p| ks.slot(&key, p).expiry());
    match sum(ks, &key, place, args.at(2)) {
        Err(text) => cx.reply.error(text),
        Ok(text) => {
            ks.put(&key, place, New::Flat(&text), expiry, Form::Text, cx);
            cx.effects.notify(Classes::STRING, "incrbyfloat", key.db, key.bytes);
            cx.reply.bulk(&text);
            // The result and not the sum: another machine might round it otherwise.
            cx.effects.command(key.db, &[b"SET", key.bytes, &text, b"KEEPTTL"]);
        }
    }
}

fn sum(ks: &Keyspace, key: &Key<'_>, place: Option<Place>, increment: &[u8]) -> Result<Vec<u8>, &'static str> {
    const NOT_A_FLOAT: &str = "ERR value is not a valid float";
    let before = match place {
        None => Spelled::Finite(Extended::ZERO),
        Some(place) => {
            let text = ks.slot(key, place).string().ok_or(WRONG_TYPE)?;
            let text = (text.len() <= float::TEXT_MAX).then(|| text.flat()).ok_or(NOT_A_FLOAT)?;
            float::parse(&text).ok_or(NOT_A_FLOAT)?
        }
    };
    match (before, float::parse(increment).ok_or(NOT_A_FLOAT)?) {
        (Spelled::Finite(a), Spelled::Finite(b)) => a.add(b).map(Extended::text),
        _ => None,
    }
    .ok_or("ERR increment would produce NaN or Infinity")
}
