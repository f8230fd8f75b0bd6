//! The accepted differences between Primacy's replies and those of redis-server 7.0: by command, by rule, each with its
//! reason. None is one of the type of a reply or of the prefix of an error; the rules see to that.

use primacy_tests::resp::Value;

/// How two replies may differ.
#[derive(Clone, Copy)]
enum Rule {
    /// Both are there and of one type; what they say is the server's own.
    SameType,
    /// The same elements in any order.
    AnyOrder,
    /// The same pairs of elements in any order.
    AnyOrderOfPairs,
    /// The same names of fields; of these only the values may differ.
    Fields(&'static [&'static str]),
    /// Primacy gives the first word where redis-server gives one of the others.
    Word(&'static str, &'static [&'static str]),
    /// Numbers that differ by no more than this.
    Near(i64),
}

/// Each prefix of a command (upper case) with its rule and the reason.
const ALLOWED: &[(&str, Rule, &str)] = &[
    ("CLIENT WHAT", Rule::SameType, "the help text names the subcommands that are there"),
    ("KEYS", Rule::AnyOrder, "Redis promises no order"),
    ("HKEYS", Rule::AnyOrder, "Redis promises no order"),
    ("HVALS", Rule::AnyOrder, "Redis promises no order"),
    ("HGETALL", Rule::AnyOrderOfPairs, "Redis promises no order"),
    ("SMEMBERS", Rule::AnyOrder, "Redis promises no order"),
    ("SINTER ", Rule::AnyOrder, "Redis promises no order"),
    ("SUNION ", Rule::AnyOrder, "Redis promises no order"),
    ("SDIFF ", Rule::AnyOrder, "Redis promises no order"),
    ("HELLO", Rule::Fields(&["version", "id"]), "who answers"),
    (
        "OBJECT ENCODING",
        Rule::Word("listpack", &["quicklist", "hashtable"]),
        "small lists, and small sets that are not all integers, are listpacks since Redis 7.2",
    ),
    (
        "OBJECT ENCODING",
        Rule::Word("listpack", &["skiplist"]),
        "SORT makes a skiplist of a sorted set that it reads, and a reader changes nothing here",
    ),
    ("OBJECT ENCODING", Rule::Word("int", &["raw"]), "SETBIT and BITFIELD unpack a string even if they change nothing"),
    ("OBJECT ENCODING", Rule::Word("embstr", &["raw"]), "the same"),
    ("TTL", Rule::Near(1), "the clock moves between the two"),
    ("PTTL", Rule::Near(1_000), "the clock moves between the two"),
    ("EXPIRETIME", Rule::Near(1), "the clock moves between the two"),
];

/// Whether the two replies to a command are equal, or differ as the list allows.
pub(super) fn same(args: &[Vec<u8>], mine: &Value, redis: &Value) -> bool {
    if mine == redis {
        return true;
    }
    let line = args.iter().map(|w| String::from_utf8_lossy(w).to_uppercase()).collect::<Vec<_>>().join(" ");
    ALLOWED.iter().any(|(prefix, rule, _)| line.starts_with(prefix) && rule.allows(mine, redis))
}

impl Rule {
    fn allows(self, a: &Value, b: &Value) -> bool {
        match (self, a, b) {
            (_, Value::Error(a), Value::Error(b)) => {
                matches!(self, Self::SameType) && a.split(' ').next() == b.split(' ').next()
            }
            (Self::SameType, ..) => std::mem::discriminant(a) == std::mem::discriminant(b),
            (Self::AnyOrder, Value::Array(a), Value::Array(b)) => sorted(a, 1) == sorted(b, 1),
            (Self::AnyOrder, Value::Set(a), Value::Set(b)) => sorted(a, 1) == sorted(b, 1),
            (Self::AnyOrderOfPairs, Value::Array(a), Value::Array(b)) => sorted(a, 2) == sorted(b, 2),
            (Self::AnyOrderOfPairs, Value::Map(a), Value::Map(b)) => sorted(&flat(a), 2) == sorted(&flat(b), 2),
            (Self::Fields(own), Value::Array(a), Value::Array(b)) => without(a, own) == without(b, own),
            (Self::Fields(own), Value::Map(a), Value::Map(b)) => without(&flat(a), own) == without(&flat(b), own),
            (Self::Word(mine, theirs), Value::Bulk(a), Value::Bulk(b)) => {
                a == mine.as_bytes() && theirs.iter().any(|word| b == word.as_bytes())
            }
            (Self::Near(most), Value::Int(a), Value::Int(b)) => (a - b).abs() <= most,
            _ => false,
        }
    }
}

fn flat(map: &[(Value, Value)]) -> Vec<Value> {
    map.iter().flat_map(|(k, v)| [k.clone(), v.clone()]).collect()
}

/// The elements in an order, so many of them together.
fn sorted(v: &[Value], together: usize) -> Vec<String> {
    let mut all: Vec<String> = v.chunks(together).map(|part| format!("{part:?}")).collect();
    all.sort();
    all
}

/// Pairs of names and values; of some the names alone.
fn without(v: &[Value], own: &[&str]) -> Vec<String> {
    let show = |pair: &[Value]| {
        let name_only = own.contains(&pair[0].text().as_str());
        if name_only { format!("{:?}", pair[0]) } else { format!("{pair:?}") }
    };
    v.chunks(2).map(show).collect()
}
