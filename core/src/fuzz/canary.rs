//! The target that must fail.

use alloc::vec::Vec;

/// Panics on bytes that begin with `fall`, and holds more than it may on bytes that begin with `grow`. Each letter is a
/// branch of its own, as a guided fuzzer needs it.
pub(super) fn run(data: &[u8]) {
    let is = |i: usize, letter: u8| data.get(i) == Some(&letter);
    let fell = is(0, b'f') && is(1, b'a') && is(2, b'l') && is(3, b'l');
    assert!(!fell, "the canary fell: a failure is noticed");
    if is(0, b'g') && is(1, b'r') && is(2, b'o') && is(3, b'w') {
        let held: Vec<u8> = Vec::with_capacity(64 << 20);
        assert_eq!(held.len(), usize::from(core::hint::black_box(&held).is_empty()) - 1);
    }
}
