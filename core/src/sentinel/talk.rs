//! What is said by a connection of ours, and who takes the answers.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;

use super::instance::GroupId;
use super::links::{Ask, End, InstanceLink, LinkId, LinkKey, MAX_PENDING};
use super::{Cx, Sentinel, hello};
use crate::ids::ConnId;
use crate::machine::{Endpoint, Level};
use crate::resp::{Command, Value};
use crate::time::Instant;

impl Sentinel {
    /// A connection that we asked for stands.
    pub(super) fn link_connected(&mut self, conn: ConnId, local: &Endpoint, cx: &mut Cx<'_>) {
        let Some((id, end)) = self.links.end_of(conn) else { return };
        let Some(link) = self.links.get_mut(id) else { return };
        if end == End::Commands
            && let Some(local) = local.tcp()
        {
            link.local = Some(alloc::format!("{}", local.ip()).into());
        }
        let Some(channel) = link.channel(end) else { return };
        channel.up = true;
        channel.heard = cx.now.mono;
        if let Some(l) = &mut channel.link {
            l.connected(cx.out);
        }
        self.introduce(id, end, cx);
        match end {
            End::Commands => {
                self.ping_now(id, cx);
                if self.links.get(id).is_some_and(InstanceLink::is_server) {
                    self.info_now(id, cx);
                }
                self.hello_now(id, cx);
                self.ask_again_by(id, cx);
            }
            End::PubSub => {
                self.send(id, end, &["SUBSCRIBE", hello::CHANNEL], Ask::Other, cx);
            }
        }
        self.arm_down(id, cx);
    }

    /// AUTH and the connection's name.
    fn introduce(&mut self, id: LinkId, end: End, cx: &mut Cx<'_>) {
        let Some(link) = self.links.get(id) else { return };
        let (user, pass) = match &link.key {
            LinkKey::Server { user, pass, .. } => (user.clone(), pass.clone()),
            _ => self.peer_credentials(),
        };
        match (user.is_empty(), pass.is_empty()) {
            (_, true) => {}
            (true, false) => self.send(id, end, &["AUTH", &pass], Ask::Auth, cx),
            (false, false) => self.send(id, end, &["AUTH", &user, &pass], Ask::Auth, cx),
        }
        let kind = if end == End::Commands { "cmd" } else { "pubsub" };
        let name = alloc::format!("sentinel-{}-{kind}", &self.my_id().as_str()[..8]);
        self.send(id, end, &["CLIENT", "SETNAME", &name], Ask::Other, cx);
    }

    /// Sends a command, by whatever name it has there, unless too many wait for answers; whether it was sent.
    pub(super) fn send(&mut self, id: LinkId, end: End, words: &[&str], ask: Ask, cx: &mut Cx<'_>) {
        let Some(link) = self.links.get_mut(id) else { return };
        let most = MAX_PENDING.saturating_mul(link.users.len().max(1));
        if end == End::Commands && link.pending() >= most {
            return;
        }
        let name: Box<str> = link.renamed(words[0]).into();
        let Some(channel) = link.channel(end).filter(|c| c.up) else { return };
        let Some(l) = &mut channel.link else { return };
        let command: smallvec::SmallVec<[&str; 8]> =
            core::iter::once(&*name).chain(words[1..].iter().copied()).collect();
        l.ask(&Command::new(&command), ask, cx.out);
    }

    /// Sends PING.
    pub(super) fn ping_now(&mut self, id: LinkId, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        let Some(link) = self.links.get_mut(id).filter(|l| l.is_up()) else { return };
        let before = link.pending();
        self.send(id, End::Commands, &["PING"], Ask::Ping(now), cx);
        let Some(link) = self.links.get_mut(id) else { return };
        if link.pending() > before {
            link.ping_sent = Some(now);
            if link.unanswered.is_none() {
                link.unanswered = Some(now);
                self.arm_down(id, cx);
            }
        }
    }

    /// Asks for INFO.
    pub(super) fn info_now(&mut self, id: LinkId, cx: &mut Cx<'_>) {
        if let Some(link) = self.links.get_mut(id).filter(|l| l.is_up()) {
            link.info_sent = Some(cx.now.mono);
            self.send(id, End::Commands, &["INFO"], Ask::Info, cx);
        }
    }

    /// When INFO was last asked for.
    pub(super) fn info_sent(&self, id: LinkId) -> Option<Instant> {
        self.links.get(id)?.info_sent
    }

    /// Tells a process what we know of every master that it belongs to.
    pub(super) fn hello_now(&mut self, id: LinkId, cx: &mut Cx<'_>) {
        let Some(link) = self.links.get_mut(id).filter(|l| l.is_up()) else { return };
        link.hello_sent = Some(cx.now.mono);
        let groups: BTreeSet<GroupId> = link.users.iter().map(|w| w.group).collect();
        for group in groups {
            // A server whose writers are paused for a handover would not answer, and its other answers would wait.
            if self.groups.get(&group).is_some_and(|g| g.failover.coordinated && g.master.link == id) {
                continue;
            }
            if let Some(text) = self.hello_of(group, id) {
                self.send(id, End::Commands, &["PUBLISH", hello::CHANNEL, &text], Ask::Other, cx);
            }
        }
    }

    /// Sends one hello now.
    pub(super) fn send_hello(&mut self, id: LinkId, text: &str, cx: &mut Cx<'_>) {
        self.send(id, End::Commands, &["PUBLISH", hello::CHANNEL, text], Ask::Other, cx);
    }

    /// Bytes came by a connection of ours.
    pub(super) fn link_received(&mut self, conn: ConnId, mut bytes: &[u8], cx: &mut Cx<'_>) {
        loop {
            let Some((id, end)) = self.links.end_of(conn) else { return };
            let Some(channel) = self.links.get_mut(id).and_then(|l| l.channel(end)) else { return };
            channel.heard = cx.now.mono;
            let Some(link) = &mut channel.link else { return };
            match link.next(&mut bytes) {
                Ok(Some((ask, value))) => self.answer(id, ask, &value, cx),
                Ok(None) => return,
                Err(e) => {
                    let at = self.links.get(id).map(|l| alloc::format!("{}", l.addr)).unwrap_or_default();
                    self.note(
                        Level::Warning,
                        &alloc::format!("What {at} answers is not RESP: {e}. The connection is made anew."),
                        cx,
                    );
                    self.hang_up(id, end, cx);
                    return;
                }
            }
        }
    }

    fn answer(&mut self, id: LinkId, ask: Option<Ask>, value: &Value, cx: &mut Cx<'_>) {
        match ask {
            Some(Ask::Ping(_)) => self.ping_answer(id, value, cx),
            Some(Ask::Info) => {
                if let Some(text) = value.as_bytes() {
                    self.info_answer(id, text, cx);
                }
            }
            Some(Ask::IsDown { group, epoch, vote }) => self.is_down_answer(id, group, epoch, vote, value, cx),
            Some(Ask::Promote { group, exec }) => self.promote_answer(id, group, exec, value, cx),
            Some(Ask::Auth) if value.as_error().is_some() => {
                let at = self.links.get(id).map(|l| alloc::format!("{}", l.addr)).unwrap_or_default();
                self.note(Level::Warning, &alloc::format!("AUTH at {at} failed: {value}"), cx);
            }
            Some(Ask::Auth | Ask::Other) => {}
            None => {
                let Some([kind, channel, payload]) = value.as_array() else { return };
                if kind.is("message")
                    && channel.is(hello::CHANNEL)
                    && let Some(text) = payload.as_bytes()
                {
                    self.heard_hello(text, cx);
                }
            }
        }
    }
}
