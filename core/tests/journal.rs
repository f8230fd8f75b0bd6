//! Recordings of real nodes, replayed: the same machine does the same, another one is found out at the input.

extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::time::Duration;
use std::sync::Mutex;

use primacy_core::Machine;
use primacy_core::config::Config;
use primacy_core::journal::{
    Difference, Differs, End, Full, Header, Item, Playback, Reader, Readings, RecordedMeter, Recorder, Replay, Secrets,
    Sink,
};
use primacy_core::keyspace::Keyspace;
use primacy_core::machine::{Action, Input, Job, Meter, Signal};
use primacy_core::node::{Call, Event, Node, What};
use primacy_core::sim::{BootInfo, Fault, HostId, NetConfig, World};
use primacy_core::time::Instant;

#[allow(dead_code, reason = "each test file uses its part")]
#[path = "support/group.rs"]
mod group;
use group::{MASTER, Member};

/// Longer than any recording here.
const BOUND: u64 = 64 << 20;

type Shelf = Arc<Mutex<Vec<u8>>>;
/// A recording for every boot of every host.
type Shelves = Arc<Mutex<BTreeMap<(HostId, u32), Shelf>>>;

struct Keep(Shelf);

impl Sink for Keep {
    fn block(&mut self, block: Vec<u8>) -> Result<Vec<u8>, Full> {
        self.0.lock().unwrap().extend_from_slice(&block);
        Ok(block)
    }

    fn end(&mut self, block: Vec<u8>, _: End) {
        self.0.lock().unwrap().extend_from_slice(&block);
    }
}

/// Every reading is some µs later than the one before: what is measured is recorded too.
struct Steps(u64);

impl Meter for Steps {
    fn now_us(&mut self) -> u64 {
        self.0 += 3;
        self.0
    }
}

fn recorded(info: &BootInfo<'_>, shelves: &Shelves) -> Recorder<Member> {
    let mut config = group::config_of(info.host);
    // The last one saves nothing, and so ends in the very input that asks for it.
    if info.host != HostId(3) {
        config.apply_args(&["--save", "1 10"]).unwrap();
    }
    let header = Header {
        program: "test".into(),
        machine: "node".into(),
        seed: info.seed,
        config: config.rewrite(""),
        about: vec![],
    };
    let shelf = Shelf::default();
    shelves.lock().unwrap().insert((info.host, info.boot), Arc::clone(&shelf));
    let readings = Readings::new();
    let meter = RecordedMeter::new(Steps(0), readings.clone());
    let node = group::node(config, info.seed, Box::new(meter));
    Recorder::new(
        Member::Node(Box::new(node)),
        &header,
        readings,
        Some(Secrets::new([9; 32])),
        Box::new(Keep(shelf)),
        BOUND,
    )
}

/// A group through a crash, a partition, a promotion and an orderly end, with all its recordings.
fn recordings(seed: u64) -> BTreeMap<(HostId, u32), Vec<u8>> {
    let shelves = Shelves::default();
    let make = {
        let shelves = Arc::clone(&shelves);
        move |info: &BootInfo<'_>| recorded(info, &shelves)
    };
    let pause = Duration::from_millis(5);
    let mut world = group::group_of(seed, NetConfig::default(), pause, make, Recorder::off);
    let at = |ms: u64| Instant::from_micros(ms * 1000);
    let lasts = Duration::from_millis(600);
    world.schedule(at(2_000), Fault::Crash { host: HostId(1), down_for: lasts });
    world.schedule(at(3_000), Fault::Partition { a: MASTER, b: HostId(2), one_way: false, lasts });
    run(&mut world, at(5_000));
    world.call(HostId(1), Call::Promote);
    world.call(HostId(2), Call::Follow { host: "a".into(), port: 6379 });
    run(&mut world, at(7_000));
    for host in 0..4 {
        world.stop(HostId(host), Signal::Term);
    }
    run(&mut world, at(30_000));
    drop(world);
    let all = shelves.lock().unwrap();
    all.iter().map(|(boot, shelf)| (*boot, shelf.lock().unwrap().clone())).collect()
}

fn run(world: &mut World<Recorder<Member>>, at: Instant) {
    if let Err(violation) = world.run_until(at, &mut ()) {
        panic!("{violation}");
    }
}

/// What a replay saw.
#[derive(Default)]
struct Seen {
    inputs: u64,
    calls: u64,
    events: Vec<Event>,
    appends: u64,
    end: Option<End>,
}

fn as_recorded(header: &Header, playback: &Playback) -> Node<Keyspace> {
    again(header, playback, |_| {})
}

fn again(header: &Header, playback: &Playback, change: impl Fn(&mut Config)) -> Node<Keyspace> {
    let mut config = Config::new();
    config.load("the recording", &header.config, &mut |_| Err("it includes no files".into())).unwrap();
    change(&mut config);
    group::node(config, header.seed, playback.meter())
}

