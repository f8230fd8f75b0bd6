//! The capability of our own (`REPLCONF capa`): which snapshots a replica reads. Others do not know it, and pass it over.

use alloc::string::String;

use crate::rdb::Writer;
use crate::resp::parse_u64;

/// What stands before the version.
const RDB: &[u8] = b"primacy-rdb-";

/// What a replica says: it reads all that is ever written here.
pub(super) fn rdb() -> String {
    alloc::format!("{}{}", RDB.escape_ascii(), Writer::MAX_VERSION)
}

/// The highest version that whoever announces `capa` reads, if it tells that.
pub(super) fn reads(capa: &[u8]) -> Option<u16> {
    u16::try_from(parse_u64(capa.strip_prefix(RDB)?)?).ok()
}
