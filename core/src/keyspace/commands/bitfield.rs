//! BITFIELD: integers of any width at any bit of a string.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::store::{Access, Key};
use super::super::string::Str;
use super::super::table::Place;
use super::bits::{BAD_OFFSET, offset};
use super::ranges::length;
use super::{NOT_AN_INTEGER, SYNTAX};
use crate::dataset::{Classes, Context};
use crate::resp::{Args, parse_i64};

const BAD_TYPE: &str =
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";

/// Where a field lies and how its bits are read.
#[derive(Clone, Copy, Debug)]
struct Field {
    at: u64,
    /// 1–64, 1–63 without sign.
    bits: u32,
    signed: bool,
}

/// What happens to a number that does not fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Get(Field),
    Set(Field, i64, Overflow),
    Add(Field, i64, Overflow),
}

impl Field {
    /// From a type as `i8` and an offset as `100` or `#3` (in fields of this width).
    fn parse(kind: &[u8], at: &[u8], max: usize) -> Result<Self, &'static str> {
        let (signed, most) = match kind.first() {
            Some(b'i') => (true, 64),
            Some(b'u') => (false, 63),
            _ => return Err(BAD_TYPE),
        };
        let bits = parse_i64(&kind[1..]).filter(|bits| (1..=most).contains(bits)).ok_or(BAD_TYPE)? as u32;
        let at = match at.split_first() {
            Some((b'#', number)) => offset(number, bits, max),
            _ => offset(at, 1, max),
        };
        Ok(Self { at: at.ok_or(BAD_OFFSET)?, bits, signed })
    }

    /// How many bytes the string has to have.
    fn end(self) -> usize {
        ((self.at + u64::from(self.bits)).div_ceil(8)) as usize
    }

    /// The nine bytes from where it begins, and how far to the left its last bit is in them.
    fn window(self, text: Option<Str<'_>>) -> (u128, u32) {
        let first = (self.at / 8) as usize;
        let byte = |i| text.map_or(0, |text| text.byte(first + i));
        let window = (0..9).fold(0, |window, i| window << 8 | u128::from(byte(i)));
        (window, 72 - (self.at % 8) as u32 - self.bits)
    }

    fn mask(self) -> u128 {
        (1 << self.bits) - 1
    }

    /// Its number: zeros follow the string's end.
    fn read(self, text: Option<Str<'_>>) -> i64 {
        let (window, shift) = self.window(text);
        self.number((window >> shift & self.mask()) as u64)
    }

    /// The number that its bits mean, from the lowest bits of `bits`.
    fn number(self, bits: u64) -> i64 {
        let free = 64 - self.bits;
        if self.signed { ((bits << free) as i64) >> free } else { (bits << free >> free) as i64 }
    }

    /// The bytes from where it begins, with `number` in it.
    fn written(self, text: Option<Str<'_>>, number: i64) -> Vec<u8> {
        let (window, shift) = self.window(text);
        let new = window & !(self.mask() << shift) | (u128::from(number as u64) & self.mask()) << shift;
        let len = self.end() - (self.at / 8) as usize;
        new.to_be_bytes()[7..7 + len].to_vec()
    }

    /// `sum` as this field can hold it; `None` if it cannot and shall not.
    fn fit(self, sum: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = self.range();
        match overflow {
            _ if (min..=max).contains(&sum) => Some(sum as i64),
            Overflow::Wrap => Some(self.number(sum as u64)),
            Overflow::Saturate => Some(sum.clamp(min, max) as i64),
            Overflow::Fail => None,
        }
    }

    /// The least and the greatest number that it can hold.
    fn range(self) -> (i128, i128) {
        if self.signed { (-(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1) } else { (0, (1 << self.bits) - 1) }
    }

    /// What SET stores, as Redis takes it: without a sign a negative number is a very large one, and with one it is so too
    /// if its distance from the greatest is no `i64`.
    fn fit_new(self, number: i64, overflow: Overflow) -> Option<i64> {
        let (_, max) = self.range();
        let far_below = self.bits < 64 && max - i128::from(number) > i128::from(i64::MAX);
        match overflow {
            _ if !self.signed => self.fit(i128::from(number as u64), overflow),
            Overflow::Saturate if far_below => Some(max as i64),
            _ => self.fit(i128::from(number), overflow),
        }
    }
}

