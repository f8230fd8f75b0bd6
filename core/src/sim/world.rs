//! The world: its hosts, its time, and what is said to it from outside.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::Range;

use super::agenda::{Agenda, Coming, Next};
use super::net::{At, Conns, Links};
use super::process::{Host, Ready};
use super::tell::Telling;
use super::trace::Trace;
use super::turn::Turn;
use super::{Boot, Came, Choices, Disk, DiskConfig, Fault, HostId, Names, NetConfig, Observer, Seen, Step, Violation};
use crate::ids::{ConnId, OpId};
use crate::machine::{Actions, Chunks, Closed, Machine, Signal};
use crate::time::{Instant, Now};

/// Something that an observer is told beside the inputs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Notice {
    Booted(u32),
    Fault(u32),
}

/// The last step, without what it lent.
#[derive(Clone, Debug)]
pub(super) enum Last {
    Nothing,
    Notice(Notice),
    Tick,
    Resume,
    Accepted { conn: ConnId, listener: OpId, peer: HostId },
    Connected { conn: ConnId, peer: HostId },
    Received { conn: ConnId, range: Range<usize> },
    Sent { conn: ConnId, len: usize },
    Eof { conn: ConnId },
    Closed { conn: ConnId, reason: Closed },
    Late { conn: ConnId },
    Began { op: OpId },
    Done { op: OpId, came: Came },
    Call,
    Shutdown { signal: Signal },
}

impl Last {
    /// Its kind's number in the trace.
    pub(super) fn tag(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Notice(_) => 1,
            Self::Tick => 2,
            Self::Resume => 3,
            Self::Accepted { .. } => 4,
            Self::Connected { .. } => 5,
            Self::Received { .. } => 6,
            Self::Sent { .. } => 7,
            Self::Eof { .. } => 8,
            Self::Closed { .. } => 9,
            Self::Late { .. } => 10,
            Self::Began { .. } => 11,
            Self::Done { .. } => 12,
            Self::Call => 13,
            Self::Shutdown { .. } => 14,
        }
    }

    /// What it is about, as a number in the trace.
    pub(super) fn subject(&self) -> u64 {
        match self {
            Self::Sent { conn, len } => conn.as_u64() ^ (*len as u64) << 32,
            Self::Accepted { conn, .. }
            | Self::Connected { conn, .. }
            | Self::Received { conn, .. }
            | Self::Eof { conn }
            | Self::Closed { conn, .. }
            | Self::Late { conn } => conn.as_u64(),
            Self::Began { op } | Self::Done { op, .. } => op.as_u64(),
            _ => 0,
        }
    }
}

/// A world of machines of one type `M` (an enum where they differ), in virtual time, from one source of choices.
pub struct World<M: Machine> {
    pub(super) choices: Choices,
    pub(super) net: NetConfig,
    pub(super) disks: DiskConfig,
    pub(super) names: Names,
    pub(super) hosts: Vec<Host<M>>,
    pub(super) addrs: BTreeMap<IpAddr, u32>,
    pub(super) conns: Conns,
    pub(super) links: Links,
    pub(super) agenda: Agenda,
    /// Every fault that was applied or scheduled.
    pub(super) faults: Vec<Fault>,
    pub(super) now: Instant,
    pub(super) turn: Option<Turn>,
    /// Boots and faults that no step has told yet.
    pub(super) notices: VecDeque<Notice>,
    /// Something late that the next input is.
    pub(super) late: Option<(u32, ConnId, u8)>,
    pub(super) last: Last,
    pub(super) last_host: Option<HostId>,
    pub(super) last_now: Now,
    /// The memory of the bytes that the last step brought, to be given back to the pipe of this end.
    pub(super) lent: Option<(At, Vec<u8>)>,
    pub(super) actions: Actions<M::Event>,
    pub(super) chunks: Chunks,
    pub(super) spare_chunks: Chunks,
    pub(super) trace: Trace,
    pub(super) telling: Option<Telling<M::Event>>,
    pub(super) violation: Option<Violation>,
    pub(super) stats: WorldStats,
}

