//! Passwords: only their SHA-256 is kept, and comparing takes the same time whatever they are.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;

use sha2::{Digest as _, Sha256};

use crate::secrets::same_secret;

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

/// How passwords become hashes.
#[derive(Debug, Default)]
pub(super) struct Passwords {
    /// What the tokens of a recording hash to; empty but in a replay.
    learned: BTreeMap<Box<[u8]>, Hash>,
}

impl Passwords {
    pub(super) fn learn(&mut self, token: &[u8], hash: [u8; 32]) {
        self.learned.insert(token.into(), Hash(hash));
    }

    pub(super) fn hash(&self, password: &[u8]) -> Hash {
        self.learned.get(password).copied().unwrap_or_else(|| Hash::of(password))
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

    pub(super) const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) const fn bytes(&self) -> [u8; 32] {
        self.0
    }

    pub(super) fn hex(&self) -> String {
        let digit = |n: u8| char::from_digit(n.into(), 16).unwrap_or_default();
        self.0.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
