//! Function libraries and what modules wrote: commands, effects, snapshots.

use super::*;
use crate::dataset::LoadError;
use crate::rdb::Payload;

fn lib(name: &str, function: &str) -> String {
    std::format!("#!lua name={name}\nredis.register_function('{function}', function() return 1 end)")
}

impl World {
    fn function(&mut self, args: &[&[u8]]) -> String {
        let words: Vec<&[u8]> = [&b"FUNCTION"[..]].iter().chain(args).copied().collect();
        String::from_utf8_lossy(&self.run(0, &words)).trim_end().into()
    }

    fn load(&mut self, code: &str) -> String {
        self.function(&[b"LOAD", code.as_bytes()])
    }

    fn names(&self) -> Vec<String> {
        self.ks.aside.libraries.iter().map(|library| String::from_utf8_lossy(library.name()).into_owned()).collect()
    }

    fn dumped(&mut self) -> Vec<u8> {
        let reply = self.run(0, &["FUNCTION", "DUMP"]);
        let at = reply.iter().position(|&b| b == b'\n').expect("a bulk") + 1;
        reply[at..reply.len() - 2].to_vec()
    }
}

/// A snapshot of all, in steps of `budget` bytes.
fn saved(ks: &mut Keyspace, budget: usize) -> Vec<u8> {
    let version = ks.snapshot_version();
    let (mut writer, mut body) = (Writer::new(version, true), Body::new(Options::default()).for_version(version));
    ks.snapshot_begin();
    while ks.snapshot_step(&mut body, budget) == Progress::More {
        writer.absorb(&mut body);
    }
    ks.snapshot_end();
    writer.absorb(&mut body);
    writer.finish();
    let mut chunks = Chunks::new();
    writer.out().read(0, usize::MAX, &mut chunks);
    chunks.concat()
}

fn loaded(bytes: &[u8]) -> Result<World, LoadError> {
    let mut w = World::seeded(9);
    let mut reader = Reader::new(ReaderLimits::default());
    let mut input = bytes;
    w.ks.load_begin(LoadMode::Replace);
    while let Some(item) = reader.next(&mut input).expect("a sound snapshot") {
        w.ks.accepts(&item)?;
        w.ks.load_item(&item, None)?;
    }
    w.ks.load_commit();
    Ok(w)
}

#[test]
fn libraries_are_loaded_and_refused_as_redis_does() {
    let mut w = World::new();
    for (command, want) in [
        (&[&b"LOAD"[..], lib("a", "f").as_bytes()][..], "$1\r\na"),
        (&[b"LOAD", lib("a", "g").as_bytes()], "-ERR Library 'a' already exists"),
        (&[b"LOAD", lib("b", "F").as_bytes()], "-ERR Function F already exists"),
        (&[b"LOAD", b"REPLACE", lib("a", "g").as_bytes()], "$1\r\na"),
        (&[b"LOAD", b"replace", b"REPLACE", lib("b", "f").as_bytes()], "$1\r\nb"),
        (&[b"LOAD", b"REPLACE", lib("b", "g").as_bytes()], "-ERR Function g already exists"),
        (&[b"LOAD", b"WHAT", lib("c", "h").as_bytes()], "-ERR Unknown option given: WHAT"),
        (&[b"LOAD", b"REPLACE"], "-ERR Missing library metadata"),
        (&[b"DELETE", b"B"], "-ERR Library not found"),
        (&[b"DELETE", b"b"], "+OK"),
        (&[b"FLUSH", b"WHAT"], "-ERR FUNCTION FLUSH only supports SYNC|ASYNC option"),
        (&[b"KILL"], "-NOTBUSY No scripts in execution right now."),
        (&[b"WHAT"], "-ERR unknown subcommand 'WHAT'. Try FUNCTION HELP."),
        (&[b"LIST", b"WHAT"], "-ERR Unknown argument WHAT"),
        (&[b"LIST", b"LIBRARYNAME"], "-ERR library name argument was not given"),
        (&[b"LIST", b"LIBRARYNAME", b"x*"], "*0"),
    ] {
        assert_eq!(w.function(command), want, "{}", command.concat().escape_ascii());
    }
    let list = "*1\r\n*8\r\n$12\r\nlibrary_name\r\n$1\r\na\r\n$6\r\nengine\r\n$3\r\nLUA\r\n$9\r\nfunctions\r\n*1\r\n*6\r\n$4\r\nname\r\n\
                $1\r\ng\r\n$11\r\ndescription\r\n$-1\r\n$5\r\nflags\r\n*0\r\n$12\r\nlibrary_code\r\n$66\r\n";
    assert_eq!(w.function(&[b"LIST", b"LIBRARYNAME", b"A", b"WITHCODE"]), [list, &lib("a", "g")].concat());
    assert!(w.function(&[b"STATS"]).contains("libraries_count\r\n:1\r\n$15\r\nfunctions_count\r\n:1"));
    assert_eq!(w.function(&[b"FLUSH", b"async"]), "+OK");
    assert!(w.names().is_empty());
}

