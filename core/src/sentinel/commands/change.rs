//! SENTINEL's subcommands that change what is watched, and how. Each is answered once sentinel.conf says so.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::super::event::What;
use super::super::instance::{Address, GroupId, Slot, Who};
use super::super::state::Record;
use super::super::{Cx, FailoverRefused, Said, Sentinel, Waits, turn};
use crate::client::commands::SYNTAX;
use crate::client::{Blocked, Session};
use crate::config::sentinel::{Change, MasterSettings, SentinelSetError};
use crate::glob;
use crate::ids::{ConnId, OpId, RunId};
use crate::machine::{Action, Job, Level, Outcome};
use crate::resp::{Args, parse_u64};

/// A `SENTINEL SET` whose scripts are being looked for. There is one for each client, at most.
#[derive(Debug)]
pub(in super::super) struct Looking {
    conn: ConnId,
    group: GroupId,
    /// The options and their values.
    words: Vec<Box<[u8]>>,
    /// The jobs that are under way, with what is answered where there is no such program.
    looks: Vec<(OpId, &'static str)>,
    refusal: Option<&'static str>,
}

impl Sentinel {
    /// Answers `OK` once sentinel.conf is written, or why it could not be.
    pub(super) fn saved(&mut self, s: &mut Session, cx: &mut Cx<'_>) {
        match self.conf.flush(Waits::Client(s.conn), &mut turn!(self, cx)) {
            // There is no file.
            Some(_) => s.reply().ok(),
            None => s.blocked = Some(Blocked::Saving),
        }
    }

    pub(super) fn flushconfig(&mut self, s: &mut Session, _: Args<'_>, cx: &mut Cx<'_>) {
        self.saved(s, cx);
    }

    pub(super) fn monitor_command(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let words = [args.at(2), args.at(3), args.at(4), args.at(5)];
        let mut set = match MasterSettings::monitor(words, self.config.global.resolve_hostnames) {
            Ok(set) => set,
            Err(error) => return s.reply().error(&error.to_string()),
        };
        if self.names.contains_key(&*set.name) {
            return s.reply().error("ERR Duplicate master name.");
        }
        set.down_after_ms = self.timing.default_down_after.as_millis() as u64;
        set.failover_timeout_ms = self.timing.default_failover_timeout.as_millis() as u64;
        let (master, epoch) = (set.name.clone(), set.config_epoch);
        let record = Record::Config { master, epoch, host: set.host.clone(), port: set.port };
        self.record(alloc::vec![record], Said::Begun, cx);
        self.monitor(set, cx);
        self.saved(s, cx);
    }

    pub(super) fn remove(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let Some(id) = self.named(s, args) else { return };
        if let Some(group) = self.groups.get(&id) {
            let master = group.set.name.clone();
            self.record(alloc::vec![Record::Forget { master }], Said::Begun, cx);
        }
        self.unmonitor(id, cx);
        self.saved(s, cx);
    }

    pub(super) fn reset_command(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let matching = |g: &&super::super::Group| glob::matches(args.at(2), g.name().as_bytes());
        let ids: Vec<GroupId> = self.groups().filter(matching).map(|g| g.id).collect();
        for &id in &ids {
            self.reset(id, cx);
        }
        s.reply().int(ids.len() as i64);
    }

    pub(super) fn set(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let Some(id) = self.named(s, args) else { return };
        let words: Vec<&[u8]> = args.from(3).iter().collect();
        let Some(group) = self.groups.get(&id) else { return };
        // Tried on a copy: nothing changes before its scripts are known to be programs.
        match group.set.clone().set(&self.config.global, &words) {
            Err(error) => return s.reply().error(&error.to_string()),
            Ok(changes) if self.look_for_scripts(s.conn, id, &changes, &words, cx) => {
                s.blocked = Some(Blocked::Saving);
                return;
            }
            Ok(_) => {}
        }
        match self.set_now(id, &words, cx) {
            Ok(()) => self.saved(s, cx),
            Err(error) => s.reply().error(&error.to_string()),
        }
    }

    /// Changes a master's settings, all of them or none.
    fn set_now(&mut self, id: GroupId, words: &[&[u8]], cx: &mut Cx<'_>) -> Result<(), SentinelSetError> {
        // A master that was removed while its scripts were looked for has no settings any more.
        let Some(group) = self.groups.get_mut(&id) else { return Ok(()) };
        let changes = group.set.set(&self.config.global, words)?;
        let who = Who { group: id, slot: Slot::Master };
        for change in &changes {
            self.tell(who, What::Set { option: change.to_string().into() }, cx);
        }
        self.settings_changed(id, cx);
        Ok(())
    }

    /// Asks whether the scripts among these changes are programs. `false` if there are none.
    fn look_for_scripts(
        &mut self,
        conn: ConnId,
        group: GroupId,
        changes: &[Change],
        words: &[&[u8]],
        cx: &mut Cx<'_>,
    ) -> bool {
        let mut looks = Vec::new();
        for (path, refusal) in changes.iter().filter_map(Change::script) {
            let op = self.ids.op();
            cx.out.push(Action::Start { op, job: Job::FindProgram { program: path.into() } });
            looks.push((op, refusal));
        }
        let any = !looks.is_empty();
        if any {
            let words = words.iter().map(|w| Box::from(*w)).collect();
            self.looking.push(Looking { conn, group, words, looks, refusal: None });
        }
        any
    }

