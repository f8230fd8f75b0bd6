//! Registers of six bits each, the lowest bits of a byte first.

use super::{HEADER, REGISTERS};

const BITS: usize = 6;
const MASK: u16 = (1 << BITS) - 1;
/// Bytes of the whole, header included.
pub(super) const LEN: usize = HEADER + REGISTERS * BITS / 8;

/// The two bytes that a register may lie in, and how far up it lies in them. The last register ends with its byte.
fn window(bytes: &[u8], register: usize) -> (usize, u16, usize) {
    let at = HEADER + register * BITS / 8;
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    (at, u16::from_le_bytes([byte(at), byte(at + 1)]), register * BITS % 8)
}

/// The rank that a register holds.
pub(super) fn get(bytes: &[u8], register: usize) -> u8 {
    let (_, window, shift) = window(bytes, register);
    (window >> shift & MASK) as u8
}

/// Lets a register hold at least this rank; whether it held less.
pub(super) fn raise(bytes: &mut [u8], (register, rank): (usize, u8)) -> bool {
    let (at, window, shift) = window(bytes, register);
    if (window >> shift & MASK) as u8 >= rank {
        return false;
    }
    let new = window & !(MASK << shift) | (u16::from(rank) & MASK) << shift;
    for (place, byte) in bytes.iter_mut().skip(at).zip(new.to_le_bytes()) {
        *place = byte;
    }
    true
}
