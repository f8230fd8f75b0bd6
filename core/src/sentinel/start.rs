//! How a sentinel begins: its id, its masters, and those that its file knows.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::time::Duration;

use super::event::What;
use super::failover::Blocked;
use super::failover::Failover;
use super::info::Role;
use super::instance::{Address, Group, GroupId, Server, Slot, Vote, Who};
use super::state::{Record, StateError, Step, Store};
use super::{Cx, Files, Key, Said, Sentinel, turn};
use crate::client::{About, Access as _, Clients, info};
use crate::config::sentinel::{MasterSettings, SentinelConfig};
use crate::ids::{Ids, OpId, RunId};
use crate::machine::{Action, Level, Meter, Outcome};
use crate::mutations::{self, Mutation};
use crate::rng::{Rng, Seed};
use crate::time::Instant;
use crate::timers::Timers;

/// How long a failover waits that could not be written down.
const DISK_PATIENCE: Duration = Duration::from_secs(1);

impl Sentinel {
    /// A sentinel with this configuration. It begins to act at its first `Tick`, which is due at once.
    pub fn new(config: SentinelConfig, files: Files, seed: Seed, meter: Box<dyn Meter>, about: About) -> Self {
        let mut rng = Rng::new(seed);
        let mut timers = Timers::new();
        timers.set(Key::Start, Instant::ZERO);
        // Until the state file is read, which may know better.
        let my_id = config.global.myid.unwrap_or_else(|| RunId::random(&mut rng));
        let Files { config: conf, state } = files;
        Self {
            epoch: config.global.current_epoch,
            epoch_written: config.global.current_epoch,
            config,
            timing: super::Timing::default(),
            groups: alloc::collections::BTreeMap::new(),
            names: alloc::collections::BTreeMap::new(),
            last_group: 0,
            links: super::links::Links::default(),
            listeners: super::listen::Listeners::default(),
            clients: Clients::new(super::commands::all(), meter, about),
            owed: alloc::vec::Vec::new(),
            scripts: super::scripts::Scripts::default(),
            my_id,
            tickets: 0,
            tickets_done: alloc::vec::Vec::new(),
            conf: super::ConfFile::new(conf),
            looking: alloc::vec::Vec::new(),
            flushed: alloc::vec::Vec::new(),
            begun: false,
            ending: false,
            store: Store::new(state),
            ready: VecDeque::new(),
            stages: super::metrics::Stages::default(),
            tilt: None,
            tilts: 0,
            crashes: 0,
            timers,
            ids: Ids::default(),
            rng,
        }
    }

    /// The first tick.
    pub(super) fn start(&mut self, cx: &mut Cx<'_>) {
        self.clients.started = Some(cx.now);
        info::refresh_usage(self, cx);
        self.begin_users(cx);
    }

    /// The users are known. What must not have been forgotten is read before anything is done.
    pub(super) fn open_store(&mut self, cx: &mut Cx<'_>) {
        if !self.store.open(&mut turn!(self, cx)) {
            self.begin(cx);
        }
    }

    /// The end of a job of the state file; anything else is handed back.
    pub(super) fn store_done(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_>) -> Option<Outcome> {
        match self.store.done(op, result, &mut turn!(self, cx)) {
            Err(result) => return Some(result),
            Ok(Step::Nothing) => {}
            Ok(Step::Opened(opened)) => {
                if opened.dropped > 0 {
                    let text = alloc::format!(
                        "The last line of the state file was not whole: its {} bytes were dropped. Nobody heard of them.",
                        opened.dropped
                    );
                    self.note(Level::Notice, &text, cx);
                }
                self.begin(cx);
            }
            Ok(Step::Unusable(error)) => {
                self.note(Level::Warning, &alloc::format!("{error}"), cx);
                cx.out.push(Action::Exit { code: 1 });
            }
            Ok(Step::Durable(list)) => self.ready.extend(list),
        }
        None
    }

    /// What is known is put together, and the work begins.
    fn begin(&mut self, cx: &mut Cx<'_>) {
        self.begun = true;
        for merged in self.store.state_mut().merge(&mut self.config) {
            self.note(Level::Notice, &alloc::format!("{merged}"), cx);
        }
        self.my_id = self.config.global.myid.unwrap_or(self.my_id);
        self.epoch = self.config.global.current_epoch;
        self.epoch_written = self.epoch;
        if self.store.state().my_id() != Some(self.my_id) {
            self.record(alloc::vec![Record::MyId(self.my_id)], Said::Begun, cx);
        }
        self.listen(cx);
        // From here on the groups know them.
        for set in core::mem::take(&mut self.config.masters) {
            self.monitor(set, cx);
        }
        self.touch_conf();
    }

