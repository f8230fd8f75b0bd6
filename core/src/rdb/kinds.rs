//! Numbers and names of opcodes and value types.

use super::item::Magic;

pub(super) const EOF: u8 = 255;
pub(super) const SELECT_DB: u8 = 254;
pub(super) const EXPIRE_S: u8 = 253;
pub(super) const EXPIRE_MS: u8 = 252;
pub(super) const RESIZE_DB: u8 = 251;
pub(super) const AUX: u8 = 250;
pub(super) const FREQ: u8 = 249;
pub(super) const IDLE: u8 = 248;
pub(super) const MODULE_AUX: u8 = 247;
pub(super) const FUNCTION_PRE_GA: u8 = 246;
pub(super) const FUNCTION: u8 = 245;
pub(super) const SLOT_INFO: u8 = 244;
/// KEY_META under REDIS, SLOT_IMPORT under VALKEY.
pub(super) const META_OR_IMPORT: u8 = 243;
/// HASH_TEMPLATE under REDIS, UPDATE under VALKEY.
pub(super) const TEMPLATE_OR_UPDATE: u8 = 242;

/// The type of a string.
pub(super) const STRING: u8 = 0;
/// The type of a module's value.
pub(super) const MODULE: u8 = 7;
/// The type of a set, member by member.
pub(super) const SET: u8 = 2;
/// The type of a set of integers.
pub(super) const SET_INTSET: u8 = 11;
/// The type of a small set from version 11 on.
pub(super) const SET_LISTPACK: u8 = 20;
/// The type of a list, element by element.
pub(super) const LIST: u8 = 1;
/// The type of a list of ziplists, up to version 9.
pub(super) const LIST_ZIPLISTS: u8 = 14;
/// The type of a list of listpacks and single elements, from version 10 on.
pub(super) const LIST_NODES: u8 = 18;
/// The type of a sorted set, member by member with scores as numbers.
pub(super) const ZSET: u8 = 5;
/// The type of a small sorted set up to version 9.
pub(super) const ZSET_ZIPLIST: u8 = 12;
/// The type of a small sorted set from version 10 on.
pub(super) const ZSET_LISTPACK: u8 = 17;
/// The type of a hash, field by field.
pub(super) const HASH: u8 = 4;
/// The type of a small hash up to version 9.
pub(super) const HASH_ZIPLIST: u8 = 13;
/// The type of a small hash from version 10 on.
pub(super) const HASH_LISTPACK: u8 = 16;
/// The type of a hash with fields that expire, from version 12 on.
pub(super) const HASH_METADATA: u8 = 24;
/// The type of a stream up to version 9.
pub(super) const STREAM: u8 = 15;
/// The type of a stream with its counters, from version 10 on.
pub(super) const STREAM_COUNTERS: u8 = 19;
/// The type of a stream that knows when consumers were active, from version 11 on.
pub(super) const STREAM_ACTIVE: u8 = 21;

/// Why an opcode is known and not supported.
pub(super) fn why_opcode(number: u8) -> &'static str {
    match number {
        FUNCTION_PRE_GA => "only release candidates of Redis 7.0 wrote it, and every later server refuses it",
        _ => "it holds commands, which only a development version of Valkey writes",
    }
}

/// Why a value type is known and not supported.
pub(super) fn why_type(number: u8) -> &'static str {
    match number {
        6 => "only its module knows where such a value ends",
        23 => "only a development version of Valkey writes it",
        29 | 31 => "it occurs in DUMP payloads, never in a snapshot",
        33 => "no release writes it",
        _ => "this build cannot read it",
    }
}

/// Name of an opcode; 242 and 243 mean different things in the two families.
pub(super) fn opcode(magic: Magic, number: u8) -> Option<&'static str> {
    Some(match (number, magic) {
        (EOF, _) => "EOF",
        (SELECT_DB, _) => "SELECTDB",
        (EXPIRE_S, _) => "EXPIRETIME",
        (EXPIRE_MS, _) => "EXPIRETIME_MS",
        (RESIZE_DB, _) => "RESIZEDB",
        (AUX, _) => "AUX",
        (FREQ, _) => "FREQ",
        (IDLE, _) => "IDLE",
        (MODULE_AUX, _) => "MODULE_AUX",
        (FUNCTION_PRE_GA, _) => "FUNCTION_PRE_GA",
        (FUNCTION, _) => "FUNCTION2",
        (SLOT_INFO, _) => "SLOT_INFO",
        (243, Magic::Redis) => "KEY_META",
        (243, Magic::Valkey) => "SLOT_IMPORT",
        (242, Magic::Redis) => "HASH_TEMPLATE",
        (242, Magic::Valkey) => "UPDATE",
        _ => return None,
    })
}

/// Name of a value type; 22 and 23 mean different things in the two families.
pub(super) fn value_type(magic: Magic, number: u8) -> Option<&'static str> {
    Some(match (number, magic) {
        (STRING, _) => "STRING",
        (1, _) => "LIST",
        (2, _) => "SET",
        (3, _) => "ZSET",
        (4, _) => "HASH",
        (5, _) => "ZSET_2",
        (6, _) => "MODULE_PRE_GA",
        (7, _) => "MODULE_2",
        (9, _) => "HASH_ZIPMAP",
        (10, _) => "LIST_ZIPLIST",
        (11, _) => "SET_INTSET",
        (12, _) => "ZSET_ZIPLIST",
        (13, _) => "HASH_ZIPLIST",
        (14, _) => "LIST_QUICKLIST",
        (STREAM, _) => "STREAM_LISTPACKS",
        (16, _) => "HASH_LISTPACK",
        (17, _) => "ZSET_LISTPACK",
        (18, _) => "LIST_QUICKLIST_2",
        (STREAM_COUNTERS, _) => "STREAM_LISTPACKS_2",
        (20, _) => "SET_LISTPACK",
        (STREAM_ACTIVE, _) => "STREAM_LISTPACKS_3",
        (22, Magic::Redis) => "HASH_METADATA_PRE_GA",
        (22, Magic::Valkey) => "HASH_2",
        (23, Magic::Redis) => "HASH_LISTPACK_EX_PRE_GA",
        (23, Magic::Valkey) => "PATH_HASH",
        (24, Magic::Redis) => "HASH_METADATA",
        (25, Magic::Redis) => "HASH_LISTPACK_EX",
        (26, Magic::Redis) => "STREAM_LISTPACKS_4",
        (27, Magic::Redis) => "STREAM_LISTPACKS_5",
        (28, Magic::Redis) => "ARRAY",
        (29, Magic::Redis) => "HASH_TEMPLATE_LISTPACK_DUMP",
        (30, Magic::Redis) => "HASH_TEMPLATE_LISTPACK",
        (31, Magic::Redis) => "HASH_TEMPLATE_DUMP",
        (32, Magic::Redis) => "HASH_TEMPLATE",
        (33, Magic::Redis) => "GCRA",
        (34, Magic::Redis) => "HLL",
        _ => return None,
    })
}
