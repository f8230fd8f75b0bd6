//! The nine bytes at the start: who wrote it, and in which version.

use crate::rdb::Magic;

/// Versions that are read under `REDIS`.
const REDIS_VERSIONS: core::ops::RangeInclusive<u16> = 1..=15;
/// Versions that are read under `VALKEY`.
const VALKEY_VERSIONS: core::ops::RangeInclusive<u16> = 80..=81;

/// Family and version of a header, whatever the version is.
pub(super) fn magic_of(header: &[u8; 9]) -> Option<(Magic, u16)> {
    let (magic, digits) = match (header.strip_prefix(b"REDIS"), header.strip_prefix(b"VALKEY")) {
        (Some(digits), _) => (Magic::Redis, digits),
        (_, Some(digits)) => (Magic::Valkey, digits),
        _ => return None,
    };
    let version = digits.iter().try_fold(0u16, |n, d| d.is_ascii_digit().then(|| n * 10 + u16::from(d - b'0')))?;
    Some((magic, version))
}

/// Family and version of a header that this build reads.
pub(super) fn parse_header(header: &[u8; 9]) -> Option<(Magic, u16)> {
    magic_of(header).filter(|&(magic, version)| family_of(version) == Some(magic))
}

/// The family of a version that this build reads, for no number belongs to both.
pub(in crate::rdb) fn family_of(version: u16) -> Option<Magic> {
    match version {
        _ if REDIS_VERSIONS.contains(&version) => Some(Magic::Redis),
        _ if VALKEY_VERSIONS.contains(&version) => Some(Magic::Valkey),
        _ => None,
    }
}
