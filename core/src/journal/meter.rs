//! Readings of a [`Meter`]: what a machine read of the clock while it handled an input, and the same again in a replay.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::wire::{Cursor, Malformed, put_number};
use crate::machine::{Meter, Turns};

/// Different readings of one input that are kept. From there on the recorded clock stands still until the next input,
/// for the machine as in the recording; only statistics hang on it.
pub const READINGS_MAX: usize = 4096;

/// What a recorder and the meter inside its machine share. Both live on one thread at a time, so that plain relaxed
/// loads and stores are enough; atomics they are because both may move to another thread together.
#[derive(Clone)]
pub struct Readings(Arc<Shared>);

struct Shared {
    /// Whether anybody keeps them.
    on: AtomicBool,
    /// The clock as it was read last, over all inputs.
    last: AtomicU64,
    /// Slots that are used.
    used: AtomicUsize,
    /// Each a later reading, and how often it was read.
    slots: Box<[Slot]>,
    /// Whether the turns were read,
    turns_read: AtomicBool,
    /// and what they were.
    turns: [AtomicU64; 4],
}

#[derive(Default)]
struct Slot {
    step: AtomicU64,
    times: AtomicU64,
}

impl core::fmt::Debug for Readings {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Readings").field("used", &self.0.used).finish_non_exhaustive()
    }
}

impl Default for Readings {
    fn default() -> Self {
        Self::new()
    }
}

impl Readings {
    /// No readings, and nobody who keeps them yet: a [`Recorder`](super::Recorder) begins with that.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            on: AtomicBool::new(false),
            last: AtomicU64::new(0),
            used: AtomicUsize::new(0),
            slots: (0..READINGS_MAX).map(|_| Slot::default()).collect(),
            turns_read: AtomicBool::new(false),
            turns: Default::default(),
        }))
    }

    pub(super) fn keep(&self, on: bool) {
        self.0.on.store(on, Relaxed);
    }

    /// Appends the readings since the last call and forgets them; whether there were times, and turns.
    pub(super) fn drain(&self, out: &mut Vec<u8>) -> (bool, bool) {
        let shared = &*self.0;
        let used = shared.used.load(Relaxed);
        if used > 0 {
            put_number(out, used as u64);
            for slot in shared.slots.iter().take(used) {
                put_number(out, slot.step.load(Relaxed));
                put_number(out, slot.times.load(Relaxed));
            }
            shared.used.store(0, Relaxed);
        }
        let turns = shared.turns_read.load(Relaxed);
        if turns {
            shared.turns.iter().for_each(|n| put_number(out, n.load(Relaxed)));
            shared.turns_read.store(false, Relaxed);
        }
        (used > 0, turns)
    }
}

/// The meter of a machine that is recorded: reads `inner`, and keeps what it read.
#[derive(Debug)]
pub struct RecordedMeter<T> {
    inner: T,
    readings: Readings,
}

impl<T: Meter> RecordedMeter<T> {
    /// A meter whose readings the recorder finds in `readings`.
    pub fn new(inner: T, readings: Readings) -> Self {
        Self { inner, readings }
    }
}

impl<T: Meter> Meter for RecordedMeter<T> {
    fn now_us(&mut self) -> u64 {
        let shared = &*self.readings.0;
        if !shared.on.load(Relaxed) {
            return self.inner.now_us();
        }
        let (last, used) = (shared.last.load(Relaxed), shared.used.load(Relaxed));
        let full = used == READINGS_MAX;
        let now = if full { last } else { self.inner.now_us() };
        if now == last
            && let Some(slot) = used.checked_sub(1).and_then(|i| shared.slots.get(i))
        {
            slot.times.store(slot.times.load(Relaxed) + 1, Relaxed);
        } else if let Some(slot) = shared.slots.get(used) {
            slot.step.store(now.wrapping_sub(last), Relaxed);
            slot.times.store(1, Relaxed);
            shared.used.store(used + 1, Relaxed);
            shared.last.store(now, Relaxed);
        }
        now
    }

    /// Read once for each input: a turn is counted when it is over, so that further readings would find the same.
    fn turns(&mut self) -> Turns {
        let shared = &*self.readings.0;
        if !shared.on.load(Relaxed) {
            return self.inner.turns();
        }
        if shared.turns_read.load(Relaxed) {
            let [count, total_us, longest_us, longest_cpu_us] =
                [0, 1, 2, 3].map(|i: usize| shared.turns[i].load(Relaxed));
            return Turns { count, total_us, longest_us, longest_cpu_us };
        }
        let t = self.inner.turns();
        for (to, n) in shared.turns.iter().zip([t.count, t.total_us, t.longest_us, t.longest_cpu_us]) {
            to.store(n, Relaxed);
        }
        shared.turns_read.store(true, Relaxed);
        t
    }

    fn reset(&mut self) {
        self.inner.reset();
    }
}

