//! Processes and the computers they run on: boot, power cut, kill, end, pause.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::agenda::Coming;
use super::clock::Clock;
use super::jobs::Running;
use super::laws::Watch;
use super::net::{At, Listener};
use super::used::Used;
use super::world::Notice;
use super::{Boot, BootInfo, Disk, DiskTrouble, HostId, World};
use crate::ids::{ConnId, OpId};
use crate::machine::{Closed, Machine, Outcome, Path, Signal};
use crate::time::Instant;

/// Something that waits for a host's loop.
#[derive(Debug)]
pub(super) enum Ready<C> {
    Accept(At, OpId),
    Connected(At),
    /// There is something to read, or an end to hear of.
    News(At),
    /// A connection that was never made.
    Failed(At, Closed),
    Began(OpId),
    Done(OpId, Outcome),
    Call(C),
    Shutdown(Signal),
}

/// Until when a host has which trouble.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    pub(super) paused: Instant,
    pub(super) slow_reader: Instant,
    pub(super) refuses: Instant,
    pub(super) drops: Instant,
    pub(super) disk: Option<(DiskTrouble, Instant)>,
}

/// A computer and the one process on it.
pub(super) struct Host<M: Machine> {
    pub(super) name: String,
    pub(super) addrs: Vec<IpAddr>,
    pub(super) boot: Boot<M>,
    pub(super) boots: u32,
    pub(super) disk: Disk,
    pub(super) clock: Clock,
    pub(super) troubles: Troubles,
    /// The computer is on, whether or not the process runs.
    pub(super) powered: bool,
    /// When it boots again.
    pub(super) boot_at: Option<Instant>,
    /// It boots again so long after its process ended.
    pub(super) again_after: Option<Duration>,
    pub(super) exit: Option<i32>,

    // The process.
    pub(super) machine: Option<M>,
    pub(super) ready: VecDeque<Ready<M::Call>>,
    /// Connections with bytes to send, and as far as is known with room for them.
    pub(super) writes: VecDeque<At>,
    /// It yielded.
    pub(super) resume: bool,
    /// Its loop is busy until then.
    pub(super) free_at: Instant,
    pub(super) conns: BTreeMap<ConnId, At>,
    pub(super) used_conns: Used,
    pub(super) used_ops: Used,
    pub(super) accepted: u64,
    pub(super) port: u16,
    pub(super) listeners: BTreeMap<OpId, Listener>,
    pub(super) jobs: BTreeMap<OpId, Running>,
    /// When the last job on each file is done.
    pub(super) files_free_at: BTreeMap<Path, Instant>,
    pub(super) watch: Watch,
    /// The connection that was last asked whether it kept bytes back.
    pub(super) looked_at: ConnId,
}

impl<M: Machine> Host<M> {
    pub(super) fn new(name: &str, addrs: Vec<IpAddr>, boot: Boot<M>) -> Self {
        Self {
            name: name.into(),
            addrs,
            boot,
            boots: 0,
            disk: Disk::default(),
            clock: Clock::new(Instant::ZERO),
            troubles: Troubles::default(),
            powered: true,
            boot_at: None,
            again_after: None,
            exit: None,
            machine: None,
            ready: VecDeque::new(),
            writes: VecDeque::new(),
            resume: false,
            free_at: Instant::ZERO,
            conns: BTreeMap::new(),
            used_conns: Used::default(),
            used_ops: Used::default(),
            accepted: 0,
            port: 0,
            listeners: BTreeMap::new(),
            jobs: BTreeMap::new(),
            files_free_at: BTreeMap::new(),
            watch: Watch::default(),
            looked_at: ConnId::from_u64(0),
        }
    }

    /// Whether its loop turns.
    pub(super) fn runs(&self, now: Instant) -> bool {
        self.machine.is_some() && self.troubles.paused <= now
    }

    /// Nothing is left of the process.
    fn clear(&mut self) {
        self.machine = None;
        self.ready.clear();
        self.writes.clear();
        self.resume = false;
        self.conns.clear();
        self.used_conns = Used::default();
        self.used_ops = Used::default();
        self.accepted = 0;
        self.listeners.clear();
        self.jobs.clear();
        self.files_free_at.clear();
        self.watch = Watch::default();
        self.troubles.paused = Instant::ZERO;
    }
}

impl<M: Machine> World<M> {
    #[inline]
    pub(super) fn host(&self, h: u32) -> Option<&Host<M>> {
        self.hosts.get(h as usize)
    }

    #[inline]
    pub(super) fn host_mut(&mut self, h: u32) -> Option<&mut Host<M>> {
        self.hosts.get_mut(h as usize)
    }

