//! Long strings in chunks: shared with replies and snapshots, copied on write by the chunk.

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

/// The size of every chunk but the last, in bytes.
pub(super) const CHUNK: usize = 64 * 1024;

/// A string in chunks of [`CHUNK`] bytes, the last one shorter.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunked {
    len: usize,
    chunks: Vec<Bytes>,
}

impl Chunked {
    /// A copy of `bytes`.
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self { len: bytes.len(), chunks: bytes.chunks(CHUNK).map(Bytes::copy_from_slice).collect() }
    }

    /// The pieces as they are if they have a chunk's size, else copied.
    pub(super) fn from_pieces(pieces: &[Bytes]) -> Self {
        let regular = match pieces {
            [] => true,
            [full @ .., last] => full.iter().all(|p| p.len() == CHUNK) && (1..=CHUNK).contains(&last.len()),
        };
        if regular {
            return Self { len: pieces.iter().map(Bytes::len).sum(), chunks: pieces.to_vec() };
        }
        let mut out = Self::default();
        for piece in pieces {
            out.append(piece);
        }
        out
    }

    /// Its length in bytes.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The chunks in order.
    #[inline]
    pub(super) fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// Memory in bytes beside the struct itself.
    pub(super) fn memory(&self) -> usize {
        self.len + self.chunks.len() * (size_of::<Bytes>() + 24)
    }

    /// Bytes `from..to`, shared; `from <= to <= len`.
    pub(super) fn range(&self, from: usize, to: usize) -> Vec<Bytes> {
        let mut out = Vec::new();
        let mut at = from;
        while at < to {
            let Some(chunk) = self.chunks.get(at / CHUNK) else { break };
            let skip = at % CHUNK;
            let take = (chunk.len() - skip).min(to - at);
            out.push(chunk.slice(skip..skip + take));
            at += take;
        }
        out
    }

    /// Adds `bytes` at the end.
    pub(super) fn append(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len();
        if let Some(last) = self.chunks.last_mut() {
            let (now, rest) = bytes.split_at(bytes.len().min(CHUNK - last.len()));
            if !now.is_empty() {
                modify(last, now.len(), |chunk| chunk.extend_from_slice(now));
            }
            bytes = rest;
        }
        self.chunks.extend(bytes.chunks(CHUNK).map(Bytes::copy_from_slice));
    }

    /// Lengthens it with zeros to `len` bytes if it is shorter.
    fn extend_to(&mut self, len: usize) {
        static ZEROS: [u8; CHUNK] = [0; CHUNK];
        while self.len < len {
            // Full chunks of zeros share one static array until they are written to.
            if self.len.is_multiple_of(CHUNK) && len - self.len >= CHUNK {
                self.chunks.push(Bytes::from_static(&ZEROS));
                self.len += CHUNK;
            } else {
                let room = CHUNK - self.len % CHUNK;
                self.append(&ZEROS[..room.min(len - self.len)]);
            }
        }
    }

    /// Overwrites the bytes from `at` on, after zeros if it ends before `at`.
    pub(super) fn overwrite(&mut self, at: usize, bytes: &[u8]) {
        self.extend_to(at);
        let inside = bytes.len().min(self.len - at);
        let (mut now, after) = bytes.split_at(inside);
        let mut at = at;
        while !now.is_empty() {
            let Some(chunk) = self.chunks.get_mut(at / CHUNK) else { break };
            let skip = at % CHUNK;
            let take = (chunk.len() - skip).min(now.len());
            let (part, rest) = now.split_at(take);
            modify(chunk, 0, |c| c[skip..skip + take].copy_from_slice(part));
            at += take;
            now = rest;
        }
        if !after.is_empty() {
            self.append(after);
        }
    }

    /// Frees up to `n` chunks from the end; how many are left.
    pub(super) fn dismantle(&mut self, n: usize) -> usize {
        self.chunks.truncate(self.chunks.len().saturating_sub(n));
        self.chunks.len()
    }
}

/// Changes one chunk: in place if nobody else holds it, else a copy of it. `more`: bytes by which it will grow.
fn modify(chunk: &mut Bytes, more: usize, f: impl FnOnce(&mut BytesMut)) {
    let mut bytes = match core::mem::take(chunk).try_into_mut() {
        Ok(own) => own,
        Err(shared) => {
            let mut copy = BytesMut::with_capacity(shared.len() + more);
            copy.extend_from_slice(&shared);
            copy
        }
    };
    f(&mut bytes);
    *chunk = bytes.freeze();
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    fn flat(c: &Chunked) -> Vec<u8> {
        c.chunks().concat()
    }

    quickcheck! {
        fn behaves_as_a_vector(ops: Vec<(u8, u32, u8)>) -> bool {
            let (mut c, mut m) = (Chunked::default(), Vec::<u8>::new());
            for (op, n, b) in ops {
                let held: Vec<Bytes> = c.chunks().to_vec();
                let before = m.clone();
                let n = n as usize % (3 * CHUNK);
                if op % 2 == 0 {
                    c.append(&std::vec![b; n]);
                    m.extend(core::iter::repeat_n(b, n));
                } else {
                    let bytes = std::vec![b; usize::from(op) * 300];
                    c.overwrite(n, &bytes);
                    if m.len() < n + bytes.len() { m.resize(n + bytes.len(), 0); }
                    m[n..n + bytes.len()].copy_from_slice(&bytes);
                }
                let (from, to) = (n.min(m.len()), m.len().min(n + 100_000));
                if held.concat() != before
                    || flat(&c) != m
                    || c.len() != m.len()
                    || c.range(from, to).concat() != m[from..to]
                    || c.chunks().iter().rev().skip(1).any(|p| p.len() != CHUNK)
                {
                    return false;
                }
            }
            true
        }
    }

    #[test]
    fn a_write_copies_one_chunk_only() {
        let mut c = Chunked::new(&std::vec![7; 4 * CHUNK]);
        let held = c.chunks().to_vec();
        c.overwrite(CHUNK + 5, b"x");
        let same: Vec<bool> = held.iter().zip(c.chunks()).map(|(a, b)| a.as_ptr() == b.as_ptr()).collect();
        assert_eq!(same, [true, false, true, true]);
        let before = c.chunks()[1].as_ptr();
        c.overwrite(CHUNK + 6, b"y");
        assert_eq!(c.chunks()[1].as_ptr(), before, "its own chunk is written in place");
    }

    #[test]
    fn regular_pieces_are_shared() {
        let pieces = [Bytes::from(std::vec![1; CHUNK]), Bytes::from(std::vec![2; 10])];
        assert_eq!(Chunked::from_pieces(&pieces).chunks()[0].as_ptr(), pieces[0].as_ptr());
        let odd = [Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"c")];
        assert_eq!(flat(&Chunked::from_pieces(&odd)), b"abc");
        assert_eq!(Chunked::from_pieces(&[]).len(), 0);
    }
}
