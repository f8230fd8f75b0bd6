//! Recordings of a machine that does random things: read back at any split, altered, cut off, replayed.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use core::time::Duration;
use std::sync::Mutex;

use bytes::Bytes;
use quickcheck::{QuickCheck, quickcheck};

use super::*;
use crate::ids::{ConnId, OpId};
use crate::machine::{
    Action, Actions, Chunks, Closed, Endpoint, Input, Job, JobError, JobErrorKind, Level, LogLine, Machine, Meter,
    Outcome, Signal, SocketOptions, Turns, Usage,
};
use crate::node::Call;
use crate::rng::Rng;
use crate::time::{Instant, Now};

#[derive(Debug)]
struct Said(String);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl LogLine for Said {
    fn level(&self) -> Level {
        Level::Notice
    }
    fn role(&self) -> char {
        'M'
    }
}

/// Does something that depends on all that it heard, and reads its meter.
struct Chatter {
    rng: Rng,
    meter: Box<dyn Meter>,
    heard: u64,
    unsent: Vec<u8>,
    deadline: Option<Instant>,
    /// Does otherwise from this input on.
    broken_at: Option<u64>,
    inputs: u64,
}

impl Chatter {
    fn new(seed: u64, meter: Box<dyn Meter>) -> Self {
        let (heard, inputs) = (0, 0);
        Self { rng: rng(seed), meter, heard, unsent: vec![], deadline: None, broken_at: None, inputs }
    }
}

impl Machine for Chatter {
    type Call = Call;
    type Event = Said;

    fn handle(&mut self, now: Now, input: Input<'_, Call>, out: &mut Actions<Said>) {
        self.inputs += 1;
        self.heard = sum::Sum::of(format!("{} {input:?} {now:?}", self.heard).as_bytes());
        if let Input::Sent { len, .. } = input {
            self.unsent.drain(..len.min(self.unsent.len()));
        }
        for _ in 0..self.rng.below(4) {
            self.heard ^= self.meter.now_us();
        }
        if self.rng.below(5) == 0 {
            self.heard ^= self.meter.turns().total_us ^ self.meter.turns().count;
        }
        if self.broken_at == Some(self.inputs) {
            self.heard += 1;
        }
        self.unsent.extend((0..self.heard % 50).map(|n| (n ^ self.heard) as u8));
        for n in 0..self.rng.below(3) {
            out.push(action(self.heard ^ n));
        }
        self.deadline = Some(now.mono + Duration::from_millis(self.heard % 400 + 1));
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn transmit(&mut self, _: ConnId, budget: usize, out: &mut Chunks) {
        let shown = &self.unsent[..budget.min(self.unsent.len())];
        shown.chunks(7).for_each(|c| out.push(Bytes::copy_from_slice(c)));
    }
}

fn rng(n: u64) -> Rng {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&n.to_be_bytes());
    Rng::new(seed)
}

/// Some action: every kind, by the number.
fn action(n: u64) -> Action<Said> {
    let (conn, op) = (ConnId::from_u64(n % 9), OpId::from_u64(n % 7));
    let (to, mut r) = (endpoint(&mut rng(n)), rng(n));
    let options = SocketOptions { nodelay: n.is_multiple_of(2), keepalive_s: n as u32 % 9 };
    let file: crate::machine::Path = format!("file{}", n % 3).into();
    let bytes = vec![Bytes::from(vec![n as u8; 40]), Bytes::from(vec![1; n as usize % 9])];
    match n / 64 % 21 {
        0 => Action::Connect { conn, to, from: Some(ip(&mut r)), tls: true, options },
        1 => Action::Close { conn },
        2 => Action::Interest { conn, read: n.is_multiple_of(2), write: n.is_multiple_of(3) },
        3 => Action::Options { conn, options },
        4 => Action::Cancel { op },
        5 => Action::Unlisten { op },
        6 => Action::Yield,
        7 => Action::Sleep(Duration::from_micros(n % 77)),
        8 => Action::Start { op, job: Job::Listen { at: to, backlog: 1, mode: Some(0o600), tls: n.is_multiple_of(2) } },
        9 => Action::Start { op, job: Job::Resolve { host: "h".into() } },
        10 => Action::Start { op, job: Job::Read { file, at: n, len: 3 } },
        11 => Action::Start { op, job: Job::Append { file, at: n, bytes, sync: true } },
        12 => Action::Start { op, job: Job::Commit { file: file.clone(), to: file } },
        13 => Action::Start { op, job: Job::Replace { file, bytes: bytes[0].clone() } },
        14 => Action::Start { op, job: Job::Remove { file } },
        15 => Action::Start { op, job: Job::Stat { file } },
        16 => {
            let job = Job::Script { program: file, args: vec!["a".into()], timeout: Duration::from_secs(1) };
            Action::Start { op, job }
        }
        17 => Action::Start { op, job: Job::Usage },
        18 => Action::Start { op, job: Job::FindProgram { program: file } },
        19 => Action::Start { op, job: Job::LoadTls { tls: Box::default() } },
        _ => Action::Event(Said(format!("said {n}"))),
    }
}

