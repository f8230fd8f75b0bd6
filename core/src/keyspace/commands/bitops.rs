//! BITOP: bits of several strings combined into one.
//!
//! Replicas are told of the result of the operations that came with Redis 8.2: older ones do not know these.

use alloc::vec::Vec;

use bytes::Bytes;

use super::super::Keyspace;
use super::super::store::Access;
use super::super::string::{Form, New, Str};
use super::super::value::CHUNK;
use super::{SYNTAX, WRONG_TYPE};
use crate::dataset::{Classes, Context};
use crate::resp::Args;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    And,
    Or,
    Xor,
    Not,
    /// What is set in the first one and in no other (Redis 8.2).
    Diff,
    /// What is set in any other and not in the first one (Redis 8.2).
    Diff1,
    /// What is set in the first one and in any other (Redis 8.2).
    AndOr,
    /// What is set in one of them only (Redis 8.2).
    One,
}

impl Op {
    const ALL: [(&str, Self); 8] = [
        ("AND", Self::And),
        ("OR", Self::Or),
        ("XOR", Self::Xor),
        ("NOT", Self::Not),
        ("DIFF", Self::Diff),
        ("DIFF1", Self::Diff1),
        ("ANDOR", Self::AndOr),
        ("ONE", Self::One),
    ];

    /// With its name.
    fn parse(args: Args<'_>) -> Option<(&'static str, Self)> {
        Self::ALL.into_iter().find(|(word, _)| args.is(1, word))
    }

    /// Whether it holds one string against all others.
    fn has_first(self) -> bool {
        matches!(self, Self::Diff | Self::Diff1 | Self::AndOr)
    }

    fn is_old(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Xor | Self::Not)
    }
}

pub(super) fn bitop(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some((name, op)) = Op::parse(args) else { return cx.reply.error(SYNTAX) };
    if op == Op::Not && args.len() != 4 {
        return cx.reply.error("ERR BITOP NOT must be called with a single source key.");
    }
    if op.has_first() && args.len() < 5 {
        return cx.reply.error_fmt(format_args!("ERR BITOP {name} must be called with at least two source keys."));
    }
    // Once all are looked up, nothing expires any more, so that the places of a second look stay what they are.
    for name in args.iter().skip(3) {
        let key = ks.key(cx.db, name);
        if ks.read(&key, cx).is_some_and(|slot| slot.string().is_none()) {
            return cx.reply.error(WRONG_TYPE);
        }
    }
    let mut places = Vec::with_capacity(args.len() - 3);
    for name in args.iter().skip(3) {
        let key = ks.key(cx.db, name);
        places.push(ks.find(&key, cx, Access::Write));
    }
    let table = ks.table(cx.db);
    let texts: Vec<Str<'_>> =
        places.iter().map(|place| place.and_then(|at| table.slot(at).string()).unwrap_or(Str::Flat(b""))).collect();
    let len = texts.iter().map(|text| text.len()).max().unwrap_or(0);
    let result = combine(op, &texts, len);
    let dest = ks.key(cx.db, args.at(2));
    if len > 0 {
        let place = ks.find(&dest, cx, Access::Write);
        ks.put(&dest, place, New::Pieces(&result), None, Form::Raw, cx);
        cx.effects.notify(Classes::STRING, "set", dest.db, dest.bytes);
        if op.is_old() {
            cx.effects.itself();
        } else {
            cx.effects.command(dest.db, &[b"SET", dest.bytes, &result.concat()]);
        }
    } else if ks.delete(&dest, cx) {
        cx.effects.notify(Classes::GENERIC, "del", dest.db, dest.bytes);
        if op.is_old() {
            cx.effects.itself();
        } else {
            cx.effects.command(dest.db, &[ks.words.deleted, dest.bytes]);
        }
    }
    cx.reply.int(len as i64);
}

