//! What one step of a world was, and who looks at it.

use alloc::string::String;
use core::fmt;

use super::{Fault, HostId, World};
use crate::ids::{ConnId, OpId};
use crate::machine::{Action, Closed, JobErrorKind, Machine, Outcome, Signal};
use crate::time::{Instant, Now};

/// One step: one input that one machine took and what it wanted, or one fault.
pub struct Step<'a, M: Machine> {
    /// The world's true time.
    pub at: Instant,
    /// Which host; `None` for a fault that is not about one.
    pub host: Option<HostId>,
    /// That host's own time, as the machine was told it.
    pub now: Now,
    /// What happened.
    pub seen: Seen<'a>,
    /// What the machine wanted. The world has carried it out.
    pub actions: &'a [Action<M::Event>],
}

/// What happened in a step: the [`Input`](crate::Input) as far as an observer needs it, or something around the machines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Seen<'a> {
    /// The host booted and its machine was made; no input yet.
    Booted,
    /// A fault began, or did all that it does.
    Fault(&'a Fault),
    /// `Input::Tick`.
    Tick,
    /// `Input::Resume`.
    Resume,
    /// `Input::Accepted`.
    Accepted {
        /// The connection.
        conn: ConnId,
        /// The listener's job.
        listener: OpId,
        /// Where it comes from.
        peer: HostId,
    },
    /// `Input::Connected`.
    Connected {
        /// The connection.
        conn: ConnId,
        /// Where it leads.
        peer: HostId,
    },
    /// `Input::Received`.
    Received {
        /// The connection.
        conn: ConnId,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// `Input::Sent`.
    Sent {
        /// The connection.
        conn: ConnId,
        /// How many bytes.
        len: usize,
    },
    /// `Input::Eof`.
    Eof {
        /// The connection.
        conn: ConnId,
    },
    /// `Input::Closed`.
    Closed {
        /// The connection.
        conn: ConnId,
        /// Why.
        reason: Closed,
    },
    /// Something late about a connection that is closed already, to be ignored.
    Late {
        /// The connection.
        conn: ConnId,
    },
    /// `Input::Began`.
    Began {
        /// The job.
        op: OpId,
    },
    /// `Input::Done`.
    Done {
        /// The job.
        op: OpId,
        /// What came of it.
        result: Came,
    },
    /// `Input::Call`.
    Call,
    /// `Input::Shutdown`.
    Shutdown {
        /// Which signal asked.
        signal: Signal,
    },
}

/// What came of a job: an [`Outcome`] without what it carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Came {
    /// A listener stands.
    Listening,
    /// A name has addresses.
    Resolved,
    /// So many bytes were read.
    Read(usize),
    /// An append, commit, replace or remove succeeded.
    Written,
    /// A file's length, or that it is not there.
    Stat(Option<u64>),
    /// A program ended with this code.
    Exited(Option<i32>),
    /// What the process uses.
    Usage,
    /// Certificates are in force.
    Loaded,
    /// It failed.
    Failed(JobErrorKind),
    /// It was cancelled.
    Cancelled,
}

impl From<&Outcome> for Came {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Listening(_) => Self::Listening,
            Outcome::Resolved(_) => Self::Resolved,
            Outcome::Read(bytes) => Self::Read(bytes.len()),
            Outcome::Written => Self::Written,
            Outcome::Stat(len) => Self::Stat(*len),
            Outcome::Exited { code, .. } => Self::Exited(*code),
            Outcome::Usage(_) => Self::Usage,
            Outcome::Loaded => Self::Loaded,
            Outcome::Failed(error) => Self::Failed(error.kind),
            Outcome::Cancelled => Self::Cancelled,
        }
    }
}

/// Looks at a world after every step.
pub trait Observer<M: Machine> {
    /// Sees the step and the world behind it: the actions are carried out, and [`World::machine`] shows the machine as it
    /// left the input. An error ends the run and becomes [`World::violation`].
    fn after(&mut self, world: &World<M>, step: &Step<'_, M>) -> Result<(), Violation>;
}

/// Looks at nothing: the laws alone are checked.
impl<M: Machine> Observer<M> for () {
    fn after(&mut self, _: &World<M>, _: &Step<'_, M>) -> Result<(), Violation> {
        Ok(())
    }
}

/// Something that must not be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Violation {
    /// The law or invariant, by its name.
    pub name: &'static str,
    /// The world's true time.
    pub at: Instant,
    /// Whose fault it is, as far as it is one host's.
    pub host: Option<HostId>,
    /// What was expected, and what came.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}", self.name, self.at)?;
        if let Some(host) = self.host {
            write!(f, " on {host}")?;
        }
        write!(f, ": {}", self.text)
    }
}