fn ip(r: &mut Rng) -> IpAddr {
    if r.below(2) == 0 {
        IpAddr::from((r.next_u64() as u32).to_be_bytes())
    } else {
        Ipv6Addr::from(u128::from(r.next_u64())).into()
    }
}

fn endpoint(r: &mut Rng) -> Endpoint {
    match r.below(3) {
        0 => Endpoint::Unix(["", "/a/b"][r.below(2) as usize].into()),
        1 => Endpoint::Tcp(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 7, r.next_u64() as u32, 3).into()),
        _ => Endpoint::Tcp(SocketAddr::new(ip(r), r.next_u64() as u16)),
    }
}

fn outcome(r: &mut Rng) -> Outcome {
    let kinds = [
        JobErrorKind::NotFound,
        JobErrorKind::Denied,
        JobErrorKind::NoSpace,
        JobErrorKind::InUse,
        JobErrorKind::NotAvailable,
        JobErrorKind::NoSuchHost,
        JobErrorKind::Other,
    ];
    match r.below(11) {
        0 => Outcome::Listening(endpoint(r)),
        1 => Outcome::Resolved((0..r.below(4)).map(|_| ip(r)).collect()),
        2 => Outcome::Read(noise(r).into()),
        3 => Outcome::Written,
        4 => Outcome::Stat(None),
        5 => Outcome::Stat(Some(r.next_u64())),
        6 => Outcome::Exited { code: Some(-3), signal: None },
        7 => Outcome::Exited { code: None, signal: Some(i32::MIN) },
        8 => Outcome::Usage(Usage { rss: r.next_u64(), peak_rss: 1, user_us: r.below(1000), system_us: 0 }),
        9 => Outcome::Failed(JobError { kind: kinds[r.below(7) as usize], message: "no \u{e9}".into() }),
        _ => Outcome::Cancelled,
    }
}

fn noise(r: &mut Rng) -> Vec<u8> {
    let mut bytes = vec![0; r.below(200) as usize];
    r.fill(&mut bytes);
    bytes
}

/// Some input: every kind comes.
fn input<'a>(r: &mut Rng, bytes: &'a mut Vec<u8>) -> Input<'a, Call> {
    let (conn, op) = (ConnId::from_u64(r.below(40)), OpId::from_u64(r.below(1 << 20)));
    let reasons = [
        Closed::Clean,
        Closed::Reset,
        Closed::Refused,
        Closed::TimedOut,
        Closed::Unreachable,
        Closed::Tls,
        Closed::Os(-104),
    ];
    let signals = [Signal::Term, Signal::Int, Signal::Host];
    match r.below(18) {
        0 => Input::Tick,
        1 => Input::Resume,
        2 => Input::Accepted { conn, listener: op, local: endpoint(r), peer: endpoint(r), tls: r.below(2) == 0 },
        3 => Input::Connected { conn, local: endpoint(r), peer: endpoint(r), tls: r.below(2) == 0 },
        4..8 => {
            *bytes = noise(r);
            Input::Received { conn, bytes }
        }
        8..11 => Input::Sent { conn, len: r.below(60) as usize },
        11 => Input::Eof { conn },
        12 => Input::Closed { conn, reason: reasons[r.below(7) as usize] },
        13 => Input::Began { op, pid: r.next_u64() as u32 },
        14 | 15 => Input::Done { op, result: outcome(r) },
        16 if r.below(2) == 0 => Input::Call(Call::Promote),
        16 => Input::Call(Call::Follow { host: "here".into(), port: 7 }),
        _ => Input::Shutdown { signal: signals[r.below(3) as usize] },
    }
}

/// Collects what comes, and takes no more than so many blocks.
#[derive(Clone)]
struct Shelf {
    bytes: Arc<Mutex<Vec<u8>>>,
    blocks: usize,
    ended: Arc<Mutex<Option<End>>>,
}

impl Shelf {
    fn new(blocks: usize) -> Self {
        Self { bytes: Arc::default(), blocks, ended: Arc::default() }
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }
}

