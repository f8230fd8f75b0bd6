//! What Prometheus is shown of a sentinel beside what every server shows, and whether the sentinel is ready.

mod stages;

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use core::time::Duration;

use super::Sentinel;
use super::instance::{Down, Group, GroupId, Slot};
use super::links::{InstanceLink, LinkId};
use crate::client::scrape::{Page, SHARED_SECTIONS, instance_info, metrics, shared_section};
pub(super) use stages::Stages;
pub use stages::Tally;

metrics! { SENTINEL:
    MASTERS Gauge "redis_sentinel_masters" "" "Masters that are watched.";
    TILT Gauge "redis_sentinel_tilt" "" "1 in tilt mode, in which nothing is decided.";
    TILTS Counter "primacy_sentinel_tilts_total" "" "How often that began.";
    SCRIPTS Gauge "redis_sentinel_running_scripts" "" "Scripts that run.";
    SCRIPT_QUEUE Gauge "redis_sentinel_scripts_queue_length" "" "Scripts that run or wait.";
    FAILURES Gauge "redis_sentinel_simulate_failure_flags" "" "SENTINEL SIMULATE-FAILURE, by bits.";
    EPOCH Gauge "primacy_sentinel_current_epoch" "" "The current epoch.";
    STAGE_TIMES Histogram "primacy_sentinel_failover_stage_seconds" "seconds" "How long each stage of a failover of ours took: agree (from sdown to odown), turn (until it began), the states of SENTINEL MASTER, whole (from sdown or the command to the new master).";
    STATUS Gauge "redis_sentinel_master_status" "" "1 if the master is neither sdown nor odown.";
    SLAVES Gauge "redis_sentinel_master_slaves" "" "Replicas of the master.";
    OK_SLAVES Gauge "redis_sentinel_master_ok_slaves" "" "Of these, those that are not down.";
    SENTINELS Gauge "redis_sentinel_master_sentinels" "" "Sentinels that watch the master, this one among them.";
    OK_SENTINELS Gauge "redis_sentinel_master_ok_sentinels" "" "Of these, those that are not down.";
    CKQUORUM Gauge "redis_sentinel_master_ckquorum_status" "" "1 if a failover could be decided on; message is what SENTINEL CKQUORUM says.";
    SET_QUORUM Gauge "redis_sentinel_master_setting_ckquorum" "" "The quorum that is set.";
    SET_TIMEOUT Gauge "redis_sentinel_master_setting_failover_timeout" "milliseconds" "The setting failover-timeout.";
    SET_SYNCS Gauge "redis_sentinel_master_setting_parallel_syncs" "" "The setting parallel-syncs.";
    SET_DOWN Gauge "redis_sentinel_master_setting_down_after_milliseconds" "milliseconds" "The setting down-after-milliseconds.";
    CONFIG_EPOCH Gauge "redis_sentinel_master_config_epoch" "" "The epoch of the master's configuration.";
    LEADER_EPOCH Gauge "primacy_sentinel_master_leader_epoch" "" "The epoch of our last vote about the master; 0 if there was none.";
    VOTES Gauge "primacy_sentinel_master_votes_needed" "" "Votes that make a leader: the quorum, or a majority if that is more.";
    LAST_OK Gauge "redis_sentinel_master_last_ok_ping_reply_seconds" "seconds" "Seconds since PING was last answered well by the master.";
    FAILOVER_STATE Gauge "primacy_sentinel_failover_state" "" "1 for the state of the master's failover, as SENTINEL MASTER has it, or none.";
    BEGUN Counter "primacy_sentinel_failovers_begun_total" "" "Failovers of the master that this sentinel began.";
    RESULTS Counter "primacy_sentinel_failovers_total" "" "Those that are over, by result.";
    SWITCHES Counter "primacy_sentinel_switches_total" "" "New addresses of the master, whoever led the failover.";
    LAST_STAGES Gauge "primacy_sentinel_last_failover_stage_seconds" "seconds" "How long the stages of this sentinel's last failover of the master took.";
    INSTANCE_PING Gauge "primacy_sentinel_instance_last_ok_ping_reply_seconds" "seconds" "Seconds since PING was last answered well by each master, replica and other sentinel.";
    INSTANCE_UP Gauge "primacy_sentinel_instance_link_up" "" "1 if the connections to it stand.";
    INSTANCE_DOWN Gauge "primacy_sentinel_instance_down_seconds" "seconds" "For how long it has been sdown, while it is, and why.";
}