fn replay<M>(bytes: &[u8], build: impl Fn(&Header, &Playback) -> M) -> Result<Seen, Difference>
where
    M: Machine<Call = Call, Event = Event>,
{
    let (mut reader, mut seen) = (Reader::<Call>::new(), Seen::default());
    reader.feed(bytes);
    let playback = Playback::new();
    let mut replay = match reader.next() {
        Ok(Some(Item::Header(header))) => Replay::new(build(&header, &playback), playback),
        other => panic!("a header was expected, not {other:?}"),
    };
    loop {
        match reader.next().unwrap() {
            Some(Item::Record(record)) => {
                seen.inputs = record.number;
                seen.calls += u64::from(matches!(record.input, Input::Call(_)));
                replay.step(record)?;
                see(replay.actions(), &mut seen);
            }
            Some(Item::End(end)) => seen.end = Some(end),
            Some(Item::Header(_)) => panic!("a second header"),
            None => break,
        }
    }
    reader.finish().unwrap();
    Ok(seen)
}

fn see(actions: &[Action<Event>], seen: &mut Seen) {
    for (i, action) in actions.iter().enumerate() {
        match action {
            Action::Start { job: Job::Append { .. }, .. } => seen.appends += 1,
            Action::Event(Event { what: What::Bye, role }) => {
                seen.events.push(Event { role: *role, what: What::Bye });
            }
            Action::Event(Event { what: What::MasterMode { by, handed_over }, role }) => {
                seen.events
                    .push(Event { role: *role, what: What::MasterMode { by: by.clone(), handed_over: *handed_over } });
            }
            Action::Exit { .. } => assert_eq!(i + 1, actions.len(), "nothing is wanted behind the end: {actions:?}"),
            _ => {}
        }
    }
}

#[test]
fn a_group_replays_as_it_was_recorded() {
    let all = recordings(7);
    assert_eq!(all.len(), 5, "four nodes, one of which booted twice");
    let (mut calls, mut appends, mut promoted) = (0, 0, 0);
    for (boot, bytes) in &all {
        let seen = replay(bytes, as_recorded).unwrap_or_else(|d| panic!("{boot:?}: {d}"));
        assert!(seen.inputs > 100, "{boot:?}: {} inputs", seen.inputs);
        (calls, appends) = (calls + seen.calls, appends + seen.appends);
        promoted += seen.events.iter().filter(|e| matches!(e.what, What::MasterMode { .. })).count();
        let byes = seen.events.iter().filter(|e| matches!(e.what, What::Bye)).count();
        // The first boot of `a` lost its power, which the recorder hears of as being dropped.
        let (end, said) = if *boot == (HostId(1), 0) { (End::Dropped, 0) } else { (End::Exit { code: 0 }, 1) };
        assert_eq!((seen.end, byes), (Some(end), said), "{boot:?}");
    }
    assert_eq!((calls, promoted), (2, 1));
    assert!(appends > 0, "a snapshot was written");
}

#[test]
fn two_recordings_of_a_seed_are_one() {
    assert_eq!(recordings(3), recordings(3));
}

#[test]
fn another_machine_is_found_out() {
    let all = recordings(7);
    let bytes = &all[&(MASTER, 0)];
    let seen = replay(bytes, as_recorded).unwrap();

    // Another seed: the first thing that shows it is the replication id in an answer, or what is started for it.
    let other_seed = replay(bytes, |header, playback| {
        let mut header = header.clone();
        header.seed[0] ^= 1;
        as_recorded(&header, playback)
    });
    let difference = other_seed.err().expect("another seed does other things");
    assert!(matches!(difference.differs, Differs::Actions { .. } | Differs::Sent { .. }), "{difference}");
    assert!(difference.number > 1 && difference.number < seen.inputs, "{difference}");

    // A changed setting that nothing but one line of the log shows.
    let other_port = replay(bytes, |header, playback| again(header, playback, |c| c.settings.port = 6380));
    let difference = other_port.err().expect("another port is listened on");
    assert_eq!(difference.number, 1, "{difference}");
    assert!(matches!(difference.differs, Differs::Actions { recorded: Some(_), came: Some(_) }), "{difference}");
    assert!(difference.to_string().starts_with("input 1 (offset "), "{difference}");

    // One that matters late: a node that saves by no rule.
    let no_save = replay(bytes, |header, playback| again(header, playback, |c| c.settings.save.clear()));
    let difference = no_save.err().expect("no snapshot is written");
    assert!(difference.number > 50, "{difference}");
}

#[test]
fn an_altered_input_with_the_right_sums_is_found_out() {
    let all = recordings(7);
    let bytes = &all[&(MASTER, 0)];
    let mut reader = Reader::<Call>::new();
    reader.feed(bytes);
    let playback = Playback::new();
    let Ok(Some(Item::Header(header))) = reader.next() else { panic!("a header comes first") };
    let mut replay = Replay::new(as_recorded(&header, &playback), playback);
    let mut altered = None;
    while let Some(item) = reader.next().unwrap() {
        let Item::Record(mut record) = item else { continue };
        let mut other;
        if let (Input::Received { conn, bytes }, None) = (&record.input, altered)
            && bytes.windows(3).any(|w| w == b"SET")
        {
            other = bytes.to_vec();
            let at = other.windows(3).position(|w| w == b"SET").unwrap();
            other[at..at + 3].copy_from_slice(b"GET");
            altered = Some((record.number, record.offset));
            record.input = Input::Received { conn: *conn, bytes: &other };
        }
        if let Err(difference) = replay.step(record) {
            let (number, offset) = altered.expect("nothing was altered yet");
            // A wrong answer shows when it is sent at the latest.
            assert!((number..number + 20).contains(&difference.number), "altered {number}: {difference}");
            assert!(difference.offset >= offset, "{difference}");
            return;
        }
    }
    panic!("{altered:?} was not found out");
}