impl Sink for Shelf {
    fn block(&mut self, block: Vec<u8>) -> Result<Vec<u8>, Full> {
        self.blocks = self.blocks.checked_sub(1).ok_or(Full)?;
        self.bytes.lock().unwrap().extend(&block);
        Ok(block)
    }

    fn end(&mut self, block: Vec<u8>, why: End) {
        self.bytes.lock().unwrap().extend(block);
        *self.ended.lock().unwrap() = Some(why);
    }
}

/// A clock of its own will.
struct Wild(Rng);

impl Meter for Wild {
    fn now_us(&mut self) -> u64 {
        self.0.below(3).wrapping_mul(self.0.next_u64())
    }
    fn turns(&mut self) -> Turns {
        Turns { count: self.0.next_u64(), total_us: self.0.below(9), longest_us: 0, longest_cpu_us: self.0.below(7) }
    }
}

fn header() -> Header {
    Header {
        program: "primacy 0.0.0".into(),
        machine: "chatter".into(),
        seed: [5; 32],
        config: "port 1\nrequirepass x\n".into(),
        about: vec![1, 2, 3],
    }
}

/// A recording of `inputs` random inputs, and each of them as text.
fn recording(seed: u64, inputs: u64, bound: u64, shelf: &Shelf) -> Vec<String> {
    let mut r = rng(seed ^ 0xabcd);
    let readings = Readings::new();
    let meter = RecordedMeter::new(Wild(rng(!seed)), readings.clone());
    let machine = Chatter::new(seed, Box::new(meter));
    let mut m = Recorder::new(machine, &header(), readings, None, Box::new(shelf.clone()), bound);
    let (mut told, mut out) = (vec![], Actions::new());
    let (mut mono, mut unix) = (r.below(1 << 40), r.below(1 << 50));
    for _ in 0..inputs {
        let mut bytes = vec![];
        let input = input(&mut r, &mut bytes);
        mono += r.below(3) * r.below(20_000);
        unix = unix.wrapping_add(r.below(100)).wrapping_sub(50);
        let now = Now::new(Instant::from_micros(mono), unix);
        if let Input::Sent { conn, .. } = input {
            let mut chunks = Chunks::new();
            m.transmit(conn, 40, &mut chunks);
        }
        told.push(format!("{now:?} {input:?}"));
        let before = m.machine().inputs;
        m.handle(now, input, &mut out);
        if m.machine().inputs == before {
            told.pop(); // A tick for the recorder alone.
        }
        out.drain();
    }
    told
}

/// All items in order, as text, and how it ended.
fn read(bytes: &[u8], mut cuts: impl FnMut() -> usize) -> (Vec<String>, Result<(), JournalError>) {
    let (mut reader, mut list) = (Reader::<Call>::new(), vec![]);
    let mut rest = bytes;
    loop {
        match reader.next() {
            Ok(Some(Item::Header(h))) => list.push(format!("{h:?}")),
            Ok(Some(Item::Record(r))) => list.push(format!("{:?} {:?}", r.now, r.input)),
            Ok(Some(Item::End(e))) => list.push(format!("{e:?}")),
            Ok(None) if rest.is_empty() => return (list, reader.finish()),
            Ok(None) => {
                let (now, later) = rest.split_at(cuts().clamp(1, rest.len()));
                reader.feed(now);
                rest = later;
            }
            Err(e) => {
                assert_eq!(reader.next().err(), Some(e.clone()), "an error stays");
                return (list, Err(e));
            }
        }
    }
}

fn whole(seed: u64, inputs: u64) -> (Vec<u8>, Vec<String>) {
    let shelf = Shelf::new(usize::MAX);
    let mut told = recording(seed, inputs, u64::MAX, &shelf);
    told.insert(0, format!("{:?}", header()));
    told.push(format!("{:?}", End::Dropped));
    (shelf.bytes(), told)
}

quickcheck! {
    fn what_was_told_is_read_at_any_split(seed: u64, inputs: u8, cuts: Vec<u16>) -> bool {
        let (bytes, told) = whole(seed, inputs.into());
        let mut cuts = cuts.into_iter().map(usize::from).cycle();
        read(&bytes, || cuts.next().unwrap_or(usize::MAX)) == (told, Ok(()))
    }
}

