//! Numbers in the fields of hashes.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::float::{self, Extended, Spelled};
use super::NOT_AN_INTEGER;
use super::hashes::write;
use crate::dataset::{Classes, Context};
use crate::rdb::Scalar;
use crate::resp::{Args, decimal_i64, parse_i64};

pub(super) fn hincrby(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(n) = parse_i64(args.at(3)) else { return cx.reply.error(NOT_AN_INTEGER) };
    let Some((key, place)) = write(ks, args, args.get(2).into_iter(), cx) else { return };
    let before = match place.and_then(|place| ks.hash_at(&key, place).get(ks.hash_key, args.at(2))) {
        None => 0,
        // Every text that spells an integer is held as one.
        Some(Scalar::Int(n)) => n,
        Some(Scalar::Text(_)) => return cx.reply.error("ERR hash value is not an integer"),
    };
    let Some(sum) = before.checked_add(n) else {
        return cx.reply.error("ERR increment or decrement would overflow");
    };
    let mut buf = [0; 20];
    ks.edit_hash(&key, place, cx, |hash| hash.keep(args.at(2), decimal_i64(&mut buf, sum)));
    cx.effects.notify(Classes::HASH, "hincrby", key.db, key.bytes);
    cx.reply.int(sum);
    cx.effects.itself();
}

pub(super) fn hincrbyfloat(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(increment) = float::parse(args.at(3)) else {
        return cx.reply.error("ERR value is not a valid float");
    };
    let Spelled::Finite(increment) = increment else { return cx.reply.error("ERR value is NaN or Infinity") };
    let Some((key, place)) = write(ks, args, args.get(2).into_iter(), cx) else { return };
    let before = place.and_then(|place| ks.hash_at(&key, place).get(ks.hash_key, args.at(2)));
    let expiry = place.and_then(|place| ks.hash_at(&key, place).expiry_of(ks.hash_key, args.at(2)));
    match sum(before, increment) {
        Err(text) => cx.reply.error(text),
        Ok(text) => {
            ks.edit_hash(&key, place, cx, |hash| hash.keep(args.at(2), &text));
            cx.effects.notify(Classes::HASH, "hincrbyfloat", key.db, key.bytes);
            cx.reply.bulk(&text);
            // The result and not the sum: another machine might round it otherwise.
            cx.effects.command(key.db, &[b"HSET", key.bytes, args.at(2), &text]);
            if let Some(at) = expiry {
                // HSET takes the expiry of a field, which stays here.
                let mut buf = [0; 20];
                let at = decimal_i64(&mut buf, at as i64);
                cx.effects.command(key.db, &[b"HPEXPIREAT", key.bytes, at, b"FIELDS", b"1", args.at(2)]);
                cx.effects.dirty -= 1;
            }
        }
    }
}

fn sum(before: Option<Scalar<'_>>, increment: Extended) -> Result<Vec<u8>, &'static str> {
    let before = match before {
        None => Spelled::Finite(Extended::ZERO),
        Some(text) => float::parse(text.text(&mut [0; 20])).ok_or("ERR hash value is not a float")?,
    };
    match before {
        Spelled::Finite(before) => before.add(increment).map(Extended::text),
        Spelled::Infinite => None,
    }
    .ok_or("ERR increment would produce NaN or Infinity")
}
