//! Passwords: only their SHA-256 is kept, and comparing takes the same time whatever they are.

use alloc::string::String;

use sha2::{Digest as _, Sha256};

/// The SHA-256 of a password.
#[derive(Clone, Copy, Eq)]
pub(super) struct Hash([u8; 32]);

impl core::fmt::Debug for Hash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Hash")
    }
}

impl PartialEq for Hash {
    fn eq(&self, other: &Self) -> bool {
        same_secret(&self.0, &other.0)
    }
}

impl Hash {
    pub(super) fn of(password: &[u8]) -> Self {
        Self(Sha256::digest(password).into())
    }

    /// Reads 64 hexadecimal digits in lower case.
    pub(super) fn parse(hex: &[u8]) -> Option<Self> {
        let digit = |b: &u8| match b {
            b'0'..=b'9' => Some(b - b'0'),
            b'a'..=b'f' => Some(b - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        let (pairs, rest) = hex.as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(high)? << 4 | digit(low)?;
        }
        Some(Self(bytes))
    }

    pub(super) fn hex(&self) -> String {
        let digit = |n: u8| char::from_digit(n.into(), 16).unwrap_or_default();
        self.0.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
    }
}

/// Compares in time that does not depend on where the first difference lies.
fn same_secret(a: &[u8], b: &[u8]) -> bool {
    let mut differ = a.len() ^ b.len();
    for i in 0..a.len().max(b.len()) {
        differ |= usize::from(a.get(i).copied().unwrap_or(0) ^ b.get(i).copied().unwrap_or(0));
    }
    core::hint::black_box(differ) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_compare_by_content_and_length() {
        assert!(same_secret(b"abc", b"abc") && same_secret(b"", b""));
        for (a, b) in [("abc", "abd"), ("abc", "ab"), ("", "a"), ("abc", "abc\0")] {
            assert!(!same_secret(a.as_bytes(), b.as_bytes()), "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = Hash::of(b"pw");
        assert_eq!(hash.hex(), "30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4");
        assert_eq!(Hash::parse(hash.hex().as_bytes()), Some(hash));
        for bad in ["", "aa", &"A".repeat(64), &"a".repeat(65), &"g".repeat(64)] {
            assert_eq!(Hash::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