/// What a world did so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorldStats {
    /// Inputs that machines took.
    pub steps: u64,
    /// Bytes that machines received.
    pub bytes: u64,
    /// Connections that came to stand.
    pub connections: u64,
    /// Boots, the first ones too.
    pub boots: u64,
    /// Jobs that were answered.
    pub jobs: u64,
    /// Bytes that power cuts took from files.
    pub lost_bytes: u64,
    /// Laws that were checked.
    pub checks: u64,
    /// Faults that were applied, by [`Fault::kind`].
    pub faults: BTreeMap<&'static str, u64>,
}

impl<M: Machine> World<M> {
    /// An empty world at true time zero.
    pub fn new(choices: Choices, net: NetConfig) -> Self {
        Self {
            choices,
            net,
            disks: DiskConfig::default(),
            names: Names::default(),
            hosts: Vec::new(),
            addrs: BTreeMap::new(),
            conns: Conns::default(),
            links: Links::default(),
            agenda: Agenda::default(),
            faults: Vec::new(),
            now: Instant::ZERO,
            turn: None,
            notices: VecDeque::new(),
            late: None,
            last: Last::Nothing,
            last_host: None,
            last_now: Now::default(),
            lent: None,
            actions: Actions::new(),
            chunks: Chunks::new(),
            spare_chunks: Chunks::new(),
            trace: Trace::default(),
            telling: None,
            violation: None,
            stats: WorldStats::default(),
        }
    }

    /// Gives every host such a disk.
    pub fn set_disks(&mut self, disks: DiskConfig) {
        self.disks = disks;
    }

    /// Adds a host that is off: [`World::start`] boots it. Its name resolves to its addresses; no two hosts share one.
    pub fn add(&mut self, name: &str, addrs: Vec<IpAddr>, boot: Boot<M>) -> HostId {
        let id = self.hosts.len() as u32;
        self.names.set(name, addrs.clone());
        for addr in &addrs {
            self.addrs.insert(*addr, id);
        }
        self.hosts.push(Host::new(name, addrs, boot));
        self.links.add_host();
        self.agenda.add_host();
        self.tell_host(id);
        HostId(id)
    }

    /// Boots a host that is down. Its machine is made at once, and its first `Tick` is due when it says.
    pub fn start(&mut self, h: HostId) {
        self.boot(h.0);
    }

    /// The power of a host fails, until [`World::start`]: what was not synced may be lost or torn.
    pub fn crash(&mut self, h: HostId) {
        self.lose_power(h.0);
    }

    /// The process of a host is killed, until [`World::start`]: files stay as they are, peers hear of it.
    pub fn kill(&mut self, h: HostId) {
        self.end_process(h.0);
    }

    /// A host that is down has other addresses from now on, by itself and by its name: for who knew the old ones nobody is
    /// there. One that runs keeps what it has.
    pub fn move_to(&mut self, h: HostId, addrs: Vec<IpAddr>) {
        let Some(host) = self.hosts.get_mut(h.0 as usize).filter(|host| host.machine.is_none()) else { return };
        for old in &host.addrs {
            self.addrs.remove(old);
        }
        for new in &addrs {
            self.addrs.insert(*new, h.0);
        }
        self.names.set(&host.name, addrs.clone());
        host.addrs = addrs;
    }

    /// Asks the process of a host to end. It stays down after it did, until [`World::start`].
    pub fn stop(&mut self, h: HostId, signal: Signal) {
        self.push_ready(h.0, Ready::Shutdown(signal));
    }

    /// Asks the machine of a host something, as the program that embeds it does; lost if it is down.
    pub fn call(&mut self, h: HostId, call: M::Call) {
        self.push_ready(h.0, Ready::Call(call));
    }

    fn push_ready(&mut self, h: u32, ready: Ready<M::Call>) {
        if let Some(host) = self.host_mut(h).filter(|host| host.machine.is_some()) {
            host.ready.push_back(ready);
            self.wake(h);
        }
    }

