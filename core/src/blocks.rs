//! Bytes in shared blocks: written once at the end, read by any number of cursors, released from the front.
//!
//! One type serves the replication log, a snapshot on its way to replicas, and every outbox: what differs is only who
//! holds cursors. A cursor is a plain offset; lag, limits and memory are subtractions.

use alloc::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use crate::machine::Chunks;

/// The usual size of a block in bytes.
pub const BLOCK: usize = 16 * 1024;

/// The size of the first block of an empty store: small, since most outboxes hold one short reply.
const FIRST_BLOCK: usize = 512;

/// A run of bytes `start()..end()` of an unbounded stream, in reference-counted blocks.
///
/// Offsets count bytes of the stream from its beginning and never go back, but for [`Blocks::truncate`].
/// The store itself has no bound: whoever owns one names its limit and compares it with [`Blocks::len`].
#[derive(Debug)]
pub struct Blocks {
    start: u64,
    /// Where `tail` begins.
    tail_at: u64,
    /// Closed pieces with the offset of their first byte, gapless up to `tail_at`.
    closed: VecDeque<(u64, Bytes)>,
    tail: BytesMut,
    /// Capacity that the next fresh tail gets.
    next_block: usize,
    /// Behind the last secret.
    secret_to: u64,
}

impl Default for Blocks {
    fn default() -> Self {
        Self::new()
    }
}

impl Blocks {
    /// An empty store whose first byte will have offset 0.
    pub fn new() -> Self {
        Self::starting_at(0)
    }

    /// An empty store whose first byte will have offset `start`.
    pub fn starting_at(start: u64) -> Self {
        Self {
            start,
            tail_at: start,
            closed: VecDeque::new(),
            tail: BytesMut::new(),
            next_block: FIRST_BLOCK,
            secret_to: 0,
        }
    }

    /// Offset of the first byte still held.
    #[inline]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Offset behind the last byte.
    #[inline]
    pub fn end(&self) -> u64 {
        self.tail_at + self.tail.len() as u64
    }

    /// Bytes held: `end() - start()`.
    #[inline]
    pub fn len(&self) -> u64 {
        self.end() - self.start
    }

    /// Whether nothing is held.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory in bytes that the held bytes take, by the block. It follows from their number alone: what is allocated
    /// depends on who looked at them when, and INFO and log lines have to say the same in a replay.
    pub fn memory(&self) -> usize {
        let len = self.len() as usize;
        match len {
            0 => 0,
            1..BLOCK => len.next_power_of_two().max(FIRST_BLOCK),
            _ => len.next_multiple_of(BLOCK),
        }
    }

