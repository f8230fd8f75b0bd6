//! Small collections in one blob: a listpack, or a ziplist for old readers.

use alloc::vec::Vec;

use super::Body;
use crate::rdb::compact::Scalar;
use crate::rdb::text::Small;

/// The lowest version that has listpacks outside of streams.
pub(super) const LISTPACKS: u16 = 10;
/// The end mark of both.
const END: u8 = 0xff;

impl Body {
    /// Writes the elements of a collection as the blob that the version has.
    pub(super) fn pack<'a>(&mut self, elements: &[u8], scalars: impl Iterator<Item = Scalar<'a>>) {
        let blob = if self.version >= LISTPACKS { listpack(elements, scalars.count()) } else { ziplist(scalars) };
        self.text(Small::new(), &blob);
    }
}

/// A count of 16 bits; 65535 says that readers have to count.
fn count(n: usize) -> [u8; 2] {
    u16::try_from(n).unwrap_or(u16::MAX).to_le_bytes()
}

/// The listpack of these elements, of which there are so many.
pub(super) fn listpack(elements: &[u8], len: usize) -> Vec<u8> {
    const HEAD: usize = 6;
    let total = HEAD + elements.len() + 1;
    let mut blob = Vec::with_capacity(total);
    blob.extend_from_slice(&(total as u32).to_le_bytes());
    blob.extend_from_slice(&count(len));
    blob.extend_from_slice(elements);
    blob.push(END);
    blob
}

fn ziplist<'a>(scalars: impl Iterator<Item = Scalar<'a>>) -> Vec<u8> {
    const HEAD: usize = 10;
    let mut blob = alloc::vec![0; HEAD];
    let (mut last, mut len, mut before) = (HEAD, 0, 0);
    for scalar in scalars {
        last = blob.len();
        len += 1;
        match before {
            0..254 => blob.push(before as u8),
            _ => {
                blob.push(254);
                blob.extend_from_slice(&(before as u32).to_le_bytes());
            }
        }
        match scalar {
            Scalar::Int(n) => ziplist_int(&mut blob, n),
            Scalar::Text(text) => ziplist_text(&mut blob, text),
        }
        before = blob.len() - last;
    }
    blob.push(END);
    let total = blob.len() as u32;
    blob[..4].copy_from_slice(&total.to_le_bytes());
    blob[4..8].copy_from_slice(&(last as u32).to_le_bytes());
    blob[8..HEAD].copy_from_slice(&count(len));
    blob
}

fn ziplist_int(blob: &mut Vec<u8>, n: i64) {
    let le = n.to_le_bytes();
    let (mark, len) = match n {
        0..=12 => (0xf1 + n as u8, 0),
        -0x80..=0x7f => (0xfe, 1),
        -0x8000..=0x7fff => (0xc0, 2),
        -0x80_0000..=0x7f_ffff => (0xf0, 3),
        -0x8000_0000..=0x7fff_ffff => (0xd0, 4),
        _ => (0xe0, 8),
    };
    blob.push(mark);
    blob.extend_from_slice(&le[..len]);
}

fn ziplist_text(blob: &mut Vec<u8>, text: &[u8]) {
    match text.len() {
        len @ 0..0x40 => blob.push(len as u8),
        len @ 0x40..0x4000 => blob.extend_from_slice(&[0x40 | (len >> 8) as u8, len as u8]),
        len => {
            blob.push(0x80);
            blob.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
    blob.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_redis_lays_them_out() {
        // RPUSH k ab 5 300 in Redis 6.2.
        let list = [Scalar::Text(b"ab"), Scalar::Int(5), Scalar::Int(300)];
        let want = [0x15, 0, 0, 0, 0x10, 0, 0, 0, 3, 0, 0, 2, b'a', b'b', 4, 0xf6, 2, 0xc0, 0x2c, 1, 0xff];
        assert_eq!(ziplist(list.into_iter()), want);
        // RPUSH k a 300 -1 in Redis 7.
        let want = [0x10, 0, 0, 0, 3, 0, 0x81, b'a', 2, 0xc1, 0x2c, 2, 0xdf, 0xff, 2, 0xff];
        assert_eq!(listpack(&want[6..15], 3), want);
    }

    #[test]
    fn long_elements_of_a_ziplist_say_so_to_the_next() {
        let text = [b'x'; 300];
        let blob = ziplist([Scalar::Text(&text), Scalar::Int(-1), Scalar::Int(-70_000)].into_iter());
        assert_eq!(&blob[10..13], [0, 0x41, 0x2c]);
        assert_eq!(&blob[313..], [254, 47, 1, 0, 0, 0xfe, 0xff, 7, 0xf0, 0x90, 0xee, 0xfe, 0xff]);
    }
}
