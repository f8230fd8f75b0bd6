//! Who is down: subjectively by our own PINGs, objectively by a quorum of sentinels.

use alloc::boxed::Box;
use alloc::string::String;
use core::time::Duration;

use super::event::{DownReason, Plain, What};
use super::info::Role;
use super::instance::{Down, GroupId, Slot, Who};
use super::links::{Ask, End, LinkId};
use super::{Cx, Key, Sentinel};
use crate::machine::Level;
use crate::mutations::{self, Mutation};
use crate::resp::Value;
use crate::time::Instant;

/// Characters of an answer to PING that are kept as the reason of an sdown.
const REASON_MAX: usize = 80;

impl Sentinel {
    /// PING was answered.
    pub(super) fn ping_answer(&mut self, id: LinkId, value: &Value, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        let Some(link) = self.links.get_mut(id) else { return };
        link.answered = now;
        let good = value.is("PONG") || value.is_error("LOADING") || value.is_error("MASTERDOWN");
        if !good {
            let text: String = alloc::format!("{value}").chars().take(REASON_MAX).collect();
            link.refusal = Some(text.into());
            if value.is_error("BUSY") {
                self.kill_scripts(id, cx);
            }
            return;
        }
        (link.good, link.was_good) = (now, true);
        link.refusal = None;
        link.unanswered = link.oldest_ping();
        for who in &link.users {
            if let Some(server) = self.groups.get_mut(&who.group).and_then(|g| g.server_mut(who.slot)) {
                server.script_kill_sent = false;
                // One that was started anew and answers as before is no longer loading its data.
                if value.is("PONG") {
                    server.rebooted = None;
                }
            }
        }
        // Most answers find nobody down, and a process may belong to hundreds of masters.
        if !core::mem::replace(&mut link.is_down, false) {
            return;
        }
        for who in link.users.clone() {
            if self.is_down(who) {
                self.judge(who, cx);
            }
            if self.is_down(who)
                && let Some(link) = self.links.get_mut(id)
            {
                link.is_down = true;
            }
        }
    }

    /// An instance that answers BUSY and counts as down is told once to end its script.
    fn kill_scripts(&mut self, id: LinkId, cx: &mut Cx<'_>) {
        let Some(link) = self.links.get(id) else { return };
        for who in link.users.clone() {
            let Some(server) = self.groups.get_mut(&who.group).and_then(|g| g.server_mut(who.slot)) else { continue };
            if server.down.is_some() && !server.script_kill_sent {
                server.script_kill_sent = true;
                self.send(id, End::Commands, &["SCRIPT", "KILL"], Ask::Other, cx);
                self.tell(who, What::Plain(Plain::ScriptKill), cx);
                return;
            }
        }
    }

    fn is_down(&self, who: Who) -> bool {
        self.groups.get(&who.group).is_some_and(|g| g.down(who.slot).is_some())
    }

    /// Sets the deadline at which the most impatient user of a process may judge it, unless one is set.
    ///
    /// It is not moved when a PING is answered: when it comes, the facts are looked at, and the next one is set.
    pub(super) fn arm_down(&mut self, id: LinkId, cx: &Cx<'_>) {
        let Some(link) = self.links.get(id) else { return };
        let base = match (link.unanswered, link.is_up()) {
            (Some(at), _) => at,
            (None, false) => link.good,
            (None, true) => return,
        };
        if link.soonest.is_zero() {
            return; // It belongs to nobody yet.
        }
        let at = (base + link.soonest).max(cx.now.mono + Duration::from_micros(1));
        self.timers.set_sooner(Key::Down(id), at);
    }

    /// The time has come to judge a process.
    pub(super) fn down_due(&mut self, id: LinkId, cx: &mut Cx<'_>) {
        let Some(link) = self.links.get(id) else { return };
        for who in link.users.clone() {
            self.judge(who, cx);
        }
    }

    /// Has an instance judged when all that has come by now is read: the answers that it is judged by may wait behind
    /// what is being read.
    pub(super) fn judge_soon(&mut self, who: Who, cx: &Cx<'_>) {
        if let Some(link) = self.groups.get(&who.group).and_then(|g| g.link(who.slot)) {
            self.timers.set_sooner(Key::Down(link), cx.now.mono + Duration::from_micros(1));
        }
    }

    /// Judges everybody, after a time in which nothing was.
    pub(super) fn judge_all(&mut self, cx: &mut Cx<'_>) {
        for id in self.links.ids().collect::<alloc::vec::Vec<_>>() {
            self.down_due(id, cx);
        }
    }

