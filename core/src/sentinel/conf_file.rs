//! sentinel.conf follows lazily: what must not be forgotten is in the state file already.
//!
//! A change marks the file as behind; a second later it is read (a person may have changed it meanwhile), rewritten and
//! replaced, so that a hundred changes are one write. Only `SENTINEL FLUSHCONFIG` and a shutdown wait for it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;
use core::time::Duration;

use crate::ids::OpId;
use crate::machine::{Action, Job, JobError, JobErrorKind, Outcome, Path, Turn};

/// How long a change may wait for others.
pub const DELAY: Duration = Duration::from_secs(1);
/// After how long a file that could not be written is tried again, if no change comes before.
pub const RETRY: Duration = Duration::from_secs(60);
/// Bytes of the largest file that is rewritten.
pub const FILE_MAX: usize = 16 << 20;

/// The deadline of a [`ConfFile`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timer;

/// What a machine's timer keys must be to host a [`ConfFile`].
pub trait Key: From<Timer> + Copy + Ord {}
impl<K: From<Timer> + Copy + Ord> Key for K {}

/// Why sentinel.conf could not be written. [`core::fmt::Display`] is for the log and for `SENTINEL FLUSHCONFIG`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfFileError {
    /// It cannot be read or written.
    #[error("Sentinel was not able to save the new configuration on disk!!!: {why}")]
    Failed {
        /// Its name.
        file: Box<str>,
        /// Why, in the host's words.
        why: Box<str>,
    },
    /// It is too large to be one.
    #[error(
        "Sentinel was not able to save the new configuration on disk!!!: {file} is larger than {FILE_MAX} bytes; it is \
         left as it is"
    )]
    TooLarge {
        /// Its name.
        file: Box<str>,
    },
    /// It is no text.
    #[error(
        "Sentinel was not able to save the new configuration on disk!!!: {file} is no UTF-8 from offset {at} on; it is left \
         as it is"
    )]
    NotText {
        /// Its name.
        file: Box<str>,
        /// Offset of the first byte that is none.
        at: usize,
    },
}

/// What the end of a write came to.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct Saved<T> {
    /// Who waited for it.
    pub tokens: Vec<T>,
    /// Whether the file says what was true when it was written.
    pub result: Result<(), ConfFileError>,
    /// Whether it is worth a line in the log: it was written, or could not be for a reason that was not told already.
    pub news: bool,
    /// Whether nothing was touched since: what was removed before is surely not in the file any more.
    pub current: bool,
}

/// The configuration file of one sentinel. `T` names who waits for a write.
#[derive(Debug)]
pub struct ConfFile<T> {
    file: Option<Path>,
    /// Whether the file is behind.
    behind: bool,
    /// Whether it was touched since its deadline was set.
    touched: bool,
    phase: Phase<T>,
    /// Who waits for a write whose text is not made yet.
    waiting: Vec<T>,
    /// Why the last write failed.
    failed: Option<ConfFileError>,
}

#[derive(Debug)]
enum Phase<T> {
    Idle,
    Reading(OpId),
    Writing(OpId, Vec<T>),
}

impl<T> ConfFile<T> {
    /// The file that the sentinel was started with, if it was.
    pub fn new(file: Option<Path>) -> Self {
        Self { file, behind: false, touched: false, phase: Phase::Idle, waiting: Vec::new(), failed: None }
    }

    /// Something changed that the file should say. The deadline is set by [`ConfFile::settle`].
    pub fn touch(&mut self) {
        self.behind = self.file.is_some();
        self.touched = self.behind;
    }

    /// The end of an input: sets the deadline that a change needs.
    pub fn settle<K: Key, E>(&mut self, turn: &mut Turn<'_, K, E>) {
        if mem::take(&mut self.touched) && matches!(self.phase, Phase::Idle) {
            turn.timers.set_sooner(Timer.into(), turn.now.mono + DELAY);
        }
    }

    /// The deadline passed.
    pub fn due<K: Key, E>(&mut self, turn: &mut Turn<'_, K, E>) {
        if self.behind && matches!(self.phase, Phase::Idle) {
            self.begin(turn);
        }
    }

    /// Writes now, what is true now. `token` comes back with the write; at once if there is no file.
    #[must_use]
    pub fn flush<K: Key, E>(&mut self, token: T, turn: &mut Turn<'_, K, E>) -> Option<T> {
        if self.file.is_none() {
            return Some(token);
        }
        self.waiting.push(token);
        if matches!(self.phase, Phase::Idle) {
            self.begin(turn);
        }
        None
    }

