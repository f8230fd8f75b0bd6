//! Who writes the state file.

use alloc::vec;
use alloc::vec::Vec;
use core::mem;

use bytes::Bytes;

use super::file::Encoder;
use super::{Record, Remembered, StateError};
use crate::ids::OpId;
use crate::machine::{Action, Job, JobError, JobErrorKind, Outcome, Path, Turn};
use crate::rdb::Crc64;

/// Bytes that one read takes.
const PIECE: usize = 1 << 20;
/// Bytes of the largest state file that is read: ten times what a sentinel of 10,000 masters writes.
pub(super) const FILE_MAX: usize = 64 << 20;
/// Bytes from which on a file is written anew in its shortest form; twice that form, if that is more.
pub(super) const COMPACT_AT: u64 = 1 << 20;
/// Bytes of records that wait while others are written.
pub(super) const WAITING_MAX: usize = 4 << 20;
/// Bytes that a record takes beside its names, about.
const RECORD: usize = 128;

/// A record's fate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Durable<T> {
    /// What was given with the records.
    pub token: T,
    /// Whether they are on the disk. After an error nobody knows: what they say must not be said, and will not come up
    /// again while this process lives; after the next one that succeeds it is surely not in the file.
    pub result: Result<(), StateError>,
}

/// How a file was found at the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    /// Whether there was none.
    pub new: bool,
    /// Bytes of an unfinished last line that were dropped: nobody heard of what it said.
    pub dropped: usize,
}

/// What the end of a job came to.
#[derive(Debug)]
#[must_use]
pub enum Step<T> {
    /// Nothing yet.
    Nothing,
    /// The file is read, and proven to be writable: [`Store::state`] has it.
    Opened(Opened),
    /// The file cannot be used: a sentinel that may vote cannot start.
    Unusable(StateError),
    /// These were waited for.
    Durable(Vec<Durable<T>>),
}

/// The state file of one sentinel. `T` is what is to be said once records are on the disk.
///
/// One write is under way at a time; what comes meanwhile goes out with the next, with one fsync for all.
#[derive(Debug)]
pub struct Store<T> {
    file: Option<Path>,
    state: Remembered,
    phase: Phase,
    /// Length and checksum of the file, if it is surely what [`Store::state`] says: else the next write replaces it.
    end: Option<(u64, Crc64)>,
    /// From which length on it is written anew.
    limit: u64,
    writing: Option<Writing<T>>,
    waiting: Vec<(Vec<Record>, T)>,
    /// Bytes of the records that wait, about.
    waiting_bytes: usize,
}

#[derive(Debug)]
enum Phase {
    /// Nothing was asked for yet.
    New,
    Reading {
        op: OpId,
        bytes: Vec<u8>,
    },
    /// The first write, which shows that there can be others.
    Proving(Opened),
    Open,
    Failed(StateError),
}

#[derive(Debug)]
struct Writing<T> {
    op: OpId,
    tokens: Vec<T>,
    /// What the file comes to afterwards.
    becomes: Becomes,
    end: (u64, Crc64),
}

#[derive(Debug)]
enum Becomes {
    /// It is replaced by this.
    Replaced(Remembered),
    /// These are added.
    Appended(Vec<Record>),
}

impl<T> Store<T> {
    /// A store over `file`; without one every record counts as durable at once.
    pub fn new(file: Option<Path>) -> Self {
        Self {
            file,
            state: Remembered::default(),
            phase: Phase::New,
            end: None,
            limit: COMPACT_AT,
            writing: None,
            waiting: Vec::new(),
            waiting_bytes: 0,
        }
    }

    /// Begins to read. False if there is no file: all is open already, and no [`Step::Opened`] follows.
    pub fn open<K, E>(&mut self, turn: &mut Turn<'_, K, E>) -> bool {
        let Some(file) = self.file.clone() else {
            self.phase = Phase::Open;
            return false;
        };
        self.read(file, Vec::new(), turn);
        true
    }