    /// A host that runs has something to do.
    #[inline]
    pub(super) fn wake(&mut self, h: u32) {
        let now = self.now;
        if let Some(host) = self.hosts.get(h as usize)
            && host.runs(now)
        {
            self.agenda.set_turn_sooner(h, host.free_at.max(now));
        }
    }

    /// Plans a host's next turn anew.
    pub(super) fn plan(&mut self, h: u32) {
        let now = self.now;
        let Some(host) = self.hosts.get(h as usize) else { return };
        let at = if !host.runs(now) {
            Instant::MAX
        } else if host.resume || !host.ready.is_empty() || !host.writes.is_empty() {
            host.free_at.max(now)
        } else {
            match host.machine.as_ref().and_then(Machine::deadline) {
                Some(deadline) => host.clock.when(deadline).max(host.free_at).max(now),
                None => Instant::MAX,
            }
        };
        self.agenda.set_turn(h, at);
    }

    /// Makes the machine of a host that is down.
    pub(super) fn boot(&mut self, h: u32) {
        let (now, seed) = (self.now, self.choices.seed32());
        let Some(host) = self.hosts.get_mut(h as usize) else { return };
        if host.machine.is_some() {
            return;
        }
        let had_power = core::mem::replace(&mut host.powered, true);
        host.clear();
        (host.boot_at, host.again_after, host.exit) = (None, None, None);
        host.clock.boot(now);
        host.free_at = now;
        let info = BootInfo {
            host: HostId(h),
            name: &host.name,
            addrs: &host.addrs,
            boot: host.boots,
            seed,
            now: host.clock.read(now),
            disk: &host.disk,
        };
        host.machine = Some((host.boot)(&info));
        host.boots += 1;
        self.stats.boots += 1;
        self.notices.push_back(Notice::Booted(h));
        self.tell_process(h, None);
        self.plan(h);
        if !had_power {
            self.power_is_back(h);
        }
    }

    /// The power of a host fails.
    pub(super) fn lose_power(&mut self, h: u32) {
        self.end_turn_of(h);
        self.cut_jobs(h);
        for at in self.conns.of_host(h) {
            self.vanish(at);
        }
        let Some(host) = self.hosts.get_mut(h as usize) else { return };
        let before = host.disk.lost_bytes();
        host.disk.power_cut(&mut self.choices);
        self.stats.lost_bytes += host.disk.lost_bytes() - before;
        host.powered = false;
        host.clear();
        self.tell_process(h, Some("down"));
        self.plan(h);
    }

    /// The process of a host ends without its own doing.
    pub(super) fn end_process(&mut self, h: u32) {
        self.end_turn_of(h);
        self.cut_jobs(h);
        self.close_all(h);
    }

    /// The machine asked for the end of its process: what it began with files is finished first.
    pub(super) fn exit(&mut self, h: u32, code: i32) {
        self.end_turn_of(h);
        self.finish_jobs(h);
        self.close_all(h);
        let now = self.now;
        let Some(host) = self.host_mut(h) else { return };
        host.exit = Some(code);
        if let Some(after) = host.again_after.take() {
            self.boot_later(h, now + after);
        }
    }

    fn close_all(&mut self, h: u32) {
        for at in self.conns.of_host(h) {
            self.close_end(at);
        }
        if let Some(host) = self.host_mut(h) {
            host.clear();
        }
        self.tell_process(h, Some("down"));
        self.plan(h);
    }

    pub(super) fn boot_later(&mut self, h: u32, at: Instant) {
        if let Some(host) = self.host_mut(h) {
            let at = host.boot_at.map_or(at, |old| old.max(at));
            host.boot_at = Some(at);
            self.agenda.push(at, Coming::Boot(h));
        }
    }

    pub(super) fn pause(&mut self, h: u32, until: Instant) {
        let Some(host) = self.host_mut(h) else { return };
        if host.machine.is_some() && until > host.troubles.paused {
            host.troubles.paused = until;
            self.agenda.push(until, Coming::Unpause(h));
            self.end_turn_of(h);
            self.tell_process(h, Some("paused"));
            self.plan(h);
        }
    }

    /// A pause may be over.
    pub(super) fn unpause(&mut self, h: u32) {
        if self.host(h).is_some_and(|host| host.runs(self.now)) {
            self.tell_process(h, None);
            if self.turn.as_ref().is_none_or(|t| t.host != h) {
                self.plan(h);
            }
        }
    }

    /// A turn that is under way goes no further.
    fn end_turn_of(&mut self, h: u32) {
        if let Some(turn) = self.turn.take_if(|t| t.host == h)
            && let Some(host) = self.host_mut(h)
        {
            host.resume |= turn.resume;
        }
    }
}
