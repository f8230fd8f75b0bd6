use alloc::string::ToString;
use alloc::vec;

use quickcheck::quickcheck;

use super::*;
use crate::ids::Ids;
use crate::machine::Actions;
use crate::rng::Rng;
use crate::time::{Instant, Now};
use crate::timers::Timers;

const FILE: &str = "s.conf";

/// A file, what is true, and the job that is under way.
struct Rig {
    conf: ConfFile<u32>,
    disk: Option<Vec<u8>>,
    truth: u32,
    jobs: Vec<(OpId, Job)>,
    started: usize,
    now: Instant,
    timers: Timers<Timer>,
    actions: Actions<()>,
    ids: Ids,
    rng: Rng,
}

/// The old comment lines, and the truth.
fn text(truth: u32, old: &str) -> String {
    let kept = old.lines().filter(|l| l.starts_with('#')).map(|l| alloc::format!("{l}\n"));
    kept.chain([alloc::format!("truth {truth}\n")]).collect()
}

impl Rig {
    fn new(disk: &str) -> Self {
        Self {
            conf: ConfFile::new(Some(FILE.into())),
            disk: Some(disk.into()),
            truth: 0,
            jobs: Vec::new(),
            started: 0,
            now: Instant::ZERO,
            timers: Timers::new(),
            actions: Actions::new(),
            ids: Ids::default(),
            rng: Rng::new([0; 32]),
        }
    }

