//! BITOP: bits of several strings combined into one.

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
}

impl Op {
    fn parse(args: Args<'_>) -> Option<Self> {
        [("AND", Self::And), ("OR", Self::Or), ("XOR", Self::Xor), ("NOT", Self::Not)]
            .into_iter()
            .find_map(|(word, op)| args.is(1, word).then_some(op))
    }
}

pub(super) fn bitop(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(op) = Op::parse(args) else { return cx.reply.error(SYNTAX) };
    if op == Op::Not && args.len() != 4 {
        return cx.reply.error("ERR BITOP NOT must be called with a single source key.");
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
        cx.effects.itself();
    } else if ks.delete(&dest, cx) {
        cx.effects.notify(Classes::GENERIC, "del", dest.db, dest.bytes);
        cx.effects.itself();
    }
    cx.reply.int(len as i64);
}

/// The result in chunks: no source is ever copied as a whole. Zeros follow what is shorter than `len`.
fn combine(op: Op, texts: &[Str<'_>], len: usize) -> Vec<Bytes> {
    let chunk = |at: usize| {
        let mut out = alloc::vec![0; CHUNK.min(len - at)];
        for (i, text) in texts.iter().enumerate() {
            // The first one onto zeros; NOT turns it afterwards.
            apply(if i == 0 { Op::Or } else { op }, &mut out, *text, at);
        }
        if op == Op::Not {
            out.iter_mut().for_each(|byte| *byte = !*byte);
        }
        Bytes::from(out)
    };
    (0..len).step_by(CHUNK).map(chunk).collect()
}

/// Applies the bytes of `text` from `at` on.
fn apply(op: Op, out: &mut [u8], text: Str<'_>, at: usize) {
    let mut rest = &mut *out;
    for slice in text.slices(at, at + rest.len()) {
        let (here, after) = rest.split_at_mut(slice.len());
        let pairs = here.iter_mut().zip(slice);
        match op {
            Op::And => pairs.for_each(|(a, b)| *a &= b),
            Op::Xor => pairs.for_each(|(a, b)| *a ^= b),
            Op::Or | Op::Not => pairs.for_each(|(a, b)| *a |= b),
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
        fn combines_as_byte_by_byte(op: u8, a: Vec<u8>, b: Vec<u8>, at: u8) -> bool {
            let (op, f): (Op, fn(u8, u8) -> u8) = match op % 4 {
                0 => (Op::And, |a, b| a & b),
                1 => (Op::Or, |a, b| a | b),
                2 => (Op::Xor, |a, b| a ^ b),
                _ => (Op::Not, |a, _| !a),
            };
            // One of them reaches over the end of a chunk.
            let mut long = alloc::vec![0x5a; CHUNK - usize::from(at)];
            long.extend_from_slice(&a);
            let chunked = Chunked::new(&long);
            let sources = [Str::Long(&chunked), Str::Flat(&b)];
            let sources = if op == Op::Not { &sources[..1] } else { &sources[..] };
            let len = sources.iter().map(|s| s.len()).max().unwrap_or(0);
            let want: Vec<u8> = (0..len).map(|i| f(*long.get(i).unwrap_or(&0), *b.get(i).unwrap_or(&0))).collect();
            combine(op, sources, len).concat() == want
        }
    }
}
