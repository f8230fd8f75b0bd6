//! Run ids: the name of one server or sentinel.

use core::fmt;
use core::str::FromStr;

use crate::rng::Rng;

/// The name of a server's run, or of a sentinel for its whole life: 40 characters, hexadecimal ones where they were
/// drawn, and any printable ones of ASCII where somebody wrote them into a file.
///
/// ```
/// use primacy_core::ids::RunId;
/// let id: RunId = "3d0beb5a9c0a4a4f1b9c4c4b0ad4d6f4a1a7b3c2".parse().unwrap();
/// assert_eq!(id.to_string(), "3d0beb5a9c0a4a4f1b9c4c4b0ad4d6f4a1a7b3c2");
/// assert!("*".parse::<RunId>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId([u8; 40]);

/// A text that is no run id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a run id is 40 printable characters without spaces, not {0} bytes of something else")]
pub struct BadRunId(pub usize);

impl RunId {
    /// A fresh id, hexadecimal.
    pub fn random(rng: &mut Rng) -> Self {
        Self(rng.hex())
    }

    /// The id that `text` spells.
    pub fn parse(text: &[u8]) -> Result<Self, BadRunId> {
        let id: [u8; 40] = text.try_into().map_err(|_| BadRunId(text.len()))?;
        // A comma would be the end of it in a hello message.
        if id.iter().all(|&b| b.is_ascii_graphic() && b != b',') { Ok(Self(id)) } else { Err(BadRunId(text.len())) }
    }

    /// Its characters.
    pub fn as_bytes(&self) -> &[u8; 40] {
        &self.0
    }

    /// Its characters.
    pub fn as_str(&self) -> &str {
        // Only printable ASCII gets in.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for RunId {
    type Err = BadRunId;
    fn from_str(text: &str) -> Result<Self, BadRunId> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RunId {
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
        let id = RunId::random(&mut Rng::new([1; 32]));
        assert_eq!(id.to_string().parse(), Ok(id));
        let upper = RunId::parse(&[b'A'; 40]).unwrap();
        assert_ne!(upper, RunId::parse(&[b'a'; 40]).unwrap(), "case counts");
        assert_eq!(upper.as_bytes(), &[b'A'; 40]);
        for bad in [&b""[..], b"*", &[b'a'; 39], &[b'a'; 41], &[b' '; 40], &[b','; 40], &[0x7f; 40], &[b'\n'; 40]] {
            assert_eq!(RunId::parse(bad), Err(BadRunId(bad.len())));
        }
    }
}
