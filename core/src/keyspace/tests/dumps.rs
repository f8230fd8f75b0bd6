//! DUMP and RESTORE: every form of every type there and back, as real servers have it, and whatever is no payload.

use super::*;
use crate::rdb::Crc64;
use quickcheck::quickcheck;

/// The payload of a key.
fn dumped(w: &mut World, key: &str) -> Vec<u8> {
    let reply = w.run(0, &["DUMP", key]);
    let at = reply.windows(2).position(|pair| pair == b"\r\n").expect("a head") + 2;
    assert_eq!(&reply[..at], std::format!("${}\r\n", reply.len() - at - 2).as_bytes(), "a bulk string");
    reply[at..reply.len() - 2].to_vec()
}

/// A value with version and checksum behind it.
fn seal(value: &[u8], version: u16) -> Vec<u8> {
    let mut bytes = [value, &version.to_le_bytes()].concat();
    let mut crc = Crc64::new();
    crc.update(&bytes);
    bytes.extend_from_slice(&crc.value().to_le_bytes());
    bytes
}

/// The answer to RESTORE with these words behind the payload.
fn restore(w: &mut World, key: &str, ttl: &str, payload: &[u8], options: &str) -> String {
    let mut args: Vec<&[u8]> = std::vec![b"RESTORE", key.as_bytes(), ttl.as_bytes(), payload];
    args.extend(options.split_whitespace().map(str::as_bytes));
    let reply = String::from_utf8(w.run(0, &args)).expect("text");
    reply.trim_end().into()
}

/// A key of every form that a value has.
fn every_form() -> World {
    let mut w = World::new();
    let many = |verb: &str, key: &str, n: usize, f: &dyn Fn(usize) -> String| {
        let words = (0..n).map(f).collect::<Vec<_>>().join(" ");
        std::format!("{verb} {key} {words}")
    };
    for line in [
        "SET text hello".into(),
        "SET number -70000".into(),
        "SET wide 12345678901".into(),
        "SET empty ".into(),
        std::format!("SET long {}", "abc".repeat(100)),
        std::format!("SET longer {}", "0123456789".repeat(3_000)),
        std::format!("SET longest {}", "0123456789".repeat(30_000)),
        "HSET hash f v g 1 h -300".into(),
        many("HSET", "hash-many", 300, &|i| std::format!("field:{i} {i}")),
        std::format!("HSET hash-long f {}", "v".repeat(100_000)),
        "HSET hash-timed f v g w".into(),
        "HPEXPIREAT hash-timed 1500000 FIELDS 1 g".into(),
        std::format!("HSET hash-timed-long f {} g w", "v".repeat(100_000)),
        "HPEXPIREAT hash-timed-long 1500000 FIELDS 2 f g".into(),
        "RPUSH list a 1 -500 bcd".into(),
        many("RPUSH", "list-many", 5_000, &|i| std::format!("element:{i}")),
        std::format!("RPUSH list-long a {} b", "x".repeat(100_000)),
        "SADD ints 1 -2 300".into(),
        "SADD wide-ints 1 9000000000".into(),
        "SADD set a 1 b".into(),
        many("SADD", "set-many", 1_000, &|i| std::format!("member:{i}")),
        "ZADD zset 1 a 2.5 b -inf c".into(),
        many("ZADD", "zset-many", 1_000, &|i| std::format!("{i}.25 member:{i}")),
        "PFADD sparse a b c".into(),
        many("PFADD", "dense", 5_000, &|i| std::format!("{i}")),
    ] {
        assert!(!w.say(&line).starts_with('-'), "{line}");
    }
    w
}

#[test]
fn every_form_comes_back_as_it_was() {
    let (mut w, mut copy) = (every_form(), World::seeded(9));
    let keys: Vec<String> = w.content().keys().map(|(_, key)| String::from_utf8_lossy(key).into_owned()).collect();
    assert_eq!(keys.len(), 23);
    for key in &keys {
        let payload = dumped(&mut w, key);
        assert_eq!(restore(&mut copy, key, "0", &payload, ""), "+OK", "{key}");
        assert_eq!(w.ks.digest_value(0, key.as_bytes()), copy.ks.digest_value(0, key.as_bytes()), "{key}");
        let encoding = |w: &mut World| w.say(&std::format!("OBJECT ENCODING {key}"));
        // A HyperLogLog was written in place; read from a payload it is a string as any other.
        if key != "sparse" {
            assert_eq!(encoding(&mut w), encoding(&mut copy), "{key}");
        }
        assert_eq!(payload, dumped(&mut w, key), "nothing has changed");
        // The version that the value needs, so that old servers take it.
        let version = if key.starts_with("hash-timed") { 12 } else { 9 };
        assert_eq!(payload[payload.len() - 10..payload.len() - 8], [version, 0], "{key}");
    }
    assert_eq!(w.content(), copy.content());
    let times = "HPEXPIRETIME hash-timed-long FIELDS 3 f g none";
    assert_eq!((w.say(times), copy.say(times)), ("*3\r\n:1500000\r\n:1500000\r\n:-2\r\n".into(), w.say(times)));
    super::laws::accounts(&copy.ks);
    assert_eq!(w.say("DUMP none"), "$-1\r\n");
}

