//! HyperLogLogs as Redis keeps them in strings, byte for byte: replicas compare their digests.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `HYLL` |
//! | 1 | form: 0 dense, 1 sparse |
//! | 3 | not used |
//! | 8 | the cardinality of the last count, little endian; its highest bit: it holds no longer |
//! | … | 16384 registers: six bits each (dense), or runs of them (sparse, see `sparse`) |

mod dense;
mod estimate;
mod selftest;
mod sparse;

use alloc::vec::Vec;

pub(super) use estimate::cardinality;
pub(super) use selftest::run as selftest;

/// How many registers there are: 14 bits of the hash choose one.
pub(super) const REGISTERS: usize = 1 << REGISTER_BITS;
const REGISTER_BITS: u32 = 14;
/// The bits of the hash that are left.
const RANK_BITS: u32 = 64 - REGISTER_BITS;
/// Bytes before the registers.
const HEADER: usize = 16;
const MAGIC: &[u8; 4] = b"HYLL";
const FORM_AT: usize = 4;
pub(super) const CACHE_AT: usize = 8;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
/// What a register can hold at most, and one more.
const RANKS: usize = 64;

/// The registers contradict the format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Corrupt;

/// How many registers hold each rank.
pub(super) type Histogram = [u32; RANKS];

/// Whether `bytes` begin as a HyperLogLog; its registers may still be broken.
pub(super) fn is_hll(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER
        && bytes.starts_with(MAGIC)
        && match bytes[FORM_AT] {
            DENSE => bytes.len() == dense::LEN,
            form => form == SPARSE,
        }
}

/// Whether it is in the dense form.
pub(super) fn is_dense(bytes: &[u8]) -> bool {
    bytes.get(FORM_AT) == Some(&DENSE)
}

/// A new one: sparse, and its count of 0 holds.
pub(super) fn empty() -> Vec<u8> {
    let mut bytes = alloc::vec![0; HEADER];
    bytes[..4].copy_from_slice(MAGIC);
    bytes[FORM_AT] = SPARSE;
    sparse::zeros(REGISTERS, &mut bytes);
    bytes
}

/// The cardinality of the last count, if it still holds.
pub(super) fn cached(bytes: &[u8]) -> Option<u64> {
    let cache = u64::from_le_bytes(*bytes.get(CACHE_AT..)?.first_chunk()?);
    (cache >> 63 == 0).then_some(cache)
}

/// Says that the cached cardinality holds no longer.
pub(super) fn forget(bytes: &mut [u8]) {
    if let Some(highest) = bytes.get_mut(HEADER - 1) {
        *highest |= 0x80;
    }
}

/// The register of an element, and the rank that it wants to see there: one more than the zeros that its hash ends with.
pub(super) fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur64a(element, 0xadc8_3b19);
    let rest = (hash >> REGISTER_BITS) | (1 << RANK_BITS);
    (hash as usize & (REGISTERS - 1), rest.trailing_zeros() as u8 + 1)
}

/// Whether `raise` would change something that is dense; for sparse ones it always may.
pub(super) fn may_raise(bytes: &[u8], (register, rank): (usize, u8)) -> bool {
    !is_dense(bytes) || dense::get(bytes, register) < rank
}

/// Lets a register hold at least this rank; whether it held less. A sparse one of more than `sparse_max` bytes, or with
/// a rank above 32, becomes dense.
pub(super) fn raise(bytes: &mut Vec<u8>, place: (usize, u8), sparse_max: usize) -> Result<bool, Corrupt> {
    if is_dense(bytes) {
        return Ok(dense::raise(bytes, place));
    }
    match sparse::raise(bytes, place, sparse_max)? {
        sparse::Raised::No => Ok(false),
        sparse::Raised::Yes => Ok(true),
        sparse::Raised::NoRoom => {
            to_dense(bytes)?;
            Ok(dense::raise(bytes, place))
        }
    }
}

/// Turns it into the dense form, header and all; nothing happens to one that is dense.
pub(super) fn to_dense(bytes: &mut Vec<u8>) -> Result<(), Corrupt> {
    if is_dense(bytes) {
        return Ok(());
    }
    let mut out = alloc::vec![0; dense::LEN];
    out[..HEADER].copy_from_slice(&bytes[..HEADER]);
    out[FORM_AT] = DENSE;
    for_each(bytes, |register, rank| {
        dense::raise(&mut out, (register, rank));
    })?;
    *bytes = out;
    Ok(())
}