    /// What had to be on the disk first is not: it is not said, and will be tried anew where that makes sense.
    pub(super) fn not_durable(&mut self, said: &Said, error: &StateError, cx: &mut Cx<'_>) {
        self.note(Level::Warning, &alloc::format!("{error}"), cx);
        let later = Blocked::Wait { until: cx.now.mono + DISK_PATIENCE };
        match said {
            Said::Begun => {}
            Said::Epoch(_) => self.epoch_written = self.epoch,
            Said::Started { group, ticket, .. } => {
                self.ticket_done(*group, *ticket);
                if let Some(g) = self.groups.get_mut(group) {
                    g.failover.starting = false;
                    g.failover.blocked = Some(later);
                }
                self.consider(*group, cx);
            }
            // Its answer is the vote that stands; in this epoch no other one is given.
            Said::Voted { group, ticket, .. } => self.ticket_done(*group, *ticket),
            // It is looked for again, within the time of the failover.
            Said::Promoted { group, .. } => {
                if let Some(g) = self.groups.get_mut(group) {
                    g.failover.switching = false;
                    self.promotion_again(*group, cx);
                }
            }
            // It is told again with the next hello.
            Said::Configured { group, .. } => {
                if let Some(g) = self.groups.get_mut(group) {
                    g.config_written = g.config_epoch;
                }
            }
        }
    }

    /// Watches a master.
    pub(super) fn monitor(&mut self, set: MasterSettings, cx: &mut Cx<'_>) -> GroupId {
        let now = cx.now.mono;
        self.last_group += 1;
        let id = GroupId(self.last_group);
        let addr = Address::new(&set.host, set.port);
        let who = Who { group: id, slot: Slot::Master };
        let key = super::links::LinkKey::Server {
            host: addr.host.clone(),
            port: addr.port,
            user: set.auth_user.clone(),
            pass: set.auth_pass.clone(),
            renamed: set.renamed.clone(),
        };
        let link = self.acquire(key, &addr, who, cx);
        // sentinel.conf tells in which epoch the last vote was given, and not to whom: it binds all the same.
        let vote = self.store.state().vote(&set.name).filter(|(epoch, _)| *epoch >= set.leader_epoch);
        let vote = vote.map(|(epoch, leader)| Vote { leader, epoch });
        let failover = Failover { reserved: set.leader_epoch, ..Failover::default() };
        let (quorum, name) = (set.quorum, Box::from(set.name.as_str()));
        self.names.insert(name, id);
        let group = Group {
            id,
            config_epoch: if mutations::on(Mutation::ForgetsConfigurations) { 0 } else { set.config_epoch },
            config_written: set.config_epoch,
            vote,
            master: Server::new(addr, link, Role::Master, now),
            odown: None,
            replicas: alloc::collections::BTreeMap::new(),
            peers: alloc::collections::BTreeMap::new(),
            failover,
            slots: 0,
            set,
        };
        let (replicas, sentinels) = (group.set.replicas.clone(), group.set.sentinels.clone());
        self.groups.insert(id, Box::new(group));
        self.tune_link(link);
        self.arm_down(link, cx);
        self.tell(who, What::Monitor { quorum }, cx);
        for (host, port) in replicas {
            self.add_replica(id, &Address::new(&host, port), cx);
        }
        for known in sentinels {
            // Our own id in a file is a copy of another's file, not another sentinel.
            if known.run_id != Some(self.my_id) {
                self.add_peer(id, &Address::new(&known.host, known.port), known.run_id, cx);
            }
        }
        id
    }

    /// Watches a master no longer.
    pub(super) fn unmonitor(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let who = Who { group: id, slot: Slot::Master };
        self.tell(who, What::Plain(super::Plain::Unmonitored), cx);
        let Some(group) = self.groups.remove(&id) else { return };
        self.names.remove(group.name());
        for slot in group.slots() {
            if let Some(link) = group.link(slot) {
                self.release(link, Who { group: id, slot }, cx);
            }
        }
        for key in [Key::Ask(id), Key::Consider(id), Key::Rank(id), Key::Election(id), Key::Step(id)] {
            self.timers.clear(key);
        }
        self.touch_conf();
    }
}