impl Sentinel {
    /// Writes section `n` of the metrics; whether there is such a one.
    pub(super) fn write_section(&mut self, n: usize, page: &mut Page<'_>) -> bool {
        match n {
            0 => self.own_metrics(page),
            1..=10 => self.state_metrics(n, page),
            11..=15 => self.settings_metrics(n, page),
            16..=19 => self.failover_metrics(n, page),
            20 => self.each_instance(page, |page, labels, link, _| {
                page.row(&INSTANCE_PING, labels, link.map_or(Duration::ZERO, |l| page.now.mono - l.good));
            }),
            21 => self.each_instance(page, |page, labels, link, _| {
                page.row(&INSTANCE_UP, labels, link.is_some_and(|l| !l.is_disconnected()));
            }),
            22 => self.each_instance(page, |page, labels, _, down| {
                if let Some(down) = down {
                    let labels = [labels[0], labels[1], labels[2], ("reason", down.why.word())];
                    page.row(&INSTANCE_DOWN, &labels, page.now.mono - down.since);
                }
            }),
            _ if n - 23 < SHARED_SECTIONS => shared_section(self, n - 23, page),
            _ => return false,
        }
        true
    }

    /// Whether it does what its role asks of it: it knows what it knew before, decides, watches at least one master, and has
    /// an opinion of each: heard from it, or holds it for down. A master's death makes no sentinel unready: that is when
    /// clients ask for the new one.
    pub(super) fn is_ready(&self) -> Result<(), String> {
        if self.ending {
            return Err("the sentinel is shutting down".to_owned());
        }
        if !self.begun {
            return Err("the state file is being read".to_owned());
        }
        if self.tilt.is_some() {
            return Err("in tilt mode nothing is decided".to_owned());
        }
        if self.groups.is_empty() {
            return Err("no master is watched".to_owned());
        }
        let unheard = |g: &&Group| {
            let heard = self.links.get(g.master.link).is_some_and(|l| l.was_good);
            !heard && g.master.down.is_none() && g.odown.is_none()
        };
        match self.groups().find(unheard) {
            Some(g) => Err(format!("the master {} has not answered yet", g.name())),
            None => Ok(()),
        }
    }

    fn own_metrics(&self, page: &mut Page<'_>) {
        instance_info(self, "", "", "", page);
        page.one(&MASTERS, self.groups.len());
        page.one(&TILT, self.tilt.is_some());
        page.one(&TILTS, self.tilts);
        page.one(&SCRIPTS, self.scripts.running());
        page.one(&SCRIPT_QUEUE, self.scripts.queue.len());
        page.one(&FAILURES, self.crashes);
        page.one(&EPOCH, self.epoch);
        for (stage, times) in self.stages.each() {
            page.histogram(&STAGE_TIMES, &[("stage", stage)], times.below(), times.count, times.sum);
        }
    }

    fn state_metrics(&self, n: usize, page: &mut Page<'_>) {
        let ok = |down: bool| usize::from(!down);
        match n {
            1 => self.each_master(page, |page, labels, g| {
                let labels = [labels[0], labels[1], ("master_status", g.status())];
                page.row(&STATUS, &labels, g.status() == "ok");
            }),
            2 => self.each_master(page, |page, labels, g| page.row(&SLAVES, labels, g.replicas.len())),
            3 => self.each_master(page, |page, labels, g| {
                page.row(&OK_SLAVES, labels, g.replicas.values().map(|r| ok(r.server.down.is_some())).sum::<usize>());
            }),
            4 => self.each_master(page, |page, labels, g| page.row(&SENTINELS, labels, g.voters())),
            5 => self.each_master(page, |page, labels, g| page.row(&OK_SENTINELS, labels, self.quorum(g).usable)),
            6 => self.each_master(page, |page, labels, g| {
                let (Ok(text) | Err(text)) = self.quorum_verdict(g);
                page.row(&CKQUORUM, &[labels[0], ("message", &text)], self.quorum_verdict(g).is_ok());
            }),
            7 => self.each_master(page, |page, labels, g| page.row(&CONFIG_EPOCH, labels, g.config_epoch)),
            8 => self.each_master(page, |page, labels, g| {
                page.row(&LEADER_EPOCH, labels, g.vote.map_or(0, |v| v.epoch));
            }),
            9 => self.each_master(page, |page, labels, g| {
                let link = self.links.get(g.master.link);
                page.row(&LAST_OK, labels, link.map_or(Duration::ZERO, |l| page.now.mono - l.good));
            }),
            _ => self.each_master(page, |page, labels, g| {
                page.row(&FAILOVER_STATE, &[labels[0], ("state", g.failover.state.word())], true);
            }),
        }
    }