    /// What is surely on the disk.
    pub fn state(&self) -> &Remembered {
        &self.state
    }

    /// The same, to bring it together with a sentinel.conf ([`Remembered::merge`]) right after it was opened.
    pub fn state_mut(&mut self) -> &mut Remembered {
        &mut self.state
    }

    /// Whether records are on their way.
    pub fn is_busy(&self) -> bool {
        self.writing.is_some() || !self.waiting.is_empty()
    }

    /// Writes `records`, all of them or none. Answered at once if nothing has to be waited for: there is no file, or it
    /// cannot be.
    #[must_use]
    pub fn record<K, E>(&mut self, records: Vec<Record>, token: T, turn: &mut Turn<'_, K, E>) -> Option<Durable<T>> {
        let Some(file) = &self.file else {
            records.iter().for_each(|r| self.state.apply(r));
            return Some(Durable { token, result: Ok(()) });
        };
        if let Phase::Failed(error) = &self.phase {
            return Some(Durable { token, result: Err(error.clone()) });
        }
        let bytes: usize = records.iter().map(size).sum();
        if self.waiting_bytes.saturating_add(bytes) > WAITING_MAX {
            let error = StateError::Busy { file: (**file).into(), max: WAITING_MAX };
            return Some(Durable { token, result: Err(error) });
        }
        self.waiting_bytes += bytes;
        self.waiting.push((records, token));
        self.write(turn);
        None
    }

    /// The end of a job; the outcome back if it is not one of this store's.
    pub fn done<K, E>(&mut self, op: OpId, result: Outcome, turn: &mut Turn<'_, K, E>) -> Result<Step<T>, Outcome> {
        if let Phase::Reading { op: reading, bytes } = &mut self.phase
            && *reading == op
        {
            let bytes = mem::take(bytes);
            return Ok(self.read_done(bytes, result, turn));
        }
        match self.writing.take() {
            Some(writing) if writing.op == op => Ok(self.write_done(writing, result, turn)),
            other => {
                self.writing = other;
                Err(result)
            }
        }
    }

    fn read<K, E>(&mut self, file: Path, bytes: Vec<u8>, turn: &mut Turn<'_, K, E>) {
        let op = turn.ids.op();
        turn.out.push(Action::Start { op, job: Job::Read { file, at: bytes.len() as u64, len: PIECE } });
        self.phase = Phase::Reading { op, bytes };
    }

    fn read_done<K, E>(&mut self, mut bytes: Vec<u8>, result: Outcome, turn: &mut Turn<'_, K, E>) -> Step<T> {
        let Some(file) = self.file.clone() else { return Step::Nothing };
        let new = match result {
            Outcome::Read(piece) => {
                bytes.extend_from_slice(&piece);
                if bytes.len() > FILE_MAX {
                    return self.fail(StateError::TooLarge { file: (*file).into(), max: FILE_MAX });
                }
                if piece.len() >= PIECE {
                    self.read(file, bytes, turn);
                    return Step::Nothing;
                }
                false
            }
            Outcome::Failed(JobError { kind: JobErrorKind::NotFound, .. }) => true,
            other => return self.fail(StateError::Unreadable { file: (*file).into(), why: failure(other).message }),
        };
        match Remembered::parse(&file, &bytes) {
            Ok((state, dropped)) => {
                self.state = state;
                self.phase = Phase::Proving(Opened { new, dropped });
                self.replace(self.state.clone(), Vec::new(), turn);
                Step::Nothing
            }
            Err(error) => self.fail(error),
        }
    }

