//! What `COMMAND INFO` says of commands beyond their rows: keys and how they are used, tips, categories of their own.
//!
//! It is kept by name and grouped by what is said, for most commands share it with many. Commands of a dataset that are
//! not named here are described by their row alone.

/// Keys of commands, each with the commands that have them so. For each group of keys: how they are used, where they
/// begin (`@` an index, a keyword `>` the argument from which on it is looked for, or `?` unknown) and how many there are
/// (`last:step:limit`, `n` the place of their number `+` first `:` step, or `?` unknown).
const KEYS: &[(&str, &str)] = &[
    (
        "RO access @1 0:1:0",
        "bitcount bitfield_ro bitpos digest dump expiretime geodist geohash geopos georadius_ro georadiusbymember_ro \
         geosearch get getbit getrange hexpiretime hget hgetall hkeys hmget hpexpiretime hpttl hrandfield hscan \
         httl hvals lindex lpos lrange pexpiretime pttl smembers smismember srandmember sscan substr ttl xpending \
         xrange xrevrange zcount zlexcount zmscore zrandmember zrange zrangebylex zrangebyscore zrank zrevrange \
         zrevrangebylex zrevrangebyscore zrevrank zscan zscore",
    ),
    (
        "RW update @1 0:1:0",
        "expire expireat geoadd hexpire hexpireat hmset hpersist hsetex hpexpire hpexpireat hset lset persist pexpire \
         pexpireat setrange xack xadd xclaim xsetid zadd",
    ),
    (
        "RW access update @1 0:1:0",
        "decr decrby getex getset hgetex hincrby hincrbyfloat incr incrby incrbyfloat move setbit zincrby",
    ),
    (
        "RW delete @1 0:1:0",
        "hdel lrem ltrim srem xautoclaim xdel xdelex xtrim zrem zremrangebylex zremrangebyrank zremrangebyscore",
    ),
    ("RO @1 0:1:0", "hexists hlen hstrlen llen scard sismember strlen type xlen zcard"),
    ("RW insert @1 0:1:0", "append hsetnx linsert lpush lpushx pfadd rpush rpushx sadd"),
    ("RW access delete @1 0:1:0", "getdel hgetdel lpop rpop spop zpopmax zpopmin"),
    ("RO @2 0:1:0", "memory|usage object|encoding object|freq object|idletime object|refcount"),
    ("RO access @1 n0+1:1", "sintercard zdiff zinter zintercard zunion"),
    ("RW access delete @1 0:1:0; RW insert @2 0:1:0", "blmove brpoplpush lmove rpoplpush smove"),
    ("OW update @1 0:1:0", "psetex restore restore-asking setex"),
    ("RO access @1 -1:1:0", "mget sdiff sinter sunion"),
    ("RW access delete @1 -2:1:0", "blpop brpop bzpopmax bzpopmin"),
    ("OW update @1 0:1:0; RO access @2 n0+1:1", "zdiffstore zinterstore zunionstore"),
    ("RO @1 -1:1:0", "exists touch watch"),
    ("RO access @2 0:1:0", "xinfo|consumers xinfo|groups xinfo|stream"),
    ("RO access @2 n0+1:1", "eval_ro evalsha_ro fcall_ro"),
    ("RW access update @2 n0+1:1", "eval evalsha fcall"),
    ("OW update @1 0:1:0; RO access @2 -1:1:0", "sdiffstore sunionstore"),
    ("OW update @1 0:1:0; RO access @2 0:1:0", "geosearchstore zrangestore"),
    ("RM delete @1 -1:1:0", "del unlink"),
    ("RW update delete @1 0:1:0", "xackdel"),
    ("RM delete @1 0:1:0", "delifeq"),
    ("RW delete variable_flags @1 0:1:0", "delex"),
    ("OW update @1 n0+1:2", "msetex"),
    ("RW access delete @1 n0+1:1", "lmpop zmpop"),
    ("RW access delete @2 n0+1:1", "blmpop bzmpop"),
    ("RW access update variable_flags @1 0:1:0", "bitfield set"),
    ("RW delete @2 0:1:0", "xgroup|delconsumer xgroup|destroy"),
    ("RW insert @2 0:1:0", "xgroup|create xgroup|createconsumer"),
    ("not_key @1 -1:1:0", "ssubscribe sunsubscribe"),
    ("OW insert @1 -1:2:0", "msetnx"),
    ("OW insert @1 0:1:0", "setnx"),
    ("OW update @1 -1:2:0", "mset"),
    ("OW update @2 0:1:0; RO access @3 -1:1:0", "bitop"),
    ("RO access @1 0:1:0; OW update @2 0:1:0", "copy"),
    ("RO access @1 0:1:0; OW update STORE>5 0:1:0; OW update STOREDIST>5 0:1:0", "georadiusbymember"),
    ("RO access @1 0:1:0; OW update STORE>6 0:1:0; OW update STOREDIST>6 0:1:0", "georadius"),
    ("RO access @1 0:1:0; RO access ? ?", "sort_ro"),
    ("RO access @1 0:1:0; RO access ? ?; OW update ? ?", "sort"),
    ("RO access @1 1:1:0", "lcs"),
    ("RO access STREAMS>1 -1:1:2", "xread"),
    ("RO access STREAMS>4 -1:1:2", "xreadgroup"),
    ("RW access @1 -1:1:0", "pfcount"),
    ("RW access @2 0:1:0", "pfdebug"),
    ("RW access delete @1 0:1:0; OW insert @2 0:1:0", "renamenx"),
    ("RW access delete @1 0:1:0; OW update @2 0:1:0", "rename"),
    ("RW access insert @1 0:1:0; RO access @2 -1:1:0", "pfmerge"),
    ("RW update @1 0:1:0; RO access @2 -1:1:0", "sinterstore"),
    ("RW update @2 0:1:0", "xgroup|setid"),
    ("not_key @1 0:1:0", "spublish"),
];