    /// Since when, and why, an instance would count as down if it stays as it is: the moment lies ahead or is past.
    fn verdict(&self, who: Who) -> Option<(Instant, DownReason)> {
        let group = self.groups.get(&who.group)?;
        let link = self.links.get(group.link(who.slot)?)?;
        let mut after = group.down_after();
        if mutations::on(Mutation::Impatient) {
            after = after * 9 / 10;
        }
        let why = || match (&link.refusal, link.is_up()) {
            (Some(answer), true) => DownReason::Refuses(answer.clone()),
            (None, true) => DownReason::Silent,
            (_, false) => DownReason::Unreachable,
        };
        // Never before down-after has passed since the oldest PING that nothing good came back for; without a
        // connection no PING is sent, and the last good answer counts.
        let mut verdict = match (link.unanswered, link.is_up()) {
            (Some(at), _) => Some((at + after, why())),
            (None, false) => Some((link.good + after, why())),
            (None, true) => None,
        };
        let mut sooner = |at: Instant, why: DownReason| {
            if verdict.as_ref().is_none_or(|(other, _)| at < *other) {
                verdict = Some((at, why));
            }
        };
        if who.slot == Slot::Master {
            if group.master.role == Role::Replica {
                sooner(group.master.role_since + after + self.timing.info_period * 2, DownReason::WrongRole);
            }
            if let Some(since) = group.master.rebooted.filter(|_| group.set.reboot_down_after_ms > 0) {
                sooner(since + Duration::from_millis(group.set.reboot_down_after_ms), DownReason::Rebooted);
            }
        }
        verdict
    }

    /// Decides whether an instance is subjectively down, and says so if that changed.
    pub(super) fn judge(&mut self, who: Who, cx: &mut Cx<'_>) {
        if self.tilt.is_some() {
            return;
        }
        let now = cx.now.mono;
        let verdict = self.verdict(who);
        let is_down = matches!(&verdict, Some((at, _)) if *at <= now);
        if let Some((at, _)) = &verdict
            && !is_down
            && let Some(id) = self.groups.get(&who.group).and_then(|g| g.link(who.slot))
        {
            self.timers.set_sooner(Key::Down(id), *at);
        }
        let Some(down) = self.groups.get_mut(&who.group).and_then(|g| g.down_mut(who.slot)) else { return };
        match (is_down, down.is_some(), verdict) {
            (true, false, Some((_, why))) => {
                *down = Some(Down { since: now, why: why.clone() });
                let link = self.groups.get(&who.group).and_then(|g| g.link(who.slot));
                if let Some(link) = link.and_then(|id| self.links.get_mut(id)) {
                    link.is_down = true;
                }
                self.tell(who, What::Down(why), cx);
                if who.slot == Slot::Master {
                    self.master_sdown(who.group, cx);
                } else {
                    self.consider(who.group, cx);
                }
            }
            (false, true, _) => {
                *down = None;
                self.tell(who, What::Plain(Plain::Up), cx);
                if who.slot == Slot::Master {
                    self.master_back(who.group, cx);
                }
                // What it is now decides what it is told: an old master that was frozen takes writes.
                if let Some(link) = self.groups.get(&who.group).and_then(|g| Some(g.server(who.slot)?.link)) {
                    self.info_now(link, cx);
                }
            }
            _ => {}
        }
    }

    /// Our own PINGs say that a master is down: the others are asked at once.
    fn master_sdown(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        self.ask_peers(id, cx);
        self.check_odown(id, cx);
    }

    /// A master answers again.
    fn master_back(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        self.timers.clear(Key::Ask(id));
        if let Some(group) = self.groups.get_mut(&id) {
            for peer in group.peers.values_mut() {
                peer.answer = None;
            }
        }
        self.check_odown(id, cx);
    }

    /// How many sentinels see the master down, we among them, by answers that still count.
    pub(super) fn seen_down_by(&self, id: GroupId, now: Instant) -> u32 {
        let Some(group) = self.groups.get(&id) else { return 0 };
        if group.master.down.is_none() {
            return 0;
        }
        let valid = self.timing.answer_valid();
        let fresh = |a: &super::instance::Answer| a.down && now.since(a.at) <= valid;
        1 + group.peers.values().filter(|p| p.answer.as_ref().is_some_and(fresh)).count() as u32
    }

    /// Decides whether a master is objectively down, and says so if that changed.
    pub(super) fn check_odown(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let have = self.seen_down_by(id, cx.now.mono);
        let Some(group) = self.groups.get_mut(&id) else { return };
        let need = group.set.quorum;
        let who = Who { group: id, slot: Slot::Master };
        match (have >= need && have > 0, group.odown.is_some()) {
            (true, false) => {
                group.odown = Some(cx.now.mono);
                self.tell(who, What::ODown { have, need }, cx);
                self.fresh_info(id, cx);
                self.consider(id, cx);
            }
            (false, true) => {
                group.odown = None;
                self.tell(who, What::Plain(Plain::NotODown), cx);
                self.timers.clear(Key::Rank(id));
            }
            (true, true) => self.consider(id, cx),
            (false, false) => {}
        }
    }

