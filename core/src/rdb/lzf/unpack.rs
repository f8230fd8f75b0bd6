//! Unpacking in parts: for strings longer than what is held whole.

use alloc::vec::Vec;

use super::{Head, LITERALS, LOOSE, LzfError, REACH, ROOM, item, reference, repeat_loosely};

/// Unpacks a string whose compressed bytes come at any split. Holds the last 8 KB of output and one part.
#[derive(Debug)]
pub(in crate::rdb) struct Unpack {
    /// Up to [`REACH`] bytes that were handed out already, then the part that grows, then room for the longest item.
    out: Vec<u8>,
    /// Where the part begins in `out`.
    fresh: usize,
    /// Where it ends.
    at: usize,
    /// A part is full from so many bytes on.
    part: usize,
    /// Compressed bytes still to come.
    packed: u64,
    /// Bytes unpacked so far.
    done: u64,
    /// Announced length.
    len: u64,
    /// Literal bytes that the last control byte still owes.
    literals: usize,
    /// First bytes of a reference that the input cut.
    cut: [u8; 2],
    /// How many of them.
    cuts: usize,
}

impl Unpack {
    /// For `packed` compressed bytes that make `len`; parts of about `part` bytes.
    pub(in crate::rdb) fn new(packed: u64, len: u64, part: usize) -> Self {
        Self { out: Vec::new(), fresh: 0, at: 0, part, packed, done: 0, len, literals: 0, cut: [0; 2], cuts: 0 }
    }

    /// Takes compressed bytes from the front of `input` until a part is full, the string ends or the input does.
    /// Whether a part is ready; it is never empty.
    pub(in crate::rdb) fn feed(&mut self, input: &mut &[u8]) -> Result<bool, LzfError> {
        self.forget();
        if self.out.is_empty() {
            let most = usize::try_from(self.len).unwrap_or(usize::MAX).min(REACH + self.part);
            self.out.reserve_exact(most + ROOM);
            self.out.resize(most + ROOM, 0);
        }
        let mine = usize::try_from(self.packed).unwrap_or(usize::MAX).min(input.len());
        let mut rest = &input[..mine];
        let mut result = Ok(());
        while result.is_ok() && !self.is_full() && !rest.is_empty() {
            rest = self.whole_items(rest);
            if !self.is_full() && !rest.is_empty() {
                result = self.item(&mut rest);
            }
        }
        let used = mine - rest.len();
        self.packed -= used as u64;
        *input = &input[used..];
        result?;
        if self.packed > 0 {
            return Ok(self.is_full());
        }
        if self.literals > 0 || self.cuts > 0 {
            return Err(LzfError::Cut);
        }
        let out = self.out();
        if out == self.len { Ok(!self.part().is_empty()) } else { Err(LzfError::Short { out, len: self.len }) }
    }

    /// The part that [`Unpack::feed`] made ready.
    pub(in crate::rdb) fn part(&self) -> &[u8] {
        &self.out[self.fresh..self.at]
    }

    /// Whether all compressed bytes were taken.
    pub(in crate::rdb) fn is_done(&self) -> bool {
        self.packed == 0
    }

    /// Compressed bytes still to come.
    pub(in crate::rdb) fn left(&self) -> u64 {
        self.packed
    }

    /// Memory in bytes.
    pub(in crate::rdb) fn memory(&self) -> usize {
        self.out.capacity()
    }

    fn is_full(&self) -> bool {
        self.at - self.fresh >= self.part
    }

    /// After a full part was handed out: keeps its last bytes as the window and begins the next.
    fn forget(&mut self) {
        if !self.is_full() {
            return;
        }
        self.done += self.part().len() as u64;
        let keep = self.at.min(REACH);
        self.out.copy_within(self.at - keep..self.at, 0);
        (self.fresh, self.at) = (keep, keep);
    }

    /// Bytes unpacked so far, all parts together.
    fn out(&self) -> u64 {
        self.done + self.part().len() as u64
    }

    /// Takes items that `rest` holds whole, the fast way, until the part is full. What is left begins with one that is
    /// cut or wrong, if with any.
    fn whole_items<'p>(&mut self, mut rest: &'p [u8]) -> &'p [u8] {
        if self.literals > 0 || self.cuts > 0 {
            return rest;
        }
        let len = usize::try_from(self.len - self.done).unwrap_or(usize::MAX).saturating_add(self.fresh);
        // A part that is not full ends before the room of the longest item begins.
        while !self.is_full()
            && let Some(window) = rest.first_chunk()
        {
            let head = Head::of(window);
            let Ok(at) = item(head, window, &mut self.out, self.at, len) else { break };
            self.at = at;
            rest = &rest[head.used..];
        }
        rest
    }

    /// Takes one item, or as much of it as `rest` (not empty) holds. An error stands behind the head of its item.
    fn item(&mut self, rest: &mut &[u8]) -> Result<(), LzfError> {
        if self.literals > 0 {
            let (now, later) = rest.split_at(self.literals.min(rest.len()));
            self.out[self.at..self.at + now.len()].copy_from_slice(now);
            self.at += now.len();
            self.literals -= now.len();
            *rest = later;
            return Ok(());
        }
        if self.cuts > 0 {
            return self.resume(rest);
        }
        let (control, tail) = (rest[0], &rest[1..]);
        if usize::from(control) < LITERALS {
            *rest = tail;
            self.literals = usize::from(control) + 1;
            return self.fits(self.literals);
        }
        if let Some((n, distance, tail)) = reference(control, tail) {
            *rest = tail;
            return self.copy(n, distance);
        }
        // A cut reference has one or two of its at most three bytes here.
        self.cut[..rest.len()].copy_from_slice(rest);
        self.cuts = rest.len();
        *rest = &[];
        Ok(())
    }

    /// Goes on with a reference that the last input cut, by one byte.
    fn resume(&mut self, rest: &mut &[u8]) -> Result<(), LzfError> {
        let ([control, more], next) = (self.cut, rest[0]);
        *rest = &rest[1..];
        let tail = if self.cuts == 1 { [next, 0] } else { [more, next] };
        if let Some((n, distance, _)) = reference(control, &tail[..self.cuts]) {
            self.cuts = 0;
            return self.copy(n, distance);
        }
        // Only a reference of three bytes is still short with two.
        self.cut[1] = next;
        self.cuts = 2;
        Ok(())
    }

    fn copy(&mut self, n: usize, distance: usize) -> Result<(), LzfError> {
        if distance > self.at {
            return Err(LzfError::Reach { distance, at: self.out() });
        }
        self.fits(n)?;
        repeat_loosely(&mut self.out[self.at - distance..self.at + n + LOOSE], distance, n);
        self.at += n;
        Ok(())
    }

    /// Whether `n` more bytes are within what was announced.
    fn fits(&self, n: usize) -> Result<(), LzfError> {
        if self.out() + n as u64 > self.len { Err(LzfError::Long(self.len)) } else { Ok(()) }
    }
}