/// `bytes` altered somewhere: an error that names a place not behind the alteration, and all before it sound.
fn check_altered(bytes: &[u8], at: usize, flip: u8, told: &[String]) {
    let mut altered = bytes.to_vec();
    altered[at] ^= flip;
    let (list, result) = read(&altered, || usize::MAX);
    let error = result.expect_err("an alteration is detected");
    assert!(error.offset() <= at as u64, "{error}, altered at {at}");
    assert!(format!("{error}").contains(&format!("offset {}", error.offset())), "{error}");
    assert!(told.starts_with(&list), "what comes before the error is as it was told");
    assert!(!error.is_cut_off(), "{error}");
}

#[test]
fn every_altered_byte_is_detected() {
    let (bytes, told) = whole(3, 60);
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            check_altered(&bytes, at, flip, &told);
        }
    }
    fn law(seed: u64, at: usize, flip: u8) -> bool {
        let (bytes, told) = whole(seed, 300);
        if flip > 0 {
            check_altered(&bytes, at % bytes.len(), flip, &told);
        }
        true
    }
    QuickCheck::new().tests(30).quickcheck(law as fn(u64, usize, u8) -> bool);
}

#[test]
fn every_truncation_is_told_and_what_is_before_it_is_read() {
    let (bytes, told) = whole(4, 50);
    for len in 0..bytes.len() {
        let (list, result) = read(&bytes[..len], || 100);
        let error = result.expect_err("a truncation is detected");
        assert!(error.is_cut_off() && error.offset() <= len as u64, "{len}: {error}");
        assert!(told.starts_with(&list));
    }
    // Blocks that are whole are read to the last record: the time between records closed several.
    let ends = boundaries(&bytes);
    assert!(ends.len() > 3, "{ends:?}");
    for end in &ends[..ends.len() - 1] {
        assert_eq!(read(&bytes[..*end], || 9999).1, Err(JournalError::NoEnd { offset: *end as u64 }));
    }
    let last = read(&bytes[..ends[ends.len() - 2]], || 9999).0;
    assert_eq!(last.len() + 1, told.len(), "only the end is missing");
}

#[test]
fn missing_doubled_and_foreign_blocks_are_told() {
    let (bytes, _) = whole(5, 3_000);
    let ends = boundaries(&bytes);
    assert!(ends.len() > 3, "{ends:?}");
    let (a, b) = (ends[1], ends[2]);
    let gone = [&bytes[..a], &bytes[b..]].concat();
    assert!(matches!(read(&gone, || 999).1, Err(JournalError::Order { expected: 2, came: 3, .. })));
    let doubled = [&bytes[..b], &bytes[a..]].concat();
    assert!(matches!(read(&doubled, || 999).1, Err(JournalError::Order { expected: 3, came: 2, .. })));
    let more = [&bytes[..], b"x"].concat();
    assert_eq!(read(&more, || 999).1, Err(JournalError::BehindEnd { offset: bytes.len() as u64 }));
    let mut later = bytes.clone();
    later[8] = FORMAT as u8 + 1;
    assert_eq!(read(&later, || 1).1, Err(JournalError::UnknownFormat { came: FORMAT + 1 }));
    let text = read(b"REDIS0011...", || 1).1.unwrap_err();
    assert_eq!(
        format!("{text}"),
        "offset 0: this is no recording: the eight bytes \"PRIMACYJ\" were expected, \"REDIS001\" came"
    );
}

/// Where the blocks end.
fn boundaries(bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut ends) = (frame::PREFIX, vec![]);
    while let Some(head) = bytes.get(at..).and_then(|b| b.first_chunk()) {
        let head = frame::Head::read(head, 0, ends.len() as u32).unwrap();
        at += frame::HEAD + head.len as usize;
        ends.push(at);
    }
    ends
}

fn replay(bytes: &[u8], seed: u64, broken_at: Option<u64>) -> Result<u64, Difference> {
    let playback = Playback::new();
    let mut machine = Chatter::new(seed, playback.meter());
    machine.broken_at = broken_at;
    let (mut replay, mut reader, mut n) = (Replay::new(machine, playback), Reader::<Call>::new(), 0);
    reader.feed(bytes);
    while let Ok(Some(item)) = reader.next() {
        if let Item::Record(record) = item {
            replay.step(record)?;
            n += 1;
        }
    }
    Ok(n)
}

quickcheck! {
    fn a_recording_replays(seed: u64, inputs: u8) -> bool {
        let (bytes, told) = whole(seed, inputs.into());
        replay(&bytes, seed, None) == Ok(told.len() as u64 - 2)
    }
}

