//! Random histories of streams: against a plain map, in snapshots while writes go on, and on a replica.

use super::*;
use crate::keyspace::entry::Slot;
use crate::keyspace::stream::{Group, Stream, id};
use crate::rdb::StreamId;
use quickcheck::quickcheck;

/// What of a stream is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// All.
    Whole,
    /// What a snapshot has before version 11: not when consumers were active.
    Old,
    /// What a replica is told: no consumer that owns nothing, and not when one was seen.
    Told,
}

fn group_text(group: &Group, depth: Depth) -> String {
    let pending: Vec<_> =
        group.pending_from(0).map(|p| (p.id, p.at_ms, p.deliveries, p.owner.name().to_vec())).collect();
    let mut owned = 0;
    let mut consumers = Vec::new();
    for consumer in group.consumers() {
        let ids: Vec<StreamId> = consumer.owned_from(0).collect();
        assert!(ids.is_sorted() && ids.len() == consumer.len());
        for id in &ids {
            assert_eq!(group.pending(*id).expect("it pends").owner.name(), consumer.name());
        }
        owned += ids.len();
        if depth != Depth::Told || !ids.is_empty() {
            let seen = (depth != Depth::Told).then_some(consumer.seen_ms);
            let active = consumer.active_ms.filter(|_| depth == Depth::Whole);
            consumers.push((consumer.name().to_vec(), seen, active, ids));
        }
    }
    assert!(pending.is_sorted_by_key(|p| p.0) && pending.len() == group.len() && owned == group.len());
    std::format!("{:?} {:?} {:?} {pending:?} {consumers:?}", group.name(), group.last_id, group.read)
}

