//! Tokens in the place of passwords, and numbers in the place of their hashes.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use crate::rng::Seed;

/// Tokens up to this length might meet by chance, and are told apart by a table,
const SHORT: usize = 10;
/// of at most so many.
const SHORT_MAX: usize = 4096;
/// Tries for a token that no other secret has: of the shortest there are not enough for all.
const TRIES: u8 = 32;
/// What tokens are made of.
const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._";

/// A token, and what its hash shall be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct Learned {
    pub(in super::super) token: Vec<u8>,
    pub(in super::super) hash: [u8; 32],
}

pub(super) struct Mask {
    key: Seed,
    /// Short tokens, with the secret's digest.
    short: BTreeMap<Vec<u8>, [u8; 32]>,
    /// Tokens that the recording has to tell of.
    pub(super) learned: Vec<Learned>,
}

impl core::fmt::Debug for Mask {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Mask")
    }
}

impl Mask {
    pub(super) fn new(key: Seed) -> Self {
        Self { key, short: BTreeMap::new(), learned: Vec::new() }
    }

    /// A keyed digest. Keyed twice, so that no digest leads to that of a longer text.
    fn keyed(&self, what: u8, number: u32, data: &[u8; 32]) -> [u8; 32] {
        let inner = Sha256::new().chain_update(self.key).chain_update([what]).chain_update(number.to_le_bytes());
        let inner = inner.chain_update(data).finalize();
        Sha256::new().chain_update(self.key).chain_update(inner).finalize().into()
    }

    /// The token of a password, of the same length.
    pub(super) fn password(&mut self, secret: &[u8]) -> Vec<u8> {
        let digest: [u8; 32] = Sha256::digest(secret).into();
        let token = self.token(secret, &digest);
        let hash = self.hash(&digest);
        self.learned.push(Learned { token: token.clone(), hash });
        token
    }

    fn token(&mut self, secret: &[u8], digest: &[u8; 32]) -> Vec<u8> {
        let mut token = Vec::new();
        for attempt in 0..TRIES {
            token = self.letters(secret, digest, attempt);
            if token == secret && !secret.is_empty() {
                continue;
            }
            if secret.len() > SHORT {
                break;
            }
            match self.short.get(&token) {
                Some(other) if other != digest => continue,
                Some(_) => {}
                None if self.short.len() < SHORT_MAX => {
                    self.short.insert(token.clone(), *digest);
                }
                None => {}
            }
            break;
        }
        token
    }

    /// Letters in the place of a secret. What a configuration does not take at all it does not take in a token either:
    /// control characters stay, and what is no UTF-8 becomes none.
    fn letters(&self, secret: &[u8], digest: &[u8; 32], attempt: u8) -> Vec<u8> {
        let blocks = (0..).flat_map(|n| self.keyed(attempt, n, digest));
        let letter = |(b, r): (&u8, u8)| if b.is_ascii_control() { *b } else { LETTERS[usize::from(r & 63)] };
        let mut token: Vec<u8> = secret.iter().zip(blocks).map(letter).collect();
        if core::str::from_utf8(secret).is_err()
            && let Some(first) = token.first_mut()
        {
            *first = 0xff;
        }
        token
    }

    /// What stands in the place of a password's SHA-256.
    fn hash(&self, digest: &[u8; 32]) -> [u8; 32] {
        self.keyed(TRIES, 0, digest)
    }

    /// The same for one in hexadecimal. What is no hash becomes something that is none.
    pub(super) fn hash_text(&self, text: &[u8]) -> Vec<u8> {
        match crate::acl::parse_hash(text) {
            Some(digest) => crate::acl::hash_text(&self.hash(&digest)).into_bytes(),
            None => alloc::vec![b'X'; text.len()],
        }
    }
}
