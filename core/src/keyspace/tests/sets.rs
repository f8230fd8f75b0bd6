//! Sets: their replies, random histories against a set, and every form in snapshots.

use super::*;
use quickcheck::quickcheck;

/// Commands and their replies as redis-server 7.0 gives them (the encodings as 7.2), in order, on one keyspace.
const TALK: &[(&str, &str)] = &[
    ("SADD s a b c", ":3"),
    ("SADD s a d", ":1"),
    ("TYPE s", "+set"),
    ("SREM s a x a", ":1"),
    ("SISMEMBER s b", ":1"),
    ("SMISMEMBER s b x", "*2 :1 :0"),
    ("SMISMEMBER none b x", "*2 :0 :0"),
    ("SCARD s", ":3"),
    ("SCARD none", ":0"),
    ("SMEMBERS none", "*0"),
    ("SPOP none", "$-1"),
    ("SPOP none 3", "*0"),
    ("SPOP none x", "-ERR value is out of range, must be positive"),
    ("SPOP s x", "-ERR value is out of range, must be positive"),
    ("SPOP s -1", "-ERR value is out of range, must be positive"),
    ("SPOP s 9223372036854775808", "-ERR value is out of range, must be positive"),
    ("SPOP s 0", "*0"),
    ("SPOP s 1 2", "-ERR syntax error"),
    ("SPOP s x y", "-ERR syntax error"),
    ("SADD one 1", ":1"),
    ("SRANDMEMBER one", "$1 1"),
    ("SRANDMEMBER one 5", "*1 $1 1"),
    ("SRANDMEMBER one 1", "*1 $1 1"),
    ("SRANDMEMBER one -3", "*3 $1 1 $1 1 $1 1"),
    ("SRANDMEMBER one 0", "*0"),
    ("SRANDMEMBER none", "$-1"),
    ("SRANDMEMBER none 3", "*0"),
    ("SRANDMEMBER one x", "-ERR value is not an integer or out of range"),
    ("SRANDMEMBER one 1 2", "-ERR syntax error"),
    (
        "SRANDMEMBER one -9223372036854775808",
        "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    ),
    ("SPOP one 2", "*1 $1 1"),
    ("EXISTS one", ":0"),
    ("SADD one 1", ":1"),
    ("SPOP one", "$1 1"),
    ("SADD n 1 2 3", ":3"),
    ("SADD m 2 3 4", ":3"),
    ("SINTER n m", "*2 $1 2 $1 3"),
    ("SINTER n", "*3 $1 1 $1 2 $1 3"),
    ("SINTER n none", "*0"),
    ("SUNION n m", "*4 $1 1 $1 2 $1 3 $1 4"),
    ("SUNION none", "*0"),
    ("SDIFF n m", "*1 $1 1"),
    ("SDIFF n n", "*0"),
    ("SDIFF none n", "*0"),
    ("SET str v", "+OK"),
    ("SINTER none str", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SINTER str none", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SUNION none str", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SDIFF none str", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SINTERSTORE d none str", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SINTERSTORE d n m", ":2"),
    ("SINTERSTORE d n none", ":0"),
    ("EXISTS d", ":0"),
    ("SUNIONSTORE d n m", ":4"),
    ("SDIFFSTORE d n m", ":1"),
    ("SDIFFSTORE str n m", ":1"),
    ("TYPE str", "+set"),
    ("SET str v", "+OK"),
    ("SINTERCARD 2 n m", ":2"),
    ("SINTERCARD 2 n m LIMIT 1", ":1"),
    ("SINTERCARD 2 n m LIMIT 0", ":2"),
    ("SINTERCARD 2 n m LIMIT -1", "-ERR LIMIT can't be negative"),
    ("SINTERCARD 2 n m LIMIT x", "-ERR LIMIT can't be negative"),
    ("SINTERCARD 2 n m LIMIT", "-ERR syntax error"),
    ("SINTERCARD 2 n m LIMIT 1 LIMIT 3", ":2"),
    ("SINTERCARD 2 n m FOO", "-ERR syntax error"),
    ("SINTERCARD 3 n m", "-ERR Number of keys can't be greater than number of args"),
    ("SINTERCARD 0 n", "-ERR numkeys should be greater than 0"),
    ("SINTERCARD x n", "-ERR numkeys should be greater than 0"),
    ("SINTERCARD -1 n", "-ERR numkeys should be greater than 0"),
    ("SINTERCARD 2 n str", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SINTERCARD 2 none str", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SINTERCARD 1 n m", "-ERR syntax error"),
    ("SINTERCARD 9223372036854775807 n m", "-ERR Number of keys can't be greater than number of args"),
    ("SMOVE n m 1", ":1"),
    ("SMOVE n m 9", ":0"),
    ("SMOVE n n 2", ":1"),
    ("SMOVE n n 9", ":0"),
    ("SMOVE none m 1", ":0"),
    ("SMOVE none str 1", ":0"),
    ("SMOVE str m 1", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SMOVE n str 9", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SMOVE n str 2", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SMOVE n new 2", ":1"),
    ("SMOVE n new 3", ":1"),
    ("EXISTS n", ":0"),
    ("SMEMBERS new", "*2 $1 2 $1 3"),
    ("SSCAN new 0", "*2 $1 0 *2 $1 2 $1 3"),
    ("SSCAN new x", "-ERR invalid cursor"),
    ("SSCAN none 0 FOO", "*2 $1 0 *0"),
    ("SSCAN new 0 FOO", "-ERR syntax error"),
    ("SSCAN new 0 NOVALUES", "-ERR syntax error"),
    ("SSCAN new 0 MATCH 2", "*2 $1 0 *1 $1 2"),
    ("SSCAN new 0 COUNT 0", "-ERR syntax error"),
    ("SSCAN new 0 TYPE set", "-ERR syntax error"),
    ("SADD str a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SREM str a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SISMEMBER str a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SMISMEMBER str a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SCARD str", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SMEMBERS str", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SPOP str", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SPOP str 1", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SRANDMEMBER str", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SRANDMEMBER str 1", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("SSCAN str 0", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("GET new", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("DEBUG DIGEST", "046e1d88e90b22077500bc09fffef4e0ef94f2e0"),
    ("OBJECT ENCODING new", "$6 intset"),
    ("SADD new x", ":1"),
    ("OBJECT ENCODING new", "$8 listpack"),
];

fn digest(w: &mut World) -> String {
    w.ks.digest().iter().map(|byte| std::format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

fn answered(w: &mut World, line: &str) -> String {
    w.say(line).trim_end_matches("\r\n").replace("\r\n", " ")
}

#[test]
fn as_redis_answers() {
    let mut w = World::new();
    let sorted = |text: &str| {
        let mut words: Vec<String> = text.split(' ').map(String::from).collect();
        words.sort();
        words
    };
    for (line, want) in TALK {
        let got = if *line == "DEBUG DIGEST" { digest(&mut w) } else { answered(&mut w, line) };
        // The order in a union is nobody's promise.
        let same = if line.starts_with("SUNION ") { sorted(&got) == sorted(want) } else { got == *want };
        assert!(same, "{line}: {got}, not {want}");
    }
}

#[test]
fn as_redis_answers_in_resp3() {
    let mut w = World::new();
    w.proto = Proto::Resp3;
    for (line, want) in [
        ("SMEMBERS none", "~0"),
        ("SPOP none", "_"),
        ("SPOP none 3", "~0"),
        ("SRANDMEMBER none", "_"),
        ("SRANDMEMBER none 3", "*0"),
        ("SADD s 1 2", ":2"),
        ("SMEMBERS s", "~2 $1 1 $1 2"),
        ("SRANDMEMBER s 5", "*2 $1 1 $1 2"),
        ("SMISMEMBER s 1 3", "*2 :1 :0"),
        ("SINTER s s", "~2 $1 1 $1 2"),
        ("SUNION none", "~0"),
        ("SDIFF s s", "~0"),
        ("SSCAN s 0", "*2 $1 0 *2 $1 1 $1 2"),
        ("SPOP s 2", "~2 $1 1 $1 2"),
    ] {
        assert_eq!(answered(&mut w, line), want, "{line}");
    }
}

#[test]
fn effects_and_changes() {
    let mut w = World::new();
    for (line, effects, dirty) in [
        ("SADD s a b c", &["itself"][..], 3),
        ("SADD s a b", &[], 0),
        ("SADD s a d", &["itself"], 1),
        ("SREM s x", &[], 0),
        ("SREM s a d x", &["itself"], 2),
        ("SMOVE s t x", &[], 0),
        ("SMOVE s s b", &[], 0),
        ("SMOVE s t b", &["itself"], 2),
        ("SPOP s", &["SREM s c"], 1),
        ("SPOP s 3", &[], 0),
        ("SADD s 1", &["itself"], 1),
        ("SPOP s 3", &["DEL s"], 1),
        ("SINTERSTORE d s t", &[], 0),
        ("SUNIONSTORE d s t", &["itself"], 1),
        ("SDIFFSTORE d t t", &["itself"], 1),
        ("SDIFFSTORE d t t", &[], 0),
        ("SSCAN t 0", &[], 0),
    ] {
        w.fx.dirty = 0;
        w.say(line);
        assert_eq!((w.effects(), w.fx.dirty), (effects.iter().map(|e| String::from(*e)).collect(), dirty), "{line}");
    }
    assert!(w.say("EXISTS s d").contains(":0"));
}

/// Adds members `from..to`, each as a word that begins so.
fn filled(w: &mut World, name: &str, begin: &str, from: usize, to: usize) {
    for i in from..to {
        w.run(0, &["SADD", name, &std::format!("{begin}{i}")]);
    }
}

fn encoding(w: &mut World, name: &str) -> String {
    answered(w, &std::format!("OBJECT ENCODING {name}")).split(' ').nth(1).map(String::from).unwrap_or_default()
}

#[test]
fn encodings_as_redis_names_them() {
    let long = "x".repeat(64);
    for (begin, n, want) in [
        ("1", 512, "intset"),
        ("1", 513, "hashtable"),
        ("m", 128, "listpack"),
        ("m", 129, "hashtable"),
        (&long[..63], 1, "listpack"),
        (&long[..], 1, "hashtable"),
        (&long[..61], 128, "listpack"),
    ] {
        let mut w = World::new();
        filled(&mut w, "s", begin, 0, n);
        assert_eq!(encoding(&mut w, "s"), want, "{n} members of {begin}");
        assert_eq!(w.say("SCARD s"), std::format!(":{n}\r\n"));
        for i in 1..n {
            w.say(&std::format!("SREM s {begin}{i}"));
        }
        assert_eq!(encoding(&mut w, "s"), want, "and it never goes back");
    }
    for (n, want) in [(127, "listpack"), (128, "hashtable")] {
        let mut w = World::new();
        filled(&mut w, "s", "", 0, n);
        w.say("SADD s word");
        assert_eq!(encoding(&mut w, "s"), want, "{n} integers and a word");
    }
}

#[test]
fn encodings_by_what_a_command_brings_and_stores() {
    let mut w = World::new();
    let mut args = std::vec![String::from("SADD"), "big".into()];
    args.extend((0..128).map(|i| std::format!("{i}")));
    args.push("0".into());
    w.run(0, &args);
    assert_eq!(encoding(&mut w, "big"), "intset");
    (args[1], args[2]) = ("many".into(), "word".into());
    w.run(0, &args);
    assert_eq!(encoding(&mut w, "many"), "hashtable", "129 were announced");
    w.say("SREM many 5");
    filled(&mut w, "words", "w", 0, 300);
    w.say("SADD words 1 2 3");
    for (line, want) in [
        ("SINTERSTORE d many big", "intset"),
        ("SUNIONSTORE d many", "listpack"),
        ("SUNIONSTORE d words", "hashtable"),
        ("SDIFFSTORE d big many", "intset"),
        ("SINTERSTORE d words many", "intset"),
    ] {
        w.say(line);
        assert_eq!(encoding(&mut w, "d"), want, "{line}");
    }
    // Most of a table is taken: what is left begins anew.
    w.say("SPOP words 280");
    assert_eq!((encoding(&mut w, "words"), w.say("SCARD words")), (String::from("listpack"), ":23\r\n".into()));
}

#[test]
fn what_small_sets_take_from_a_large_one() {
    let mut w = World::new();
    filled(&mut w, "large", "m", 1000, 1500);
    filled(&mut w, "first", "m", 900, 1010);
    filled(&mut w, "second", "m", 1490, 1510);
    let want: Members = (1010..1490).map(|i| std::format!("m{i}").into_bytes()).collect();
    assert_eq!(members(&w.run(0, &["SDIFF", "large", "first", "none", "second"])), want);
    filled(&mut w, "most", "m", 1005, 1500);
    assert_eq!(w.say("SDIFFSTORE d most first second large"), ":0\r\n");
    assert_eq!(w.say("SDIFFSTORE d large first second"), ":480\r\n");
    assert_eq!(encoding(&mut w, "d"), "hashtable");
}

#[test]
fn a_scan_meets_whatever_stays() {
    let mut w = World::new();
    filled(&mut w, "s", "m", 1000, 4000);
    let (mut cursor, mut seen, mut steps) = (String::from("0"), BTreeSet::new(), 0);
    loop {
        let text = w.say(&std::format!("SSCAN s {cursor} COUNT 50"));
        let words: Vec<&str> = text.split("\r\n").collect();
        cursor = words[2].into();
        seen.extend(words.iter().filter(|word| word.starts_with('m')).map(|word| String::from(*word)));
        steps += 1;
        w.say(&std::format!("SREM s m{}", 2501 + steps * 7));
        w.say(&std::format!("SADD s new{steps}"));
        if cursor == "0" {
            break;
        }
    }
    assert!((1000..2500).all(|i| seen.contains(&std::format!("m{i}"))));
    assert!((55..80).contains(&steps), "{steps}");
}

#[test]
fn random_members_are_each_about_equally_likely() {
    for n in [50, 1000] {
        let mut w = World::new();
        filled(&mut w, "s", "m", 1000, 1000 + n);
        let mut hits = BTreeMap::<String, usize>::new();
        let text = w.say("SRANDMEMBER s -20000");
        for word in text.split("\r\n").filter(|word| word.starts_with('m')) {
            *hits.entry(word.into()).or_default() += 1;
        }
        assert!(hits.len() == n && hits.values().all(|&h| (20_000 / n / 5..20_000 / n * 3).contains(&h)));
        for count in [n / 2, n / 20, n - 1] {
            let text = w.say(&std::format!("SRANDMEMBER s {count}"));
            let words: BTreeSet<&str> = text.split("\r\n").filter(|word| word.starts_with('m')).collect();
            assert_eq!(words.len(), count, "different ones");
        }
    }
}

/// A member of one of several kinds.
fn name(n: u16) -> Vec<u8> {
    match n % 7 {
        0 => std::vec![b'x'; usize::from(n) % 100],
        1 => std::format!("m{n}").into_bytes(),
        2 if n.is_multiple_of(50) => std::vec![b'y'; 9000],
        _ => std::format!("{}", i64::from(n) * if n.is_multiple_of(3) { -70_000 } else { 1 }).into_bytes(),
    }
}

/// One step of a history of several sets: operation, key, member, number.
type Op = (u8, u8, u16, u16);

type Sets = BTreeMap<Vec<u8>, Members>;

/// The members that a reply names.
fn members(reply: &[u8]) -> Members {
    let mut replies = crate::resp::Replies::new(crate::resp::ReplyLimits::default());
    let value = replies.next(&mut &*reply).expect("a reply").expect("a whole one");
    let list = value.into_array().expect("a list");
    let n = list.len();
    let all: Members = list.into_iter().filter_map(crate::resp::Value::into_bytes).collect();
    assert_eq!(all.len(), n, "no member twice");
    all
}

fn combined(word: &str, a: &Members, b: &Members) -> Members {
    match word {
        "SINTER" => a & b,
        "SUNION" => a | b,
        _ => a - b,
    }
}

fn step(w: &mut World, m: &mut Sets, (op, k, f, n): Op, range: u16) {
    let key = std::format!("k{}", k % 3).into_bytes();
    let other = std::format!("k{}", n % 3).into_bytes();
    let member = name(f % range);
    let int = |n: usize| std::format!(":{n}\r\n").into_bytes();
    match op % 12 {
        0..=4 => {
            let set = m.entry(key.clone()).or_default();
            let more = (0..n % 40).map(|i| name(f.wrapping_add(i) % range));
            let added: Vec<Vec<u8>> = core::iter::once(member).chain(more).collect();
            let fresh = added.iter().filter(|member| set.insert((*member).clone())).count();
            let args: Vec<Vec<u8>> = [b"SADD".to_vec(), key].into_iter().chain(added).collect();
            assert_eq!(w.run(0, &args), int(fresh));
        }
        5 | 6 => {
            let there = m.get_mut(&key).is_some_and(|set| set.remove(&member));
            assert_eq!(w.run(0, &[&b"SREM"[..], &key, &member]), int(usize::from(there)));
        }
        7 => {
            let there = m.get(&key).is_some_and(|set| set.contains(&member));
            assert_eq!(w.run(0, &[&b"SISMEMBER"[..], &key, &member]), int(usize::from(there)));
        }
        8 => {
            let there = m.get(&key).is_some_and(|set| set.contains(&member));
            assert_eq!(w.run(0, &[&b"SMOVE"[..], &key, &other, &member]), int(usize::from(there)));
            if there {
                m.entry(key).or_default().remove(&member);
                m.entry(other).or_default().insert(member);
            }
        }
        9 => {
            let count = std::format!("{}", n % 60 * (n % 20));
            let taken = members(&w.run(0, &[&b"SPOP"[..], &key, count.as_bytes()]));
            let set = m.entry(key).or_default();
            assert!(taken.is_subset(set));
            assert_eq!(taken.len(), set.len().min(count.parse().expect("a number")));
            set.retain(|member| !taken.contains(member));
        }
        10 => {
            let (a, b) = (m.get(&key).cloned().unwrap_or_default(), m.get(&other).cloned().unwrap_or_default());
            for word in ["SINTER", "SUNION", "SDIFF"] {
                assert_eq!(members(&w.run(0, &[word.as_bytes(), &key, &other])), combined(word, &a, &b), "{word}");
            }
            let common = (&a & &b).len();
            assert_eq!(w.run(0, &[b"SINTERCARD", &b"2"[..], &key, &other, b"LIMIT", b"20"]), int(common.min(20)));
        }
        _ => {
            let (a, b) = (m.get(&key).cloned().unwrap_or_default(), m.get(&other).cloned().unwrap_or_default());
            let word = ["SINTER", "SUNION", "SDIFF"][usize::from(f % 3)];
            let result = combined(word, &a, &b);
            let command = std::format!("{word}STORE");
            assert_eq!(w.run(0, &[command.as_bytes(), b"k2", &key, &other]), int(result.len()));
            m.insert(b"k2".to_vec(), result);
        }
    }
    m.retain(|_, set| !set.is_empty());
}

quickcheck! {
    fn behaves_as_sets(ops: Vec<Op>, range: u16) -> bool {
        let (mut w, mut m) = (World::new(), Sets::new());
        let range = range % 2000 + 1;
        for round in 0..4u16 {
            w.ks.limits = limits::some(round * range);
            for &(op, k, f, n) in &ops {
                step(&mut w, &mut m, (op, k, f.wrapping_mul(round + 1), n), range);
            }
        }
        super::laws::accounts(&w.ks);
        let want: Content = m.into_iter().map(|(key, set)| ((0, key), (set_text(&set), None))).collect();
        w.content() == want
    }
}

/// The command of a step, with its database.
fn command((op, k, f, n): Op) -> (u32, Vec<Vec<u8>>) {
    let word = |text: &str| text.as_bytes().to_vec();
    let key = word(&std::format!("k{}", k % 12));
    let other = word(&std::format!("k{}", n % 12));
    let args = match op % 16 {
        0..=4 => {
            let all = (0..n % 150).map(|i| name(f.wrapping_add(i * (n % 5)) % 3000));
            [word("SADD"), key, name(f)].into_iter().chain(all).collect()
        }
        5 | 6 => std::vec![word("SREM"), key, name(f % 100)],
        7 => std::vec![word("SPOP"), key],
        8 => std::vec![word("SPOP"), key, word(&std::format!("{}", n % 200))],
        9 => std::vec![word("COPY"), key, other, word("REPLACE")],
        10 => std::vec![word("RENAME"), key, other],
        11 => std::vec![word("PEXPIRE"), key, word(&std::format!("{}", n % 900 + 1))],
        12 => std::vec![word("SUNIONSTORE"), word("k1"), key, other],
        13 => std::vec![word("SDIFFSTORE"), word("k2"), key, other],
        14 => std::vec![word("SINTERSTORE"), word("k3"), key, other],
        _ => std::vec![word("SMOVE"), key, other, name(f % 100)],
    };
    (u32::from(k % 2), args)
}

fn mixed(w: &mut World, op: Op) {
    let (db, args) = command(op);
    w.run(db, &args);
    w.ms += u64::from(op.3 % 7);
    match op.3 % 97 {
        1 => _ = w.ks.maintain(3),
        2..=9 => w.ks.limits = limits::some(op.2),
        _ => {}
    }
}

quickcheck! {
    fn a_snapshot_is_the_state_at_its_beginning(before: Vec<Op>, during: Vec<Op>, budget: u16) -> bool {
        let mut w = World::new();
        before.iter().chain(&before).for_each(|&op| mixed(&mut w, op));
        let want = w.content();
        let version = if budget.is_multiple_of(3) { 11 } else { Writer::DEFAULT_VERSION };
        let mut whole = Body::new(Options { compress: budget.is_multiple_of(2) }).for_version(version);
        let budget = usize::from(budget) % 3000;
        w.ks.snapshot_begin();
        for (i, &op) in during.iter().enumerate() {
            mixed(&mut w, op);
            if i % 2 == 0 {
                w.ks.snapshot_step(&mut whole, budget);
            }
        }
        while w.ks.snapshot_step(&mut whole, budget) == Progress::More {}
        assert_eq!(w.ks.snapshot_pending(), 0);
        w.ks.snapshot_end();
        super::laws::accounts(&w.ks);
        read(&framed(&mut whole, version)) == want
    }

    fn what_was_saved_is_loaded(ops: Vec<Op>, budget: u16) -> bool {
        let mut w = World::new();
        ops.iter().chain(&ops).for_each(|&op| mixed(&mut w, op));
        let version = [Writer::MIN_VERSION, Writer::DEFAULT_VERSION, 11][usize::from(budget % 3)];
        let mut body = Body::new(Options { compress: budget.is_multiple_of(2) }).for_version(version);
        w.ks.snapshot_begin();
        while w.ks.snapshot_step(&mut body, usize::from(budget)) == Progress::More {}
        w.ks.snapshot_end();
        let mut copy = World::seeded(8);
        copy.ks.load_begin(LoadMode::Replace);
        feed(&mut copy.ks, &framed(&mut body, version), None);
        copy.ks.load_commit();
        super::laws::accounts(&copy.ks);
        copy.content() == w.content() && copy.ks.digest() == w.ks.digest()
    }

    fn a_replica_comes_to_the_same(ops: Vec<Op>) -> bool {
        let (mut w, mut replica) = (World::new(), World::seeded(9));
        (replica.origin, replica.may_expire) = (Origin::Upstream, false);
        for op in ops {
            let (db, args) = command(op);
            w.run(db, &args);
            w.ms += u64::from(op.3 % 7);
            for effect in w.fx.take() {
                match effect {
                    Effect::Command(db, c) => replica.run(db, &c.args().iter().collect::<Vec<_>>()),
                    Effect::Itself => replica.run(db, &args),
                };
            }
        }
        w.content() == replica.content() && w.ks.digest() == replica.ks.digest()
    }
}

/// Frames bodies of this version as a snapshot.
pub(super) fn framed(body: &mut Body, version: u16) -> Vec<u8> {
    let mut writer = Writer::new(version, true);
    writer.absorb(body);
    writer.finish();
    let mut chunks = Chunks::new();
    writer.out().read(0, usize::MAX, &mut chunks);
    chunks.concat()
}

#[test]
fn every_type_number_is_written_for_its_form() {
    for (version, line, want) in [
        (10, "SADD s 1 2", 11),
        (10, "SADD s a 2", 2),
        (11, "SADD s a 2", 20),
        (11, "SADD s 0123456789012345678901234567890123456789012345678901234567890123456789", 2),
    ] {
        let mut w = World::new();
        w.say(line);
        let mut body = Body::new(Options { compress: false }).for_version(version);
        w.ks.snapshot_begin();
        while w.ks.snapshot_step(&mut body, 1000) == Progress::More {}
        let bytes = framed(&mut body, version);
        // The type stands before the key and its length.
        let at = bytes.windows(2).position(|pair| pair == b"\x01s").expect("the key");
        assert_eq!(bytes[at - 1], want, "{line} in version {version}");
    }
}

#[test]
fn a_large_set_is_saved_and_freed_in_slices() {
    let mut w = World::new();
    for i in 0..100 {
        let mut args = std::vec![b"SADD".to_vec(), b"s".to_vec()];
        (0..500).for_each(|j| args.push(std::format!("member:{i}:{j}").into_bytes()));
        w.run(0, &args);
    }
    let want = w.content();
    w.ks.snapshot_begin();
    w.say("SREM s member:0:0");
    assert!(w.ks.snapshot_pending() < 4096, "a handle: {}", w.ks.snapshot_pending());
    let (mut whole, mut steps) = (Body::new(Options { compress: false }), 0);
    while w.ks.snapshot_step(&mut whole, 10_000) == Progress::More {
        steps += 1;
        assert!(whole.len() < steps * 10_100, "a step takes its budget: {} after {steps}", whole.len());
        w.say(&std::format!("SREM s member:{}:1", steps % 100));
    }
    assert!(steps > 50, "{steps}");
    w.ks.snapshot_end();
    assert_eq!(read(&frame(&mut whole)), want);
    let full = w.ks.memory();
    w.say("DEL s");
    assert!(w.ks.memory() > full / 3, "it waits to be freed");
    let mut steps = 0;
    while w.ks.maintain(10) == Progress::More {
        steps += 1;
    }
    assert!(steps > 20 && w.ks.memory() < 100_000, "{steps} {}", w.ks.memory());
}

#[test]
fn a_load_refuses_a_member_that_comes_twice() {
    use crate::dataset::LoadError;
    let mut w = World::new();
    let value = Value::Elements(Kind::Set, 9);
    let begin =
        Item::Entry(crate::rdb::Entry { db: 0, key: b"k", expire_at_ms: None, idle_s: None, freq: None, value });
    let member = |member| Item::Element(Element::Member(member));
    w.ks.load_begin(LoadMode::Replace);
    for item in [begin, member(b"a"), member(b"5"), Item::EntryEnd] {
        assert_eq!(w.ks.load_item(&item, None), Ok(()), "{item:?}");
    }
    w.ks.load_commit();
    assert_eq!(w.say("SMISMEMBER k a 5 b"), "*3\r\n:1\r\n:1\r\n:0\r\n");
    w.ks.load_begin(LoadMode::Replace);
    assert_eq!((w.ks.load_item(&begin, None), w.ks.load_item(&member(b"a"), None)), (Ok(()), Ok(())));
    let twice = w.ks.load_item(&member(b"a"), None);
    assert_eq!(twice, Err(LoadError::Broken { key: "k".into(), why: "a member comes twice" }));
    let field = Item::Element(Element::Field { field: b"f", value: b"v", expire_at_ms: None });
    let stray = w.ks.load_item(&field, None);
    assert_eq!(stray, Err(LoadError::Broken { key: "k".into(), why: "a part of another type" }));
    w.ks.load_abort();
}
