//! The operations of a run.

use alloc::format;
use alloc::vec::Vec;

use super::{Play, SLOTS};
use crate::fuzz::input::Draw;
use crate::machine::{Input, Signal};
use crate::node::Call;
use crate::resp::Command;

/// Commands of a client: `k` is a key, `v` a value, `n` a number, `f` a pattern; other words are what they are.
const COMMANDS: &[&str] = &[
    "SET k v",
    "SET k v PX n",
    "SET k v XX GET KEEPTTL",
    "GET k",
    "DEL k k",
    "UNLINK k",
    "INCR k",
    "INCRBY k n",
    "INCRBYFLOAT k n",
    "APPEND k v",
    "SETRANGE k n v",
    "GETRANGE k n n",
    "EXPIRE k n",
    "PEXPIRE k n NX",
    "PEXPIREAT k n",
    "PERSIST k",
    "TTL k",
    "GETEX k PX n",
    "GETDEL k",
    "SETNX k v",
    "MSET k v k v",
    "MSETNX k v k v",
    "MGET k k k",
    "RENAME k k",
    "RENAMENX k k",
    "COPY k k",
    "COPY k k DB n REPLACE",
    "MOVE k n",
    "STRLEN k",
    "LCS k k IDX",
    "EXISTS k k",
    "TOUCH k",
    "TYPE k",
    "OBJECT ENCODING k",
    "KEYS f",
    "SCAN n MATCH f COUNT n",
    "RANDOMKEY",
    "DBSIZE",
    "SELECT n",
    "SWAPDB n n",
    "FLUSHDB ASYNC",
    "FLUSHALL",
    "MULTI",
    "EXEC",
    "DISCARD",
    "WATCH k",
    "UNWATCH",
    "SUBSCRIBE k k",
    "PSUBSCRIBE f",
    "UNSUBSCRIBE",
    "PUNSUBSCRIBE f",
    "PUBLISH k v",
    "PUBSUB CHANNELS",
    "MONITOR",
    "HELLO 3",
    "HELLO 2 AUTH default secret",
    "AUTH secret",
    "RESET",
    "QUIT",
    "PING v",
    "ECHO v",
    "TIME",
    "CLIENT LIST",
    "CLIENT INFO",
    "CLIENT SETNAME k",
    "CLIENT KILL TYPE normal SKIPME yes",
    "CLIENT KILL TYPE replica",
    "CLIENT KILL TYPE master",
    "CLIENT KILL ID n",
    "CLIENT PAUSE n WRITE",
    "CLIENT PAUSE n",
    "CLIENT UNPAUSE",
    "CLIENT REPLY SKIP",
    "CLIENT REPLY OFF",
    "CLIENT REPLY ON",
    "CLIENT NO-TOUCH on",
    "WAIT n n",
    "WAITAOF 0 n n",
    "INFO",
    "ROLE",
    "COMMAND COUNT",
    "SLOWLOG GET",
    "LATENCY LATEST",
    "MEMORY USAGE k",
    "CONFIG GET f",
    "CONFIG SET timeout n",
    "CONFIG SET repl-backlog-size 32kb",
    "CONFIG SET port n",
    "CONFIG SET maxclients n",
    "CONFIG SET maxmemory n",
    "CONFIG SET maxmemory 20kb maxmemory-policy allkeys-lru",
    "CONFIG SET maxmemory 20kb maxmemory-policy volatile-lfu",
    "CONFIG SET maxmemory 1 maxmemory-policy allkeys-random",
    "CONFIG SET maxmemory-policy noeviction notify-keyspace-events KEAmn",
    "CONFIG SET requirepass v",
    "CONFIG SET rdb-key-save-delay 100 key-load-delay 100",
    "CONFIG SET repl-diskless-sync no",
    "CONFIG SET client-output-buffer-limit \"normal 1000 0 0\"",
    "CONFIG REWRITE",
    "CONFIG RESETSTAT",
    "SAVE",
    "BGSAVE",
    "BGSAVE SCHEDULE",
    "LASTSAVE",
    "SHUTDOWN NOSAVE",
    "SHUTDOWN SAVE",
    "SHUTDOWN ABORT",
    "REPLICAOF 10.0.0.9 6379",
    "REPLICAOF NO ONE",
    "DEBUG DIGEST",
    "DEBUG RELOAD",
    "DEBUG CHANGE-REPL-ID",
    "DEBUG SLEEP 0.1",
    "DEBUG SET-ACTIVE-EXPIRE 0",
    "DEBUG SET-ACTIVE-EXPIRE 1",
    "DEBUG POPULATE 50 k",
    "REPLCONF listening-port 7001 capa eof capa psync2",
    "REPLCONF ACK n",
    "REPLCONF rdb-only 1",
    "PSYNC ? -1",
    "SYNC",
    "FAILOVER",
    "NOSUCH v",
];

