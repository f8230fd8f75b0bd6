//! What clients can do with the keys: one table of commands, one function each.

mod bitfield;
mod bitops;
mod bits;
mod compare;
mod counters;
mod dump;
mod expiry;
mod field_expiry;
mod functions;
mod geo;
mod geo_search;
mod hash_counters;
mod hash_ex;
mod hash_walks;
mod hashes;
mod hyperloglog;
mod keys;
mod lcs;
mod list_pops;
mod lists;
mod lpos;
mod object;
mod options;
mod ranges;
mod scan;
mod set_algebra;
mod set_walks;
mod sets;
mod sort;
mod sort_lookup;
mod stream_args;
mod stream_claims;
mod stream_deliver;
mod stream_groups;
mod stream_info;
mod stream_ranges;
mod stream_reads;
mod stream_refs;
mod streams;
mod strings;
mod waits;
mod zset_algebra;
mod zset_pops;
mod zset_ranges;
mod zset_walks;
mod zsets;

use super::Keyspace;
use crate::dataset::{Context, Flags, KeySpec, Spec};
use crate::resp::Args;

/// Executes one command.
pub(super) type Run = fn(&mut Keyspace, Args<'_>, &mut Context<'_, '_>);

const WRITE: Flags = Flags::WRITE;
const READ: Flags = Flags::READONLY;
const READ_FAST: Flags = READ.and(Flags::FAST);
const WRITE_FAST: Flags = WRITE.and(Flags::FAST);
const GROWS: Flags = WRITE.and(Flags::DENYOOM);
const GROWS_FAST: Flags = GROWS.and(Flags::FAST);
const READ_MOVABLE: Flags = READ.and(Flags::MOVABLE_KEYS);
const WRITE_MOVABLE: Flags = WRITE.and(Flags::MOVABLE_KEYS);
const GROWS_MOVABLE: Flags = GROWS.and(Flags::MOVABLE_KEYS);
const GROWS_PIECES: Flags = GROWS.and(Flags::PIECES);
const GROWS_FAST_PIECES: Flags = GROWS_FAST.and(Flags::PIECES);

const fn spec(
    name: &'static str,
    arity: i16,
    flags: Flags,
    keys: KeySpec,
    group: &'static str,
    since: &'static str,
    summary: &'static str,
) -> Spec {
    Spec { name, arity, flags, keys, group, since, summary }
}

/// Where keys stand: first, last and step, and the place of their number if they have one, with their distance if that
/// is not 1; or the word that they stand
/// behind, and from where on it is looked for.
macro_rules! keys {
    (($first:literal, $last:literal, $step:literal)) => {
        KeySpec::fixed($first, $last, $step)
    };
    (($first:literal, $last:literal, $step:literal; $numkeys:literal)) => {
        KeySpec::fixed($first, $last, $step).counted($numkeys)
    };
    (($first:literal, $last:literal, $step:literal; $numkeys:literal by $apart:literal)) => {
        KeySpec::fixed($first, $last, $step).counted($numkeys).apart($apart)
    };
    (($word:literal $from:literal)) => {
        KeySpec::NONE.behind($word, $from)
    };
}

macro_rules! commands {
    ($($run:path: $name:literal $arity:literal $flags:ident $keys:tt $group:literal $since:literal $summary:literal;)*) => {
        /// All commands; their places in this table are their numbers.
        pub(super) static SPECS: &[Spec] = &[$(spec($name, $arity, $flags, keys!($keys), $group, $since, $summary)),*];
        /// The functions to [`SPECS`].
        pub(super) static RUN: &[Run] = &[$($run),*];
    };
}

const READ_TELLS: Flags = READ.and(Flags::MAY_REPLICATE);
const GROWS_ASKING: Flags = GROWS.and(Flags::ASKING);
const GROWS_ADMIN: Flags = GROWS.and(Flags::ADMIN);
const BLOCKS: Flags = WRITE.and(Flags::NOSCRIPT).and(Flags::BLOCKING);
const BLOCKS_FAST: Flags = BLOCKS.and(Flags::FAST);
const BLOCKS_GROWS: Flags = BLOCKS.and(Flags::DENYOOM);
const BLOCKS_MOVABLE: Flags = WRITE.and(Flags::BLOCKING).and(Flags::MOVABLE_KEYS);
const ADMIN: Flags = Flags::ADMIN;
const READ_WAITS: Flags = READ_MOVABLE.and(Flags::BLOCKING);
const WRITE_WAITS: Flags = WRITE_MOVABLE.and(Flags::BLOCKING);
const CONTAINER: Flags = Flags::CONTAINER;
const HELPS: Flags = Flags::LOADING.and(Flags::STALE);
const OWN: Flags = Flags::NOSCRIPT;
const OWN_WRITE: Flags = WRITE.and(Flags::NOSCRIPT);
const OWN_GROWS: Flags = GROWS.and(Flags::NOSCRIPT);
const OWN_BUSY: Flags = OWN.and(Flags::ALLOW_BUSY);

commands! {
    strings::get: "get" 2 READ_FAST (1, 1, 1) "string" "1.0.0" "Reads the string of a key.";
    strings::set: "set" -3 GROWS_PIECES (1, 1, 1) "string" "1.0.0" "Gives a key a string, whatever it held before, if conditions allow.";
    strings::setnx: "setnx" 3 GROWS_FAST_PIECES (1, 1, 1) "string" "1.0.0" "Gives a key a string only if there is no such key.";
    strings::setex: "setex" 4 GROWS_PIECES (1, 1, 1) "string" "2.0.0" "Gives a key a string and a time to live in seconds.";
    strings::psetex: "psetex" 4 GROWS_PIECES (1, 1, 1) "string" "2.6.0" "Gives a key a string and a time to live in milliseconds.";
    strings::getset: "getset" 3 GROWS_FAST_PIECES (1, 1, 1) "string" "1.0.0" "Gives a key a string and answers the one before.";
    strings::getdel: "getdel" 2 WRITE_FAST (1, 1, 1) "string" "6.2.0" "Reads the string of a key and deletes the key.";
    strings::getex: "getex" -2 WRITE_FAST (1, 1, 1) "string" "6.2.0" "Reads the string of a key and changes its expiry.";
    strings::mget: "mget" -2 READ_FAST (1, -1, 1) "string" "1.0.0" "Reads the strings of several keys.";
    strings::mset: "mset" -3 GROWS (1, -1, 2) "string" "1.0.1" "Gives several keys their strings at once.";
    strings::msetnx: "msetnx" -3 GROWS (1, -1, 2) "string" "1.0.1" "Gives several keys their strings only if none of them is there.";
    strings::msetex: "msetex" -4 GROWS_MOVABLE (0, 0, 0; 1 by 2) "string" "8.4.0" "Gives several keys their strings and one expiry, if conditions allow.";
    compare::delifeq: "delifeq" 3 WRITE_FAST (1, 1, 1) "string" "9.0.0" "Deletes a key if its string is this one; of Valkey.";
    compare::delex: "delex" -2 WRITE_FAST (1, 1, 1) "string" "8.4.0" "Deletes a key if its string compares as asked for.";
    compare::digest: "digest" 2 READ_FAST (1, 1, 1) "string" "8.4.0" "Tells the digest of a string, which conditions compare with.";
    ranges::append: "append" 3 GROWS_FAST_PIECES (1, 1, 1) "string" "2.0.0" "Adds bytes to the end of a string; makes it if there is none.";
    ranges::strlen: "strlen" 2 READ_FAST (1, 1, 1) "string" "2.2.0" "Tells how many bytes a string has.";
    ranges::getrange: "getrange" 4 READ (1, 1, 1) "string" "2.4.0" "Reads a part of a string.";
    ranges::getrange: "substr" 4 READ (1, 1, 1) "string" "1.0.0" "Reads a part of a string; the old name of GETRANGE.";
    ranges::setrange: "setrange" 4 GROWS (1, 1, 1) "string" "2.2.0" "Overwrites a part of a string, from an offset on.";
    counters::incr: "incr" 2 GROWS_FAST (1, 1, 1) "string" "1.0.0" "Adds one to the integer of a key; 0 if there is none.";
    counters::decr: "decr" 2 GROWS_FAST (1, 1, 1) "string" "1.0.0" "Takes one from the integer of a key; 0 if there is none.";
    counters::incrby: "incrby" 3 GROWS_FAST (1, 1, 1) "string" "1.0.0" "Adds a number to the integer of a key; 0 if there is none.";
    counters::decrby: "decrby" 3 GROWS_FAST (1, 1, 1) "string" "1.0.0" "Takes a number from the integer of a key; 0 if there is none.";
    counters::incrbyfloat: "incrbyfloat" 3 GROWS_FAST (1, 1, 1) "string" "2.6.0" "Adds a floating-point number to that of a key; 0 if there is none.";
    lcs::lcs: "lcs" -3 READ (1, 2, 1) "string" "7.0.0" "Finds the longest common subsequence of two strings.";
    hashes::hset: "hset" -4 GROWS_FAST (1, 1, 1) "hash" "2.0.0" "Gives fields of a hash their values; makes the hash if there is none.";
    hashes::hsetnx: "hsetnx" 4 GROWS_FAST (1, 1, 1) "hash" "2.0.0" "Gives a field of a hash a value only if there is no such field.";
    hashes::hmset: "hmset" -4 GROWS_FAST (1, 1, 1) "hash" "2.0.0" "Gives fields of a hash their values; the old form of HSET.";
    hashes::hget: "hget" 3 READ_FAST (1, 1, 1) "hash" "2.0.0" "Reads the value of a field of a hash.";
    hashes::hmget: "hmget" -3 READ_FAST (1, 1, 1) "hash" "2.0.0" "Reads the values of several fields of a hash.";
    hashes::hgetall: "hgetall" 2 READ (1, 1, 1) "hash" "2.0.0" "Reads all fields of a hash with their values.";
    hashes::hkeys: "hkeys" 2 READ (1, 1, 1) "hash" "2.0.0" "Names all fields of a hash.";
    hashes::hvals: "hvals" 2 READ (1, 1, 1) "hash" "2.0.0" "Reads the values of all fields of a hash.";
    hashes::hdel: "hdel" -3 WRITE_FAST (1, 1, 1) "hash" "2.0.0" "Removes fields from a hash, and with the last one the hash.";
    hashes::hlen: "hlen" 2 READ_FAST (1, 1, 1) "hash" "2.0.0" "Counts the fields of a hash.";
    hashes::hexists: "hexists" 3 READ_FAST (1, 1, 1) "hash" "2.0.0" "Tells whether a hash has a field.";
    hashes::hstrlen: "hstrlen" 3 READ_FAST (1, 1, 1) "hash" "3.2.0" "Tells how many bytes the value of a field has.";
    hash_counters::hincrby: "hincrby" 4 GROWS_FAST (1, 1, 1) "hash" "2.0.0" "Adds a number to the integer of a field; 0 if there is none.";
    hash_counters::hincrbyfloat: "hincrbyfloat" 4 GROWS_FAST (1, 1, 1) "hash" "2.6.0" "Adds a floating-point number to that of a field; 0 if there is none.";
    hash_walks::hrandfield: "hrandfield" -2 READ (1, 1, 1) "hash" "6.2.0" "Names random fields of a hash.";
    hash_walks::hscan: "hscan" -3 READ (1, 1, 1) "hash" "2.8.0" "Shows the fields of a hash in several steps.";
    field_expiry::hexpire: "hexpire" -6 GROWS_FAST (1, 1, 1) "hash" "7.4.0" "Lets fields of a hash expire after seconds.";
    field_expiry::hpexpire: "hpexpire" -6 GROWS_FAST (1, 1, 1) "hash" "7.4.0" "Lets fields of a hash expire after milliseconds.";
    field_expiry::hexpireat: "hexpireat" -6 GROWS_FAST (1, 1, 1) "hash" "7.4.0" "Lets fields of a hash expire at a Unix time in seconds.";
    field_expiry::hpexpireat: "hpexpireat" -6 GROWS_FAST (1, 1, 1) "hash" "7.4.0" "Lets fields of a hash expire at a Unix time in milliseconds.";
    field_expiry::httl: "httl" -5 READ_FAST (1, 1, 1) "hash" "7.4.0" "Tells how many seconds fields of a hash have to live.";
    field_expiry::hpttl: "hpttl" -5 READ_FAST (1, 1, 1) "hash" "7.4.0" "Tells how many milliseconds fields of a hash have to live.";
    field_expiry::hexpiretime: "hexpiretime" -5 READ_FAST (1, 1, 1) "hash" "7.4.0" "Tells at which Unix time in seconds fields of a hash expire.";
    field_expiry::hpexpiretime: "hpexpiretime" -5 READ_FAST (1, 1, 1) "hash" "7.4.0" "Tells at which Unix time in milliseconds fields of a hash expire.";
    field_expiry::hpersist: "hpersist" -5 WRITE_FAST (1, 1, 1) "hash" "7.4.0" "Takes the expiry from fields of a hash.";
    hash_ex::hsetex: "hsetex" -6 GROWS_FAST (1, 1, 1) "hash" "8.0.0" "Gives fields of a hash their values and one expiry, if conditions allow.";
    hash_ex::hgetex: "hgetex" -5 WRITE_FAST (1, 1, 1) "hash" "8.0.0" "Reads the values of fields of a hash and changes their expiry.";
    hash_ex::hgetdel: "hgetdel" -5 WRITE_FAST (1, 1, 1) "hash" "8.0.0" "Reads the values of fields of a hash and removes the fields.";
    zsets::zadd: "zadd" -4 GROWS_FAST (1, 1, 1) "sorted-set" "1.2.0" "Gives members of a sorted set their scores; makes the set if there is none.";
    zsets::zincrby: "zincrby" 4 GROWS_FAST (1, 1, 1) "sorted-set" "1.2.0" "Adds a number to the score of a member; 0 if there is none.";
    zsets::zrem: "zrem" -3 WRITE_FAST (1, 1, 1) "sorted-set" "1.2.0" "Removes members from a sorted set, and with the last one the set.";
    zsets::zcard: "zcard" 2 READ_FAST (1, 1, 1) "sorted-set" "1.2.0" "Counts the members of a sorted set.";
    zsets::zscore: "zscore" 3 READ_FAST (1, 1, 1) "sorted-set" "1.2.0" "Tells the score of a member.";
    zsets::zmscore: "zmscore" -3 READ_FAST (1, 1, 1) "sorted-set" "6.2.0" "Tells the scores of several members.";
    zsets::zrank: "zrank" -3 READ_FAST (1, 1, 1) "sorted-set" "2.0.0" "Tells the rank of a member, the lowest score first.";
    zsets::zrevrank: "zrevrank" -3 READ_FAST (1, 1, 1) "sorted-set" "2.0.0" "Tells the rank of a member, the highest score first.";
    zset_ranges::zcount: "zcount" 4 READ_FAST (1, 1, 1) "sorted-set" "2.0.0" "Counts the members in a range of scores.";
    zset_ranges::zlexcount: "zlexcount" 4 READ_FAST (1, 1, 1) "sorted-set" "2.8.9" "Counts the members of equal scores in a range of members.";
    zset_ranges::zrange: "zrange" -4 READ (1, 1, 1) "sorted-set" "1.2.0" "Names the members in a range of ranks, scores or members.";
    zset_ranges::zrevrange: "zrevrange" -4 READ (1, 1, 1) "sorted-set" "1.2.0" "Names the members in a range of ranks, the highest score first.";
    zset_ranges::zrangebyscore: "zrangebyscore" -4 READ (1, 1, 1) "sorted-set" "1.0.5" "Names the members in a range of scores.";
    zset_ranges::zrevrangebyscore: "zrevrangebyscore" -4 READ (1, 1, 1) "sorted-set" "2.2.0" "Names the members in a range of scores, the highest first.";
    zset_ranges::zrangebylex: "zrangebylex" -4 READ (1, 1, 1) "sorted-set" "2.8.9" "Names the members of equal scores in a range of members.";
    zset_ranges::zrevrangebylex: "zrevrangebylex" -4 READ (1, 1, 1) "sorted-set" "2.8.9" "Names the members of equal scores in a range of members, the last first.";
    zset_ranges::zrangestore: "zrangestore" -5 GROWS (1, 2, 1) "sorted-set" "6.2.0" "Gives a key the members in a range of a sorted set.";
    zset_ranges::zremrangebyrank: "zremrangebyrank" 4 WRITE (1, 1, 1) "sorted-set" "2.0.0" "Removes the members in a range of ranks.";
    zset_ranges::zremrangebyscore: "zremrangebyscore" 4 WRITE (1, 1, 1) "sorted-set" "1.2.0" "Removes the members in a range of scores.";
    zset_ranges::zremrangebylex: "zremrangebylex" 4 WRITE (1, 1, 1) "sorted-set" "2.8.9" "Removes the members of equal scores in a range of members.";
    zset_pops::zpopmin: "zpopmin" -2 WRITE_FAST (1, 1, 1) "sorted-set" "5.0.0" "Takes the members with the lowest scores.";
    zset_pops::zpopmax: "zpopmax" -2 WRITE_FAST (1, 1, 1) "sorted-set" "5.0.0" "Takes the members with the highest scores.";
    zset_pops::zmpop: "zmpop" -4 WRITE_MOVABLE (0, 0, 0; 1) "sorted-set" "7.0.0" "Takes members from the first of several sorted sets that is there.";
    zset_pops::bzpopmin: "bzpopmin" -3 BLOCKS_FAST (1, -2, 1) "sorted-set" "5.0.0" "Takes the lowest member of the first of several sorted sets that is there; waits for one.";
    zset_pops::bzpopmax: "bzpopmax" -3 BLOCKS_FAST (1, -2, 1) "sorted-set" "5.0.0" "Takes the highest member of the first of several sorted sets that is there; waits for one.";
    zset_pops::bzmpop: "bzmpop" -5 BLOCKS_MOVABLE (0, 0, 0; 2) "sorted-set" "7.0.0" "Takes members from the first of several sorted sets that is there; waits for one.";
    zset_walks::zrandmember: "zrandmember" -2 READ (1, 1, 1) "sorted-set" "6.2.0" "Names random members of a sorted set.";
    zset_walks::zscan: "zscan" -3 READ (1, 1, 1) "sorted-set" "2.8.0" "Shows the members of a sorted set in several steps.";
    zset_algebra::zunion: "zunion" -3 READ_MOVABLE (0, 0, 0; 1) "sorted-set" "6.2.0" "Names the members of any of several sorted sets.";
    zset_algebra::zinter: "zinter" -3 READ_MOVABLE (0, 0, 0; 1) "sorted-set" "6.2.0" "Names the members that several sorted sets share.";
    zset_algebra::zdiff: "zdiff" -3 READ_MOVABLE (0, 0, 0; 1) "sorted-set" "6.2.0" "Names the members of a sorted set that others do not have.";
    zset_algebra::zunionstore: "zunionstore" -4 GROWS_MOVABLE (1, 1, 1; 2) "sorted-set" "2.0.0" "Gives a key the members of any of several sorted sets.";
    zset_algebra::zinterstore: "zinterstore" -4 GROWS_MOVABLE (1, 1, 1; 2) "sorted-set" "2.0.0" "Gives a key the members that several sorted sets share.";
    zset_algebra::zdiffstore: "zdiffstore" -4 GROWS_MOVABLE (1, 1, 1; 2) "sorted-set" "6.2.0" "Gives a key the members of a sorted set that others do not have.";
    zset_algebra::zintercard: "zintercard" -3 READ_MOVABLE (0, 0, 0; 1) "sorted-set" "7.0.0" "Counts the members that several sorted sets share.";
    geo::geoadd: "geoadd" -5 GROWS (1, 1, 1) "geo" "3.2.0" "Adds members at places on the globe to a sorted set.";
    geo::geopos: "geopos" -2 READ (1, 1, 1) "geo" "3.2.0" "Tells longitude and latitude of members.";
    geo::geodist: "geodist" -4 READ (1, 1, 1) "geo" "3.2.0" "Tells the distance between two members.";
    geo::geohash: "geohash" -2 READ (1, 1, 1) "geo" "3.2.0" "Tells the geohashes of members as text.";
    geo_search::georadius: "georadius" -6 GROWS_MOVABLE (1, 1, 1) "geo" "3.2.0" "Finds the members within a distance of a place; answers or stores them.";
    geo_search::georadius_ro: "georadius_ro" -6 READ (1, 1, 1) "geo" "3.2.10" "Finds the members within a distance of a place.";
    geo_search::georadiusbymember: "georadiusbymember" -5 GROWS_MOVABLE (1, 1, 1) "geo" "3.2.0" "Finds the members within a distance of another; answers or stores them.";
    geo_search::georadiusbymember_ro: "georadiusbymember_ro" -5 READ (1, 1, 1) "geo" "3.2.10" "Finds the members within a distance of another.";
    geo_search::geosearch: "geosearch" -7 READ (1, 1, 1) "geo" "6.2.0" "Finds the members in a circle or a box.";
    geo_search::geosearchstore: "geosearchstore" -8 GROWS (1, 2, 1) "geo" "6.2.0" "Stores the members in a circle or a box.";
    sets::sadd: "sadd" -3 GROWS_FAST (1, 1, 1) "set" "1.0.0" "Adds members to a set; makes it if there is none.";
    sets::srem: "srem" -3 WRITE_FAST (1, 1, 1) "set" "1.0.0" "Removes members from a set, and with the last one the set.";
    sets::smove: "smove" 4 WRITE_FAST (1, 2, 1) "set" "1.0.0" "Moves a member from one set to another.";
    sets::sismember: "sismember" 3 READ_FAST (1, 1, 1) "set" "1.0.0" "Tells whether a set has a member.";
    sets::smismember: "smismember" -3 READ_FAST (1, 1, 1) "set" "6.2.0" "Tells which of several members a set has.";
    sets::scard: "scard" 2 READ_FAST (1, 1, 1) "set" "1.0.0" "Counts the members of a set.";
    sets::smembers: "smembers" 2 READ (1, 1, 1) "set" "1.0.0" "Names all members of a set.";
    set_walks::spop: "spop" -2 WRITE_FAST (1, 1, 1) "set" "1.0.0" "Takes random members out of a set.";
    set_walks::srandmember: "srandmember" -2 READ (1, 1, 1) "set" "1.0.0" "Names random members of a set.";
    set_walks::sscan: "sscan" -3 READ (1, 1, 1) "set" "2.8.0" "Shows the members of a set in several steps.";
    set_algebra::sinter: "sinter" -2 READ (1, -1, 1) "set" "1.0.0" "Names the members that all of several sets have.";
    set_algebra::sintercard: "sintercard" -3 READ_MOVABLE (0, 0, 0; 1) "set" "7.0.0" "Counts the members that all of several sets have.";
    set_algebra::sinterstore: "sinterstore" -3 GROWS (1, -1, 1) "set" "1.0.0" "Stores the members that all of several sets have.";
    set_algebra::sunion: "sunion" -2 READ (1, -1, 1) "set" "1.0.0" "Names the members of several sets.";
    set_algebra::sunionstore: "sunionstore" -3 GROWS (1, -1, 1) "set" "1.0.0" "Stores the members of several sets.";
    set_algebra::sdiff: "sdiff" -2 READ (1, -1, 1) "set" "1.0.0" "Names the members of a set that no other of several has.";
    set_algebra::sdiffstore: "sdiffstore" -3 GROWS (1, -1, 1) "set" "1.0.0" "Stores the members of a set that no other of several has.";
    bits::setbit: "setbit" 4 GROWS (1, 1, 1) "bitmap" "2.2.0" "Sets or clears a bit of a string.";
    bits::getbit: "getbit" 3 READ_FAST (1, 1, 1) "bitmap" "2.2.0" "Reads a bit of a string.";
    bits::bitcount: "bitcount" -2 READ (1, 1, 1) "bitmap" "2.6.0" "Counts the set bits of a string.";
    bits::bitpos: "bitpos" -3 READ (1, 1, 1) "bitmap" "2.8.7" "Finds the first set or clear bit of a string.";
    bitops::bitop: "bitop" -4 GROWS (2, -1, 1) "bitmap" "2.6.0" "Combines the bits of strings and stores the result.";
    bitfield::bitfield: "bitfield" -2 GROWS (1, 1, 1) "bitmap" "3.2.0" "Reads and changes integers of any width in a string.";
    bitfield::bitfield_ro: "bitfield_ro" -2 READ_FAST (1, 1, 1) "bitmap" "6.0.0" "Reads integers of any width in a string.";
    hyperloglog::pfadd: "pfadd" -2 GROWS_FAST (1, 1, 1) "hyperloglog" "2.8.9" "Adds elements to a HyperLogLog; makes it if there is none.";
    hyperloglog::pfcount: "pfcount" -2 READ_TELLS (1, -1, 1) "hyperloglog" "2.8.9" "Estimates how many different elements HyperLogLogs have seen together.";
    hyperloglog::pfmerge: "pfmerge" -2 GROWS (1, -1, 1) "hyperloglog" "2.8.9" "Merges HyperLogLogs into the first one.";
    hyperloglog::pfdebug: "pfdebug" 3 GROWS_ADMIN (2, 2, 1) "hyperloglog" "2.8.9" "Shows the inner state of a HyperLogLog.";
    hyperloglog::pfselftest: "pfselftest" 1 ADMIN (0, 0, 0) "hyperloglog" "2.8.9" "Tests the HyperLogLogs of this server.";
    lists::lpush: "lpush" -3 GROWS_FAST (1, 1, 1) "list" "1.0.0" "Puts elements before the first of a list; makes the list if there is none.";
    lists::rpush: "rpush" -3 GROWS_FAST (1, 1, 1) "list" "1.0.0" "Puts elements behind the last of a list; makes the list if there is none.";
    lists::lpushx: "lpushx" -3 GROWS_FAST (1, 1, 1) "list" "2.2.0" "Puts elements before the first of a list only if there is one.";
    lists::rpushx: "rpushx" -3 GROWS_FAST (1, 1, 1) "list" "2.2.0" "Puts elements behind the last of a list only if there is one.";
    lists::llen: "llen" 2 READ_FAST (1, 1, 1) "list" "1.0.0" "Counts the elements of a list.";
    lists::lindex: "lindex" 3 READ (1, 1, 1) "list" "1.0.0" "Reads an element of a list by its index.";
    lists::lrange: "lrange" 4 READ (1, 1, 1) "list" "1.0.0" "Reads a part of a list.";
    lists::lset: "lset" 4 GROWS (1, 1, 1) "list" "1.0.0" "Replaces an element of a list by its index.";
    lists::linsert: "linsert" 5 GROWS (1, 1, 1) "list" "2.2.0" "Puts an element before or behind another one.";
    lists::lrem: "lrem" 4 WRITE (1, 1, 1) "list" "1.0.0" "Removes elements of one value from a list, and with the last one the list.";
    lists::ltrim: "ltrim" 4 WRITE (1, 1, 1) "list" "1.0.0" "Removes all but a part of a list.";
    lpos::lpos: "lpos" -3 READ (1, 1, 1) "list" "6.0.6" "Tells where elements of one value stand in a list.";
    list_pops::lpop: "lpop" -2 WRITE_FAST (1, 1, 1) "list" "1.0.0" "Takes the first elements out of a list, and with the last one the list.";
    list_pops::rpop: "rpop" -2 WRITE_FAST (1, 1, 1) "list" "1.0.0" "Takes the last elements out of a list, and with the last one the list.";
    list_pops::lmpop: "lmpop" -4 WRITE_MOVABLE (0, 0, 0; 1) "list" "7.0.0" "Takes elements out of the first of several lists that is there.";
    list_pops::rpoplpush: "rpoplpush" 3 GROWS (1, 2, 1) "list" "1.2.0" "Takes the last element of a list and puts it before the first of another.";
    list_pops::lmove: "lmove" 5 GROWS (1, 2, 1) "list" "6.2.0" "Takes an element from an end of a list and puts it to an end of another.";
    list_pops::blpop: "blpop" -3 BLOCKS (1, -2, 1) "list" "2.0.0" "Takes the first element out of the first of several lists that is there; waits for one.";
    list_pops::brpop: "brpop" -3 BLOCKS (1, -2, 1) "list" "2.0.0" "Takes the last element out of the first of several lists that is there; waits for one.";
    list_pops::blmpop: "blmpop" -5 BLOCKS_MOVABLE (0, 0, 0; 2) "list" "7.0.0" "Takes elements out of the first of several lists that is there; waits for one.";
    list_pops::brpoplpush: "brpoplpush" 4 BLOCKS_GROWS (1, 2, 1) "list" "2.2.0" "Takes the last element of a list and puts it before the first of another; waits for one.";
    list_pops::blmove: "blmove" 6 BLOCKS_GROWS (1, 2, 1) "list" "6.2.0" "Takes an element from an end of a list and puts it to an end of another; waits for one.";
    streams::xadd: "xadd" -5 GROWS_FAST (1, 1, 1) "stream" "5.0.0" "Adds an entry to a stream; makes the stream if there is none.";
    streams::xlen: "xlen" 2 READ_FAST (1, 1, 1) "stream" "5.0.0" "Counts the entries of a stream.";
    streams::xdel: "xdel" -3 WRITE_FAST (1, 1, 1) "stream" "5.0.0" "Deletes entries of a stream.";
    stream_refs::xdelex: "xdelex" -5 WRITE_FAST (1, 1, 1) "stream" "8.2.0" "Deletes entries of a stream, and says what becomes of the references to them.";
    streams::xtrim: "xtrim" -4 WRITE (1, 1, 1) "stream" "5.0.0" "Deletes the oldest entries of a stream.";
    streams::xsetid: "xsetid" -3 GROWS_FAST (1, 1, 1) "stream" "5.0.0" "Sets the last id of a stream; for replication.";
    stream_ranges::xrange: "xrange" -4 READ (1, 1, 1) "stream" "5.0.0" "Reads the entries in a range of ids.";
    stream_ranges::xrevrange: "xrevrange" -4 READ (1, 1, 1) "stream" "5.0.0" "Reads the entries in a range of ids, the last first.";
    stream_reads::xread: "xread" -4 READ_WAITS ("STREAMS" 1) "stream" "5.0.0" "Reads entries behind given ids of several streams; may wait for them.";
    stream_reads::xreadgroup: "xreadgroup" -7 WRITE_WAITS ("STREAMS" 4) "stream" "5.0.0" "Reads entries of several streams as a consumer of a group; may wait for them.";
    stream_groups::xgroup: "xgroup" -2 CONTAINER (0, 0, 0) "stream" "5.0.0" "Commands about consumer groups.";
    stream_groups::xgroup: "xgroup|create" -5 GROWS (2, 2, 1) "stream" "5.0.0" "Makes a consumer group.";
    stream_groups::xgroup: "xgroup|createconsumer" 5 GROWS (2, 2, 1) "stream" "6.2.0" "Makes a consumer of a group.";
    stream_groups::xgroup: "xgroup|delconsumer" 5 WRITE (2, 2, 1) "stream" "5.0.0" "Removes a consumer of a group.";
    stream_groups::xgroup: "xgroup|destroy" 4 WRITE (2, 2, 1) "stream" "5.0.0" "Removes a consumer group.";
    stream_groups::xgroup: "xgroup|help" 2 HELPS (0, 0, 0) "stream" "5.0.0" "Shows the subcommands.";
    stream_groups::xgroup: "xgroup|setid" -5 WRITE (2, 2, 1) "stream" "5.0.0" "Says up to which entry a group has read.";
    stream_groups::xack: "xack" -4 WRITE_FAST (1, 1, 1) "stream" "5.0.0" "Acknowledges entries that a consumer of a group got.";
    stream_refs::xackdel: "xackdel" -6 WRITE_FAST (1, 1, 1) "stream" "8.2.0" "Acknowledges entries that a consumer of a group got, and deletes them.";
    stream_groups::xpending: "xpending" -3 READ (1, 1, 1) "stream" "5.0.0" "Shows the entries of a group that are not acknowledged.";
    stream_claims::xclaim: "xclaim" -6 WRITE_FAST (1, 1, 1) "stream" "5.0.0" "Gives entries that are not acknowledged to another consumer.";
    stream_claims::xautoclaim: "xautoclaim" -6 WRITE_FAST (1, 1, 1) "stream" "6.2.0" "Gives entries that are not acknowledged for long to another consumer.";
    stream_info::xinfo: "xinfo" -2 CONTAINER (0, 0, 0) "stream" "5.0.0" "Commands that show the inner state of a stream.";
    stream_info::xinfo: "xinfo|consumers" 4 READ (2, 2, 1) "stream" "5.0.0" "Shows the consumers of a group.";
    stream_info::xinfo: "xinfo|groups" 3 READ (2, 2, 1) "stream" "5.0.0" "Shows the consumer groups of a stream.";
    stream_info::xinfo: "xinfo|help" 2 HELPS (0, 0, 0) "stream" "5.0.0" "Shows the subcommands.";
    stream_info::xinfo: "xinfo|stream" -3 READ (2, 2, 1) "stream" "5.0.0" "Shows what is known of a stream.";
    keys::del: "del" -2 WRITE (1, -1, 1) "generic" "1.0.0" "Deletes keys.";
    keys::del: "unlink" -2 WRITE_FAST (1, -1, 1) "generic" "4.0.0" "Deletes keys and frees their memory later.";
    keys::exists: "exists" -2 READ_FAST (1, -1, 1) "generic" "1.0.0" "Counts how many of the keys are there.";
    keys::touch: "touch" -2 READ_FAST (1, -1, 1) "generic" "3.2.1" "Counts how many of the keys are there, as an access to them.";
    keys::kind: "type" 2 READ_FAST (1, 1, 1) "generic" "1.0.0" "Names the type of a key's value.";
    keys::rename: "rename" 3 WRITE (1, 2, 1) "generic" "1.0.0" "Gives a key another name; a key of that name is overwritten.";
    keys::renamenx: "renamenx" 3 WRITE_FAST (1, 2, 1) "generic" "1.0.0" "Gives a key another name if there is no key of that name.";
    keys::copy: "copy" -3 GROWS (1, 2, 1) "generic" "6.2.0" "Copies a key to another name or database.";
    keys::relocate: "move" 3 WRITE_FAST (1, 1, 1) "generic" "1.0.0" "Moves a key to another database.";
    keys::randomkey: "randomkey" 1 READ (0, 0, 0) "generic" "1.0.0" "Names some key of the database.";
    keys::dbsize: "dbsize" 1 READ_FAST (0, 0, 0) "server" "1.0.0" "Counts the keys of the database.";
    scan::keys: "keys" 2 READ (0, 0, 0) "generic" "1.0.0" "Names all keys that match a pattern.";
    scan::scan: "scan" -2 READ (0, 0, 0) "generic" "2.8.0" "Names the keys of the database in several steps.";
    expiry::expire: "expire" -3 WRITE_FAST (1, 1, 1) "generic" "1.0.0" "Lets a key expire after seconds.";
    expiry::pexpire: "pexpire" -3 WRITE_FAST (1, 1, 1) "generic" "2.6.0" "Lets a key expire after milliseconds.";
    expiry::expireat: "expireat" -3 WRITE_FAST (1, 1, 1) "generic" "1.2.0" "Lets a key expire at a Unix time in seconds.";
    expiry::pexpireat: "pexpireat" -3 WRITE_FAST (1, 1, 1) "generic" "2.6.0" "Lets a key expire at a Unix time in milliseconds.";
    expiry::persist: "persist" 2 WRITE_FAST (1, 1, 1) "generic" "2.2.0" "Takes the expiry from a key.";
    expiry::ttl: "ttl" 2 READ_FAST (1, 1, 1) "generic" "1.0.0" "Tells how many seconds a key has to live.";
    expiry::pttl: "pttl" 2 READ_FAST (1, 1, 1) "generic" "2.6.0" "Tells how many milliseconds a key has to live.";
    expiry::expiretime: "expiretime" 2 READ_FAST (1, 1, 1) "generic" "7.0.0" "Tells at which Unix time in seconds a key expires.";
    expiry::pexpiretime: "pexpiretime" 2 READ_FAST (1, 1, 1) "generic" "7.0.0" "Tells at which Unix time in milliseconds a key expires.";
    sort::sort: "sort" -2 GROWS_MOVABLE (1, 1, 1) "generic" "1.0.0" "Puts the elements of a list, a set or a sorted set in order; answers or stores them.";
    sort::sort_ro: "sort_ro" -2 READ_MOVABLE (1, 1, 1) "generic" "7.0.0" "Puts the elements of a list, a set or a sorted set in order and answers them.";
    dump::dump: "dump" 2 READ (1, 1, 1) "generic" "2.6.0" "Gives the value of a key as bytes for RESTORE.";
    dump::restore: "restore" -4 GROWS (1, 1, 1) "generic" "2.6.0" "Gives a key the value that DUMP gave as bytes.";
    dump::restore: "restore-asking" -4 GROWS_ASKING (1, 1, 1) "server" "3.0.0" "Is RESTORE, as a cluster sends it while a slot moves.";
    object::object: "object" -2 CONTAINER (0, 0, 0) "generic" "2.2.3" "Shows the inner state of a key's value.";
    object::encoding: "object|encoding" 3 READ (2, 2, 1) "generic" "2.2.3" "Names the encoding of a key's value.";
    object::freq: "object|freq" 3 READ (2, 2, 1) "generic" "4.0.0" "Tells how often a key is accessed.";
    object::help: "object|help" 2 HELPS (0, 0, 0) "generic" "6.2.0" "Shows the subcommands.";
    object::idletime: "object|idletime" 3 READ (2, 2, 1) "generic" "2.2.3" "Tells how long a key was not accessed.";
    object::refcount: "object|refcount" 3 READ (2, 2, 1) "generic" "2.2.3" "Counts the references to a key's value.";
    functions::function: "function" -2 CONTAINER (0, 0, 0) "scripting" "7.0.0" "Commands about function libraries.";
    functions::delete: "function|delete" 3 OWN_WRITE (0, 0, 0) "scripting" "7.0.0" "Removes a function library.";
    functions::dump: "function|dump" 2 OWN (0, 0, 0) "scripting" "7.0.0" "Gives all function libraries as bytes for FUNCTION RESTORE.";
    functions::flush: "function|flush" -2 OWN_WRITE (0, 0, 0) "scripting" "7.0.0" "Removes all function libraries.";
    functions::help: "function|help" 2 HELPS (0, 0, 0) "scripting" "7.0.0" "Shows the subcommands.";
    functions::kill: "function|kill" 2 OWN_BUSY (0, 0, 0) "scripting" "7.0.0" "Ends the function that runs.";
    functions::list: "function|list" -2 OWN (0, 0, 0) "scripting" "7.0.0" "Shows the function libraries.";
    functions::load: "function|load" -3 OWN_GROWS (0, 0, 0) "scripting" "7.0.0" "Stores a function library.";
    functions::restore: "function|restore" -3 OWN_GROWS (0, 0, 0) "scripting" "7.0.0" "Stores the function libraries that FUNCTION DUMP gave.";
    functions::stats: "function|stats" 2 OWN_BUSY (0, 0, 0) "scripting" "7.0.0" "Counts libraries and functions.";
}

pub(super) const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
const SYNTAX: &str = "ERR syntax error";
const NO_SUCH_KEY: &str = "ERR no such key";

/// The answer to a subcommand that is not there; `container` in upper case.
fn unknown_subcommand(container: &str, args: Args<'_>, cx: &mut Context<'_, '_>) {
    const SHOWN: usize = 128;
    let sub = args.at(1).get(..SHOWN).unwrap_or(args.at(1));
    let text = [b"ERR unknown subcommand '", sub, b"'. Try ", container.as_bytes(), b" HELP."].concat();
    cx.reply.error_bytes(&text);
}