/// A command that makes a key, and the payloads that Redis 6.2 and redis-server 7.0 give for it.
const REAL: &[(&str, &str, &str)] = &[
    ("SET text hello", "000568656c6c6f0900b3808eba31b243bb", "000568656c6c6f0a006372df766534200a"),
    ("SET number -70000", "00c290eefeff0900f8878fb7476d4bb1", "00c290eefeff0a002875de7b13eb2800"),
    ("SET small 7", "00c0070900a43f196ed72dad23", "00c0070a0074cd48a283abce92"),
    (
        "HSET hash f v g 1 h -300",
        "0d1d1d00000018000000060000016603017603016703f202016803c0d4feff09006ded1b6f2d0ca3de",
        "10181800000006008166028176028167020101816802ded402ff0a009475b83e846fe7e0",
    ),
    (
        "RPUSH list a 1 -500 bcd",
        "0e01191900000013000000040000016103f202c00cfe0403626364ff0900c419cef2805db46e",
        "120102141400000004008161020101de0c028362636404ff0a00bbe829491105ccc1",
    ),
    (
        "SADD ints 1 -2 300",
        "0b0e0200000003000000feff01002c0109008bf8f9aea31203bb",
        "0b0e0200000003000000feff01002c010a005b0aa862f794600a",
    ),
    (
        "ZADD zset 1 a 2.5 b -inf c",
        "0c21210000001b000000060000016303042d696e6606016103f20201620303322e35ff0900640b5f2f70bc3944",
        "111d1d0000000600816302842d696e6605816102010181620283322e3504ff0a003992339be11f323d",
    ),
    ("SADD one a", "020101610900b264b8b2105479dc", "020101610a006296e97e44d21a6d"),
];

#[test]
fn payloads_are_those_of_real_servers() {
    let hex = |text: &str| -> Vec<u8> {
        let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    };
    let (mut w, mut copy) = (World::new(), World::seeded(9));
    for (line, old, new) in REAL {
        w.say(line);
        let key = line.split(' ').nth(1).expect("a key");
        assert_eq!(dumped(&mut w, key), hex(old), "{line}");
        for payload in [old, new] {
            assert_eq!(restore(&mut copy, key, "0", &hex(payload), "REPLACE"), "+OK", "{line}");
            assert_eq!(w.content().get(&(0, key.into())), copy.content().get(&(0, key.into())), "{line}");
            assert_eq!(dumped(&mut copy, key), hex(old), "{line}");
        }
    }
}

