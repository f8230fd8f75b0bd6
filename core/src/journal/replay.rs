//! Feeds a recording to a fresh machine, and holds what it does against what was recorded.

use super::digest::Digest;
use super::meter::Playback;
use super::reader::Record;
use super::sum::Sum;
use crate::machine::{Action, Actions, Chunks, Input, LogLine, Machine};
use crate::time::Now;

/// Where a replay is not what was recorded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("input {number} (offset {offset} of the recording): {differs}")]
pub struct Difference {
    /// The input's number, from 1 on.
    pub number: u64,
    /// Where in the file its record begins.
    pub offset: u64,
    /// When it was fed.
    pub now: Now,
    /// What differs.
    pub differs: Differs,
}

/// What is not as it was recorded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Differs {
    /// The machine wants other things done.
    #[error("other actions: digest {} was recorded, {} came", Shown(*.recorded), Shown(*.came))]
    Actions {
        /// The digest up to here; `None` for no action.
        recorded: Option<u32>,
        /// The digest that came.
        came: Option<u32>,
    },
    /// The bytes that it sends are others.
    #[error(
        "other bytes sent: the first {len} summed to {recorded:08x} when they were recorded; now {found} came, {came:08x}"
    )]
    Sent {
        /// How many were summed.
        len: usize,
        /// Their recorded sum.
        recorded: u32,
        /// How many the machine shows now.
        found: usize,
        /// Their sum.
        came: u32,
    },
    /// It read its meter more or less often.
    #[error("other readings of the clock: {unread} of the recorded ones were not read, {beyond} were read beyond them")]
    Readings {
        /// Recorded and not read.
        unread: u64,
        /// Read and not recorded.
        beyond: u64,
    },
}

/// A digest, or that there was no action.
struct Shown(Option<u32>);

impl core::fmt::Display for Shown {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(digest) => write!(f, "{digest:08x}"),
            None => f.write_str("no action"),
        }
    }
}

/// A machine that is told again what one like it was told before.
#[derive(Debug)]
pub struct Replay<M: Machine> {
    machine: M,
    playback: Playback,
    digest: Digest,
    actions: Actions<M::Event>,
    chunks: Chunks,
}

impl<M: Machine> Replay<M>
where
    M::Event: LogLine,
{
    /// Replays over `machine`: a fresh one, made of what the recording's header says and of the
    /// [meter](Playback::meter) of `playback`.
    pub fn new(machine: M, playback: Playback) -> Self {
        Self { machine, playback, digest: Digest::new(), actions: Actions::new(), chunks: Chunks::new() }
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// What the last input led to.
    pub fn actions(&self) -> &[Action<M::Event>] {
        &self.actions
    }

    /// The first `len` unsent bytes of a connection, or fewer if there are no more.
    pub fn unsent(&mut self, conn: crate::ids::ConnId, len: usize) -> &Chunks {
        self.chunks.clear();
        self.machine.transmit(conn, len, &mut self.chunks);
        &self.chunks
    }

    /// Feeds the next input. Its actions are there afterwards, whether they are the recorded ones or not.
    ///
    /// # Errors
    /// When the machine does something else than was recorded. Nothing behind that can be relied on.
    pub fn step(&mut self, record: Record<'_, M::Call>) -> Result<(), Difference> {
        let Record { number, offset, now, input, readings, sent, actions: recorded, learned } = record;
        let differ = |differs| Err(Difference { number, offset, now, differs });
        drop(self.actions.drain());
        let sent = match (&input, sent) {
            (Input::Sent { conn, .. }, Some((len, sum))) => self.check_sent(*conn, len, sum),
            _ => Ok(()),
        };
        learned.iter().for_each(|(token, hash)| self.machine.learn_password(token, *hash));
        self.playback.load(&readings);
        self.machine.handle(now, input, &mut self.actions);
        self.actions.iter().for_each(|a| self.digest.action(a));
        let came = (!self.actions.is_empty()).then(|| self.digest.value());
        if came != recorded {
            return differ(Differs::Actions { recorded, came });
        }
        if let Err(differs) = sent {
            return differ(differs);
        }
        match self.playback.rest() {
            (0, 0) => Ok(()),
            (unread, beyond) => differ(Differs::Readings { unread, beyond }),
        }
    }

    fn check_sent(&mut self, conn: crate::ids::ConnId, len: usize, recorded: u32) -> Result<(), Differs> {
        let mut sum = Sum::new();
        let mut left = len;
        for chunk in self.unsent(conn, len).iter() {
            let part = chunk.get(..left).unwrap_or(chunk);
            sum.update(part);
            left -= part.len();
        }
        self.chunks.clear();
        let (found, came) = (len - left, sum.value() as u32);
        if left == 0 && came == recorded { Ok(()) } else { Err(Differs::Sent { len, recorded, found, came }) }
    }
}
