//! Buckets beyond the first of a chain, in segments of their own and without gaps.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::bucket::Bucket;
use super::super::entry::Slot;
use super::SEGMENT;

/// Overflow buckets by number: 1 to `used`.
#[derive(Default)]
pub(super) struct Overflow {
    segments: Vec<Box<[Bucket]>>,
    pub(super) used: u32,
}

impl Overflow {
    // Numbers come from `acquire` only, which makes their segment.
    #[inline]
    pub(super) fn get(&self, n: u32) -> &Bucket {
        let i = n as usize - 1;
        &self.segments[i / SEGMENT][i % SEGMENT]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, n: u32) -> &mut Bucket {
        let i = n as usize - 1;
        &mut self.segments[i / SEGMENT][i % SEGMENT]
    }

    /// An empty bucket, followed by `next`.
    pub(super) fn acquire(&mut self, next: u32) -> u32 {
        if self.used as usize == self.segments.len() * SEGMENT {
            self.segments.push((0..SEGMENT).map(|_| Bucket::default()).collect());
        }
        self.used += 1;
        self.get_mut(self.used).next = next;
        self.used
    }

    /// Gives the last bucket back, which is empty.
    pub(super) fn pop(&mut self) {
        *self.get_mut(self.used) = Bucket::default();
        self.used -= 1;
        if self.segments.len() > (self.used as usize).div_ceil(SEGMENT) + 1 {
            self.segments.pop();
        }
    }

    pub(super) fn memory(&self) -> usize {
        self.segments.len() * SEGMENT * size_of::<Bucket>()
    }

    pub(super) fn dismantle(&mut self, heavy: &mut Vec<Slot>) -> usize {
        let mut freed = 0;
        while freed == 0 {
            let Some(mut segment) = self.segments.pop() else { break };
            freed += segment.iter_mut().map(|bucket| bury(bucket, heavy)).sum::<usize>();
        }
        freed
    }
}

/// Frees the entries of a bucket but for heavy ones, which go to `heavy`; how many there were.
pub(super) fn bury(bucket: &mut Bucket, heavy: &mut Vec<Slot>) -> usize {
    let mut n = 0;
    while let Some((_, slot)) = bucket.take_any() {
        n += 1;
        if slot.is_heavy() {
            heavy.push(slot);
        }
    }
    n
}