    fn settings_metrics(&self, n: usize, page: &mut Page<'_>) {
        match n {
            11 => self.each_master(page, |page, labels, g| page.row(&SET_QUORUM, labels, g.set.quorum)),
            12 => self.each_master(page, |page, labels, g| page.row(&SET_TIMEOUT, labels, g.set.failover_timeout_ms)),
            13 => self.each_master(page, |page, labels, g| page.row(&SET_SYNCS, labels, g.set.parallel_syncs)),
            14 => self.each_master(page, |page, labels, g| page.row(&SET_DOWN, labels, g.set.down_after_ms)),
            _ => self.each_master(page, |page, labels, g| page.row(&VOTES, &labels[..1], g.votes_needed())),
        }
    }

    fn failover_metrics(&self, n: usize, page: &mut Page<'_>) {
        match n {
            16 => self.each_master(page, |page, labels, g| page.row(&BEGUN, &labels[..1], g.failover.tally.begun)),
            17 => self.each_master(page, |page, labels, g| {
                let t = &g.failover.tally;
                for (result, n) in [
                    ("promoted", t.promoted),
                    ("not-elected", t.not_elected),
                    ("no-replica", t.no_replica),
                    ("timeout", t.timed_out),
                    ("superseded", t.superseded),
                ] {
                    page.row(&RESULTS, &[labels[0], ("result", result)], n);
                }
            }),
            18 => {
                self.each_master(page, |page, labels, g| page.row(&SWITCHES, &labels[..1], g.failover.tally.switches))
            }
            _ => self.each_master(page, |page, labels, g| {
                for (stage, took) in g.failover.tally.last() {
                    page.row(&LAST_STAGES, &[labels[0], ("stage", stage)], took);
                }
            }),
        }
    }

    /// What belongs together for each master, with its name and address as labels.
    fn each_master(&self, page: &mut Page<'_>, write: impl Fn(&mut Page<'_>, &[(&str, &str); 2], &Group)) {
        let from = u32::try_from(page.from()).unwrap_or(u32::MAX);
        for (id, group) in self.groups.range(GroupId(from)..) {
            if page.pause_at(id.0.into()) {
                return;
            }
            let addr = &group.master.addr;
            let at = format!("{}:{}", addr.shown(self.config.global.announce_hostnames), addr.port);
            write(page, &[("master_name", group.name()), ("master_address", &at)], group);
        }
    }

    /// A row for each instance: its master, what it is, and its name (the address, of a sentinel its id).
    fn each_instance(
        &self,
        page: &mut Page<'_>,
        write: impl Fn(&mut Page<'_>, &[(&str, &str); 3], Option<&InstanceLink>, Option<&Down>),
    ) {
        self.each_master(page, |page, labels, group| {
            let row = |page: &mut Page<'_>, kind, name: &str, link: LinkId, slot| {
                let labels = [labels[0], ("kind", kind), ("name", name)];
                write(page, &labels, self.links.get(link), group.down(slot));
            };
            row(page, "master", labels[1].1, group.master.link, Slot::Master);
            for (&n, replica) in &group.replicas {
                row(page, "replica", &replica.name(), replica.server.link, Slot::Replica(n));
            }
            for (&n, peer) in &group.peers {
                let name = peer.run_id.map_or_else(|| peer.addr.to_string(), |id| id.to_string());
                row(page, "sentinel", &name, peer.link, Slot::Peer(n));
            }
        });
    }
}
