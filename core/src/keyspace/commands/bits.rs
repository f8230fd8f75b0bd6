//! Single bits of strings: the first bit is the highest of the first byte.

use super::super::Keyspace;
use super::super::entry::Slot;
use super::super::store::Access;
use super::super::string::Str;
use super::ranges::length;
use super::{NOT_AN_INTEGER, SYNTAX, WRONG_TYPE};
use crate::dataset::{Classes, Context};
use crate::resp::{Args, parse_i64};

pub(super) const BAD_OFFSET: &str = "ERR bit offset is not an integer or out of range";

/// The number of a bit that lies in a string of at most `max` bytes; `unit`: what it counts, in bits.
pub(super) fn offset(text: &[u8], unit: u32, max: usize) -> Option<u64> {
    let n = parse_i64(text)?.checked_mul(i64::from(unit))?;
    u64::try_from(n).ok().filter(|n| n / 8 < max as u64)
}

pub(super) fn setbit(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let max = ks.limits.string_for(cx.origin);
    let Some(offset) = offset(args.at(2), 1, max) else { return cx.reply.error(BAD_OFFSET) };
    let bit = match args.at(3) {
        b"0" => 0,
        b"1" => 1,
        _ => return cx.reply.error("ERR bit is not an integer or out of range"),
    };
    let key = ks.key(cx.db, args.at(1));
    let place = ks.find(&key, cx, Access::Write);
    let Some(len) = length(ks, &key, place, cx) else { return };
    let (at, shift) = ((offset / 8) as usize, 7 - offset % 8);
    let before = place.and_then(|place| ks.slot(&key, place).string()).map_or(0, |text| text.byte(at));
    let after = before & !(1 << shift) | (bit << shift);
    if (at >= len || after != before)
        && let Some(place) = ks.place_to_write(&key, place, cx)
    {
        ks.write_at(&key, place, at, &[[after]], cx);
        cx.effects.notify(Classes::STRING, "setbit", key.db, key.bytes);
        cx.effects.itself();
    }
    cx.reply.int(i64::from((before >> shift) & 1));
}

pub(super) fn getbit(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let max = ks.limits.string_for(cx.origin);
    let Some(offset) = offset(args.at(2), 1, max) else { return cx.reply.error(BAD_OFFSET) };
    let key = ks.key(cx.db, args.at(1));
    let byte = match ks.read(&key, cx).map(Slot::string) {
        None => 0,
        Some(Some(text)) => text.byte((offset / 8) as usize),
        Some(None) => return cx.reply.error(WRONG_TYPE),
    };
    cx.reply.int(i64::from((byte >> (7 - offset % 8)) & 1));
}

/// A range as BITCOUNT and BITPOS take it: both ends are inside, negative ones count from the end.
#[derive(Clone, Copy)]
struct Asked {
    start: i64,
    end: i64,
    /// The ends are numbers of bits and not of bytes.
    bits: bool,
}

impl Asked {
    const WHOLE: Self = Self { start: 0, end: -1, bits: false };