#[test]
fn a_difference_is_found_at_its_input() {
    let (bytes, told) = whole(9, 400);
    let mut found = vec![];
    for at in [1, 100, 399, 400] {
        // What differs shows as soon as something comes out that depends on it.
        match replay(&bytes, 9, Some(at)) {
            Err(d) => {
                assert!((at..at + 20).contains(&d.number), "{d}");
                found.push(d.differs);
            }
            Ok(n) => assert_eq!((n, at), (told.len() as u64 - 2, 400)),
        }
    }
    assert!(found.len() >= 3);
    assert!(replay(&bytes, 10, None).is_err(), "another seed");
}

#[test]
fn sent_bytes_and_readings_count() {
    let (bytes, _) = whole(11, 300);
    let mut reader = Reader::<Call>::new();
    reader.feed(&bytes);
    let (mut sums, mut reads, mut turns) = (0, 0, 0);
    let playback = Playback::new();
    let mut replay = Replay::new(Chatter::new(11, playback.meter()), playback);
    while let Ok(Some(item)) = reader.next() {
        let Item::Record(mut record) = item else { continue };
        sums += usize::from(record.sent.is_some());
        reads += record.readings.count();
        turns += usize::from(record.readings.turns.is_some());
        if record.number < 200 {
            replay.step(record).unwrap();
        } else if let Some((_, sum)) = &mut record.sent {
            *sum ^= 1;
            assert!(matches!(replay.step(record).unwrap_err().differs, Differs::Sent { .. }));
            break;
        } else if record.readings.count() > 0 && record.actions.is_none() {
            record.readings.times.push((0, 1));
            let differs = replay.step(record).unwrap_err().differs;
            assert_eq!(differs, Differs::Readings { unread: 1, beyond: 0 });
            break;
        } else {
            replay.step(record).unwrap();
        }
    }
    assert!(sums > 5 && reads > 100 && turns > 10, "{sums} {reads} {turns}");
}

#[test]
fn a_recording_ends_at_its_bound_and_the_machine_goes_on() {
    for bound in [10, 200, 5_000, 150_000] {
        let shelf = Shelf::new(usize::MAX);
        let told = recording(1, 4_000, bound, &shelf);
        assert!(told.len() >= 3_900, "all inputs reach the machine");
        assert_eq!(*shelf.ended.lock().unwrap(), Some(End::Bound { bytes: bound }));
        let bytes = shelf.bytes();
        if bound > 100 {
            assert!(bytes.len() as u64 <= bound && bytes.len() as u64 + 1_000 > bound, "{} of {bound}", bytes.len());
            let (list, result) = read(&bytes, || 777);
            assert_eq!(result, Ok(()));
            assert!(list[1..list.len() - 1].iter().zip(&told).all(|(a, b)| a == b));
            assert_eq!(list.last().unwrap(), &format!("{:?}", End::Bound { bytes: bound }));
        }
    }
}

#[test]
fn a_sink_that_takes_no_more_ends_it() {
    let shelf = Shelf::new(3);
    let told = recording(1, 4_000, u64::MAX, &shelf);
    assert!(told.len() >= 3_900);
    assert_eq!(*shelf.ended.lock().unwrap(), None);
    let (list, result) = read(&shelf.bytes(), || 777);
    assert!(matches!(result, Err(JournalError::NoEnd { .. })));
    assert!(list.len() > 3 && list[1..].iter().zip(&told).all(|(a, b)| a == b));
}

#[test]
fn more_readings_than_slots_stand_still() {
    struct Up(u64);
    impl Meter for Up {
        fn now_us(&mut self) -> u64 {
            self.0 += 3;
            self.0
        }
    }
    let readings = Readings::new();
    let mut meter = RecordedMeter::new(Up(0), readings.clone());
    assert_eq!(meter.now_us(), 3, "nobody keeps them");
    readings.keep(true);
    let read: Vec<u64> = (0..READINGS_MAX as u64 + 10).map(|_| meter.now_us()).collect();
    assert_eq!(read[READINGS_MAX - 1], read[READINGS_MAX + 9]);
    let mut bytes = vec![];
    assert_eq!(readings.drain(&mut bytes), (true, false));
    let laid = InputReadings::take(&mut wire::Cursor::new(&bytes), true, false).unwrap();
    assert_eq!(laid.count(), READINGS_MAX as u64 + 10);
    let playback = Playback::new();
    playback.load(&laid);
    let mut again = playback.meter();
    assert!(read.iter().all(|us| again.now_us() == *us));
    assert_eq!(playback.rest(), (0, 0));
    assert!(meter.now_us() > read[READINGS_MAX], "the next input reads the clock again");
}
