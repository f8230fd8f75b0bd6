//! The store over a disk that fails and a power that fails, at every moment.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use quickcheck::quickcheck;

use super::super::store::{COMPACT_AT, WAITING_MAX};
use super::*;
use crate::ids::{Ids, OpId};
use crate::machine::{Action, Actions, Job, JobError, JobErrorKind, Outcome, Turn};
use crate::rng::Rng;
use crate::time::Now;
use crate::timers::Timers;

const FILE: &str = "s.state";

/// What a store needs around it: the file, and the job that is under way.
struct Host {
    disk: Option<Vec<u8>>,
    jobs: VecDeque<(OpId, Job)>,
    actions: Actions<()>,
    timers: Timers<u8>,
    ids: Ids,
    rng: Rng,
}

impl Host {
    fn new(disk: Option<Vec<u8>>) -> Self {
        Self {
            disk,
            jobs: VecDeque::new(),
            actions: Actions::new(),
            timers: Timers::new(),
            ids: Ids::default(),
            rng: Rng::new([0; 32]),
        }
    }

    fn with<R>(&mut self, f: impl FnOnce(&mut Turn<'_, u8, ()>) -> R) -> R {
        let done = f(&mut Turn {
            now: Now::default(),
            timers: &mut self.timers,
            out: &mut self.actions,
            ids: &mut self.ids,
            rng: &mut self.rng,
        });
        for action in self.actions.drain() {
            let Action::Start { op, job } = action else { panic!("{action:?}") };
            self.jobs.push_back((op, job));
        }
        assert!(self.jobs.len() <= 1, "one job at a time");
        done
    }

    /// What of a job reaches the disk, by `how`: all of it, or what a cut or an error leaves.
    fn reaches(&mut self, job: &Job, how: u8) {
        let all = how == u8::MAX;
        match job {
            Job::Append { at, bytes, sync: true, .. } => {
                let disk = self.disk.as_mut().expect("a file that is appended to");
                assert_eq!(*at, disk.len() as u64, "an append stands at the end");
                let bytes: Vec<u8> = bytes.concat();
                let len = if all { bytes.len() } else { bytes.len() * usize::from(how) / 255 };
                disk.extend_from_slice(&bytes[..len]);
            }
            Job::Replace { bytes, .. } if all || how >= 128 => self.disk = Some(bytes.to_vec()),
            Job::Replace { .. } | Job::Read { .. } => {}
            other => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, job: &Job) -> Outcome {
        match (job, &self.disk) {
            (Job::Read { .. }, None) => Outcome::Failed(error(JobErrorKind::NotFound)),
            (Job::Read { at, len, .. }, Some(disk)) => {
                let from = disk.len().min(*at as usize);
                Outcome::Read(Bytes::copy_from_slice(&disk[from..disk.len().min(from + len)]))
            }
            _ => Outcome::Written,
        }
    }

    /// Carries the job out and feeds its end.
    fn step(&mut self, store: &mut Store<usize>) -> Option<Step<usize>> {
        let (op, job) = self.jobs.pop_front()?;
        self.reaches(&job, u8::MAX);
        let outcome = self.answer(&job);
        Some(self.with(|turn| store.done(op, outcome, turn)).expect("the job is the store's"))
    }

    /// Fails the job, of which `how` reached the disk all the same.
    fn fail(&mut self, store: &mut Store<usize>, how: u8) -> Option<Step<usize>> {
        let (op, job) = self.jobs.pop_front()?;
        self.reaches(&job, how);
        // The host cuts half a piece off again, if it can.
        let outcome = Outcome::Failed(error(JobErrorKind::NoSpace));
        Some(self.with(|turn| store.done(op, outcome, turn)).expect("the job is the store's"))
    }

    fn open(&mut self) -> Store<usize> {
        let mut store = Store::new(Some(FILE.into()));
        assert!(self.with(|turn| store.open(turn)));
        while let Some(step) = self.step(&mut store) {
            match step {
                Step::Nothing => {}
                Step::Opened(_) => return store,
                other => panic!("{other:?}"),
            }
        }
        panic!("it did not open")
    }
}

fn error(kind: JobErrorKind) -> JobError {
    JobError { kind, message: "disk".into() }
}

/// A sentinel that does nothing but vote, over failures and crashes. Whatever happens it says one leader for each
/// master and epoch.
struct Voter {
    host: Host,
    store: Store<usize>,
    /// Votes that are on their way, by token.
    asked: Vec<(String, u64, char)>,
    /// Tokens of this life that were not answered.
    open: Vec<usize>,
    said: BTreeMap<(String, u64), RunId>,
    /// The highest epoch that was said, about anything.
    epoch: u64,
}

impl Voter {
    fn new() -> Self {
        let mut host = Host::new(None);
        let store = host.open();
        Self { host, store, asked: Vec::new(), open: Vec::new(), said: BTreeMap::new(), epoch: 0 }
    }

    fn say(&mut self, master: &str, epoch: u64, leader: RunId) {
        let before = *self.said.entry((master.into(), epoch)).or_insert(leader);
        assert_eq!(before, leader, "two votes in epoch {epoch} about {master}");
        self.epoch = self.epoch.max(epoch);
    }

    /// Gives a vote, if none was given in this epoch and none is on its way.
    fn vote(&mut self, master: &str, epoch: u64, leader: char) {
        let held = self.store.state().vote(master).map_or(0, |v| v.0);
        let busy = self.open.iter().filter_map(|&t| self.asked.get(t)).any(|a| a.0 == master && a.1 >= epoch);
        if epoch <= held || busy {
            return;
        }
        let token = self.asked.len();
        self.asked.push((master.into(), epoch, leader));
        self.open.push(token);
        let records = vec![Record::CurrentEpoch(epoch), super::vote(master, epoch, leader)];
        let Self { host, store, .. } = self;
        assert_eq!(host.with(|turn| store.record(records, token, turn)), None);
    }

    fn take(&mut self, step: Option<Step<usize>>) {
        let Some(Step::Durable(list)) = step else { return };
        for Durable { token, result } in list {
            self.open.retain(|t| *t != token);
            if result.is_ok() {
                let (master, epoch, leader) = self.asked[token].clone();
                self.say(&master, epoch, id(leader));
            }
        }
    }

    /// The power fails while the job under way has come so far.
    fn crash(&mut self, how: u8) {
        if let Some((_, job)) = self.host.jobs.pop_front() {
            self.host.reaches(&job, how);
        }
        self.host = Host::new(self.host.disk.take());
        self.store = self.host.open();
        self.open.clear();
        assert!(self.store.state().epoch() >= self.epoch, "an epoch that was said is forgotten");
        // A vote that is remembered is told to whoever asks again.
        for master in ["m", "n"] {
            if let Some((epoch, leader)) = self.store.state().vote(master) {
                self.say(master, epoch, leader);
            }
            let last = { self.said.keys() }.filter(|(m, _)| m == master).map(|(_, e)| *e).max();
            assert!(self.store.state().vote(master).map(|v| v.0) >= last, "a vote that was said is forgotten");
        }
    }

    fn run(&mut self, script: &[(u8, u8)]) {
        for &(what, how) in script {
            let Self { host, store, .. } = self;
            match what % 8 {
                0..3 => {
                    let master = if how & 1 == 0 { "m" } else { "n" };
                    self.vote(master, u64::from(how >> 4) + self.epoch / 2, char::from(b'a' + (how >> 1) % 8));
                }
                3..5 => {
                    let step = host.step(store);
                    self.take(step);
                }
                5 => {
                    let step = host.fail(store, how);
                    // What failed is cut off again, or nobody could.
                    self.take(step);
                }
                6 => self.crash(how),
                _ => {
                    while let Some(step) = { self.host.step(&mut self.store) } {
                        self.take(Some(step));
                    }
                    assert!(!self.store.is_busy() && self.open.is_empty(), "somebody waits for ever");
                }
            }
        }
    }
}

quickcheck! {
    fn one_vote_an_epoch_over_failures_and_crashes(script: Vec<(u8, u8)>) -> bool {
        Voter::new().run(&script);
        true
    }
}

#[test]
fn a_crash_at_every_byte_of_an_append() {
    for how in 0..=u8::MAX {
        let mut voter = Voter::new();
        voter.run(&[(0, 0x12), (7, 0), (0, 0x21), (0, 0x31), (6, how), (0, 0x21), (0, 0x2f), (7, 0), (6, 0)]);
    }
}

#[test]
fn those_that_come_meanwhile_go_together() {
    let mut host = Host::new(None);
    let mut store = host.open();
    for (token, name) in ["a", "b", "c", "d"].iter().enumerate() {
        assert_eq!(host.with(|turn| store.record(vec![vote(name, 1, 'a')], token, turn)), None);
    }
    let tokens = |step: Option<Step<usize>>| match step {
        Some(Step::Durable(list)) => list.into_iter().map(|d| (d.token, d.result.is_ok())).collect(),
        other => panic!("{other:?}"),
    };
    let first: Vec<_> = tokens(host.step(&mut store));
    assert_eq!(first, [(0, true)]);
    let rest: Vec<_> = tokens(host.step(&mut store));
    assert_eq!(rest, [(1, true), (2, true), (3, true)]);
    assert!(!store.is_busy());
}

#[test]
fn after_a_failure_the_file_is_written_whole() {
    let mut host = Host::new(None);
    let mut store = host.open();
    let _ = host.with(|turn| store.record(vec![vote("m", 1, 'a')], 0, turn));
    let Some(Step::Durable(list)) = host.fail(&mut store, 200) else { panic!() };
    let error = list[0].result.clone().unwrap_err();
    assert!(error.to_string().contains("Can't write the state file s.state: disk."), "{error}");
    assert!(error.to_string().contains("free some space there"), "{error}");
    assert_eq!(store.state().vote("m"), None, "what may not be there must not be told");
    let _ = host.with(|turn| store.record(vec![vote("m", 1, 'b')], 1, turn));
    assert!(matches!(host.jobs[0].1, Job::Replace { .. }));
    let Some(Step::Durable(list)) = host.step(&mut store) else { panic!() };
    assert_eq!(list, [Durable { token: 1, result: Ok(()) }]);
    assert_eq!(Host::new(host.disk).open().state().vote("m"), Some((1, id('b'))));
}

#[test]
fn a_torn_tail_is_cut_off_before_the_next_append() {
    let mut bytes = file(&[vote("m", 1, 'a'), vote("m", 2, 'b')]);
    bytes.truncate(bytes.len() - 3);
    let mut host = Host::new(Some(bytes));
    let mut store = Store::<usize>::new(Some(FILE.into()));
    host.with(|turn| store.open(turn));
    assert!(matches!(host.step(&mut store), Some(Step::Nothing)));
    let Some(Step::Opened(opened)) = host.step(&mut store) else { panic!() };
    assert!(!opened.new && opened.dropped > 0);
    let _ = host.with(|turn| store.record(vec![vote("m", 3, 'c')], 0, turn));
    let _ = host.step(&mut store);
    assert_eq!(Host::new(host.disk).open().state().vote("m"), Some((3, id('c'))));
}

#[test]
fn it_does_not_grow_for_ever() {
    let mut host = Host::new(None);
    let mut store = host.open();
    let mut longest = 0;
    for epoch in 1..30_000 {
        let _ = host.with(|turn| store.record(vec![vote("m", epoch, 'a')], 0, turn));
        let _ = host.step(&mut store);
        longest = longest.max(host.disk.as_ref().map_or(0, Vec::len) as u64);
    }
    assert!((COMPACT_AT..COMPACT_AT + 200).contains(&longest), "{longest}");
    assert_eq!(Host::new(host.disk).open().state().vote("m"), Some((29_999, id('a'))));
}

#[test]
fn what_waits_is_bounded() {
    let mut host = Host::new(None);
    let mut store = host.open();
    let mut refused = None;
    for epoch in 1..(WAITING_MAX as u64) / 100 {
        if let Some(durable) = host.with(|turn| store.record(vec![vote("m", epoch, 'a')], epoch as usize, turn)) {
            refused = Some(durable);
            break;
        }
    }
    assert!(matches!(refused.unwrap().result, Err(StateError::Busy { .. })));
    while host.step(&mut store).is_some() {}
    assert!(!store.is_busy());
    assert_eq!(host.with(|turn| store.record(vec![vote("m", u64::MAX, 'a')], 0, turn)), None);
}

#[test]
fn a_file_that_cannot_be_used_stops_the_start() {
    let start = |host: &mut Host, fail: usize| {
        let mut store = Store::<usize>::new(Some(FILE.into()));
        host.with(|turn| store.open(turn));
        for _ in 0..fail {
            assert!(matches!(host.step(&mut store), Some(Step::Nothing)));
        }
        let (op, _) = host.jobs.pop_front().unwrap();
        let outcome = Outcome::Failed(error(JobErrorKind::Denied));
        let Ok(Step::Unusable(error)) = host.with(|turn| store.done(op, outcome, turn)) else { panic!() };
        let late = host.with(|turn| store.record(Vec::new(), 0, turn)).unwrap();
        assert_eq!(late.result, Err(error.clone()));
        error.to_string()
    };
    let read = start(&mut Host::new(Some(file(&[]))), 0);
    assert!(
        read.starts_with("Can't read the state file s.state: disk.") && read.contains("'sentinel state-file PATH'")
    );
    let write = start(&mut Host::new(None), 1);
    assert!(
        write.starts_with("Can't write the state file s.state: disk.") && write.contains("'sentinel state-file PATH'")
    );
    let mut host = Host::new(Some(b"something else\n".to_vec()));
    let mut store = Store::<usize>::new(Some(FILE.into()));
    host.with(|turn| store.open(turn));
    assert!(matches!(host.step(&mut store), Some(Step::Unusable(StateError::Damaged { line: 1, .. }))));
    assert!(host.jobs.is_empty(), "a file of others is left alone");
}

#[test]
fn records_that_come_before_it_is_open_wait() {
    let mut host = Host::new(None);
    let mut store = Store::<usize>::new(Some(FILE.into()));
    host.with(|turn| store.open(turn));
    assert_eq!(host.with(|turn| store.record(vec![vote("m", 1, 'a')], 5, turn)), None);
    assert!(matches!(host.step(&mut store), Some(Step::Nothing)));
    assert!(matches!(host.step(&mut store), Some(Step::Opened(Opened { new: true, dropped: 0 }))));
    assert!(matches!(host.step(&mut store), Some(Step::Durable(_))));
}

#[test]
fn without_a_file_all_is_durable_at_once() {
    let mut host = Host::new(None);
    let mut store = Store::new(None);
    assert!(!host.with(|turn| store.open(turn)));
    let done = host.with(|turn| store.record(vec![vote("m", 1, 'a')], 7, turn));
    assert_eq!(done, Some(Durable { token: 7, result: Ok(()) }));
    assert_eq!(store.state().vote("m"), Some((1, id('a'))));
    let op = host.ids.op();
    assert!(host.with(|turn| store.done(op, Outcome::Written, turn)).is_err(), "no job is its own");
}
