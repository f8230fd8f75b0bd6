//! Replication ids: the name of one history of writes.

use core::fmt;
use core::str::FromStr;

use crate::rng::Rng;

/// The name of one history: 40 hexadecimal characters. Two nodes with the same id and offset hold the same data.
///
/// ```
/// use primacy_core::replication::ReplId;
/// let id: ReplId = "94beb442f7be9c8b98e569ba9befc11e5fd09592".parse().unwrap();
/// assert_eq!(id.to_string(), "94beb442f7be9c8b98e569ba9befc11e5fd09592");
/// assert!("?".parse::<ReplId>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplId([u8; 40]);

/// A text that is no replication id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a replication id is 40 hexadecimal characters, not {0} bytes of something else")]
pub struct BadReplId(pub usize);

impl ReplId {
    /// Forty zeros: what Redis prints where there is no id.
    pub const ZERO: Self = Self([b'0'; 40]);

    /// A fresh id.
    pub fn random(rng: &mut Rng) -> Self {
        Self(rng.hex())
    }

    /// The id that `text` spells, in whatever case.
    pub fn parse(text: &[u8]) -> Result<Self, BadReplId> {
        let mut id: [u8; 40] = text.try_into().map_err(|_| BadReplId(text.len()))?;
        if !id.iter().all(u8::is_ascii_hexdigit) {
            return Err(BadReplId(text.len()));
        }
        // Redis compares ids without regard to case.
        id.make_ascii_lowercase();
        Ok(Self(id))
    }

    /// Its characters.
    pub fn as_bytes(&self) -> &[u8; 40] {
        &self.0
    }

    /// Its characters.
    pub fn as_str(&self) -> &str {
        // Only hexadecimal characters get in.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for ReplId {
    type Err = BadReplId;
    fn from_str(text: &str) -> Result<Self, BadReplId> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn spelled_and_read_back() {
        let id = ReplId::random(&mut Rng::new([1; 32]));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(ReplId::parse(id.to_string().to_uppercase().as_bytes()), Ok(id));
        for bad in [&b""[..], b"?", &[b'a'; 39], &[b'a'; 41], &[b'g'; 40]] {
            assert_eq!(ReplId::parse(bad), Err(BadReplId(bad.len())));
        }
    }
}