    /// Copies `bytes` to the end: the one copy that a stream's bytes see.
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) {
        if self.tail.capacity() - self.tail.len() >= bytes.len() {
            self.tail.extend_from_slice(bytes);
        } else {
            self.append_slow(bytes);
        }
    }

    #[cold]
    fn append_slow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.tail.capacity() - self.tail.len();
            if room == 0 {
                self.close_tail();
                // Grows on demand up to BLOCK; `reserve` takes the old allocation again once no reader holds it.
                self.tail.reserve(self.next_block.max(bytes.len().min(BLOCK)));
                self.next_block = (self.next_block * 2).min(BLOCK);
                continue;
            }
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.tail.extend_from_slice(now);
            bytes = rest;
        }
    }

    /// What was appended last tells a secret: until it is sent, nothing that is shown is held against a replay.
    pub fn keep_secret(&mut self) {
        self.secret_to = self.end();
    }

    /// Adds `bytes` to the end without copying them.
    pub fn append_shared(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.close_tail();
        let at = self.tail_at;
        self.tail_at += bytes.len() as u64;
        self.closed.push_back((at, bytes));
    }

    /// Shows up to `budget` bytes from offset `at` on; nothing if `at` is outside `start()..end()`.
    pub fn read(&mut self, at: u64, budget: usize, out: &mut Chunks) {
        if at < self.start || at >= self.end() || budget == 0 {
            return;
        }
        if at < self.secret_to {
            out.keep_secret();
        }
        let to = self.end().min(at.saturating_add(budget as u64));
        if to > self.tail_at {
            self.close_tail();
        }
        let mut i = self.closed.partition_point(|(from, piece)| from + piece.len() as u64 <= at);
        let mut at = at;
        while at < to {
            // `at` lies inside the closed pieces, which are gapless up to `tail_at >= to`.
            let Some((from, piece)) = self.closed.get(i) else { return };
            let skip = (at - from) as usize;
            let take = (piece.len() - skip).min((to - at) as usize);
            out.push(if take == piece.len() { piece.clone() } else { piece.slice(skip..skip + take) });
            at += take as u64;
            i += 1;
        }
    }

    /// The byte at offset `at`, if it is held: a look that closes nothing.
    pub fn byte_at(&self, at: u64) -> Option<u8> {
        if at < self.start || at >= self.end() {
            return None;
        }
        if at >= self.tail_at {
            return self.tail.get((at - self.tail_at) as usize).copied();
        }
        let i = self.closed.partition_point(|(from, piece)| from + piece.len() as u64 <= at);
        let (from, piece) = self.closed.get(i)?;
        piece.get((at - from) as usize).copied()
    }

    /// The bytes from `from` to `to`, as far as they are held, piece by piece: a look that closes nothing.
    pub fn pieces(&self, from: u64, to: u64) -> impl Iterator<Item = &[u8]> {
        let (from, to) = (from.max(self.start), to.min(self.end()));
        let first = self.closed.partition_point(|(at, piece)| at + piece.len() as u64 <= from);
        let closed = self.closed.range(first..).map(|(at, piece)| (*at, &piece[..]));
        closed.chain(core::iter::once((self.tail_at, &self.tail[..]))).filter_map(move |(at, piece)| {
            let end = to.saturating_sub(at).min(piece.len() as u64) as usize;
            let begin = (from.saturating_sub(at) as usize).min(end);
            (begin < end).then(|| &piece[begin..end])
        })
    }

    /// Forgets everything before offset `to`, which is clamped to `start()..=end()`.
    pub fn release(&mut self, to: u64) {
        let to = to.clamp(self.start, self.end());
        if to > self.tail_at {
            if to == self.end() {
                self.closed.clear();
                self.tail.clear();
                self.tail_at = to;
                self.start = to;
                return;
            }
            self.close_tail();
        }
        while let Some((from, piece)) = self.closed.front() {
            if from + piece.len() as u64 > to {
                break;
            }
            self.closed.pop_front();
        }
        self.start = to;
    }

    /// Forgets everything from offset `to` on, clamped to `start()..=end()`: the tail that must never have been.
    pub fn truncate(&mut self, to: u64) {
        let to = to.clamp(self.start, self.end());
        if to >= self.tail_at {
            self.tail.truncate((to - self.tail_at) as usize);
            return;
        }
        self.tail.clear();
        while let Some((from, piece)) = self.closed.back_mut() {
            if *from < to {
                piece.truncate((to - *from) as usize);
                break;
            }
            self.closed.pop_back();
        }
        self.tail_at = to;
    }

    /// Takes all bytes out, in order and without copying them; what is appended next has the offset it would have had.
    pub fn drain(&mut self) -> impl ExactSizeIterator<Item = Bytes> + '_ {
        self.close_tail();
        if let Some((from, piece)) = self.closed.front_mut() {
            // `release` left at least one byte of the first piece.
            let gone = (self.start - *from) as usize;
            piece.advance(gone);
        }
        self.start = self.tail_at;
        self.closed.drain(..).map(|(_, piece)| piece)
    }

    /// Gives back the memory of an empty store.
    pub fn shrink(&mut self) {
        if self.is_empty() {
            self.tail = BytesMut::new();
            self.closed = VecDeque::new();
            self.next_block = FIRST_BLOCK;
        }
    }

    /// Makes the tail readable; what capacity it has left goes on as the new tail.
    fn close_tail(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        let piece = self.tail.split().freeze();
        let at = self.tail_at;
        self.tail_at += piece.len() as u64;
        self.closed.push_back((at, piece));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use quickcheck::quickcheck;

    fn read(b: &mut Blocks, at: u64, budget: usize) -> Vec<u8> {
        let mut out = Chunks::new();
        b.read(at, budget, &mut out);
        out.iter().flat_map(|c| c.iter().copied()).collect()
    }

    /// The same operations on a plain vector: the model that the store is held against.
    #[derive(Default)]
    struct Model {
        start: u64,
        bytes: Vec<u8>,
    }

    fn model_law(ops: &[(u8, u16)]) -> bool {
        let (mut b, mut m) = (Blocks::starting_at(10), Model { start: 10, bytes: Vec::new() });
        for (i, &(op, n)) in ops.iter().enumerate() {
            let n = usize::from(n);
            match op % 7 {
                0 | 1 => {
                    let bytes: Vec<u8> = (0..n % 3000).map(|k| (k * 7 + i) as u8).collect();
                    b.append(&bytes);
                    m.bytes.extend_from_slice(&bytes);
                }
                2 => {
                    let bytes: Vec<u8> = (0..n % 50).map(|k| (k * 3 + i) as u8).collect();
                    b.append_shared(Bytes::from(bytes.clone()));
                    m.bytes.extend_from_slice(&bytes);
                }
                3 => {
                    let k = n.min(m.bytes.len());
                    b.release(m.start + k as u64);
                    m.bytes.drain(..k);
                    m.start += k as u64;
                }
                4 => {
                    let mut taken = b.drain();
                    let k = n % 3;
                    // A drain that is dropped early drops the rest.
                    let seen: Vec<u8> = taken.by_ref().take(k).flatten().collect();
                    drop(taken);
                    if !m.bytes.starts_with(&seen) {
                        return false;
                    }
                    m.start += m.bytes.len() as u64;
                    m.bytes.clear();
                }
                5 => {
                    let k = m.bytes.len().saturating_sub(n % 100);
                    b.truncate(m.start + k as u64);
                    m.bytes.truncate(k);
                }
                _ => {
                    let at = n.min(m.bytes.len());
                    if b.byte_at(m.start + at as u64) != m.bytes.get(at).copied() {
                        return false;
                    }
                    let want = &m.bytes[at..(at + 777).min(m.bytes.len())];
                    let from = m.start + at as u64;
                    if b.pieces(from, from + 777).collect::<Vec<_>>().concat() != want {
                        return false;
                    }
                    if read(&mut b, m.start + at as u64, 777) != want {
                        return false;
                    }
                }
            }
            if (b.start(), b.len()) != (m.start, m.bytes.len() as u64) {
                return false;
            }
        }
        read(&mut b, m.start, usize::MAX) == m.bytes
    }

    quickcheck! {
        fn behaves_as_a_vector(ops: Vec<(u8, u16)>) -> bool {
            model_law(&ops)
        }
    }

    #[test]
    fn readers_share_and_survive_release() {
        let mut b = Blocks::new();
        b.append(b"hello ");
        b.append(b"world");
        let mut out = Chunks::new();
        b.read(0, 100, &mut out);
        b.release(11);
        b.append(b"again");
        assert_eq!(&out[0][..], b"hello world");
        assert_eq!(read(&mut b, 11, 100), b"again");
        assert!(read(&mut b, 0, 100).is_empty(), "what was released is not shown");
    }

    #[test]
    fn a_drained_store_reuses_its_block() {
        let mut b = Blocks::new();
        for _ in 0..10_000 {
            b.append(&[1; 100]);
            let at = b.start();
            assert_eq!(read(&mut b, at, usize::MAX).len(), 100);
            b.release(b.end());
        }
        assert_eq!(b.memory(), 0);
        let allocated = b.tail.capacity() + b.closed.capacity() * size_of::<(u64, Bytes)>();
        assert!(allocated <= 2 * BLOCK, "{allocated}");
    }

    #[test]
    fn memory_does_not_depend_on_who_looked() {
        let (mut seen, mut unseen) = (Blocks::new(), Blocks::new());
        for n in 0..3_000 {
            seen.append(&[7; 13]);
            unseen.append(&[7; 13]);
            if n % 3 == 0 {
                let at = seen.start();
                read(&mut seen, at, 1000);
            }
            if n % 100 == 99 {
                seen.release(seen.end() - 50);
                unseen.release(unseen.end() - 50);
            }
            assert_eq!(seen.memory(), unseen.memory(), "after {n} pieces");
        }
        seen.append(&[1; BLOCK]);
        assert!((seen.len() as usize..=seen.len() as usize + BLOCK).contains(&seen.memory()));
    }
}