    fn with<R>(&mut self, f: impl FnOnce(&mut ConfFile<u32>, &mut Turn<'_, Timer, ()>) -> R) -> R {
        let mut turn = Turn {
            now: Now::new(self.now, 0),
            timers: &mut self.timers,
            out: &mut self.actions,
            ids: &mut self.ids,
            rng: &mut self.rng,
        };
        let done = f(&mut self.conf, &mut turn);
        self.conf.settle(&mut turn);
        for action in self.actions.drain() {
            let Action::Start { op, job } = action else { panic!("{action:?}") };
            self.jobs.push((op, job));
            self.started += 1;
        }
        assert!(self.jobs.len() <= 1, "one job at a time");
        done
    }

    fn change(&mut self) {
        self.truth += 1;
        self.with(|conf, _| conf.touch());
    }

    /// The time of the next deadline comes, if there is one.
    fn wait(&mut self) -> bool {
        let Some(at) = self.timers.next() else { return false };
        self.now = self.now.max(at);
        while self.timers.pop_due(self.now).is_some() {
            self.with(ConfFile::due);
        }
        true
    }

    /// The job under way ends, well or not.
    fn step(&mut self, well: bool) -> Option<Saved<u32>> {
        let (op, job) = self.jobs.pop()?;
        let outcome = match job {
            _ if !well => Outcome::Failed(JobError { kind: JobErrorKind::Denied, message: "Permission denied".into() }),
            Job::Read { .. } => match &self.disk {
                Some(bytes) => Outcome::Read(bytes.clone().into()),
                None => Outcome::Failed(JobError { kind: JobErrorKind::NotFound, message: "no such file".into() }),
            },
            Job::Replace { bytes, .. } => {
                self.disk = Some(bytes.to_vec());
                Outcome::Written
            }
            other => panic!("{other:?}"),
        };
        let truth = self.truth;
        self.with(|conf, turn| conf.done(op, outcome, |old| text(truth, old), turn)).expect("its own job")
    }

    fn run(&mut self) -> Vec<Saved<u32>> {
        let mut all = Vec::new();
        while !self.jobs.is_empty() {
            all.extend(self.step(true));
        }
        all
    }

    fn says(&self) -> String {
        String::from_utf8(self.disk.clone().unwrap_or_default()).unwrap()
    }
}

fn saved(tokens: &[u32], news: bool, current: bool) -> Saved<u32> {
    Saved { tokens: tokens.into(), result: Ok(()), news, current }
}

#[test]
fn many_changes_are_one_write() {
    let mut rig = Rig::new("# hello\n");
    rig.change();
    rig.change();
    assert_eq!((rig.started, rig.timers.next()), (0, Some(Instant::ZERO + DELAY)));
    rig.now = Instant::from_micros(500_000);
    rig.change();
    assert_eq!(rig.timers.next(), Some(Instant::ZERO + DELAY), "later changes do not put it off");
    assert!(rig.wait());
    assert_eq!(rig.run(), [saved(&[], true, true)]);
    assert_eq!((rig.says().as_str(), rig.started), ("# hello\ntruth 3\n", 2));
    assert!(!rig.conf.is_busy() && !rig.wait());
}

#[test]
fn a_person_may_change_it_meanwhile() {
    let mut rig = Rig::new("");
    rig.change();
    rig.wait();
    rig.disk = Some(b"# new\n".into());
    rig.run();
    assert_eq!(rig.says(), "# new\ntruth 1\n");
    rig.disk = None;
    rig.change();
    rig.wait();
    rig.run();
    assert_eq!(rig.says(), "truth 2\n");
}

#[test]
fn what_is_the_same_is_not_written() {
    let mut rig = Rig::new("truth 0\n");
    assert_eq!(rig.with(|conf, turn| conf.flush(1, turn)), None);
    assert_eq!(rig.step(true), Some(saved(&[1], false, true)));
    assert_eq!(rig.started, 1);
}

#[test]
fn a_flush_answers_for_what_was_true_when_it_came() {
    let mut rig = Rig::new("");
    rig.change();
    let _ = rig.with(|conf, turn| conf.flush(1, turn));
    assert_eq!(rig.timers.next(), None, "the deadline is not needed any more");
    let _ = rig.with(|conf, turn| conf.flush(2, turn));
    assert_eq!(rig.step(true), None);
    // The text is made: whoever comes now waits for the next.
    rig.change();
    let _ = rig.with(|conf, turn| conf.flush(3, turn));
    assert_eq!(rig.step(true), Some(saved(&[1, 2], true, false)));
    assert_eq!(rig.says(), "truth 1\n");
    assert_eq!(rig.run(), [saved(&[3], true, true)]);
    assert_eq!(rig.says(), "truth 2\n");
    assert!(!rig.wait());
}

#[test]
fn one_that_cannot_be_written_is_told_once_and_tried_again() {
    let mut rig = Rig::new("# mine\n");
    for (round, reads) in [(0, true), (1, false), (2, true)] {
        rig.change();
        assert!(rig.wait());
        if !reads {
            assert_eq!(rig.step(true), None);
        }
        let failed = rig.step(false).unwrap();
        assert_eq!((failed.news, failed.current), (round == 0, false));
        let text = failed.result.unwrap_err().to_string();
        assert_eq!(text, "Sentinel was not able to save the new configuration on disk!!!: Permission denied");
    }
    assert_eq!(rig.timers.next(), Some(rig.now + RETRY));
    rig.change();
    assert_eq!(rig.timers.next(), Some(rig.now + DELAY), "a change tries it sooner");
    rig.wait();
    let _ = rig.step(false);
    rig.wait();
    assert_eq!(rig.run(), [saved(&[], true, true)]);
    assert_eq!(rig.says(), "# mine\ntruth 4\n");
}

#[test]
fn what_is_no_configuration_is_left_alone() {
    for (bytes, words) in [
        (vec![b'#'; FILE_MAX + 1], "s.conf is larger than 16777216 bytes"),
        (b"# caf\xe9\n".to_vec(), "s.conf is no UTF-8 from offset 5 on"),
    ] {
        let mut rig = Rig::new("");
        rig.disk = Some(bytes.clone());
        let _ = rig.with(|conf, turn| conf.flush(1, turn));
        let error = rig.step(true).unwrap().result.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(rig.jobs.is_empty() && rig.disk == Some(bytes));
    }
}

#[test]
fn without_a_file_there_is_nothing_to_do() {
    let mut rig = Rig::new("");
    rig.conf = ConfFile::new(None);
    rig.change();
    assert_eq!(rig.with(|conf, turn| conf.flush(1, turn)), Some(1));
    assert!(!rig.wait() && !rig.conf.is_busy() && rig.started == 0);
}

quickcheck! {
    fn in_the_end_it_says_what_is_true_and_everybody_was_answered(script: Vec<u8>) -> bool {
        let mut rig = Rig::new("# kept\n");
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        // What was true when each token came.
        let mut promised = Vec::new();
        let mut take = |rig: &Rig, saved: Option<Saved<u32>>, promised: &[u32]| {
            let Some(saved) = saved else { return };
            if saved.result.is_ok() {
                let says: u32 = rig.says().lines().find_map(|l| l.strip_prefix("truth ")).unwrap().parse().unwrap();
                for t in &saved.tokens {
                    assert!(says >= promised[*t as usize], "{t} was promised more");
                }
                assert!(!saved.current || says == rig.truth, "it is not current");
            }
            answered.extend(saved.tokens);
        };
        for byte in script {
            match byte % 8 {
                0 | 1 => rig.change(),
                2 => {
                    let token = asked.len() as u32;
                    asked.push(token);
                    promised.push(rig.truth);
                    assert_eq!(rig.with(|conf, turn| conf.flush(token, turn)), None);
                }
                3 => drop(rig.wait()),
                4 => {
                    let saved = rig.step(false);
                    take(&rig, saved, &promised);
                }
                _ => {
                    let saved = rig.step(true);
                    take(&rig, saved, &promised);
                }
            }
        }
        for _ in 0..4 {
            rig.wait();
            while !rig.jobs.is_empty() {
                let saved = rig.step(true);
                take(&rig, saved, &promised);
            }
        }
        answered.sort_unstable();
        asked == answered && !rig.conf.is_busy() && (rig.truth == 0 || rig.says() == text(rig.truth, "# kept\n"))
    }
}
