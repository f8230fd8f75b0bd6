//! What workload clients do to lists, hashes, sets, sorted sets, streams, HyperLogLogs and bits.
//!
//! No model says what these hold: that nodes at one position of one history hold the same is what `same-data` sees, and
//! a write that adds a marked element is found in the stream as any other.

use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use super::ops::Mark;
use crate::rng::Rng;

/// The first letters of the keys, each for one type.
pub const LETTERS: &[u8] = b"lhuzpbx";

/// Commands that may stand in a stream for what clients asked, besides those whose effects the ledger knows. Those in
/// the first list add elements of the client's own, which may be marked.
const ADD: &[&[u8]] = &[b"rpush", b"lpush", b"sadd", b"hset", b"zadd", b"xadd"];
const CHANGE: &[&[u8]] = &[
    b"linsert",
    b"pfadd",
    b"lpop",
    b"rpop",
    b"ltrim",
    b"lrem",
    b"lmove",
    b"rpoplpush",
    b"hdel",
    b"hincrby",
    b"hpexpireat",
    b"srem",
    b"spop",
    b"sunionstore",
    b"zrem",
    b"zincrby",
    b"zpopmin",
    b"zpopmax",
    b"zunionstore",
    b"zremrangebyrank",
    b"pfmerge",
    b"setbit",
    b"bitop",
    b"xtrim",
    b"xgroup",
    b"xclaim",
    b"copy",
    b"rename",
    b"persist",
];

/// Whether a stream may have this command, and the mark of the element that it adds, if it has one.
pub fn understand(args: &[Vec<u8>]) -> Option<Option<Mark>> {
    let (name, rest) = args.split_first()?;
    let name = name.to_ascii_lowercase();
    if ADD.contains(&&name[..]) {
        return Some(rest.iter().find_map(|arg| Mark::of_value(arg)));
    }
    CHANGE.contains(&&name[..]).then_some(None)
}

/// The words of a command.
#[derive(Clone, PartialEq, Eq)]
pub struct Words(pub Vec<Vec<u8>>);

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|word| write!(f, "{} ", word[..word.len().min(40)].escape_ascii()))
    }
}

/// A command, and the mark among its words.
type Drawn = (Words, Option<Mark>);

/// A random write. `mark` gives the next mark and a value that begins with it.
pub fn draw(rng: &mut Rng, keys: u8, mark: &mut dyn FnMut(&mut Rng) -> (Mark, Vec<u8>)) -> Drawn {
    let letter = LETTERS[rng.below(LETTERS.len() as u64) as usize];
    let rules = RULES.iter().find(|(of, _)| *of == letter).map_or(&[][..], |(_, rules)| rules);
    // Any type can be copied, lives for a while, or goes.
    let rule = match rng.below(12) {
        0 => *ANY.get(rng.below(ANY.len() as u64) as usize).unwrap_or(&"DEL $k"),
        _ => rules.get(rng.below(rules.len().max(1) as u64) as usize).unwrap_or(&"DEL $k"),
    };
    let mut marked = None;
    let words = rule
        .split(' ')
        .map(|word| match word {
            "$k" => format!("{}{}", char::from(letter), rng.below(u64::from(keys.max(1)))).into_bytes(),
            "$e" => format!("e{}", rng.below(40)).into_bytes(),
            "$n" => format!("{}", rng.below(100)).into_bytes(),
            "$ms" => format!("{}", 1 + rng.below(3000)).into_bytes(),
            "$m" => {
                let (mark, value) = mark(rng);
                marked = Some(mark);
                value
            }
            word => word.into(),
        })
        .collect();
    (Words(words), marked)
}

const ANY: &[&str] = &["DEL $k", "UNLINK $k", "PEXPIRE $k $ms", "PERSIST $k", "COPY $k $k REPLACE", "RENAME $k $k"];

const RULES: &[(u8, &[&str])] = &[
    (
        b'l',
        &[
            "RPUSH $k $m",
            "LPUSH $k $m",
            "RPUSH $k $m $e $e $e",
            "LPOP $k",
            "RPOP $k 3",
            "LTRIM $k 0 20",
            "LREM $k 1 $e",
            "LMOVE $k $k LEFT RIGHT",
            "LINSERT $k BEFORE $e $e",
            "BLPOP $k $k 0.1",
            "BRPOP $k 0.05",
            "BLMOVE $k $k LEFT LEFT 0.1",
            "BLMPOP 0.05 1 $k LEFT COUNT 2",
        ],
    ),
    (
        b'h',
        &[
            "HSET $k $e $m",
            "HSET $k $e $m $e $n",
            "HDEL $k $e $e",
            "HINCRBY $k n $n",
            "HPEXPIRE $k $ms FIELDS 1 $e",
            "HEXPIRE $k 1 FIELDS 2 $e $e",
        ],
    ),
    (b'u', &["SADD $k $m", "SADD $k $e $n $n", "SREM $k $e $n", "SPOP $k", "SPOP $k 3", "SUNIONSTORE $k $k $k"]),
    (
        b'z',
        &[
            "ZADD $k $n $m",
            "ZADD $k $n $e $n $e",
            "ZADD $k GT CH $n $e",
            "ZREM $k $e",
            "ZINCRBY $k 3 $e",
            "ZPOPMIN $k 2",
            "ZUNIONSTORE $k 2 $k $k",
            "ZREMRANGEBYRANK $k 20 -1",
            "BZPOPMAX $k 0.1",
        ],
    ),
    (b'p', &["PFADD $k $e $n", "PFADD $k $e $e", "PFMERGE $k $k $k"]),
    (
        b'x',
        &[
            "XADD $k * $e $m",
            "XADD $k MAXLEN ~ 20 * $e $m $e $n",
            "XADD $k NOMKSTREAM * $e $n",
            "XTRIM $k MAXLEN 10",
            "XGROUP CREATE $k g 0 MKSTREAM",
            "XGROUP SETID $k g $",
            "XREADGROUP GROUP g $e COUNT 2 STREAMS $k >",
            "XREADGROUP GROUP g $e BLOCK 50 STREAMS $k >",
            "XREAD BLOCK 50 STREAMS $k $",
            "XAUTOCLAIM $k g $e 0 - COUNT 3",
        ],
    ),
    (b'b', &["SETBIT $k $n 1", "SETBIT $k $n 0", "BITOP OR $k $k $k"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_has_its_rules() {
        for letter in LETTERS {
            assert!(RULES.iter().any(|(of, rules)| of == letter && !rules.is_empty()), "{}", char::from(*letter));
        }
    }

    #[test]
    fn a_mark_is_found_where_it_is_added_and_not_where_it_goes() {
        let mark = Mark { client: 3, n: 5 };
        let words = |line: &str| line.split(' ').map(Into::into).collect::<Vec<Vec<u8>>>();
        assert_eq!(understand(&words("RPUSH l1 <3.5>")), Some(Some(mark)));
        assert_eq!(understand(&words("zadd z1 7 <3.5>...")), Some(Some(mark)));
        assert_eq!(understand(&words("SREM u1 <3.5>")), Some(None));
        assert_eq!(understand(&words("FLUSHALL")), None);
    }
}