    /// Reads the range from argument `i` on.
    fn parse(args: Args<'_>, i: usize) -> Result<Self, &'static str> {
        let start = parse_i64(args.at(i)).ok_or(NOT_AN_INTEGER)?;
        let end = args.get(i + 1).map_or(Some(-1), parse_i64).ok_or(NOT_AN_INTEGER);
        let bits = match args.get(i + 2) {
            None => Ok(false),
            Some(_) if args.is(i + 2, "BIT") => Ok(true),
            Some(_) if args.is(i + 2, "BYTE") => Ok(false),
            Some(_) => Err(SYNTAX),
        };
        // Which error comes first: BITCOUNT reads the end first, BITPOS the unit.
        let bits = if i == 2 { end.and(bits)? } else { bits? };
        Ok(Self { start, end: end?, bits })
    }

    /// The bits from the first up to but not including the last, of a string of `len` bytes.
    fn in_bits(self, len: usize) -> (u64, u64) {
        let unit = if self.bits { 1 } else { 8 };
        let total = len as i64 * 8 / unit;
        let place = |n: i64| if n < 0 { n.saturating_add(total).max(0) } else { n.min(total) };
        let (from, to) = (place(self.start), (place(self.end) + 1).min(total));
        if from >= to { (0, 0) } else { ((from * unit) as u64, (to * unit) as u64) }
    }
}

pub(super) fn bitcount(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let asked = match args.len() {
        2 => Ok(Asked::WHOLE),
        4 | 5 => Asked::parse(args, 2),
        _ => Err(SYNTAX),
    };
    let asked = match asked {
        Ok(asked) => asked,
        Err(text) => return cx.reply.error(text),
    };
    let key = ks.key(cx.db, args.at(1));
    match ks.read(&key, cx).map(Slot::string) {
        None => cx.reply.int(0),
        Some(None) => cx.reply.error(WRONG_TYPE),
        // Ends that count from the end, in the wrong order: none, however short the string is.
        Some(_) if asked.start < 0 && asked.end < 0 && asked.start > asked.end => cx.reply.int(0),
        Some(Some(text)) => {
            let (from, to) = asked.in_bits(text.len());
            cx.reply.int(ones(text, from, to) as i64);
        }
    }
}

/// How many of the bits `from..to` are set.
fn ones(text: Str<'_>, from: u64, to: u64) -> u64 {
    if from >= to {
        return 0;
    }
    let (first, last) = ((from / 8) as usize, (to - 1) as usize / 8);
    let whole: u64 = text.slices(first, last + 1).map(ones_of).sum();
    let before = text.byte(first) & !(0xff >> (from % 8));
    let after = text.byte(last) & (0x7f >> ((to - 1) % 8));
    whole - u64::from(before.count_ones() + after.count_ones())
}

fn ones_of(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    words + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

pub(super) fn bitpos(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let bit = match parse_i64(args.at(2)) {
        None => return cx.reply.error(NOT_AN_INTEGER),
        Some(0) => false,
        Some(1) => true,
        Some(_) => return cx.reply.error("ERR The bit argument must be 1 or 0."),
    };
    let asked = match args.len() {
        3 => Ok(Asked::WHOLE),
        4..=6 => Asked::parse(args, 3),
        _ => Err(SYNTAX),
    };
    let asked = match asked {
        Ok(asked) => asked,
        Err(text) => return cx.reply.error(text),
    };
    let key = ks.key(cx.db, args.at(1));
    let text = match ks.read(&key, cx).map(Slot::string) {
        None => return cx.reply.int(if bit { -1 } else { 0 }),
        Some(None) => return cx.reply.error(WRONG_TYPE),
        Some(Some(text)) => text,
    };
    let (from, to) = asked.in_bits(text.len());
    let at = match first(text, bit, from, to) {
        Some(at) => at as i64,
        // Zeros follow a string without end; but not a range whose end was named.
        None if !bit && args.len() < 5 && from < to => to as i64,
        None => -1,
    };
    cx.reply.int(at);
}

/// The first of the bits `from..to` that is `bit`.
fn first(text: Str<'_>, bit: bool, from: u64, to: u64) -> Option<u64> {
    if from >= to {
        return None;
    }
    let none = if bit { 0 } else { 0xff };
    let first = (from / 8) as usize;
    // What lies before the range in its first byte does not count.
    let head = (text.byte(first) ^ none) & (0xff >> (from % 8));
    let (mut at, mut byte) = (first, head);
    if head == 0 {
        at += 1;
        for slice in text.slices(first + 1, to.div_ceil(8) as usize) {
            if let Some(i) = differs(slice, none) {
                (at, byte) = (at + i, slice[i] ^ none);
                break;
            }
            at += slice.len();
        }
    }
    let found = at as u64 * 8 + u64::from(byte.leading_zeros());
    (byte != 0 && found < to).then_some(found)
}

/// Where the first byte other than `same` is.
fn differs(bytes: &[u8], same: u8) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    let skip = words.iter().take_while(|word| **word == [same; 8]).count() * 8;
    bytes[skip..].iter().position(|byte| *byte != same).map(|i| skip + i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use quickcheck::quickcheck;

    quickcheck! {
        fn counts_and_finds_as_bit_by_bit(bytes: Vec<u8>, from: u16, to: u16, sparse: bool) -> bool {
            let bytes: Vec<u8> = if sparse { bytes.iter().map(|b| if b % 3 == 0 { *b } else { b % 2 * 255 }).collect() } else { bytes };
            let bits: Vec<bool> = bytes.iter().flat_map(|b| (0..8).map(move |i| b >> (7 - i) & 1 == 1)).collect();
            let (from, to) = (usize::from(from) % (bits.len() + 1), usize::from(to) % (bits.len() + 1));
            let range = bits.get(from..to).unwrap_or_default();
            let text = Str::Flat(&bytes);
            ones(text, from as u64, to as u64) == range.iter().filter(|b| **b).count() as u64
                && [true, false].iter().all(|bit| {
                    first(text, *bit, from as u64, to as u64) == range.iter().position(|b| b == bit).map(|i| (from + i) as u64)
                })
        }
    }
}