    /// Whether the file is behind, or on its way.
    pub fn is_busy(&self) -> bool {
        self.behind || !matches!(self.phase, Phase::Idle)
    }

    /// The end of a job; the outcome back if it is not one of this file's. `rewrite` makes the new text of the old one
    /// ([`SentinelConfig::rewrite`](crate::config::sentinel::SentinelConfig::rewrite)).
    pub fn done<K: Key, E>(
        &mut self,
        op: OpId,
        result: Outcome,
        rewrite: impl FnOnce(&str) -> String,
        turn: &mut Turn<'_, K, E>,
    ) -> Result<Option<Saved<T>>, Outcome> {
        match mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Reading(reading) if reading == op => Ok(self.read_done(result, rewrite, turn)),
            Phase::Writing(writing, tokens) if writing == op => {
                let result = match result {
                    Outcome::Written => Ok(()),
                    other => Err(self.failure(other)),
                };
                Ok(Some(self.finish(tokens, result, true, turn)))
            }
            other => {
                self.phase = other;
                Err(result)
            }
        }
    }

    fn begin<K: Key, E>(&mut self, turn: &mut Turn<'_, K, E>) {
        let Some(file) = self.file.clone() else { return };
        turn.timers.clear(Timer.into());
        let op = turn.ids.op();
        turn.out.push(Action::Start { op, job: Job::Read { file, at: 0, len: FILE_MAX + 1 } });
        self.phase = Phase::Reading(op);
    }

    fn read_done<K: Key, E>(
        &mut self,
        result: Outcome,
        rewrite: impl FnOnce(&str) -> String,
        turn: &mut Turn<'_, K, E>,
    ) -> Option<Saved<T>> {
        let file = self.file.clone()?;
        // What is touched from here on is not in this text.
        (self.behind, self.touched) = (false, false);
        let tokens = mem::take(&mut self.waiting);
        let old = match self.old_text(&file, result) {
            Ok(old) => old,
            Err(error) => return Some(self.finish(tokens, Err(error), false, turn)),
        };
        let text = rewrite(&old);
        if text == old {
            return Some(self.finish(tokens, Ok(()), false, turn));
        }
        let op = turn.ids.op();
        turn.out.push(Action::Start { op, job: Job::Replace { file, bytes: text.into() } });
        self.phase = Phase::Writing(op, tokens);
        None
    }

    fn old_text(&self, file: &Path, result: Outcome) -> Result<String, ConfFileError> {
        let bytes = match result {
            Outcome::Read(bytes) => bytes,
            // Whoever removed it wants it written anew, or will see it come back.
            Outcome::Failed(JobError { kind: JobErrorKind::NotFound, .. }) => return Ok(String::new()),
            other => return Err(self.failure(other)),
        };
        if bytes.len() > FILE_MAX {
            return Err(ConfFileError::TooLarge { file: (**file).into() });
        }
        let text = core::str::from_utf8(&bytes).map(String::from);
        text.map_err(|e| ConfFileError::NotText { file: (**file).into(), at: e.valid_up_to() })
    }

    /// A write ended; the next one, if somebody waits for it or the file is behind.
    fn finish<K: Key, E>(
        &mut self,
        tokens: Vec<T>,
        result: Result<(), ConfFileError>,
        written: bool,
        turn: &mut Turn<'_, K, E>,
    ) -> Saved<T> {
        let news = match &result {
            Ok(()) => written,
            Err(error) => self.failed.as_ref() != Some(error),
        };
        let current = result.is_ok() && !self.behind;
        self.failed = result.clone().err();
        self.touched = false;
        if !self.waiting.is_empty() {
            self.begin(turn);
        } else if self.behind {
            turn.timers.set_sooner(Timer.into(), turn.now.mono + DELAY);
        } else if self.failed.is_some() {
            self.behind = true;
            turn.timers.set_sooner(Timer.into(), turn.now.mono + RETRY);
        }
        Saved { tokens, result, news, current }
    }

    fn failure(&self, outcome: Outcome) -> ConfFileError {
        let why = match outcome {
            Outcome::Failed(error) => error.message,
            other => alloc::format!("unexpected outcome {other:?}").into(),
        };
        ConfFileError::Failed { file: self.file.as_deref().unwrap_or_default().into(), why }
    }
}

#[cfg(test)]
mod tests;