    /// A script was looked for; any other outcome is handed back. Once all of a SET are known, it is done or refused.
    pub(in super::super) fn script_found(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_>) -> Option<Outcome> {
        let looks = |l: &Looking| l.looks.iter().position(|(o, _)| *o == op);
        let Some((at, n)) = self.looking.iter().enumerate().find_map(|(at, l)| Some((at, looks(l)?))) else {
            return Some(result);
        };
        let looking = self.looking.get_mut(at)?;
        let (_, refusal) = looking.looks.swap_remove(n);
        if !matches!(result, Outcome::Stat(Some(_))) {
            looking.refusal = Some(refusal);
        }
        if looking.looks.is_empty() {
            let Looking { conn, group, words, refusal, .. } = self.looking.swap_remove(at);
            let words: Vec<&[u8]> = words.iter().map(|w| &**w).collect();
            let done = match refusal {
                Some(refusal) => Err(alloc::format!("ERR {refusal}")),
                None => self.set_now(group, &words, cx).map_err(|e| e.to_string()),
            };
            if done.is_err() || self.conf.flush(Waits::Client(conn), &mut turn!(self, cx)).is_some() {
                self.flushed.push((conn, done));
            }
        }
        None
    }

    /// What a master's settings say is in force: times, quorum, and how its servers are spoken to.
    fn settings_changed(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let Some(group) = self.groups.get(&id) else { return };
        let servers: Vec<(Slot, Address)> =
            group.slots().filter_map(|slot| Some((slot, group.server(slot)?.addr.clone()))).collect();
        for (slot, addr) in servers {
            let new = self.acquire_server(id, &addr, slot, cx);
            let Some(server) = self.groups.get_mut(&id).and_then(|g| g.server_mut(slot)) else { continue };
            let old = core::mem::replace(&mut server.link, new);
            if old != new {
                self.release(old, Who { group: id, slot }, cx);
            }
        }
        let Some(group) = self.groups.get(&id) else { return };
        for link in group.slots().filter_map(|slot| group.link(slot)).collect::<Vec<_>>() {
            self.tune_link(link);
            self.arm_down(link, cx);
        }
        self.check_odown(id, cx);
    }

    /// `SENTINEL FAILOVER name [COORDINATED | DRYRUN]`.
    pub(super) fn failover(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let coordinated = args.is(3, "COORDINATED");
        let dry = args.is(3, "DRYRUN");
        if args.len() > 4 || (args.len() == 4 && !coordinated && !dry) {
            return s.reply().error(SYNTAX);
        }
        let Some(id) = self.named(s, args) else { return };
        if dry {
            return self.failover_dry(s, id, cx);
        }
        match self.failover_asked(id, coordinated, cx) {
            Ok(()) => s.reply().ok(),
            Err(why) => s.reply().error(&why.to_string()),
        }
    }

    /// What a failover would do, in words; the same refusals, and nothing is done.
    fn failover_dry(&self, s: &mut Session, id: GroupId, cx: &Cx<'_>) {
        let Some(group) = self.groups.get(&id) else { return };
        let best = self.best(group, cx.now.mono).and_then(|n| group.replicas.get(&n));
        let text = match (self.failover_refusal(group, false, cx.now.mono), best) {
            (Some(why), _) => return s.reply().error(&why.to_string()),
            (None, None) => return s.reply().error(&FailoverRefused::NoReplica.to_string()),
            (None, Some(best)) => {
                let behind = group.master.offset.saturating_sub(best.server.offset);
                alloc::format!("{} would be promoted, {behind} bytes behind by the last INFO of both", best.name())
            }
        };
        s.reply().simple(&text);
    }

    /// `SENTINEL FORGET-REPLICA name ip port`.
    pub(super) fn forget_replica_command(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let Some(id) = self.named(s, args) else { return };
        let port = parse_u64(args.at(4)).and_then(|n| u16::try_from(n).ok());
        let (Ok(host), Some(port)) = (core::str::from_utf8(args.at(3)), port) else {
            return s.reply().error("ERR Invalid address: an IP address or a host name and a port are expected");
        };
        let Some(group) = self.groups.get(&id) else { return };
        let Some(n) = group.replica_at(&Address::new(host, port)) else {
            return s.reply().error("ERR No such replica of that master; SENTINEL REPLICAS shows all");
        };
        if group.failover.is_under_way() {
            return s.reply().error(&FailoverRefused::InProgress.to_string());
        }
        if group.down(Slot::Replica(n)).is_none() {
            return s.reply().error(
                "ERR That replica answers and would be found again by the master's INFO: stop it or let it follow another first",
            );
        }
        self.forgotten(Who { group: id, slot: Slot::Replica(n) }, cx);
        self.forget_replica(id, n, cx);
        self.saved(s, cx);
    }

    /// `SENTINEL FORGET-SENTINEL name runid`.
    pub(super) fn forget_sentinel_command(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let Some(id) = self.named(s, args) else { return };
        let Some(group) = self.groups.get(&id) else { return };
        let Some(n) = RunId::parse(args.at(3)).ok().and_then(|run_id| group.peer_of(run_id)) else {
            return s.reply().error("ERR No such sentinel of that master; SENTINEL SENTINELS shows all by their ids");
        };
        if group.failover.is_under_way() {
            return s.reply().error(&FailoverRefused::InProgress.to_string());
        }
        if group.down(Slot::Peer(n)).is_none() {
            return s
                .reply()
                .error("ERR That sentinel answers and would be found again by its next hello: stop it first");
        }
        self.forgotten(Who { group: id, slot: Slot::Peer(n) }, cx);
        self.forget_peer(id, n, cx);
        self.saved(s, cx);
    }

    fn forgotten(&mut self, who: Who, cx: &mut Cx<'_>) {
        if let Some(subject) = self.subject(who) {
            self.note(Level::Warning, &alloc::format!("Forgotten as a client asked: {subject}"), cx);
        }
    }
}