/// Tips for clients, each with its commands.
const TIPS: &[(&str, &str)] = &[
    (
        "nondeterministic_output",
        "client|info client|list dump hrandfield hscan lastsave object|encoding object|freq object|idletime \
         object|refcount pttl spop srandmember sscan time ttl xadd xautoclaim xclaim xinfo|consumers xpending \
         xtrim zrandmember zscan",
    ),
    (
        "nondeterministic_output_order",
        "command command|docs command|info command|list function|list hgetall hkeys hvals sdiff sinter smembers \
         sunion",
    ),
    (
        "request_policy:all_shards response_policy:all_succeeded",
        "flushall flushdb function|delete function|flush function|load function|restore memory|purge ping",
    ),
    (
        "nondeterministic_output request_policy:all_nodes response_policy:special",
        "latency|doctor latency|graph latency|histogram latency|history latency|latest",
    ),
    (
        "nondeterministic_output request_policy:all_shards response_policy:special",
        "function|stats info memory|doctor memory|malloc-stats memory|stats",
    ),
    (
        "request_policy:all_nodes response_policy:all_succeeded",
        "config|set latency|reset script|flush script|load slowlog|reset",
    ),
    ("request_policy:multi_shard response_policy:agg_sum", "del exists touch unlink"),
    ("request_policy:all_shards response_policy:one_succeeded", "function|kill script|kill"),
    ("nondeterministic_output request_policy:special", "scan"),
    ("request_policy:all_nodes nondeterministic_output", "slowlog|get"),
    ("request_policy:all_nodes response_policy:agg_sum nondeterministic_output", "slowlog|len"),
    ("request_policy:all_shards nondeterministic_output", "randomkey"),
    ("request_policy:all_shards nondeterministic_output_order", "keys"),
    ("request_policy:all_shards response_policy:agg_logical_and", "script|exists"),
    ("request_policy:all_shards response_policy:agg_min", "wait waitaof"),
    ("request_policy:all_shards response_policy:agg_sum", "dbsize"),
    ("request_policy:multi_shard", "mget"),
    ("request_policy:multi_shard response_policy:agg_min", "msetnx"),
    ("request_policy:multi_shard response_policy:all_succeeded", "mset msetex"),
];

/// Categories that follow neither from a command's flags nor from its group.
const CATEGORIES: &[(&str, &str)] = &[
    ("@admin", "lastsave role"),
    (
        "@connection",
        "command command|count command|docs command|getkeys command|getkeysandflags command|help command|info \
         command|list wait waitaof",
    ),
    ("@dangerous", "flushall flushdb info keys lastsave restore restore-asking role sort sort_ro swapdb"),
    ("@keyspace", "dbsize flushall flushdb restore-asking swapdb"),
    ("@list", "sort sort_ro"),
    ("@set", "sort sort_ro"),
    ("@sortedset", "sort sort_ro"),
];

fn names(list: &str, name: &str) -> bool {
    list.split(' ').any(|other| other == name)
}

fn of(table: &'static [(&'static str, &'static str)], name: &str) -> &'static str {
    table.iter().find(|(_, list)| names(list, name)).map_or("", |(what, _)| *what)
}

/// The groups of keys of a command, in the notation of [`KEYS`]; none if nothing is known of it here.
pub(super) fn keys(name: &str) -> impl Iterator<Item = &'static str> {
    of(KEYS, name).split("; ").filter(|group| !group.is_empty())
}

/// Tips for clients.
pub(super) fn tips(name: &str) -> impl Iterator<Item = &'static str> {
    of(TIPS, name).split(' ').filter(|tip| !tip.is_empty())
}

/// Categories of its own.
pub(crate) fn categories(name: &str) -> impl Iterator<Item = &'static str> {
    CATEGORIES.iter().filter(move |(_, list)| names(list, name)).map(|(category, _)| *category)
}

/// All groups of keys that are known.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    KEYS.iter().flat_map(|(groups, _)| groups.split("; "))
}