    /// The next write, if there is none and something waits.
    fn write<K, E>(&mut self, turn: &mut Turn<'_, K, E>) {
        if self.writing.is_some() || self.waiting.is_empty() || !matches!(self.phase, Phase::Open) {
            return;
        }
        self.waiting_bytes = 0;
        let (records, tokens): (Vec<Vec<Record>>, Vec<T>) = mem::take(&mut self.waiting).into_iter().unzip();
        let records: Vec<Record> = records.into_iter().flatten().collect();
        match self.end.filter(|(len, _)| *len < self.limit) {
            Some((len, sum)) => self.append(len, sum, records, tokens, turn),
            None => {
                let mut next = self.state.clone();
                records.iter().for_each(|r| next.apply(r));
                self.replace(next, tokens, turn);
            }
        }
    }

    fn append<K, E>(&mut self, at: u64, sum: Crc64, records: Vec<Record>, tokens: Vec<T>, turn: &mut Turn<'_, K, E>) {
        let Some(file) = self.file.clone() else { return };
        let mut encoder = Encoder::behind(sum);
        records.iter().for_each(|r| encoder.push(r));
        let end = (at + encoder.bytes.len() as u64, encoder.sum);
        let job = Job::Append { file, at, bytes: vec![Bytes::from(encoder.bytes)], sync: true };
        self.begin(job, tokens, Becomes::Appended(records), end, turn);
    }

    fn replace<K, E>(&mut self, next: Remembered, tokens: Vec<T>, turn: &mut Turn<'_, K, E>) {
        let Some(file) = self.file.clone() else { return };
        let encoder = next.encode();
        let end = (encoder.bytes.len() as u64, encoder.sum);
        let job = Job::Replace { file, bytes: encoder.bytes.into() };
        self.begin(job, tokens, Becomes::Replaced(next), end, turn);
    }

    fn begin<K, E>(
        &mut self,
        job: Job,
        tokens: Vec<T>,
        becomes: Becomes,
        end: (u64, Crc64),
        turn: &mut Turn<'_, K, E>,
    ) {
        let op = turn.ids.op();
        turn.out.push(Action::Start { op, job });
        self.writing = Some(Writing { op, tokens, becomes, end });
    }

    fn write_done<K, E>(&mut self, writing: Writing<T>, result: Outcome, turn: &mut Turn<'_, K, E>) -> Step<T> {
        let proving = match self.phase {
            Phase::Proving(opened) => Some(opened),
            _ => None,
        };
        let result = match result {
            Outcome::Written => {
                match writing.becomes {
                    Becomes::Replaced(state) => {
                        self.state = state;
                        self.limit = COMPACT_AT.max(writing.end.0.saturating_mul(2));
                    }
                    Becomes::Appended(records) => records.iter().for_each(|r| self.state.apply(r)),
                }
                self.end = Some(writing.end);
                Ok(())
            }
            // What is in the file now, nobody knows: the next write replaces it.
            other => {
                self.end = None;
                Err(StateError::unwritable(self.file.as_deref().unwrap_or_default(), failure(other)))
            }
        };
        match (proving, result) {
            (Some(_), Err(error)) => self.fail(error),
            (Some(opened), Ok(())) => {
                self.phase = Phase::Open;
                self.write(turn);
                Step::Opened(opened)
            }
            (None, result) => {
                self.write(turn);
                let tokens = writing.tokens.into_iter();
                Step::Durable(tokens.map(|token| Durable { token, result: result.clone() }).collect())
            }
        }
    }

    fn fail(&mut self, error: StateError) -> Step<T> {
        self.phase = Phase::Failed(error.clone());
        Step::Unusable(error)
    }
}

/// Bytes that a record takes in memory and in the file, about.
fn size(record: &Record) -> usize {
    RECORD
        + match record {
            Record::Vote { master, .. } | Record::Forget { master } => master.len(),
            Record::Config { master, host, .. } => master.len() + host.len(),
            _ => 0,
        }
}

/// Why a job failed.
fn failure(outcome: Outcome) -> JobError {
    match outcome {
        Outcome::Failed(error) => error,
        other => JobError { kind: JobErrorKind::Other, message: alloc::format!("unexpected outcome {other:?}").into() },
    }
}