#[test]
fn what_changes_them_is_propagated_as_it_came() {
    let mut w = World::new();
    w.load(&lib("a", "f"));
    w.load(&lib("a", "f"));
    w.function(&[b"DELETE", b"a"]);
    w.function(&[b"DELETE", b"a"]);
    w.function(&[b"FLUSH"]);
    let payload = w.dumped();
    w.function(&[b"RESTORE", &payload]);
    w.function(&[b"LIST"]);
    assert_eq!(w.effects(), ["itself"; 4]);
    // A master's word is taken: its server has run the code.
    w.origin = Origin::Upstream;
    assert_eq!(w.load("#!other name=strange\nno call"), "$7\r\nstrange");
    w.load(&lib("a", "f"));
    assert_eq!(w.load(&lib("b", "f")), "$1\r\nb");
    assert_eq!(w.load(&lib("b", "f")), "-ERR Library 'b' already exists");
    // FLUSHALL leaves them.
    w.ks.flush(None);
    assert_eq!(w.names(), ["a", "b", "strange"]);
}

#[test]
fn payloads_come_in_whole_or_not_at_all() {
    let mut w = World::new();
    let payload = |names: &[(&str, &str)]| {
        let mut w = World::new();
        w.origin = Origin::Upstream;
        names.iter().for_each(|(name, function)| assert!(w.load(&lib(name, function)).starts_with('$')));
        w.dumped()
    };
    let (ab, c, moved) =
        (payload(&[("a", "f"), ("b", "g")]), payload(&[("c", "f")]), payload(&[("a", "g"), ("b", "f")]));
    let both = payload(&[("a", "f"), ("b", "f")]);
    for (bytes, policy, want) in [
        (&ab, "", "+OK"),
        (&ab, "", "-ERR Library a already exists"),
        (&ab, "append", "-ERR Library a already exists"),
        (&c, "", "-ERR Function f already exists"),
        (&c, "REPLACE", "-ERR Function f already exists"),
        (&moved, "REPLACE", "+OK"),
        (&both, "FLUSH", "-ERR Function f already exists"),
        (&c, "WHAT", "-ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE."),
        (&c, "FLUSH", "+OK"),
        (&ab[1..].to_vec(), "FLUSH", "-ERR DUMP payload version or checksum are wrong"),
    ] {
        let args: &[&[u8]] = &[b"RESTORE", bytes, policy.as_bytes()];
        assert_eq!(w.function(&args[..if policy.is_empty() { 2 } else { 3 }]), want, "{policy}");
    }
    assert_eq!(w.names(), ["c"]);
    // A value is no library.
    w.say("SET k v");
    let reply = w.run(0, &["DUMP", "k"]);
    let value = &reply[reply.iter().position(|&b| b == b'\n').expect("a bulk") + 1..reply.len() - 2];
    assert_eq!(w.function(&[b"RESTORE", value]), "-ERR given type is not a function");
}

#[test]
fn a_payload_is_the_one_that_redis_7_gives() {
    let mut w = World::new();
    w.load("#!lua name=x\nredis.register_function('f', function() end)");
    let hex: Vec<String> = w.dumped().iter().map(|byte| std::format!("{byte:02x}")).collect();
    assert_eq!(hex.concat(), PAYLOAD);
    assert_eq!(w.function(&[b"FLUSH"]), "+OK");
    assert_eq!(w.dumped(), b"\n\x00]\x9b\\@\x0f\x7f\xa2\xda");
    assert!(Payload::open(&w.dumped()).and_then(|payload| payload.libraries()).is_some_and(|all| all.is_empty()));
}

/// The answer of redis-server 7.0 to the same.
const PAYLOAD: &str = "f53923216c7561206e616d653d780a72656469732e72656769737465725f66756e6374696f6e282766272c2066756e6374696f6e282920656e64290a00e35da05e9e9cb31f";

