//! What campaigns share: a [`Campaign`] draws runs from seeds, a [`Plan`] runs and comes to a [`Report`], many reports
//! come to a [`Summary`], and a failing list of faults is [shrunk](shrink).

mod figures;
mod shrink;
mod situations;
mod summary;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{Display, Write};
use core::time::Duration;

pub use figures::{Amount, Figure, Short};
pub use shrink::{Failing, Shrunk, shrink};
pub use situations::Counts;
#[cfg(feature = "keyspace")]
pub(in crate::sim) use situations::situations;
pub use summary::{ENOUGH, Summary};

use super::story::Story;
use super::{HostId, Seen, Step, Violation};
use crate::machine::{Action, Input, Machine};
use crate::time::Instant;

/// Takes the lines of a trace.
pub type Trace = Box<dyn FnMut(&str)>;

/// A named kind of run: what may go wrong in it is known, and a seed decides what does.
pub trait Campaign: Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// What it is for, in one line.
    fn about(&self) -> &'static str;
    /// Whether a campaign of [`ENOUGH`] runs has to have seen every situation.
    fn complete(&self) -> bool;
    /// The run of a seed, with so many nodes where that is open.
    fn draw(&'static self, seed: u64, nodes: usize) -> Box<dyn Plan>;
}

/// Every campaign that there is, by its scenarios; the first one is the usual one.
#[cfg(feature = "keyspace")]
pub fn all() -> impl Iterator<Item = &'static dyn Campaign> {
    let replication = super::replication::Scenario::ALL.iter().map(|s| s as &'static dyn Campaign);
    replication.chain(super::sentinel::Scenario::ALL.iter().map(|s| s as &'static dyn Campaign))
}

/// A run, drawn: the same for every time that it is run.
pub trait Plan {
    /// Its seed.
    fn seed(&self) -> u64;
    /// What it is made of, one line each.
    fn lines(&self) -> Vec<String>;
    /// What goes wrong in it, by time: when, and what.
    fn deeds(&self) -> Vec<(Instant, String)>;
    /// Runs it with all of its list, or with these entries of it. `trace` gets a line for each step, `story` all that its
    /// limits leave room for.
    fn run(&self, only: Option<&[usize]>, trace: Option<Trace>, story: Option<Story>) -> (Report, Option<Story>);
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What must not be and was.
    pub violation: Option<Violation>,
    /// How often each situation occurred.
    pub situations: Counts,
    /// Inputs of machines.
    pub steps: u64,
    /// Virtual time.
    pub lasted: Duration,
    /// Of it, from the healing until all was as it should be.
    pub healing: Duration,
    /// What was applied of the list.
    pub deeds: u64,
    /// Checks of invariants and laws.
    pub checks: u64,
    /// What else was counted.
    pub figures: Vec<Figure>,
    /// All that happened, in one number.
    pub hash: u64,
}

impl Failing for Report {
    fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }
}

/// An invariant that does not hold: its name, and what was expected and came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// Which.
    pub name: &'static str,
    /// What was expected, and what came.
    pub text: String,
}

impl Broken {
    /// An invariant that does not hold.
    pub fn new(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, text: text.into() }
    }
}

/// Bytes of an input that a trace shows, at most.
const SHOWN: usize = 160;

/// Writes a step as one line of a trace, in place of what `line` holds.
pub fn trace_line<M: Machine>(step: &Step<'_, M>, line: &mut String)
where
    M::Event: Display + core::fmt::Debug,
{
    line.clear();
    let (us, host) = (step.at.as_micros(), step.host.unwrap_or(HostId(u32::MAX)));
    // Writing into a string cannot fail.
    let _ = write!(line, "{}.{:06} {host} ", us / 1_000_000, us % 1_000_000);
    let _ = match step.seen {
        Seen::Received { conn, bytes } => {
            let shown = &bytes[..bytes.len().min(SHOWN)];
            write!(line, "Received {conn:?} {} bytes {}", bytes.len(), shown.escape_ascii())
        }
        seen => write!(line, "{seen:?}"),
    };
    for action in step.actions {
        let _ = match action {
            Action::Event(event) => write!(line, " | {event}"),
            action => write!(line, " | {action:?}"),
        };
    }
}

/// The same input for a machine with another kind of call; `None`: the call is for another kind of machine.
pub fn input_for<A, B>(input: Input<'_, A>, call: impl FnOnce(A) -> Option<B>) -> Option<Input<'_, B>> {
    Some(match input {
        Input::Tick => Input::Tick,
        Input::Resume => Input::Resume,
        Input::Accepted { conn, listener, local, peer, tls } => Input::Accepted { conn, listener, local, peer, tls },
        Input::Named { conn, names } => Input::Named { conn, names },
        Input::Connected { conn, local, peer, tls } => Input::Connected { conn, local, peer, tls },
        Input::Received { conn, bytes } => Input::Received { conn, bytes },
        Input::Sent { conn, len } => Input::Sent { conn, len },
        Input::Eof { conn } => Input::Eof { conn },
        Input::Closed { conn, reason } => Input::Closed { conn, reason },
        Input::Began { op, pid } => Input::Began { op, pid },
        Input::Done { op, result } => Input::Done { op, result },
        Input::Call(c) => Input::Call(call(c)?),
        Input::Shutdown { signal } => Input::Shutdown { signal },
    })
}