fn stream_text(stream: &Stream, depth: Depth) -> String {
    let text = |(id, fields): &(StreamId, Fields)| std::format!("{id:?} {fields:?}");
    let entries: Vec<(StreamId, Fields)> = all_of(stream.range(id::MIN, id::MAX));
    let mut back: Vec<(StreamId, Fields)> = all_of(stream.range_back(id::MIN, id::MAX));
    back.reverse();
    assert!(entries == back && entries.len() == stream.len(), "both ways the same");
    assert!(entries.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(stream.first_id(), entries.first().map(|e| e.0));
    assert_eq!(stream.last().map(|item| item.id), entries.last().map(|e| e.0));
    let groups: Vec<String> = stream.groups().iter().map(|group| group_text(group, depth)).collect();
    assert!(groups.is_sorted());
    let nodes: Vec<StreamId> = stream.node_ids().collect();
    let entries: Vec<String> = entries.iter().map(text).collect();
    let counts = (stream.last_id, stream.max_deleted, stream.added);
    std::format!("stream {counts:?} {nodes:?} {entries:?} {groups:?}")
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn all_of<'a>(items: impl Iterator<Item = crate::keyspace::stream::Item<'a>>) -> Vec<(StreamId, Fields)> {
    let text = |scalar: Scalar<'_>| scalar.text(&mut [0; 20]).to_vec();
    items.map(|item| (item.id, item.fields.map(|(f, v)| (text(f), text(v))).collect())).collect()
}

pub(super) fn text_of(slot: &Slot) -> Vec<u8> {
    stream_text(slot.stream().expect("a stream"), Depth::Whole).into_bytes()
}

/// All streams of a keyspace.
fn streams(ks: &Keyspace, depth: Depth) -> BTreeMap<(usize, Vec<u8>), String> {
    let mut all = BTreeMap::new();
    for (db, table) in ks.dbs.iter().enumerate() {
        table.for_each(|slot| {
            let text = slot.stream().map_or_else(String::new, |stream| stream_text(stream, depth));
            all.insert((db, slot.key().to_vec()), text);
        });
    }
    all
}

/// What a random step is made of.
type Op = (u8, u8, u16, u32);

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// An entry's fields: often the same, seldom long, once in a while of a size whose form differs between servers.
fn fields(n: u32) -> String {
    match n % 11 {
        0..=5 => std::format!("a {} b {}", n % 1000, "x".repeat(n as usize % 90)),
        6 => std::format!("a {}", n % 3),
        7 => std::format!("b -{} a 12345678901234", n % 7),
        8 => std::format!("a {} b {} c 3", n % 40_000, n),
        9 => std::format!("f {}", "y".repeat(n as usize % 5000)),
        _ => std::format!("f {}", "z".repeat([16_378, 63, 64, 4096, 70_000][n as usize % 5])),
    }
}

/// The command of a step.
fn command((op, key, a, n): Op) -> Vec<Vec<u8>> {
    let key = std::format!("s{}", key % 3);
    let (group, consumer) = (std::format!("g{}", a % 3), std::format!("c{}", n % 4));
    let near = std::format!("{}-{}", a % 50, n % 3);
    let refs = ["KEEPREF", "DELREF", "ACKED"][n as usize / 2 % 3];
    let ids = std::format!("IDS 3 {near} {}-0 {}-0", 1_000_000 + u64::from(a % 300), 1_000_000 + u64::from(a % 7));
    words(&match op % 29 {
        0..=6 => std::format!("XADD {key} * {}", fields(n)),
        7 => std::format!("XADD {key} {near} {}", fields(n)),
        8 => std::format!("XADD {key} MAXLEN {} {} * {}", ["=", "~"][n as usize % 2], a % 40, fields(n)),
        9 => std::format!("XTRIM {key} MINID {} {near}", ["=", "~"][n as usize % 2]),
        10 => std::format!("XTRIM {key} MAXLEN {} {}", ["=", "~"][n as usize % 2], a % 60),
        11 => std::format!("XDEL {key} {near} {}-{}", 1_000_000 + u64::from(a % 300), n % 2),
        12 => std::format!("XGROUP CREATE {key} {group} {} MKSTREAM", ["0", "$", "20"][n as usize % 3]),
        13 => std::format!("XGROUP SETID {key} {group} {near} ENTRIESREAD {}", n % 9),
        14 if n.is_multiple_of(4) => std::format!("XGROUP DESTROY {key} {group}"),
        14 => std::format!("XGROUP DELCONSUMER {key} {group} {consumer}"),
        15..=17 => std::format!("XREADGROUP GROUP {group} {consumer} COUNT {} STREAMS {key} >", a % 9),
        18 => std::format!("XREADGROUP GROUP {group} {consumer} NOACK STREAMS {key} >"),
        19 => std::format!("XACK {key} {group} {near} {}-0", 1_000_000 + u64::from(a % 300)),
        20 => std::format!("XCLAIM {key} {group} {consumer} 0 {}-0 {near} FORCE", 1_000_000 + u64::from(a % 300)),
        21 => std::format!("XAUTOCLAIM {key} {group} {consumer} {} 0 COUNT 5", a % 20),
        22 if n.is_multiple_of(9) => std::format!("DEL {key}"),
        22 => std::format!("COPY {key} s{} REPLACE", n % 3),
        23 => std::format!("XADD {key} MAXLEN {} {} {refs} * {}", ["=", "~"][n as usize % 2], a % 40, fields(n)),
        24 => {
            std::format!("XTRIM {key} MINID {} {}-0 {refs}", ["=", "~"][n as usize % 2], 1_000_000 + u64::from(a % 90))
        }
        25 => std::format!("XTRIM {key} MAXLEN {} {} {refs}", ["=", "~"][n as usize % 2], a % 30),
        26 => std::format!("XDELEX {key} {refs} {ids}"),
        27 => std::format!("XACKDEL {key} {group} {ids} {refs}"),
        _ => std::format!("XSETID {key} {}-0 ENTRIESADDED {}", 1_000_000 + u64::from(a % 300), 500 + n % 100),
    })
}

fn step(w: &mut World, op: Op) -> Vec<Vec<u8>> {
    let args = command(op);
    w.run(0, &args);
    w.ms += u64::from(op.3 % 3);
    args
}

fn small_nodes(w: &mut World, n: u16) {
    w.ks.limits.stream =
        StreamLimit { bytes: [4096, 100, 0, 700][usize::from(n) % 4], entries: [100, 3, 0, 7][usize::from(n) / 4 % 4] };
}

fn loaded(bytes: &[u8]) -> World {
    let mut copy = World::seeded(8);
    copy.ks.load_begin(LoadMode::Replace);
    feed(&mut copy.ks, bytes, None);
    copy.ks.load_commit();
    super::laws::accounts(&copy.ks);
    copy
}

quickcheck! {
    fn a_snapshot_is_the_state_at_its_beginning(before: Vec<Op>, during: Vec<Op>, budget: u16) -> bool {
        let mut w = World::new();
        small_nodes(&mut w, budget);
        before.iter().chain(&before).for_each(|&op| _ = step(&mut w, op));
        let version = w.ks.snapshot_version().max([9, 10, 11, 12][usize::from(budget) % 4]);
        let depth = if version < 11 { Depth::Old } else { Depth::Whole };
        let want = streams(&w.ks, depth);
        let mut whole = Body::new(Options { compress: budget.is_multiple_of(2) }).for_version(version);
        let budget = usize::from(budget) % 9000;
        w.ks.snapshot_begin();
        for (i, &op) in during.iter().enumerate() {
            step(&mut w, op);
            if i % 9 == 8 {
                w.ks.flush(Some(0));
            }
            if i % 2 == 0 {
                w.ks.snapshot_step(&mut whole, budget);
            }
        }
        while w.ks.snapshot_step(&mut whole, budget) == Progress::More {}
        assert_eq!(w.ks.snapshot_pending(), 0);
        w.ks.snapshot_end();
        super::laws::accounts(&w.ks);
        let mut got = streams(&loaded(&frame(&mut whole)).ks, depth);
        if version == 9 {
            // What is not counted may be derived there.
            let uncounted = |text: &String| text.replace("} None [", "} ? [");
            assert_eq!(got.len(), want.len());
            got.retain(|key, text| uncounted(text) != uncounted(&want[key]) && !want[key].contains("} None ["));
            return got.is_empty();
        }
        got == want
    }

    fn a_replica_comes_to_the_same(ops: Vec<Op>, limits: u16, as_they_are: bool) -> bool {
        let (mut w, mut replica) = (World::new(), World::seeded(9));
        (replica.origin, replica.may_expire) = (Origin::Upstream, false);
        small_nodes(&mut w, limits);
        // The replica may cut its nodes elsewhere.
        small_nodes(&mut replica, limits / 16);
        for op in ops.iter().chain(&ops) {
            let args = step(&mut w, *op);
            replica.ms = w.ms + 7;
            // Redis 8.2 puts these into its stream as they came.
            if as_they_are && matches!(op.0 % 29, 24..=27) && !args.contains(&b"~".to_vec()) {
                w.fx.clear();
                replica.run(0, &args);
            }
            for effect in w.fx.take() {
                match effect {
                    Effect::Command(db, c) => replica.run(db, &c.args().iter().collect::<Vec<_>>()),
                    Effect::Itself => replica.run(0, &args),
                };
            }
        }
        let told = |w: &World| {
            let all = streams(&w.ks, Depth::Told);
            // Nodes are each one's own.
            all.into_iter().map(|(key, text)| (key, text.split_once("] [").map(|(head, rest)| {
                (head.split_once(" [").map(|(counts, _)| String::from(counts)), String::from(rest))
            }))).collect::<Vec<_>>()
        };
        super::laws::accounts(&replica.ks);
        told(&w) == told(&replica) && w.ks.digest() == replica.ks.digest()
    }

    fn entries_are_those_of_a_map(ops: Vec<(u8, u16, u32)>, limits: u16) -> bool {
        let mut w = World::new();
        small_nodes(&mut w, limits);
        let mut model: BTreeMap<StreamId, String> = BTreeMap::new();
        let mut last = StreamId::default();
        for (op, a, n) in ops.iter().chain(&ops).copied() {
            let near = StreamId { ms: 1_000_000 + u64::from(a) % 80, seq: u64::from(n % 2) };
            let text = String::from_utf8(id::text(near)).expect("digits");
            match op % 8 {
                0..=3 => {
                    let value = fields(n);
                    let at = if w.ms > last.ms { StreamId { ms: w.ms, seq: 0 } } else { id::next(last).expect("room") };
                    w.say(&std::format!("XADD s * {value}"));
                    model.insert(at, value);
                    last = at;
                    w.ms += u64::from(n % 4);
                }
                4 => {
                    w.say(&std::format!("XDEL s {text}"));
                    model.remove(&near);
                }
                5 => {
                    let max = usize::from(a % 100);
                    w.say(&std::format!("XTRIM s MAXLEN {max}"));
                    while model.len() > max {
                        model.pop_first();
                    }
                }
                6 => {
                    w.say(&std::format!("XTRIM s MINID {text}"));
                    model.retain(|id, _| *id >= near);
                }
                _ => {
                    // Nothing goes that need not go, and never a part of a node.
                    let max = usize::from(a % 100);
                    let before = model.len();
                    w.say(&std::format!("XTRIM s MAXLEN ~ {max} LIMIT {}", n % 60));
                    let slot = w.ks.dbs[0].find(w.ks.dbs[0].hash(b"s"), b"s").map(|place| w.ks.dbs[0].slot(place));
                    let len = slot.and_then(Slot::stream).map_or(0, Stream::len);
                    assert!(len >= before.min(max));
                    while model.len() > len {
                        model.pop_first();
                    }
                }
            }
        }
        let Some(place) = w.ks.dbs[0].find(w.ks.dbs[0].hash(b"s"), b"s") else { return model.is_empty() };
        let stream = w.ks.dbs[0].slot(place).stream().expect("a stream");
        let line = |fields: &Fields| {
            let pairs = fields.iter().map(|(f, v)| std::format!("{} {}", f.escape_ascii(), v.escape_ascii()));
            pairs.collect::<Vec<_>>().join(" ")
        };
        let got: BTreeMap<StreamId, String> =
            all_of(stream.range(id::MIN, id::MAX)).iter().map(|(id, fields)| (*id, line(fields))).collect();
        stream_text(stream, Depth::Whole);
        // From everywhere to everywhere.
        for (a, b) in [(0, 30), (10, 10), (20, 60), (40, 90), (70, 5)] {
            let (a, b) = (StreamId { ms: 1_000_000 + a, seq: 1 }, StreamId { ms: 1_000_000 + b, seq: 0 });
            let want: Vec<StreamId> = model.keys().copied().filter(|id| (a..=b).contains(id)).collect();
            let mut back: Vec<StreamId> = stream.range_back(a, b).map(|item| item.id).collect();
            back.reverse();
            assert_eq!((stream.range(a, b).map(|item| item.id).collect::<Vec<_>>(), back), (want.clone(), want));
            assert_eq!(stream.get(b).is_some(), model.contains_key(&b));
        }
        got == model
    }
}

#[test]
fn a_large_stream_is_shared_saved_and_freed_in_slices() {
    let mut w = World::new();
    w.say("XGROUP CREATE s g 0 MKSTREAM");
    for i in 1..=20_000 {
        w.say(&std::format!("XADD s {i} field {i} other {}", "x".repeat(i % 50)));
    }
    w.say("XREADGROUP GROUP g c STREAMS s >");
    let once = w.ks.memory();
    assert!(once < 20_000 * 150, "{once}");
    w.say("COPY s t");
    w.ks.snapshot_begin();
    w.say("XDEL s 10000");
    w.say("XACK s g 10000 10001");
    let (mut body, mut steps) = (Body::new(Options { compress: false }).for_version(11), 0);
    while w.ks.snapshot_step(&mut body, 10_000) == Progress::More {
        steps += 1;
        assert!(body.len() < (steps + 2) * 20_000, "a step has an end");
    }
    w.ks.snapshot_end();
    assert!(steps > 50, "{steps}");
    let copy = loaded(&frame(&mut body));
    let (mine, other) = (streams(&w.ks, Depth::Whole), streams(&copy.ks, Depth::Whole));
    let key = |name: &[u8]| (0, name.to_vec());
    assert!(other[&key(b"s")] == other[&key(b"t")] && other[&key(b"t")] == mine[&key(b"t")]);
    assert!(mine[&key(b"s")] != mine[&key(b"t")]);
    super::laws::accounts(&w.ks);
    while w.ks.maintain(1) == Progress::More {}
    w.say("DEL s");
    w.say("DEL t");
    let mut slices = 0;
    while w.ks.maintain(1) == Progress::More {
        slices += 1;
    }
    assert!(slices > 100, "{slices}");
    assert!(w.ks.memory() < once / 100, "{}", w.ks.memory());
}