    /// Applies a fault now.
    pub fn apply(&mut self, fault: &Fault) {
        self.faults.push(fault.clone());
        self.apply_known(self.faults.len() as u32 - 1);
    }

    /// Applies a fault at a time to come; at once if it has passed.
    pub fn schedule(&mut self, at: Instant, fault: Fault) {
        self.faults.push(fault);
        self.agenda.push(at.max(self.now), Coming::Fault(self.faults.len() as u32 - 1));
    }

    /// Ends all faults that last: hosts that are down boot, those that pause go on, clocks run true, held bytes move
    /// again. What is scheduled still comes.
    pub fn heal(&mut self) {
        self.heal_all();
    }

    /// The world's true time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The next step, and the time moved on to it. `None`: nothing will ever happen any more, or a law is broken.
    pub fn step(&mut self) -> Option<Step<'_, M>> {
        if self.advance(Instant::MAX) { Some(self.last_step()) } else { None }
    }

    /// Steps until `at`, and shows each to the observer. Time is `at` then, whether or not anything happened.
    ///
    /// # Errors
    /// The first violation, of a law or of what the observer looks for. The world does not go on behind it.
    pub fn run_until(&mut self, at: Instant, observer: &mut dyn Observer<M>) -> Result<(), Violation> {
        while self.advance(at) {
            let found = observer.after(self, &self.last_step());
            if let Err(violation) = found {
                self.note(violation);
            }
        }
        match &self.violation {
            Some(violation) => Err(violation.clone()),
            None => {
                self.now = self.now.max(at);
                Ok(())
            }
        }
    }

    /// Does the next step, if it is not later than `until`.
    fn advance(&mut self, until: Instant) -> bool {
        if let Some((at, buf)) = self.lent.take()
            && let Some(end) = self.conns.end_mut(at)
        {
            end.pipe.give_back(buf);
        }
        loop {
            if self.violation.is_some() {
                return false;
            }
            if let Some(notice) = self.notices.pop_front() {
                self.tell_notice(notice);
                return true;
            }
            if self.turn.is_some() {
                if self.go_on() {
                    return true;
                }
                continue;
            }
            if self.agenda.next_at().is_none_or(|at| at > until) {
                return false;
            }
            let Some((at, next)) = self.agenda.pop() else { return false };
            self.now = self.now.max(at);
            match next {
                Next::Turn(h) => self.begin_turn(h),
                Next::Coming(what) => self.happen(what),
            }
        }
    }

    fn tell_notice(&mut self, notice: Notice) {
        drop(self.actions.drain());
        self.last = Last::Notice(notice);
        self.last_host = match notice {
            Notice::Booted(h) => Some(HostId(h)),
            Notice::Fault(index) => self.faults.get(index as usize).and_then(Fault::host),
        };
        self.last_now = self.last_host.map_or(Now::default(), |h| self.local_now(h));
    }

    /// The last step, with what it lent.
    fn last_step(&self) -> Step<'_, M> {
        let seen = match &self.last {
            Last::Nothing | Last::Notice(Notice::Booted(_)) => Seen::Booted,
            Last::Notice(Notice::Fault(index)) => match self.faults.get(*index as usize) {
                Some(fault) => Seen::Fault(fault),
                None => Seen::Booted,
            },
            Last::Tick => Seen::Tick,
            Last::Resume => Seen::Resume,
            Last::Accepted { conn, listener, peer } => Seen::Accepted { conn: *conn, listener: *listener, peer: *peer },
            Last::Connected { conn, peer } => Seen::Connected { conn: *conn, peer: *peer },
            Last::Received { conn, range } => {
                let bytes = self.lent.as_ref().and_then(|(_, buf)| buf.get(range.clone()));
                Seen::Received { conn: *conn, bytes: bytes.unwrap_or(&[]) }
            }
            Last::Sent { conn, len } => Seen::Sent { conn: *conn, len: *len },
            Last::Eof { conn } => Seen::Eof { conn: *conn },
            Last::Closed { conn, reason } => Seen::Closed { conn: *conn, reason: *reason },
            Last::Late { conn } => Seen::Late { conn: *conn },
            Last::Began { op } => Seen::Began { op: *op },
            Last::Done { op, came } => Seen::Done { op: *op, result: *came },
            Last::Call => Seen::Call,
            Last::Shutdown { signal } => Seen::Shutdown { signal: *signal },
        };
        Step { at: self.now, host: self.last_host, now: self.last_now, seen, actions: &self.actions }
    }

    /// Something is that must not be: the first one counts.
    pub(super) fn violate(&mut self, name: &'static str, host: Option<HostId>, text: String) {
        self.note(Violation { name, at: self.now, host, text });
    }

    fn note(&mut self, violation: Violation) {
        if self.violation.is_none() {
            self.tell_violation(&violation);
            self.violation = Some(violation);
        }
    }

    /// What a host has just sent by a connection, if the last step is that it sent so many bytes.
    #[cfg(feature = "keyspace")]
    pub(super) fn just_sent(&self, h: HostId, conn: ConnId, len: usize) -> &[u8] {
        let to = self.host(h.0).and_then(|host| host.conns.get(&conn)).and_then(|at| self.conns.end(at.other()));
        to.and_then(|end| end.pipe.buf.get(end.pipe.buf.len().checked_sub(len)?..)).unwrap_or(&[])
    }

    /// How many hosts there are.
    pub fn hosts(&self) -> u32 {
        self.hosts.len() as u32
    }

    /// A host's name.
    pub fn name(&self, h: HostId) -> &str {
        self.hosts.get(h.0 as usize).map_or("", |host| &host.name)
    }

    /// A host's addresses.
    pub fn addrs(&self, h: HostId) -> &[IpAddr] {
        self.hosts.get(h.0 as usize).map_or(&[], |host| &host.addrs)
    }

    /// The machine of a host that is up.
    pub fn machine(&self, h: HostId) -> Option<&M> {
        self.hosts.get(h.0 as usize)?.machine.as_ref()
    }

    /// The same, to be changed behind the door's back: for mutations.
    pub fn machine_mut(&mut self, h: HostId) -> Option<&mut M> {
        self.hosts.get_mut(h.0 as usize)?.machine.as_mut()
    }

    /// A host's files.
    ///
    /// # Panics
    /// When there is no such host.
    pub fn disk(&self, h: HostId) -> &Disk {
        &self.hosts[h.0 as usize].disk
    }

    /// The same, to set up or to damage.
    ///
    /// # Panics
    /// When there is no such host.
    pub fn disk_mut(&mut self, h: HostId) -> &mut Disk {
        &mut self.hosts[h.0 as usize].disk
    }

    /// Whether a host's process runs, paused or not.
    pub fn is_up(&self, h: HostId) -> bool {
        self.machine(h).is_some()
    }

    /// Whether a host's process stands still.
    pub fn is_paused(&self, h: HostId) -> bool {
        self.host(h.0).is_some_and(|host| host.machine.is_some() && host.troubles.paused > self.now)
    }

    /// How often a host booted.
    pub fn boots(&self, h: HostId) -> u32 {
        self.hosts.get(h.0 as usize).map_or(0, |host| host.boots)
    }

    /// What the process of a host ended with the last time, if it ended by itself.
    pub fn exit_code(&self, h: HostId) -> Option<i32> {
        self.host(h.0)?.exit
    }

    /// A host's own clocks.
    pub fn local_now(&self, h: HostId) -> Now {
        self.host(h.0).map_or(Now::default(), |host| host.clock.read(self.now))
    }

    /// All names.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The same, to be changed: a move that everyone knows of.
    pub fn names_mut(&mut self) -> &mut Names {
        &mut self.names
    }

    /// What must not be and was: a law, or what an observer found. Nothing happens behind it.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// One number for all that happened: equal for two runs of a seed, on every platform.
    pub fn trace_hash(&self) -> u64 {
        self.trace.value()
    }

    /// What the world did so far.
    pub fn stats(&self) -> &WorldStats {
        &self.stats
    }
}