    /// Asks all replicas of a master for INFO now: what is chosen by must not be ten seconds old.
    pub(super) fn fresh_info(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let Some(group) = self.groups.get(&id) else { return };
        for link in group.replicas.values().map(|r| r.server.link).collect::<alloc::vec::Vec<_>>() {
            self.info_now(link, cx);
        }
    }

    /// Asks the other sentinels whether they see a master down; while an election of ours runs, for their votes too.
    pub(super) fn ask_peers(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let Some(group) = self.groups.get(&id) else { return };
        let peers: alloc::vec::Vec<u32> = group.peers.keys().copied().collect();
        for peer in peers {
            self.ask_peer(id, peer, cx);
        }
        let Some(group) = self.groups.get(&id) else { return };
        if group.master.down.is_some() || group.failover.is_electing() {
            // Until the quorum is there the answers change: they are asked for as often as the master is.
            let soon = self.timing.ping_period.min(group.down_after() / 8).max(Duration::from_millis(10));
            let period = if group.odown.is_none() { soon.min(self.timing.ask_period) } else { self.timing.ask_period };
            self.timers.set(Key::Ask(id), cx.now.mono + period);
        }
    }

    fn ask_peer(&mut self, id: GroupId, peer: u32, cx: &mut Cx<'_>) {
        let Some(group) = self.groups.get(&id) else { return };
        let Some(p) = group.peers.get(&peer) else { return };
        // Our vote is asked for with our id once it is ours on the disk.
        let vote = group.failover.asks_votes();
        let epoch = vote.unwrap_or(self.epoch);
        let (host, port) = (group.master.addr.shown(false), alloc::format!("{}", group.master.addr.port));
        let run_id: Box<str> = if vote.is_some() { self.my_id().as_str().into() } else { "*".into() };
        let link = p.link;
        let epoch_text = alloc::format!("{epoch}");
        self.send(
            link,
            End::Commands,
            &["SENTINEL", "is-master-down-by-addr", &host, &port, &epoch_text, &run_id],
            Ask::IsDown { group: id, epoch, vote: vote.is_some() },
            cx,
        );
    }

    /// A connection to a sentinel stands anew: what waits for its answer is asked.
    pub(super) fn ask_again_by(&mut self, id: LinkId, cx: &mut Cx<'_>) {
        let Some(link) = self.links.get(id) else { return };
        for who in link.users.clone() {
            let Slot::Peer(peer) = who.slot else { continue };
            if self.groups.get(&who.group).is_some_and(|g| g.master.down.is_some() || g.failover.is_electing()) {
                self.ask_peer(who.group, peer, cx);
            }
        }
    }

    /// Another sentinel asks about a master that we see down too, and the quorum is not there: what it would answer
    /// may have changed.
    pub(super) fn asked_by_another(&mut self, id: GroupId, cx: &mut Cx<'_>) {
        let Some(group) = self.groups.get(&id) else { return };
        if group.master.down.is_some() && group.odown.is_none() {
            let soon = cx.now.mono + Duration::from_millis(1);
            self.timers.set_sooner(Key::Ask(id), soon);
        }
    }

    /// Another sentinel answered about a master: whether it is down, and whom it voted for.
    pub(super) fn is_down_answer(
        &mut self,
        link: LinkId,
        id: GroupId,
        epoch: u64,
        vote: bool,
        value: &Value,
        cx: &mut Cx<'_>,
    ) {
        let Some([down, leader, leader_epoch]) = value.as_array() else { return };
        let (Some(down), Some(leader), Some(leader_epoch)) =
            (down.as_i64(), leader.as_bytes(), leader_epoch.as_i64().and_then(|n| u64::try_from(n).ok()))
        else {
            return;
        };
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some((_, peer)) = group.peers.iter_mut().find(|(_, p)| p.link == link) else { return };
        peer.answer = Some(super::instance::Answer { at: cx.now.mono, down: down == 1 });
        if let Ok(leader) = crate::ids::RunId::parse(leader) {
            let new = super::instance::Vote { leader, epoch: leader_epoch };
            // One vote per epoch: who answers otherwise is believed once.
            if peer.vote.is_none_or(|old| old.epoch < new.epoch) {
                peer.vote = Some(new);
            } else if peer.vote.is_some_and(|old| old.epoch == new.epoch && old.leader != new.leader) {
                let text = alloc::format!("Sentinel {} voted twice in epoch {leader_epoch}.", peer.addr);
                self.note(Level::Warning, &text, cx);
            }
        }
        self.check_odown(id, cx);
        if vote {
            self.vote_answer(id, epoch, cx);
        }
    }
}