/// The readings of one input, as a recording holds them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InputReadings {
    /// How much later each reading is than the one before, µs, and how often it was read.
    pub times: Vec<(u64, u64)>,
    /// The turns of the loop, if they were read.
    pub turns: Option<Turns>,
}

impl InputReadings {
    pub(super) fn take(from: &mut Cursor<'_>, times: bool, turns: bool) -> Result<Self, Malformed> {
        let mut readings = Self::default();
        if times {
            let start = from.expected("a number of readings up to 4096");
            let n = from.number("a number of readings")?;
            if n > READINGS_MAX as u64 {
                return Err(start);
            }
            for _ in 0..n {
                readings.times.push((from.number("a reading")?, from.number("a number of readings")?));
            }
        }
        if turns {
            readings.turns = Some(Turns {
                count: from.number("a number of turns")?,
                total_us: from.number("the time of turns")?,
                longest_us: from.number("the time of a turn")?,
                longest_cpu_us: from.number("the work of a turn")?,
            });
        }
        Ok(readings)
    }

    /// How often the clock was read.
    pub fn count(&self) -> u64 {
        self.times.iter().fold(0, |n, (_, times)| n.saturating_add(*times))
    }
}

/// What a replay and the meter inside its machine share: the readings of the input that is handled.
#[derive(Clone)]
pub struct Playback(Arc<Tape>);

struct Tape {
    last: AtomicU64,
    /// The slot that is read next,
    at: AtomicUsize,
    /// and how many there are.
    len: AtomicUsize,
    slots: Box<[Slot]>,
    turns_there: AtomicBool,
    turns: [AtomicU64; 4],
    /// Readings that the recording does not hold.
    beyond: AtomicU64,
}

impl core::fmt::Debug for Playback {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Playback").field("at", &self.0.at).field("len", &self.0.len).finish_non_exhaustive()
    }
}

impl Default for Playback {
    fn default() -> Self {
        Self::new()
    }
}

impl Playback {
    /// Nothing to be read yet.
    pub fn new() -> Self {
        Self(Arc::new(Tape {
            last: AtomicU64::new(0),
            at: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            slots: (0..READINGS_MAX).map(|_| Slot::default()).collect(),
            turns_there: AtomicBool::new(false),
            turns: Default::default(),
            beyond: AtomicU64::new(0),
        }))
    }

    /// The meter for the machine that is replayed.
    pub fn meter(&self) -> Box<dyn Meter> {
        Box::new(PlaybackMeter(self.clone()))
    }

    /// Lays out the readings of the next input.
    pub(super) fn load(&self, readings: &InputReadings) {
        let tape = &*self.0;
        for (slot, (step, times)) in tape.slots.iter().zip(&readings.times) {
            slot.step.store(*step, Relaxed);
            slot.times.store(*times, Relaxed);
        }
        tape.at.store(0, Relaxed);
        tape.len.store(readings.times.len().min(READINGS_MAX), Relaxed);
        tape.beyond.store(0, Relaxed);
        tape.turns_there.store(readings.turns.is_some(), Relaxed);
        let t = readings.turns.unwrap_or_default();
        for (to, n) in tape.turns.iter().zip([t.count, t.total_us, t.longest_us, t.longest_cpu_us]) {
            to.store(n, Relaxed);
        }
    }

    /// Readings that were laid out and not read, and those that were read and not there.
    pub(super) fn rest(&self) -> (u64, u64) {
        let tape = &*self.0;
        let (at, len) = (tape.at.load(Relaxed), tape.len.load(Relaxed));
        let unread = tape.slots.iter().take(len).skip(at).map(|s| s.times.load(Relaxed));
        (unread.fold(0, u64::saturating_add), tape.beyond.load(Relaxed))
    }
}

struct PlaybackMeter(Playback);

impl PlaybackMeter {
    fn beyond(&self) {
        let beyond = &self.0.0.beyond;
        beyond.store(beyond.load(Relaxed).saturating_add(1), Relaxed);
    }
}

impl Meter for PlaybackMeter {
    fn now_us(&mut self) -> u64 {
        let tape = &*self.0.0;
        let at = tape.at.load(Relaxed);
        match tape.slots.get(at).filter(|_| at < tape.len.load(Relaxed)) {
            Some(slot) => {
                let now = tape.last.load(Relaxed).wrapping_add(slot.step.swap(0, Relaxed));
                tape.last.store(now, Relaxed);
                match slot.times.load(Relaxed) {
                    0 | 1 => tape.at.store(at + 1, Relaxed),
                    times => slot.times.store(times - 1, Relaxed),
                }
            }
            None => self.beyond(),
        }
        tape.last.load(Relaxed)
    }

    fn turns(&mut self) -> Turns {
        if !self.0.0.turns_there.load(Relaxed) {
            self.beyond();
        }
        let [count, total_us, longest_us, longest_cpu_us] =
            [0, 1, 2, 3].map(|i: usize| self.0.0.turns[i].load(Relaxed));
        Turns { count, total_us, longest_us, longest_cpu_us }
    }
}
