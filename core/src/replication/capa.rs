//! Capabilities (`REPLCONF capa`) that not every server knows; who does not know one passes it over.
//!
//! Two of them are our own: which snapshots a replica reads, and that it acknowledges promptly.

use alloc::string::String;
use core::time::Duration;

use crate::rdb::Writer;
use crate::resp::parse_u64;

/// The Valkey whose snapshots a replica reads (`REPLCONF version`). A Valkey from 9.1 on sends version 80 to whoever reads it,
/// and else 11, in which it cannot write fields that expire: such a replica would never be in sync.
pub(super) const AS_VALKEY: &str = "9.0.0";
/// Takes a full resync over two connections, as Redis 8 has it.
pub(super) const REDIS_TWO_CHANNEL: &str = "rdb-channel-repl";
/// The same as Valkey 8 has it.
pub(super) const VALKEY_TWO_CHANNEL: &str = "dual-channel";

/// Acknowledges what it applied at once, if the master wants it: a master that does says the word behind its `+OK`. Any other
/// master hears no more than Redis's one acknowledgement a second.
pub(super) const PROMPT: &str = "primacy-prompt-ack";
/// Time between two acknowledgements of one that is prompt, at least.
pub(super) const PROMPT_GAP: Duration = Duration::from_millis(5);

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
