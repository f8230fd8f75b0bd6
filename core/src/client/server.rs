//! What a machine that serves clients says of itself; all the rest of serving is the same for a node and a sentinel.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Debug;

use super::scrape::Page;
use super::{Clients, Dispatch as _, Event, Session, paused, subscribed, unauthenticated};
use crate::acl::Denied;
use crate::config::Settings;
use crate::dataset::Spec;
use crate::ids::{ConnId, Ids};
use crate::machine::{Actions, Machine};
use crate::resp::Args;
use crate::rng::Rng;
use crate::time::{Instant, Now};
use crate::timers::Timers;

/// What one input brings along: its time, and where actions go.
pub(crate) struct Cx<'a, E> {
    pub(crate) now: Now,
    pub(crate) out: &'a mut Actions<E>,
}

/// Runs a command of the server `S` for a client.
pub(crate) type Handler<S> = fn(&mut S, &mut Session, Args<'_>, &mut Cx<'_, <S as Machine>::Event>);

/// A command that was found, ready to run.
#[derive(Clone, Copy)]
pub(crate) struct Found<R> {
    /// Its number in the table.
    pub(crate) index: usize,
    pub(crate) spec: &'static Spec,
    pub(crate) run: R,
}

impl<R> Found<R> {
    /// Its first word, of a subcommand that of its container: what it is called where nothing is renamed.
    #[inline]
    pub(crate) fn own_name(&self) -> &'static str {
        self.spec.name.split('|').next().unwrap_or_default()
    }
}

/// Why a command is not run.
pub(crate) enum Refusal {
    /// With this error.
    Error(String),
    /// Its user may not run it.
    Denied(Denied),
    /// Later: it waits for the end of a pause.
    Held,
}

impl From<&str> for Refusal {
    fn from(text: &str) -> Self {
        Self::Error(text.into())
    }
}

/// What a deadline on the clients' side is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// Idle clients (`timeout`).
    Idle,
    /// A client over its soft output limit.
    Soft(ConnId),
    /// A client that waits in `WAIT`.
    Wait(ConnId),
    /// A connection that is owed bytes and does not take them.
    Linger(ConnId),
    /// The end of `CLIENT PAUSE`.
    Pause,
    /// Who asks for metrics takes too long.
    Scrape(ConnId),
}

/// A machine that serves clients. The required part says where its things are; what has a body may differ.
///
/// Connections come, are fed and go by [`super::Connections`], commands by [`super::Dispatch`].
pub(crate) trait Server: Machine + Sized {
    /// What runs a command.
    type Run: Copy + From<Handler<Self>>;
    /// What its deadlines are for.
    type Key: Copy + Ord + Debug + From<Timer>;

    fn clients(&self) -> &Clients<Self::Run>;
    fn clients_mut(&mut self) -> &mut Clients<Self::Run>;
    fn timers(&mut self) -> &mut Timers<Self::Key>;
    fn ids(&mut self) -> &mut Ids;
    fn rng(&mut self) -> &mut Rng;
    fn settings(&self) -> &Settings;
    /// The users are known: the start goes on.
    fn users_ready(&mut self, cx: &mut Cx<'_, Self::Event>);
    /// Its mode (`standalone`, `sentinel`), and its role where the mode has some.
    fn mode(&self) -> (&'static str, Option<&'static str>);
    /// `run_id` of INFO.
    fn run_id(&self) -> String;
    /// The port it listens on, 0 for none.
    fn port(&self) -> u16;
    /// A line of INFO for each listener.
    fn listening(&self) -> Vec<Box<str>>;
    /// Writes section `n` of the metrics; whether there is such a one.
    fn section(&mut self, n: usize, page: &mut Page<'_>) -> bool;
    /// Whether it is not about to end (`/healthz`); else why in a line.
    fn healthy(&self) -> Result<(), &'static str>;
    /// Whether it does what its role asks of it (`/readyz`); else why in a line.
    fn ready(&self) -> Result<(), String>;
    /// Tells the host what happened among the clients.
    fn tell(&mut self, event: Event, cx: &mut Cx<'_, Self::Event>);
    /// Runs a command; whether it failed.
    fn run(&mut self, s: &mut Session, found: &Found<Self::Run>, args: Args<'_>, cx: &mut Cx<'_, Self::Event>) -> bool;

    /// Whether it dispatches the subcommands of a container by the table; else what runs the container knows them.
    fn has_subcommands(_: Self::Run) -> bool {
        true
    }

    /// The checks before a command runs, in Redis's order.
    fn refusal(
        &self,
        s: &Session,
        found: &Found<Self::Run>,
        args: Args<'_>,
        _: &Cx<'_, Self::Event>,
    ) -> Option<Refusal> {
        let flags = found.spec.flags;
        unauthenticated(self.clients(), s, flags)
            .or_else(|| self.clients().denied(s, found.index, args).map(Refusal::Denied))
            .or_else(|| subscribed(s, found.spec))
            .or_else(|| paused(self.clients(), s, found, flags))
    }

    /// What is left of a client's input, before it is parsed: for how many commands it is not asked again, at least one.
    fn foresee(&self, _db: u32, _input: &[u8]) -> usize {
        usize::MAX
    }

    /// A command is about to be checked: room is made for it, where memory has a limit.
    fn make_room(&mut self, _: &mut Session, _: &Found<Self::Run>, _: &mut Cx<'_, Self::Event>) {}

    /// Answers a command that is refused.
    fn refused(&mut self, s: &mut Session, found: &Found<Self::Run>, text: &str) {
        self.refuse(s, Some(found.index), text);
    }

    /// Runs a command that passed the checks, or keeps it for a transaction.
    fn admitted(&mut self, s: &mut Session, found: &Found<Self::Run>, args: Args<'_>, cx: &mut Cx<'_, Self::Event>) {
        self.call(s, found, args, cx);
    }

    /// A command is about to run.
    fn before(&mut self, _: &mut Session, _: &'static Spec, _: Args<'_>, _: &mut Cx<'_, Self::Event>) {}

    /// A command ran and took `us` microseconds.
    fn after(&mut self, _: &Session, _: &'static Spec, _: Args<'_>, _us: u64, _: &Cx<'_, Self::Event>) {}

    /// A client is gone: what else is kept for it goes.
    fn left(&mut self, _: &Session, _: &mut Cx<'_, Self::Event>) {}

    /// Answers a client in `WAIT` with what there is, or with this error.
    fn wait_over(&mut self, _: ConnId, _error: Option<&str>, _: &mut Cx<'_, Self::Event>) {}

    /// `CLIENT KILL TYPE master`: closes the link to the master; whether there was one.
    fn break_link(&mut self, _: &mut Cx<'_, Self::Event>) -> bool {
        false
    }

    // From PSYNC on, a session is a replica's: it is no client any more. A sentinel has none.

    /// A replica sent bytes.
    fn replica_heard(&mut self, _: ConnId, _: Instant) {}

    /// A replica said a command; whether it was taken, else it runs as any other.
    fn replica_said(&mut self, _: &Session, _: Args<'_>, _: &mut Cx<'_, Self::Event>) -> bool {
        false
    }

    /// A replica's connection took bytes.
    fn replica_took(&mut self, _: ConnId, _len: usize, _: &mut Cx<'_, Self::Event>) {}

    /// Whether a replica is still served; if not, its connection is closed already.
    fn replica_served(&self, _: ConnId) -> bool {
        true
    }
}