fn parse(args: Args<'_>, max: usize) -> Result<Vec<Step>, &'static str> {
    let (mut steps, mut overflow, mut i) = (Vec::new(), Overflow::Wrap, 2);
    while i < args.len() {
        let left = args.len() - i - 1;
        let field = || Field::parse(args.at(i + 1), args.at(i + 2), max);
        let number = || parse_i64(args.at(i + 3)).ok_or(NOT_AN_INTEGER);
        i += if args.is(i, "GET") && left >= 2 {
            steps.push(Step::Get(field()?));
            3
        } else if args.is(i, "SET") && left >= 3 {
            steps.push(Step::Set(field()?, number()?, overflow));
            4
        } else if args.is(i, "INCRBY") && left >= 3 {
            steps.push(Step::Add(field()?, number()?, overflow));
            4
        } else if args.is(i, "OVERFLOW") && left >= 1 {
            overflow = [("WRAP", Overflow::Wrap), ("SAT", Overflow::Saturate), ("FAIL", Overflow::Fail)]
                .into_iter()
                .find_map(|(word, overflow)| args.is(i + 1, word).then_some(overflow))
                .ok_or("ERR Invalid OVERFLOW type specified")?;
            2
        } else {
            return Err(SYNTAX);
        };
    }
    Ok(steps)
}

pub(super) fn bitfield(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    run(ks, args, false, cx);
}

pub(super) fn bitfield_ro(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    run(ks, args, true, cx);
}

fn run(ks: &mut Keyspace, args: Args<'_>, read_only: bool, cx: &mut Context<'_, '_>) {
    let steps = match parse(args, ks.limits.string_for(cx.origin)) {
        Ok(steps) => steps,
        Err(text) => return cx.reply.error(text),
    };
    let need = steps.iter().filter_map(|step| match step {
        Step::Get(_) => None,
        Step::Set(field, ..) | Step::Add(field, ..) => Some(field.end()),
    });
    let need = need.max();
    if read_only && need.is_some() {
        return cx.reply.error("ERR BITFIELD_RO only supports the GET subcommand");
    }
    let key = ks.key(cx.db, args.at(1));
    let access = if need.is_some() { Access::Write } else { Access::Read };
    let mut place = ks.find(&key, cx, access);
    let Some(len) = length(ks, &key, place, cx) else { return };
    let mut changes = 0;
    if let Some(need) = need.filter(|&need| need > len) {
        // As long as the last write needs it, even if each of them fails.
        place = ks.place_to_write(&key, place, cx);
        if let Some(place) = place {
            ks.write_at(&key, place, need - 1, &[[0]], cx);
        }
        changes = 1;
    }
    cx.reply.array(steps.len());
    let grown = changes;
    for step in steps {
        changes += u64::from(take(ks, &key, place, step, grown > 0, cx));
    }
    if changes > 0 {
        if changes > grown {
            cx.effects.notify(Classes::STRING, "setbit", key.db, key.bytes);
        }
        cx.effects.itself();
        cx.effects.dirty += (changes - grown).saturating_sub(1);
    }
}

/// Takes one step and answers it; whether it counts as a change: all that succeed do once the string has grown.
fn take(
    ks: &mut Keyspace,
    key: &Key<'_>,
    place: Option<Place>,
    step: Step,
    grown: bool,
    cx: &mut Context<'_, '_>,
) -> bool {
    let text = place.and_then(|place| ks.slot(key, place).string());
    let (field, before, after) = match step {
        Step::Get(field) => {
            cx.reply.int(field.read(text));
            return false;
        }
        Step::Set(field, number, overflow) => (field, field.read(text), field.fit_new(number, overflow)),
        Step::Add(field, by, overflow) => {
            let before = field.read(text);
            (field, before, field.fit(i128::from(before) + i128::from(by), overflow))
        }
    };
    let Some(after) = after else {
        cx.reply.null();
        return false;
    };
    cx.reply.int(if matches!(step, Step::Set(..)) { before } else { after });
    if after != before
        && let Some(place) = place
    {
        let bytes = field.written(text, after);
        ks.write_at(key, place, (field.at / 8) as usize, &[bytes], cx);
    }
    grown || after != before
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    fn field(signed: bool, bits: u32, at: u64) -> Field {
        Field { at, bits, signed }
    }

    quickcheck! {
        fn what_is_written_is_read_and_nothing_else_changes(bytes: Vec<u8>, at: u8, bits: u8, signed: bool, n: i64) -> bool {
            let field = field(signed, 1 + u32::from(bits) % if signed { 64 } else { 63 }, u64::from(at));
            let number = field.number(n as u64);
            let mut after = bytes.clone();
            after.resize(bytes.len().max(field.end()), 0);
            let mut same = after.clone();
            let from = usize::from(at) / 8;
            let new = field.written(Some(Str::Flat(&bytes)), number);
            after[from..from + new.len()].copy_from_slice(&new);
            let bit = |bytes: &[u8], i: u64| bytes[i as usize / 8] >> (7 - i % 8) & 1;
            for i in 0..u64::from(field.bits) {
                let (at, want) = (field.at + i, (number >> (u64::from(field.bits) - 1 - i)) as u8 & 1);
                assert_eq!(bit(&after, at), want);
                same[at as usize / 8] &= !(1 << (7 - at % 8));
                same[at as usize / 8] |= want << (7 - at % 8);
            }
            after == same && field.read(Some(Str::Flat(&after))) == number
        }
    }

    #[test]
    fn numbers_that_do_not_fit() {
        use Overflow::{Fail, Saturate, Wrap};
        let (u8f, i8f, i64f) = (field(false, 8, 0), field(true, 8, 0), field(true, 64, 0));
        assert_eq!([Wrap, Saturate, Fail].map(|o| u8f.fit(300, o)), [Some(44), Some(255), None]);
        assert_eq!([Wrap, Saturate, Fail].map(|o| u8f.fit(-1, o)), [Some(255), Some(0), None]);
        assert_eq!([Wrap, Saturate, Fail].map(|o| i8f.fit(-129, o)), [Some(127), Some(-128), None]);
        assert_eq!([Wrap, Saturate, Fail].map(|o| u8f.fit_new(-1, o)), [Some(255), Some(255), None]);
        assert_eq!([Wrap, Saturate, Fail].map(|o| i8f.fit_new(i64::MIN, o)), [Some(0), Some(127), None]);
        assert_eq!(i8f.fit_new(i64::MIN + 128, Saturate), Some(-128));
        let over = i128::from(i64::MAX) + 1;
        assert_eq!([Wrap, Saturate, Fail].map(|o| i64f.fit(over, o)), [Some(i64::MIN), Some(i64::MAX), None]);
    }
}
