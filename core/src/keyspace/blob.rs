//! The bytes of one element in 24 bytes.

use alloc::sync::Arc;

use super::entry::allocated;
use crate::rdb::Scalar;
use crate::resp::parse_i64;

/// Bytes that lie inline.
const INLINE: usize = 22;

/// An element's bytes: inline up to 22 of them, an integer as a number, and anything longer shared, so that the copy of
/// a node that a write makes while a snapshot holds the old one costs no copy of long elements.
#[derive(Clone, Debug)]
pub(super) enum Blob {
    Inline { len: u8, bytes: [u8; INLINE] },
    Int(i64),
    Heap(Arc<[u8]>),
}

impl Blob {
    /// A copy of `text`.
    pub(super) fn new(text: &[u8]) -> Self {
        if let Some(n) = parse_i64(text) {
            return Self::Int(n);
        }
        let mut bytes = [0; INLINE];
        match bytes.get_mut(..text.len()) {
            Some(room) => {
                room.copy_from_slice(text);
                Self::Inline { len: text.len() as u8, bytes }
            }
            None => Self::Heap(text.into()),
        }
    }

    /// The same bytes as a scalar has.
    pub(super) fn of(scalar: Scalar<'_>) -> Self {
        match scalar {
            Scalar::Int(n) => Self::Int(n),
            Scalar::Text(text) => Self::new(text),
        }
    }

    /// Its value, an integer as such.
    #[inline]
    pub(super) fn scalar(&self) -> Scalar<'_> {
        match self {
            Self::Inline { len, bytes } => Scalar::Text(bytes.get(..usize::from(*len)).unwrap_or_default()),
            Self::Int(n) => Scalar::Int(*n),
            Self::Heap(bytes) => Scalar::Text(bytes),
        }
    }

    /// Memory in bytes beside the 24 themselves.
    pub(super) fn heap(&self) -> usize {
        match self {
            // The two counters of an `Arc` lie before its bytes.
            Self::Heap(bytes) => allocated(bytes.len() + 2 * size_of::<usize>()),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    #[test]
    fn three_words() {
        assert_eq!(size_of::<Blob>(), 24);
    }

    quickcheck! {
        fn gives_back_what_it_was_made_of(text: alloc::vec::Vec<u8>, n: i64) -> bool {
            let number = alloc::format!("{n}");
            Blob::new(&text).scalar().text(&mut [0; 20]) == text && Blob::new(number.as_bytes()).scalar() == Scalar::Int(n)
                && Blob::of(Scalar::Text(&text)).scalar().text(&mut [0; 20]) == text
        }
    }
}
