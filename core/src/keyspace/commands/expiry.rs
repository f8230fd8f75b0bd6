//! Times to live.

use super::super::Keyspace;
use super::super::entry::Slot;
use super::super::store::Access;
use super::NOT_AN_INTEGER;
use super::options::Time;
use crate::dataset::{Classes, Context};
use crate::resp::{Args, decimal_i64, parse_i64};

pub(super) fn expire(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    change(ks, args, Time::InSeconds, "expire", cx);
}

pub(super) fn pexpire(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    change(ks, args, Time::InMillis, "pexpire", cx);
}

pub(super) fn expireat(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    change(ks, args, Time::AtSeconds, "expireat", cx);
}

pub(super) fn pexpireat(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    change(ks, args, Time::AtMillis, "pexpireat", cx);
}

/// `NX`, `XX`, `GT`, `LT` (Redis since 7.0).
#[derive(Clone, Copy, Default)]
struct Conditions {
    none: bool,
    some: bool,
    later: bool,
    earlier: bool,
}

impl Conditions {
    /// Reads them; an error has been answered if it is `None`.
    fn parse(args: Args<'_>, cx: &mut Context<'_, '_>) -> Option<Self> {
        let mut c = Self::default();
        for i in 3..args.len() {
            match () {
                () if args.is(i, "NX") => c.none = true,
                () if args.is(i, "XX") => c.some = true,
                () if args.is(i, "GT") => c.later = true,
                () if args.is(i, "LT") => c.earlier = true,
                () => {
                    cx.reply.error_bytes(&[b"ERR Unsupported option ", args.at(i)].concat());
                    return None;
                }
            }
        }
        if c.none && (c.some || c.later || c.earlier) {
            cx.reply.error("ERR NX and XX, GT or LT options at the same time are not compatible");
            return None;
        }
        if c.later && c.earlier {
            cx.reply.error("ERR GT and LT options at the same time are not compatible");
            return None;
        }
        Some(c)
    }

    /// Whether a key with the expiry `now` may get `at`. No expiry counts as the latest of all.
    fn allow(self, now: Option<i64>, at: i64) -> bool {
        !(self.none && now.is_some()
            || self.some && now.is_none()
            || self.later && now.is_none_or(|now| at <= now)
            || self.earlier && now.is_some_and(|now| at >= now))
    }
}

fn change(ks: &mut Keyspace, args: Args<'_>, unit: Time, name: &str, cx: &mut Context<'_, '_>) {
    let Some(conditions) = Conditions::parse(args, cx) else { return };
    let Some(n) = parse_i64(args.at(2)) else { return cx.reply.error(NOT_AN_INTEGER) };
    let Some(at) = unit.at(n, cx.now.unix_ms) else {
        return cx.reply.error_fmt(format_args!("ERR invalid expire time in '{name}' command"));
    };
    let key = ks.key(cx.db, args.at(1));
    let Some(place) = ks.find(&key, cx, Access::Write) else { return cx.reply.int(0) };
    if !conditions.allow(ks.slot(&key, place).expiry(), at) {
        return cx.reply.int(0);
    }
    if Keyspace::is_due(at, cx) {
        ks.remove(&key, place, cx);
        cx.effects.notify(Classes::GENERIC, "del", key.db, key.bytes);
        cx.effects.command(key.db, &[ks.words.expired, key.bytes]);
    } else {
        ks.set_expiry(&key, place, Some(at), cx);
        cx.effects.notify(Classes::GENERIC, "expire", key.db, key.bytes);
        let mut buf = [0; 20];
        cx.effects.command(key.db, &[b"PEXPIREAT", key.bytes, decimal_i64(&mut buf, at)]);
    }
    cx.reply.int(1);
}

pub(super) fn persist(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    match ks.find(&key, cx, Access::Write) {
        Some(place) if ks.slot(&key, place).expiry().is_some() => {
            ks.set_expiry(&key, place, None, cx);
            cx.effects.notify(Classes::GENERIC, "persist", key.db, key.bytes);
            cx.effects.itself();
            cx.reply.int(1);
        }
        _ => cx.reply.int(0),
    }
}

pub(super) fn ttl(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    // Rounded to the nearest second.
    tell(
        ks,
        args,
        |at, now| {
            let left = left(at, now);
            left / 1000 + i64::from(left % 1000 >= 500)
        },
        cx,
    );
}

pub(super) fn pttl(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    tell(ks, args, left, cx);
}

pub(super) fn expiretime(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    tell(ks, args, |at, _| at / 1000 + i64::from(at % 1000 >= 500), cx);
}

pub(super) fn pexpiretime(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    tell(ks, args, |at, _| at, cx);
}

fn left(at: i64, now_ms: u64) -> i64 {
    at.saturating_sub_unsigned(now_ms).max(0)
}

/// -2: no such key; -1: it never expires.
fn tell(ks: &mut Keyspace, args: Args<'_>, f: impl FnOnce(i64, u64) -> i64, cx: &mut Context<'_, '_>) {
    let key = ks.key(cx.db, args.at(1));
    let answer = match ks.look(&key, cx).map(Slot::expiry) {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => f(at, cx.now.unix_ms),
    };
    cx.reply.int(answer);
}