/// What time passes in one step, µs.
const TIMES: [u64; 8] = [0, 1_000, 20_000, 500_000, 1_000_000, 5_000_000, 61_000_000, 3_700_000_000];

impl Play {
    /// Does one operation.
    pub(super) fn op(&mut self, draw: &mut Draw<'_>) {
        match draw.below(32) {
            0..=9 => {
                let slot = draw.below(SLOTS);
                let bytes = command(draw);
                self.says(slot, &bytes);
            }
            10 | 11 => {
                let slot = draw.below(SLOTS);
                let n = draw.below(64);
                let bytes = draw.take(n);
                // A command that asks for much memory or time gets it, and proves nothing.
                let dear = [&b"bulk-len"[..], b"populate", b"sleep", b"-delay"];
                let has = |word: &&[u8]| bytes.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word));
                if !dear.iter().any(has) {
                    self.says(slot, bytes);
                }
            }
            12 => {
                let slot = draw.below(SLOTS);
                let budget = 1 + draw.below(300);
                if let Some(conn) = self.conn(slot) {
                    self.take(conn, budget);
                }
            }
            13 => _ = self.drain(),
            14 => {
                let (slot, both) = (draw.below(SLOTS), draw.byte() & 1 == 1);
                self.conn(slot).into_iter().for_each(|conn| self.door.end(conn, both));
            }
            15 | 16 => {
                let us = draw.one(&TIMES);
                self.door.pass(us);
            }
            17 => self.door.jump(draw.one(&[1_000, -1_000, 100_000_000, -100_000_000])),
            18 => _ = self.door.resume(),
            19 | 20 => _ = self.job(draw.below(4), true),
            21 => _ = self.job(draw.below(4), false),
            22 => self.door.late(),
            23 | 24 => self.quiet(),
            25 | 26 => self.upstream_op(draw),
            27 => {
                let call = match draw.below(3) {
                    0 => Call::Promote,
                    n => Call::Follow { host: if n == 1 { "10.0.0.9" } else { "nowhere" }.into(), port: 6379 },
                };
                self.door.feed(Input::Call(call));
            }
            28 if draw.byte() < 8 => self.door.feed(Input::Shutdown { signal: Signal::Term }),
            29 | 30 => self.replica_op(draw),
            _ => {
                // Several commands in one read.
                let slot = draw.below(SLOTS);
                let bytes: Vec<u8> = (0..=draw.below(4)).flat_map(|_| command(draw)).collect();
                self.says(slot, &bytes);
            }
        }
    }

    /// A replica asks to go on where one stood, asks for all, or acknowledges what it has.
    fn replica_op(&mut self, draw: &mut Draw<'_>) {
        let slot = draw.below(SLOTS);
        let at = self.conn(slot).and_then(|conn| self.served.get(&conn)?.position());
        let text = match (draw.below(4), self.place) {
            (0, Some((id, at))) => format!("PSYNC {} {}\r\n", id.as_str(), at + 1),
            (1, Some((id, at))) => format!("PSYNC {} {}\r\n", id.as_str(), at.saturating_sub(20)),
            (2, _) => "PSYNC ? -1\r\n".into(),
            _ => format!("REPLCONF ACK {}\r\n", at.map_or(0, |(_, at)| at)),
        };
        if text.starts_with("PSYNC") {
            self.says(slot, b"REPLCONF capa eof capa psync2\r\n");
            // PSYNC is refused while an answer waits.
            if let Some(conn) = self.conn(slot) {
                self.take(conn, 1 << 16);
            }
        }
        self.says(slot, text.as_bytes());
    }
}

/// A command of the table with words of the fuzzer's.
fn command(draw: &mut Draw<'_>) -> Vec<u8> {
    let words: Vec<Vec<u8>> = crate::words::split(draw.one(COMMANDS).as_bytes()).expect("the table is sound");
    let args: Vec<Vec<u8>> = words.into_iter().map(|word| filled(word, draw)).collect();
    Command::new(&args).frame().to_vec()
}

fn filled(word: Vec<u8>, draw: &mut Draw<'_>) -> Vec<u8> {
    match &word[..] {
        b"k" => draw.one(&["a", "b", "k:1", "k:2", ""]).into(),
        b"n" => draw.one(&["0", "1", "2", "-1", "5", "100", "1000", "70000", "1700000001000", "x"]).into(),
        b"f" => draw.one(&["*", "k*", "?", "[a-b]", "re*"]).into(),
        b"v" => match draw.below(6) {
            0 => draw.one(&["", "1", "-5", "10.5", "9223372036854775807", "\r\n"]).into(),
            1 => b"v".repeat(draw.below(20_000)),
            2 => format!("{}", draw.below(1000)).into_bytes(),
            _ => {
                let n = draw.below(16);
                draw.take(n).to_vec()
            }
        },
        _ => word,
    }
}
