//! A link in virtual time: the figure beside the truth, which the rig knows.

use super::*;

const MS: u64 = 1000;
/// The rig's time goes by so many µs.
const STEP: u64 = 100;
/// The figure's grain is a mark, and the way back has half of one; an old mark stands for a part of its age.
const GRAIN_MS: u64 = 2;

fn at(us: u64) -> Instant {
    Instant::from_micros(us)
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A master's stream, a replica that applies what comes, and the way between them, µs.
struct Rig {
    now: u64,
    marks: Marks,
    delay: Delay,
    visible: u64,
    forward: u64,
    back: u64,
    /// What is on its way: when it arrives, and the offset.
    stream: VecDeque<(u64, u64)>,
    acks: VecDeque<(u64, u64)>,
    applied: u64,
    acked: (u64, u64),
}

impl Rig {
    fn new(prompt: bool, known: bool, forward: u64, back: u64) -> Self {
        let trip = known.then(|| Duration::from_micros(forward + back));
        let mut delay = Delay::new(prompt, trip, at(0));
        delay.goes_on(0, 0);
        Self {
            now: 0,
            marks: Marks::default(),
            delay,
            visible: 0,
            forward,
            back,
            stream: VecDeque::new(),
            acks: VecDeque::new(),
            applied: 0,
            acked: (0, 0),
        }
    }

    fn write(&mut self) {
        self.marks.grew(self.visible, 0, at(self.now));
        self.visible += 10;
        self.stream.push_back((self.now + self.forward, self.visible));
    }

    fn step(&mut self) {
        while let Some(offset) = arrived(&mut self.stream, self.now) {
            self.applied = offset;
        }
        let (told, when) = self.acked;
        let since = self.now - when;
        let due = if self.delay.prompt {
            self.applied > told && since >= PROMPT_GAP.as_micros() as u64
        } else {
            since >= 1000 * MS
        };
        if due {
            self.acked = (self.applied, self.now);
            self.acks.push_back((self.now + self.back, self.applied));
        }
        while let Some(offset) = arrived(&mut self.acks, self.now) {
            self.delay.acknowledged(offset, self.visible, &self.marks, at(self.now));
        }
        self.now += STEP;
    }

    /// Writes every `every` ms for `for_ms`, and shows each step to `check`.
    fn run(&mut self, every: u64, for_ms: u64, mut check: impl FnMut(&Self)) {
        let end = self.now + for_ms * MS;
        while self.now < end {
            if self.now.is_multiple_of(every * MS) {
                self.write();
            }
            self.step();
            check(self);
        }
    }

    fn lag(&self) -> Duration {
        self.delay.now(self.visible, &self.marks, at(self.now)).unwrap().0
    }

    fn lag_acked(&self) -> Duration {
        self.delay.now(self.visible, &self.marks, at(self.now)).unwrap().1
    }
}

/// The next that is there by now.
fn arrived(way: &mut VecDeque<(u64, u64)>, now: u64) -> Option<u64> {
    let (_, offset) = way.front().copied().filter(|(at, _)| *at <= now)?;
    way.pop_front();
    Some(offset)
}

fn near(figure: Duration, truth_us: u64) -> bool {
    figure.abs_diff(Duration::from_micros(truth_us)) <= ms(GRAIN_MS) + Duration::from_micros(2 * truth_us / COARSE)
}

#[test]
fn of_a_prompt_replica_the_figure_is_the_truth_at_every_moment() {
    for way in [100, 50 * MS, 500 * MS] {
        for every in [1, 3, 7, 40, 900] {
            for known in [true, false] {
                let mut rig = Rig::new(true, known, way, way);
                rig.run(every, 4000, |_| {});
                rig.run(every, 4000, |rig| {
                    assert!(near(rig.lag(), way), "{way} us, a write each {every} ms: {:?}", rig.lag());
                });
            }
        }
    }
}

#[test]
fn of_unlike_ways_the_figure_is_their_mean() {
    let mut rig = Rig::new(true, true, 80 * MS, 20 * MS);
    rig.run(10, 3000, |_| {});
    assert!(near(rig.lag(), 50 * MS), "{:?}", rig.lag());
}

#[test]
fn silence_grows() {
    let mut rig = Rig::new(true, true, 50 * MS, 50 * MS);
    rig.run(10, 2000, |_| {});
    let began = rig.now;
    // Nothing arrives any more.
    rig.forward = 1 << 40;
    rig.run(10, 10_000, |rig| {
        // What was on its way arrives, and is told.
        let least = (rig.now - began).saturating_sub(50 * MS + PROMPT_GAP.as_micros() as u64 + 2 * MS);
        assert!(rig.lag() >= Duration::from_micros(least), "{:?} < {least}", rig.lag());
        assert!(rig.lag() <= Duration::from_micros(rig.now - began + 52 * MS), "{:?}", rig.lag());
    });
    assert!(rig.lag() > ms(9900));
}

#[test]
fn a_way_that_grows_is_never_told_too_short_and_soon_right() {
    let mut rig = Rig::new(true, true, 100, 100);
    rig.run(10, 20_000, |_| {});
    (rig.forward, rig.back) = (200 * MS, 200 * MS);
    rig.run(10, 500, |_| {});
    rig.run(10, 2000, |rig| assert!(rig.lag() + ms(GRAIN_MS) >= ms(200), "{:?}", rig.lag()));
    rig.run(10, 10_000, |_| {});
    assert!(near(rig.lag(), 200 * MS), "{:?}", rig.lag());
    (rig.forward, rig.back) = (100, 100);
    rig.run(10, 500, |_| {});
    rig.run(10, 500, |rig| assert!(near(rig.lag(), 100), "{:?}", rig.lag()));
}

#[test]
fn of_one_that_speaks_once_a_second_the_figure_is_a_second_too_large_at_most() {
    for way in [100, 50 * MS, 500 * MS] {
        let mut rig = Rig::new(false, true, way, way);
        rig.run(10, 4000, |_| {});
        rig.run(10, 5000, |rig| {
            let (figure, truth) = (rig.lag() + ms(GRAIN_MS), Duration::from_micros(way));
            assert!(figure >= truth && figure <= truth + ms(1010), "{way} us: {figure:?}");
            // By its last word it is known to within the time between two writes.
            assert!(rig.lag_acked().abs_diff(truth) <= ms(10 + GRAIN_MS), "{way} us: {:?}", rig.lag_acked());
        });
    }
}

#[test]
fn what_is_older_than_every_mark_tells_nothing_of_the_way() {
    let mut rig = Rig::new(false, true, 500 * MS, 500 * MS);
    // Its third word, of an empty history, is on its way when the first byte is written.
    while rig.now < 3200 * MS {
        rig.step();
    }
    rig.run(10, 5000, |_| {});
    assert!(near(rig.lag_acked(), 500 * MS), "{:?}", rig.lag_acked());
}

#[test]
fn what_one_says_first_is_no_lag() {
    let mut rig = Rig::new(true, true, MS, MS);
    rig.delay = Delay::new(true, Some(ms(2)), at(0));
    rig.write();
    assert_eq!(rig.delay.now(rig.visible, &rig.marks, at(0)), None, "nothing is known");
    // Its snapshot was an hour in coming.
    let now = at(3_600_000 * MS);
    rig.delay.acknowledged(10, 10, &rig.marks, now);
    assert_eq!(rig.delay.now(10, &rig.marks, now), Some((ms(1), ms(1))));
}

#[test]
fn what_waited_to_be_sent_tells_nothing_of_the_way() {
    let mut rig = Rig::new(true, true, MS, MS);
    // Ten seconds behind, for a minute.
    rig.forward = 10_000 * MS;
    let end = 60_000 * MS;
    while rig.now < end {
        rig.delay.queues(rig.visible);
        rig.run(10, 10, |_| {});
    }
    assert!(near(rig.lag(), 10_000 * MS), "{:?}", rig.lag());
}

#[test]
fn marks_are_bounded_and_exact_to_a_hundredth_of_the_age() {
    let mut marks = Marks::default();
    let writes = 200_000;
    for i in 0..writes {
        marks.grew(i, 0, at(i * MS));
        assert!(marks.list.len() <= MARKS_MAX);
    }
    for offset in 1..=writes {
        let (age, told) =
            (writes - (offset - 1), (at(writes * MS) - marks.written(offset).unwrap()).as_millis() as u64);
        assert!(told >= age && told <= age + age / 100 + 1, "{age} ms: {told}");
    }
    // What the log has forgotten goes first.
    for i in writes.. {
        marks.grew(i, i - 5, at(i * MS));
        if marks.list.len() < 100 {
            break;
        }
        assert!(i < writes + 3000, "marks of what is gone are kept");
    }
}