#[test]
fn the_options_as_redis_takes_them() {
    let mut w = World::new();
    w.say("SET k v");
    let payload = dumped(&mut w, "k");
    for (key, ttl, options, want) in [
        ("k", "0", "", "-BUSYKEY Target key name already exists."),
        ("k", "x", "", "-BUSYKEY Target key name already exists."),
        ("k", "0", "REPLACE", "+OK"),
        ("k", "0", "replace REPLACE", "+OK"),
        ("a", "x", "", "-ERR value is not an integer or out of range"),
        ("a", "-1", "", "-ERR Invalid TTL value, must be >= 0"),
        ("a", "-1", "ABSTTL", "-ERR Invalid TTL value, must be >= 0"),
        ("a", "9223372036854775807", "", "-ERR Invalid TTL value, must be >= 0"),
        ("a", "0", "FOO", "-ERR syntax error"),
        ("a", "0", "IDLETIME", "-ERR syntax error"),
        ("a", "0", "IDLETIME x", "-ERR value is not an integer or out of range"),
        ("a", "0", "IDLETIME -1", "-ERR Invalid IDLETIME value, must be >= 0"),
        ("a", "0", "FREQ", "-ERR syntax error"),
        ("a", "0", "FREQ x", "-ERR value is not an integer or out of range"),
        ("a", "0", "FREQ 256", "-ERR Invalid FREQ value, must be >= 0 and <= 255"),
        ("a", "0", "FREQ -1", "-ERR Invalid FREQ value, must be >= 0 and <= 255"),
        ("a", "0", "FREQ 1 IDLETIME 1", "-ERR syntax error"),
        ("a", "0", "IDLETIME 1 FREQ 1", "-ERR syntax error"),
        ("a", "0", "IDLETIME 1", "+OK"),
        ("b", "0", "FREQ 255", "+OK"),
        ("c", "100", "", "+OK"),
        ("d", "1000200", "ABSTTL", "+OK"),
        ("e", "1000000", "ABSTTL", "+OK"),
    ] {
        assert_eq!(restore(&mut w, key, ttl, &payload, options), want, "{key} {ttl} {options}");
    }
    for (line, want) in
        [("PTTL k", ":-1"), ("PTTL c", ":100"), ("PTTL d", ":200"), ("EXISTS e", ":0"), ("GET d", "$1\r\nv")]
    {
        assert_eq!(w.say(line).trim_end(), want, "{line}");
    }
    // The payload is looked at last, and the key stays if it is none.
    assert_eq!(restore(&mut w, "k", "0", b"none", ""), "-BUSYKEY Target key name already exists.");
    assert_eq!(restore(&mut w, "a2", "-1", b"none", ""), "-ERR Invalid TTL value, must be >= 0");
    for payload in [&b""[..], b"none", &[0; 10], &payload[..payload.len() - 1], &[&payload[..], b"x"].concat()] {
        let answer = restore(&mut w, "k", "0", payload, "REPLACE");
        assert_eq!(answer, "-ERR DUMP payload version or checksum are wrong");
    }
    let double = [&payload[..payload.len() - 10], &payload[..payload.len() - 10]].concat();
    // Nothing, a type that is none, a list of nothing, an array, what no module writes, a field twice, more than the value.
    for value in [
        &b""[..],
        b"\x08",
        b"\x01\x00",
        b"\x1c\x01\x00\x00\x00\x01a",
        b"\x07\x00\x09",
        b"\x04\x02\x01f\x01v\x01f\x01w",
        &double,
    ] {
        assert_eq!(restore(&mut w, "k", "0", &seal(value, 9), "REPLACE"), "-ERR Bad data format", "{value:?}");
    }
    assert_eq!(w.say("GET k"), "$1\r\nv\r\n");
}

#[test]
fn a_payload_goes_on_with_the_time_at_which_it_expires() {
    let mut w = World::new();
    // What is text in effects as it is.
    let payload = dumped(&mut every_form(), "text");
    let shown = String::from_utf8_lossy(&payload).into_owned();
    let ok = |w: &mut World, ttl, options| {
        assert_eq!(restore(w, "k", ttl, &payload, options), "+OK");
        w.effects()
    };
    assert_eq!(ok(&mut w, "0", ""), ["itself"]);
    assert_eq!(ok(&mut w, "5", "REPLACE"), [std::format!("RESTORE k 1000005 {shown} REPLACE ABSTTL")]);
    assert_eq!(ok(&mut w, "1000005", "ABSTTL REPLACE FREQ 7"), ["itself"]);
    assert_eq!(ok(&mut w, "1000", "ABSTTL REPLACE"), ["DEL k"], "it expired long since");
    assert_eq!(w.say("EXISTS k"), ":0\r\n");
    assert_eq!(ok(&mut w, "1000", "ABSTTL REPLACE"), [""; 0]);
    // A replica waits for its master's word.
    (w.may_expire, w.origin) = (false, Origin::Upstream);
    ok(&mut w, "1000", "ABSTTL");
    assert_eq!(w.say("EXISTS k"), ":1\r\n");
    // What has expired is no key that is in the way.
    (w.may_expire, w.origin) = (true, Origin::Client);
    assert_eq!(ok(&mut w, "5", ""), [String::from("DEL k"), std::format!("RESTORE k 1000005 {shown} ABSTTL")]);
}

quickcheck! {
    fn broken_values_are_refused_and_change_nothing(which: u8, at: u32, with: u8, cut: Option<u32>) -> bool {
        let mut w = every_form();
        let keys: Vec<String> = w.content().keys().map(|(_, key)| String::from_utf8_lossy(key).into_owned()).collect();
        let key = &keys[usize::from(which) % keys.len()];
        let payload = dumped(&mut w, key);
        let mut value = payload[..payload.len() - 10].to_vec();
        let at = at as usize % value.len().min(40);
        value[at] = with;
        if let Some(cut) = cut {
            value.truncate(cut as usize % value.len());
        }
        let before = w.ks.digest();
        let answer = restore(&mut w, "new", "0", &seal(&value, u16::from(payload[payload.len() - 10])), "");
        super::laws::accounts(&w.ks);
        match &answer[..] {
            "+OK" => {
                // Whatever it is, it is a value now, and stays one.
                let again = dumped(&mut w, "new");
                restore(&mut w, "again", "0", &again, "") == "+OK"
                    && w.ks.digest_value(0, b"new") == w.ks.digest_value(0, b"again")
            }
            "-ERR Bad data format" => w.ks.digest() == before,
            _ => false,
        }
    }
}
