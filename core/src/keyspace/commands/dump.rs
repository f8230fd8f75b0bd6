//! Values as bytes: DUMP gives them, RESTORE takes them.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::entry::SMALL_MAX;
use super::super::load;
use super::super::snapshot;
use super::super::store::{Access, Key};
use super::super::uses::Use;
use super::options::Time;
use super::{NOT_AN_INTEGER, SYNTAX};
use crate::dataset::{Classes, Context};
use crate::rdb::{self, Body, Payload, Writer};
use crate::resp::{Args, decimal_i64, parse_i64};

/// The payload has the lowest version that has room for the value, so that old servers take it too.
pub(super) fn dump(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    let Some(slot) = ks.read(&key, cx) else { return cx.reply.null() };
    let version = Writer::version_for(slot.has_timed_fields(), slot.has_counters());
    let mut body = Body::new(rdb::Options { compress: true }).for_version(version).lone();
    snapshot::whole(&mut body, slot);
    match &*body.into_payload() {
        // A handle costs more than a short copy.
        [only] if only.len() <= SMALL_MAX => cx.reply.bulk(only),
        chunks => cx.reply.bulk_shared(chunks),
    }
}

/// What RESTORE is told beside key, time and value.
#[derive(Clone, Copy, Default, Debug)]
struct Options {
    /// `REPLACE`: over a key that is there.
    replace: bool,
    /// `ABSTTL`: the time is Unix time.
    absolute: bool,
    /// `IDLETIME` or `FREQ`: how the key was used, for a policy that keeps it.
    used: Option<Use>,
}

impl Options {
    /// Reads them; an error's text if they are none.
    fn parse(args: Args<'_>) -> Result<Self, &'static str> {
        let mut options = Self::default();
        let mut i = 4;
        while i < args.len() {
            if args.is(i, "REPLACE") {
                options.replace = true;
            } else if args.is(i, "ABSTTL") {
                options.absolute = true;
            } else if args.is(i, "IDLETIME") && i + 1 < args.len() && !matches!(options.used, Some(Use::Freq(_))) {
                let seconds = u64::try_from(parse_i64(args.at(i + 1)).ok_or(NOT_AN_INTEGER)?);
                options.used = Some(Use::Idle(seconds.map_err(|_| "ERR Invalid IDLETIME value, must be >= 0")?));
                i += 1;
            } else if args.is(i, "FREQ") && i + 1 < args.len() && !matches!(options.used, Some(Use::Idle(_))) {
                let counter = u8::try_from(parse_i64(args.at(i + 1)).ok_or(NOT_AN_INTEGER)?);
                options.used = Some(Use::Freq(counter.map_err(|_| "ERR Invalid FREQ value, must be >= 0 and <= 255")?));
                i += 1;
            } else {
                return Err(SYNTAX);
            }
            i += 1;
        }
        Ok(options)
    }
}

/// When the key will expire, ms since 1970; an error's text if argument 2 gives no such time.
fn expiry(args: Args<'_>, options: Options, now_ms: u64) -> Result<Option<i64>, &'static str> {
    let n = parse_i64(args.at(2)).ok_or(NOT_AN_INTEGER)?;
    let unit = if options.absolute { Time::AtMillis } else { Time::InMillis };
    match unit.at(n, now_ms) {
        Some(_) if n == 0 => Ok(None),
        Some(at) if n > 0 => Ok(Some(at)),
        _ => Err("ERR Invalid TTL value, must be >= 0"),
    }
}

pub(super) fn restore(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(text) => return cx.reply.error(text),
    };
    let key = ks.key(cx.db, args.at(1));
    if !options.replace && ks.find(&key, cx, Access::Write).is_some() {
        return cx.reply.error("BUSYKEY Target key name already exists.");
    }
    let expiry = match expiry(args, options, cx.now.unix_ms) {
        Ok(expiry) => expiry,
        Err(text) => return cx.reply.error(text),
    };
    let Some(payload) = Payload::open(args.at(3)) else {
        return cx.reply.error("ERR DUMP payload version or checksum are wrong");
    };
    let Some(slot) = load::restore(&payload, key.bytes, expiry, ks.hash_key, &ks.limits) else {
        return cx.reply.error("ERR Bad data format");
    };
    let there = ks.delete(&key, cx);
    cx.reply.ok();
    if expiry.is_some_and(|at| Keyspace::is_due(at, cx)) {
        ks.graveyard.bury(slot);
        if there {
            cx.effects.notify(Classes::GENERIC, "del", key.db, key.bytes);
            cx.effects.command(key.db, &[b"DEL", key.bytes]);
        }
        return;
    }
    ks.insert(&key, slot, cx);
    if let Some(used) = options.used {
        ks.set_stamp(&key, ks.uses.stamp(used, cx.now.mono));
    }
    cx.effects.notify(Classes::GENERIC, "restore", key.db, key.bytes);
    match expiry {
        Some(at) if !options.absolute => propagate_absolute(args, &key, at, cx),
        _ => cx.effects.itself(),
    }
}

/// The command with the Unix time at which the key expires.
fn propagate_absolute(args: Args<'_>, key: &Key<'_>, at: i64, cx: &mut Context<'_, '_>) {
    let mut buf = [0; 20];
    let head = [&b"RESTORE"[..], key.bytes, decimal_i64(&mut buf, at), args.at(3)];
    let words: Vec<&[u8]> = head.into_iter().chain(args.iter().skip(4)).chain([&b"ABSTTL"[..]]).collect();
    cx.effects.command(key.db, &words);
}
