//! Names of AUX fields. Readers compare them without case and skip what they do not know.

/// Version of the server that wrote the snapshot.
pub const REDIS_VER: &[u8] = b"redis-ver";
/// Width of a word there, 32 or 64.
pub const REDIS_BITS: &[u8] = b"redis-bits";
/// When it was written, seconds since 1970.
pub const CTIME: &[u8] = b"ctime";
/// Memory in use there, bytes.
pub const USED_MEM: &[u8] = b"used-mem";
/// The database that the replication stream has selected at this point (Redis >= 4.0).
pub const REPL_STREAM_DB: &[u8] = b"repl-stream-db";
/// Replication id of the snapshot, 40 hexadecimal digits (Redis >= 4.0).
pub const REPL_ID: &[u8] = b"repl-id";
/// Replication offset of the snapshot, bytes (Redis >= 4.0).
pub const REPL_OFFSET: &[u8] = b"repl-offset";
/// 1 in the base file of an append-only log (Redis >= 7.0).
pub const AOF_BASE: &[u8] = b"aof-base";
