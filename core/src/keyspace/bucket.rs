//! A bucket: seven slots with a byte of hash each, two cache lines in all.

use super::entry::Slot;

/// Slots of a bucket.
pub(super) const SLOTS: usize = 7;

/// Seven slots, or the overflow of seven. 128 bytes.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub(super) struct Bucket {
    /// A byte of each key's hash, 0 for an empty slot; the eighth is unused.
    tags: [u8; 8],
    /// The snapshot that has this bucket already.
    pub(super) version: u32,
    /// The first overflow bucket; 0: none.
    pub(super) next: u32,
    slots: [Slot; SLOTS],
}

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x0080_8080_8080_8080; // Seven of the eight bytes.

/// Bits at the bytes of `word` that are zero (and, above the lowest, at some that only look so).
#[inline]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(LOW) & !word & HIGH
}

/// The byte of a hash that a bucket keeps; never 0. Taken from the end that does not choose the bucket.
#[inline]
pub(super) fn tag(hash: u64) -> u8 {
    ((hash >> 56) as u8).max(1)
}

impl Bucket {
    /// The slot with this key, if it is in this bucket.
    #[inline]
    pub(super) fn find(&self, tag: u8, key: &[u8]) -> Option<u8> {
        let mut hits = zeros(u64::from_le_bytes(self.tags) ^ (u64::from(tag) * LOW));
        while hits != 0 {
            let i = (hits.trailing_zeros() / 8) as usize;
            // `HIGH` leaves the eighth byte out, so `i` is below SLOTS.
            if self.slots[i].key() == key && !self.slots[i].is_empty() {
                return Some(i as u8);
            }
            hits &= hits - 1;
        }
        None
    }

    /// Reads a byte of the keys that may have this tag, of those in this bucket. The result means nothing.
    #[inline]
    pub(super) fn peek_keys(&self, tag: u8) -> u8 {
        let mut hits = zeros(u64::from_le_bytes(self.tags) ^ (u64::from(tag) * LOW));
        let mut sum = 0;
        while hits != 0 {
            sum ^= self.slots[(hits.trailing_zeros() / 8) as usize].warm();
            hits &= hits - 1;
        }
        sum
    }

    /// Reads a byte of both of its cache lines. The result means nothing.
    #[inline]
    pub(super) fn peek(&self) -> u8 {
        // No branch on what is not there yet.
        self.tags[0] ^ u8::from(matches!(self.slots[SLOTS - 1], Slot::Large(_)))
    }

    /// Puts an entry into the first empty slot; gives it back if there is none.
    pub(super) fn put(&mut self, tag: u8, slot: Slot) -> Result<u8, Slot> {
        match self.tags[..SLOTS].iter().position(|&t| t == 0) {
            Some(i) => {
                self.tags[i] = tag;
                self.slots[i] = slot;
                Ok(i as u8)
            }
            None => Err(slot),
        }
    }

    /// Takes the entry of slot `i` out, which becomes empty.
    pub(super) fn take(&mut self, i: u8) -> (u8, Slot) {
        let i = usize::from(i);
        (core::mem::take(&mut self.tags[i]), core::mem::take(&mut self.slots[i]))
    }

    /// Takes any entry out.
    pub(super) fn take_any(&mut self) -> Option<(u8, Slot)> {
        self.any().map(|i| self.take(i))
    }

    /// A slot that is used.
    pub(super) fn any(&self) -> Option<u8> {
        self.tags[..SLOTS].iter().position(|&t| t != 0).map(|i| i as u8)
    }

    /// Whether no slot is used.
    pub(super) fn is_empty(&self) -> bool {
        self.tags == [0; 8]
    }

    /// Slot `i`.
    #[inline]
    pub(super) fn slot(&self, i: u8) -> &Slot {
        &self.slots[usize::from(i)]
    }

    /// Slot `i`, to be changed; its key must stay.
    #[inline]
    pub(super) fn slot_mut(&mut self, i: u8) -> &mut Slot {
        &mut self.slots[usize::from(i)]
    }

    /// The entries with the numbers of their slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u8, &Slot)> {
        self.slots.iter().enumerate().filter(|&(i, _)| self.tags[i] != 0).map(|(i, slot)| (i as u8, slot))
    }
}

#[cfg(test)]
mod tests {
    use super::super::string::{Form, New};
    use super::*;

    #[test]
    fn two_cache_lines() {
        assert_eq!(size_of::<Bucket>(), 128);
    }

    #[test]
    fn finds_what_was_put_and_nothing_else() {
        let mut b = Bucket::default();
        for i in 0..SLOTS as u8 {
            let slot = Slot::of_string(&[i], New::Flat(b"v"), None, Form::Auto);
            assert_eq!(b.put(1 + i / 2, slot).ok(), Some(i));
        }
        assert!(b.put(1, Slot::default()).is_err());
        for i in 0..SLOTS as u8 {
            assert_eq!(b.find(1 + i / 2, &[i]), Some(i));
            assert_eq!(b.find(9, &[i]), None);
        }
        assert_eq!(b.find(1, &[]), None);
        b.take(3);
        assert_eq!((b.find(2, &[3]), b.iter().count()), (None, 6));
        while b.take_any().is_some() {}
        assert!(b.is_empty());
    }
}
