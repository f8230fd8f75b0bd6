//! Directives of the data, and what the table of commands knows of it.

use crate::support::host::World;
use primacy_core::keyspace::Keyspace;

#[test]
fn limits_of_encodings_hold_from_the_start_and_from_a_change_on() {
    let (mut w, c) = World::<Keyspace>::one("--hash-max-listpack-entries 2");
    let ask = |w: &mut World<Keyspace>, line: &str| w.ask(c, line);
    assert_eq!(ask(&mut w, "HSET a x 1 y 2\nOBJECT ENCODING a"), "2 | listpack");
    assert_eq!(ask(&mut w, "HSET a z 3\nOBJECT ENCODING a"), "1 | hashtable");
    assert_eq!(
        ask(&mut w, "HSET b x 1\nCONFIG SET hash-max-listpack-entries 0\nOBJECT ENCODING b"),
        "1 | OK | listpack"
    );
    assert_eq!(ask(&mut w, "HSET b x 2\nOBJECT ENCODING b"), "0 | hashtable");
    assert_eq!(
        ask(&mut w, "CONFIG SET hash-max-ziplist-entries 3\nHSET c x 1 y 2 z 3\nOBJECT ENCODING c"),
        "OK | 3 | listpack"
    );
    assert_eq!(
        ask(&mut w, "CONFIG SET list-max-listpack-size 1\nRPUSH l a b\nOBJECT ENCODING l"),
        "OK | 2 | quicklist"
    );
    // One that is refused changes nothing, not even by its other pair.
    assert!(ask(&mut w, "CONFIG SET hash-max-listpack-entries 0 hll-sparse-max-bytes x").contains("ERR"));
    assert_eq!(ask(&mut w, "HSET d x 1\nOBJECT ENCODING d"), "1 | listpack");
}

#[test]
fn getkeys_knows_keys_behind_their_number() {
    let (mut w, c) = World::<Keyspace>::one("");
    let invalid = "-ERR Invalid arguments specified for command";
    for (line, want) in [
        ("zunion 2 a b withscores", "[a, b]"),
        ("zinter 1 a weights 2", "[a]"),
        ("zdiff 2 a b", "[a, b]"),
        ("zintercard 2 a b limit 3", "[a, b]"),
        ("sintercard 1 a limit 3", "[a]"),
        ("lmpop 2 a b left count 2", "[a, b]"),
        ("zmpop 1 a min", "[a]"),
        ("zunionstore to 2 a b", "[to, a, b]"),
        ("zinterstore to 1 a aggregate max", "[to, a]"),
        ("zdiffstore to 1 a", "[to, a]"),
        ("zunion 3 a b", invalid),
        ("zunion 0 a b", invalid),
        ("zunion -1 a b", invalid),
        ("zunion x a b", invalid),
        ("zunionstore to 3 a b", invalid),
        ("zunion 9223372036854775807 a", invalid),
        ("zunion 1", "-ERR Invalid number of arguments specified for command"),
        ("get a", "[a]"),
        ("mset a 1 b 2", "[a, b]"),
        ("rename a b", "[a, b]"),
        ("ping x", "-ERR The command has no key arguments"),
        ("dbsize x y", "-ERR The command has no key arguments"),
    ] {
        assert_eq!(w.ask(c, &format!("COMMAND GETKEYS {line}")), want, "{line}");
    }
}