#[test]
fn a_snapshot_has_the_libraries_and_modules_of_its_beginning() {
    let mut w = World::new();
    assert_eq!(w.ks.snapshot_version(), 9);
    w.load(&lib("a", "f"));
    let long = [lib("b", "g"), std::format!("--{}", "x".repeat(100_000))].concat();
    w.load(&long);
    w.say("SET k v");
    assert_eq!(w.ks.snapshot_version(), 10);
    let bytes = saved(&mut w.ks, 1);
    let mut copy = loaded(&bytes).expect("what was written");
    assert_eq!(copy.names(), ["a", "b"]);
    assert_eq!(copy.dumped(), w.dumped());
    assert!(items(&saved(&mut copy.ks, 1 << 20)) == items(&bytes), "in one step as in many");
    // What is there goes with the snapshot that takes its place.
    let mut body = Body::new(Options::default());
    w.ks.snapshot_begin();
    w.function(&[b"FLUSH"]);
    while w.ks.snapshot_step(&mut body, 1 << 20) == Progress::More {}
    assert!(body.len() > 100_000, "its own moment");
    copy.ks.load_begin(LoadMode::Beside);
    copy.ks.load_abort();
    assert_eq!(copy.names(), ["a", "b"]);
    copy.ks.load_begin(LoadMode::Replace);
    copy.ks.load_abort();
    assert!(copy.names().is_empty());
}

#[test]
fn a_broken_library_is_named() {
    let mut writer = Writer::new(10, true);
    writer.function(b"no first line");
    writer.finish();
    let mut chunks = Chunks::new();
    writer.out().read(0, usize::MAX, &mut chunks);
    let error = loaded(&chunks.concat()).map(|_| ()).expect_err("no library");
    assert_eq!(std::format!("{error}"), "function library '' cannot be loaded: ERR Missing library metadata");
}

/// A snapshot with data of a module before and behind the keys, and with keys of its.
fn with_modules() -> Vec<u8> {
    use crate::rdb::{ModuleId, ModuleValue};
    // The name `ReJSON-RL`, version 3.
    let name = b"ReJSON-RL".iter().fold(0u64, |id, byte| {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        id << 6 | alphabet.iter().position(|other| other == byte).expect("a character of names") as u64
    });
    let id = ModuleId(name << 10 | 3);
    let values = |n: i64| {
        let mut body = Body::new(Options { compress: true });
        for value in [
            ModuleValue::Signed(-n),
            ModuleValue::Unsigned(1 << 40),
            ModuleValue::Float(7),
            ModuleValue::Double(1 << 60),
            ModuleValue::String(&[b'a'; 300]),
            ModuleValue::String(b"12"),
            ModuleValue::String(b""),
        ] {
            body.module_value(value);
        }
        body.into_bytes().collect::<Vec<_>>()
    };
    let (mut writer, mut body) = (Writer::new(9, true), Body::new(Options::default()));
    body.module_aux(id, 1, &values(1));
    body.resize(0, 2, 1);
    body.module(0, b"m", Some(5_000_000), id, &values(2));
    body.string(0, b"s", None, b"v");
    body.module_aux(id, 2, &values(3));
    writer.absorb(&mut body);
    writer.finish();
    let mut chunks = Chunks::new();
    writer.out().read(0, usize::MAX, &mut chunks);
    chunks.concat()
}

/// The items of a snapshot, as text, without what says how many keys there are.
fn items(bytes: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(ReaderLimits::default());
    let (mut input, mut all) = (bytes, Vec::new());
    while let Some(item) = reader.next(&mut input).expect("a sound snapshot") {
        all.push(std::format!("{item:?}"));
    }
    all
}

#[test]
fn what_modules_wrote_is_carried_as_it_is() {
    let bytes = with_modules();
    let mut w = loaded(&bytes).expect("modules are held");
    for (command, want) in [
        ("TYPE m", "+ReJSON-RL\r\n"),
        ("OBJECT ENCODING m", "$3\r\nraw\r\n"),
        ("PTTL m", ":4000000\r\n"),
        ("GET m", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("APPEND m x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("LPUSH m x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("SADD m x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("HGETALL m", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("ZUNION 1 m", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("SORT m", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("MGET m s", "*2\r\n$-1\r\n$1\r\nv\r\n"),
        ("SCAN 0 TYPE rejson-rl COUNT 100", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nm\r\n"),
    ] {
        assert_eq!(w.say(command), want, "{command}");
    }
    let (mut before, mut after) = (items(&bytes), items(&saved(&mut w.ks, 64)));
    // Keys have no order.
    before.sort();
    after.sort();
    assert_eq!(before, after);
    // DUMP and RESTORE carry it too, and COPY.
    let reply = w.run(0, &["DUMP", "m"]);
    let payload = &reply[reply.iter().position(|&b| b == b'\n').expect("a bulk") + 1..reply.len() - 2];
    assert_eq!(w.run(0, &[b"RESTORE", &b"n"[..], b"0", payload]), b"+OK\r\n");
    w.say("COPY n o");
    for key in ["n", "o"] {
        assert_eq!(w.run(0, &["DUMP", key]), reply);
    }
    w.say("SET n x");
    assert_eq!(w.say("DEL m n o"), ":3\r\n");
    super::laws::accounts(&w.ks);
}