/// The result in chunks: no source is ever copied as a whole. Zeros follow what is shorter than `len`.
fn combine(op: Op, texts: &[Str<'_>], len: usize) -> Vec<Bytes> {
    let chunk = |at: usize| {
        let mut out = alloc::vec![0; CHUNK.min(len - at)];
        match op {
            Op::And | Op::Or | Op::Xor | Op::Not => {
                for (i, text) in texts.iter().enumerate() {
                    // The first one onto zeros; NOT turns it afterwards.
                    apply(if i == 0 { Op::Or } else { op }, &mut out, *text, at);
                }
                if op == Op::Not {
                    out.iter_mut().for_each(|byte| *byte = !*byte);
                }
            }
            Op::Diff | Op::Diff1 | Op::AndOr => {
                let (first, others) =
                    texts.split_first().map_or((Str::Flat(b""), texts), |(first, rest)| (*first, rest));
                others.iter().for_each(|text| apply(Op::Or, &mut out, *text, at));
                let others = core::mem::replace(&mut out, alloc::vec![0; CHUNK.min(len - at)]);
                apply(Op::Or, &mut out, first, at);
                out.iter_mut().zip(others).for_each(|(a, b)| match op {
                    Op::Diff => *a &= !b,
                    Op::Diff1 => *a = b & !*a,
                    _ => *a &= b,
                });
            }
            Op::One => {
                let (mut more, mut here) = (out.clone(), out.clone());
                for text in texts {
                    here.fill(0);
                    apply(Op::Or, &mut here, *text, at);
                    for ((once, more), bits) in out.iter_mut().zip(&mut more).zip(&here) {
                        *more |= *once & bits;
                        *once |= bits;
                    }
                }
                out.iter_mut().zip(more).for_each(|(once, more)| *once &= !more);
            }
        }
        Bytes::from(out)
    };
    (0..len).step_by(CHUNK).map(chunk).collect()
}

/// Applies the bytes of `text` from `at` on: AND, XOR, or else OR.
fn apply(op: Op, out: &mut [u8], text: Str<'_>, at: usize) {
    let mut rest = &mut *out;
    for slice in text.slices(at, at + rest.len()) {
        let (here, after) = rest.split_at_mut(slice.len());
        let pairs = here.iter_mut().zip(slice);
        match op {
            Op::And => pairs.for_each(|(a, b)| *a &= b),
            Op::Xor => pairs.for_each(|(a, b)| *a ^= b),
            _ => pairs.for_each(|(a, b)| *a |= b),
        }
        rest = after;
    }
    if op == Op::And {
        rest.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::value::Chunked;
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn combines_as_byte_by_byte(op: u8, a: Vec<u8>, b: Vec<u8>, c: Vec<u8>, at: u8) -> bool {
            let (op, f): (Op, fn(u8, u8, u8) -> u8) = match op % 8 {
                0 => (Op::And, |a, b, c| a & b & c),
                1 => (Op::Or, |a, b, c| a | b | c),
                2 => (Op::Xor, |a, b, c| a ^ b ^ c),
                3 => (Op::Not, |a, _, _| !a),
                4 => (Op::Diff, |a, b, c| a & !(b | c)),
                5 => (Op::Diff1, |a, b, c| !a & (b | c)),
                6 => (Op::AndOr, |a, b, c| a & (b | c)),
                _ => (Op::One, |a, b, c| a & !b & !c | !a & b & !c | !a & !b & c),
            };
            // One of them reaches over the end of a chunk.
            let mut long = alloc::vec![0x5a; CHUNK - usize::from(at)];
            long.extend_from_slice(&a);
            let chunked = Chunked::new(&long);
            // And one is as often the first as it is the last.
            let sources = [Str::Long(&chunked), Str::Flat(&b), Str::Flat(&c)];
            let sources = if at.is_multiple_of(2) { sources } else { [sources[2], sources[1], sources[0]] };
            let sources = if op == Op::Not { &sources[..1] } else { &sources[..] };
            let len = sources.iter().map(|s| s.len()).max().unwrap_or(0);
            let flat = [sources.first(), sources.get(1), sources.get(2)].map(|s| s.map(|s| s.flat()).unwrap_or_default());
            let byte = |k: usize, i: usize| *flat[k].get(i).unwrap_or(&0);
            let want: Vec<u8> = (0..len).map(|i| f(byte(0, i), byte(1, i), byte(2, i))).collect();
            combine(op, sources, len).concat() == want
        }
    }
}