/// Calls `f` with every register that is not 0, in order.
fn for_each(bytes: &[u8], mut f: impl FnMut(usize, u8)) -> Result<(), Corrupt> {
    if is_dense(bytes) {
        (0..REGISTERS)
            .map(|i| (i, dense::get(bytes, i)))
            .filter(|(_, rank)| *rank > 0)
            .for_each(|(i, rank)| f(i, rank));
        return Ok(());
    }
    let mut first = 0;
    for run in sparse::runs(bytes) {
        let run = run?;
        let end = first + run.len;
        if end > REGISTERS {
            return Err(Corrupt);
        }
        if run.rank > 0 {
            (first..end).for_each(|register| f(register, run.rank));
        }
        first = end;
    }
    if first == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// Lets each of `registers` (as many as there are, a rank in each) hold the greater of itself and that of `bytes`.
pub(super) fn merge(registers: &mut [u8], bytes: &[u8]) -> Result<(), Corrupt> {
    for_each(bytes, |register, rank| {
        if let Some(have) = registers.get_mut(register) {
            *have = rank.max(*have);
        }
    })
}

/// How many registers hold each rank.
pub(super) fn histogram(bytes: &[u8]) -> Result<Histogram, Corrupt> {
    let mut all = [0; RANKS];
    let mut counted = 0;
    for_each(bytes, |_, rank| {
        all[usize::from(rank) % RANKS] += 1;
        counted += 1;
    })?;
    all[0] = REGISTERS as u32 - counted;
    Ok(all)
}

/// All registers, a rank in each.
pub(super) fn registers(bytes: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let mut all = alloc::vec![0; REGISTERS];
    merge(&mut all, bytes)?;
    Ok(all)
}

/// The runs of a sparse one as `PFDEBUG DECODE` shows them.
pub(super) fn spell_runs(bytes: &[u8]) -> Result<alloc::string::String, Corrupt> {
    sparse::spell(bytes)
}

/// `MurmurHash64A` by Austin Appleby, which is in the public domain, as on a little-endian machine.
fn murmur64a(bytes: &[u8], seed: u64) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(M);
    for word in words {
        let k = u64::from_le_bytes(*word).wrapping_mul(M);
        hash = (hash ^ (k ^ k >> 47).wrapping_mul(M)).wrapping_mul(M);
    }
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |last, byte| last << 8 | u64::from(*byte));
        hash = (hash ^ last).wrapping_mul(M);
    }
    hash = (hash ^ hash >> 47).wrapping_mul(M);
    hash ^ hash >> 47
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn both_forms_hold_the_same(places: Vec<(u16, u8)>, runs: Vec<(u16, u8, u8)>, sparse_max: u16) -> bool {
            let (mut sparse, mut dense, mut model) = (empty(), empty(), alloc::vec![0; REGISTERS]);
            to_dense(&mut dense).expect("sound");
            let runs = runs.iter().take(15).flat_map(|(at, rank, n)| (0..u16::from(*n)).map(move |i| (at.wrapping_add(i), rank % 3)));
            for (register, rank) in places.into_iter().chain(runs) {
                let place = (usize::from(register) % REGISTERS, 1 + rank % 40);
                let more = place.1 > model[place.0];
                model[place.0] = place.1.max(model[place.0]);
                let max = usize::from(sparse_max) % 4000;
                let raised = (raise(&mut sparse, place, max), raise(&mut dense, place, 0));
                assert_eq!(raised, (Ok(more), Ok(more)));
                assert!(is_hll(&sparse) && is_hll(&dense));
                assert!(is_dense(&sparse) || sparse.len() <= max.max(HEADER + 4));
            }
            registers(&sparse) == Ok(model.clone()) && registers(&dense) == Ok(model)
                && histogram(&sparse) == histogram(&dense)
        }

        fn broken_registers_are_no_panic(bytes: Vec<u8>, places: Vec<(u16, u8)>) -> bool {
            let mut all = empty();
            all.truncate(HEADER);
            all.extend(bytes);
            let _ = (histogram(&all), spell_runs(&all), registers(&all), to_dense(&mut all.clone()));
            for (register, rank) in places {
                let _ = raise(&mut all, (usize::from(register) % REGISTERS, rank % 64), 3000);
            }
            true
        }
    }

    #[test]
    fn what_is_no_hyperloglog() {
        let mut short = empty();
        short.truncate(HEADER - 1);
        let mut form = empty();
        form[FORM_AT] = 2;
        let mut long = empty();
        to_dense(&mut long).expect("sound");
        long.push(0);
        for bytes in [&b""[..], b"HYLL", b"hyll\x01", &short, &form, &long] {
            assert!(!is_hll(bytes));
        }
        let mut open = empty();
        open.push(0);
        assert!(is_hll(&open));
        assert_eq!((histogram(&open), to_dense(&mut open)), (Err(Corrupt), Err(Corrupt)));
    }

    #[test]
    fn the_cache_holds_until_something_changes() {
        let mut bytes = empty();
        assert_eq!(cached(&bytes), Some(0));
        forget(&mut bytes);
        assert_eq!((cached(&bytes), bytes[15]), (None, 0x80));
    }
}
