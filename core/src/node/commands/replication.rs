//! Commands of replication.

use core::time::Duration;

use super::super::{Cx, Node, turn};
use super::info::address;
use crate::client::{Blocked, Connections as _, Session, Timer};
use crate::dataset::Dataset;
use crate::ids::ConnId;
use crate::machine::{Action, SocketOptions};
use crate::replication::source::{Answer, TWO_CHANNEL, Taken};
use crate::resp::{Args, Reply, parse_i64};

impl<D: Dataset> Node<D> {
    pub(in super::super) fn cmd_replconf(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        if args.len().is_multiple_of(2) {
            return s.reply().error(super::SYNTAX);
        }
        match self.source.replconf(s.conn, args, &mut turn!(self, cx)) {
            Answer::Ok => s.reply().ok(),
            Answer::OkWith(wanted) => s.reply().simple(&alloc::format!("OK {wanted}")),
            Answer::Error(text) => s.reply().error(&text),
            Answer::Silent | Answer::Closed => {}
        }
    }

    pub(in super::super) fn cmd_psync(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        self.hand_over(s, Some(args), cx);
    }

    pub(in super::super) fn cmd_sync(&mut self, s: &mut Session, _: Args<'_>, cx: &mut Cx<'_>) {
        self.hand_over(s, None, cx);
    }

    /// From here on the replication source writes to the connection.
    fn hand_over(&mut self, s: &mut Session, psync: Option<Args<'_>>, cx: &mut Cx<'_>) {
        if s.replica {
            return;
        }
        if !s.outbox.is_empty() {
            return s.reply().error("ERR SYNC and PSYNC are invalid with pending output");
        }
        let promotes = psync.map_or(Ok(false), |args| self.source.takes_over(args, &mut turn!(self, cx)));
        match promotes {
            Ok(true) => {
                let by = self.clients.line(s, cx.now);
                self.become_master(&by, true, cx);
            }
            Ok(false) if self.failover.is_some() => {
                return s.reply().error("NOMASTERLINK Can't SYNC while failing over");
            }
            Ok(false) => {}
            Err(text) => return s.reply().error(&text),
        }
        let peer = s.peer.clone();
        let taken = match psync {
            Some(args) => self.source.psync(s.conn, peer, args, &mut turn!(self, cx)),
            None => self.source.sync(s.conn, peer, &mut turn!(self, cx)),
        };
        match taken {
            Ok(Taken::TwoChannel) => s.reply().simple(TWO_CHANNEL),
            Ok(_) => {
                s.replica = true;
                self.replicas.insert(s.conn);
                let set = &self.config.settings;
                if set.repl_disable_tcp_nodelay && s.peer.tcp().is_some() {
                    let options = SocketOptions { nodelay: false, keepalive_s: set.tcp_keepalive };
                    cx.out.push(Action::Options { conn: s.conn, options });
                }
            }
            Err(text) => s.reply().error(&text),
        }
    }

    pub(in super::super) fn cmd_replicaof(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        if self.failover.is_some() {
            return s.reply().error("ERR REPLICAOF not allowed while failing over.");
        }
        let by = self.clients.line(s, cx.now);
        if args.is(1, "NO") && args.is(2, "ONE") {
            self.become_master(&by, false, cx);
            return s.reply().ok();
        }
        if s.replica {
            return s.reply().error("ERR Command is not valid when client is a replica.");
        }
        let port = parse_i64(args.at(2)).and_then(|n| u16::try_from(n).ok());
        let Some(port) = port else { return s.reply().error("ERR Invalid master port") };
        let host = core::str::from_utf8(args.at(1)).ok().filter(|h| h.len() < 256 && !h.chars().any(char::is_control));
        let Some(host) = host else { return s.reply().error("ERR Invalid master host") };
        // A link that stopped after faults begins anew by this command.
        if self.upstream.as_ref().is_some_and(|u| &*u.host == host && u.port == port && !u.is_stopped()) {
            return s.reply().simple("OK Already connected to specified master");
        }
        self.follow(host, port, &by, cx);
        s.reply().ok();
    }

    pub(in super::super) fn cmd_failover(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let wish = match FailoverWish::of(args) {
            Ok(wish) => wish,
            Err(text) => return s.reply().error(text),
        };
        if wish.abort {
            if self.failover.is_none() {
                return s.reply().error("ERR No failover in progress.");
            }
            self.abort_failover("Failover manually aborted", cx);
            return s.reply().ok();
        }
        match self.failover_target(&wish, cx) {
            Ok(target) => {
                self.begin_failover(target, wish.timeout, wish.force, cx);
                s.reply().ok();
            }
            Err(text) => s.reply().error(text),
        }
    }

    /// Whom a failover is to, or why there can be none.
    fn failover_target(
        &self,
        wish: &FailoverWish<'_>,
        cx: &Cx<'_>,
    ) -> Result<Option<(alloc::boxed::Box<str>, u16)>, &'static str> {
        if self.failover.is_some() {
            return Err("ERR FAILOVER already in progress.");
        }
        if !self.is_master() {
            return Err("ERR FAILOVER is not valid when server is a replica.");
        }
        if self.source.replica_count() == 0 {
            return Err("ERR FAILOVER requires connected replicas.");
        }
        if wish.force && (wish.to.is_none() || wish.timeout.is_none()) {
            return Err("ERR FAILOVER with force option requires both a timeout and target HOST and IP.");
        }
        let Some((host, port)) = wish.to else { return Ok(None) };
        let named = || {
            self.source
                .replicas(cx.now.mono)
                .filter(|r| r.port == port && address(r).as_bytes().eq_ignore_ascii_case(host))
        };
        let target = core::str::from_utf8(host).ok().zip(u16::try_from(port).ok()).filter(|_| named().next().is_some());
        let Some((host, port)) = target else { return Err("ERR FAILOVER target HOST and PORT is not a replica.") };
        if !named().any(|r| r.state == crate::replication::source::ReplicaState::Online) {
            return Err("ERR FAILOVER target replica is not online.");
        }
        Ok(Some((host.into(), port)))
    }

    pub(in super::super) fn cmd_role(&mut self, s: &mut Session, _: Args<'_>, cx: &mut Cx<'_>) {
        let offset = self.source.offset() as i64;
        let mut r = s.reply();
        if let Some(up) = &self.upstream {
            r.array(5);
            r.bulk(b"slave");
            r.bulk(up.host.as_bytes());
            r.int(i64::from(up.port));
            r.bulk(up.link.state().as_str().as_bytes());
            // Redis has no offset to show while it has no master's client.
            r.int(if up.is_up() { offset } else { -1 });
            return;
        }
        let online = || {
            self.source.replicas(cx.now.mono).filter(|r| r.state == crate::replication::source::ReplicaState::Online)
        };
        r.array(3);
        r.bulk(b"master");
        r.int(offset);
        r.array(online().count());
        for replica in online() {
            r.array(3);
            r.bulk(address(&replica).as_bytes());
            r.bulk_int(replica.port);
            r.bulk_int(replica.offset as i64);
        }
    }

    pub(in super::super) fn cmd_wait(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        if !self.is_master() {
            return s.reply().error(
                "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is \
                 configured to be writable (which is not the default) writes to replicas are just local and are not propagated.",
            );
        }
        let Some(replicas) = super::int(args, 1) else { return s.reply().error(super::NOT_AN_INTEGER) };
        let Some(ms) = super::int(args, 2) else {
            return s.reply().error("ERR timeout is not an integer or out of range");
        };
        let Ok(ms) = u64::try_from(ms) else { return s.reply().error("ERR timeout is negative") };
        self.wait_for(s, replicas, ms, false, cx);
    }

    /// There is no append-only file here, and replicas may have theirs: what they have written to it is told as it is, our
    /// own part is always 0 (checked against Valkey 9.1 with `appendonly no`).
    pub(in super::super) fn cmd_waitaof(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let Some(local) = super::int(args, 1) else { return s.reply().error(super::NOT_AN_INTEGER) };
        if !(0..=1).contains(&local) {
            return s.reply().error("ERR value is out of range, value must between 0 and 1");
        }
        let Some(replicas) = super::int(args, 2).filter(|n| *n >= 0) else {
            return s.reply().error("ERR value is out of range, must be positive");
        };
        let Some(ms) = super::int(args, 3) else {
            return s.reply().error("ERR timeout is not an integer or out of range");
        };
        let Ok(ms) = u64::try_from(ms) else { return s.reply().error("ERR timeout is negative") };
        if !self.is_master() {
            return s.reply().error(
                "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local \
                 and are not propagated.",
            );
        }
        if local > 0 {
            return s.reply().error("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
        }
        self.wait_for(s, replicas, ms, true, cx);
    }

    /// How many replicas have what WAIT, or WAITAOF, asks for.
    pub(in super::super) fn acknowledged(&self, offset: u64, aof: bool) -> usize {
        if aof { self.source.fsynced(offset) } else { self.source.acked(offset) }
    }

    /// Waits until so many replicas have the client's last write, `ms` at most (0: for ever).
    fn wait_for(&mut self, s: &mut Session, replicas: i64, ms: u64, aof: bool, cx: &mut Cx<'_>) {
        let acked = self.acknowledged(s.last_write, aof);
        if acked as i64 >= replicas || self.unit.is_some() {
            return write_acknowledged(&mut s.reply(), acked, aof);
        }
        let until = (ms > 0).then(|| cx.now.mono + Duration::from_millis(ms));
        s.blocked = Some(Blocked::Wait { aof, offset: s.last_write, replicas: replicas as usize, until });
        self.clients.waiting.insert(s.conn);
        if let Some(at) = until {
            self.timers.set(Timer::Wait(s.conn).into(), at);
        }
        self.want_acks = true;
    }

    /// Answers those in WAIT whose replicas have acknowledged. Called at the end of every input.
    pub(in super::super) fn wake_waiters(&mut self, cx: &mut Cx<'_>) {
        if !self.source.took_acks() || self.clients.waiting.is_empty() {
            return;
        }
        let waiting: alloc::vec::Vec<ConnId> = self.clients.waiting.iter().copied().collect();
        for conn in waiting {
            let enough = self.clients.sessions.get(conn).is_some_and(|s| match s.blocked {
                Some(Blocked::Wait { aof, offset, replicas, .. }) => self.acknowledged(offset, aof) >= replicas,
                _ => false,
            });
            if enough {
                self.end_wait(conn, None, cx);
            }
        }
    }

    /// Whether `min-replicas-to-write` is fulfilled.
    pub(in super::super) fn enough_replicas(&self, now: crate::time::Instant) -> bool {
        let set = &self.config.settings;
        set.min_replicas_to_write == 0
            || set.min_replicas_max_lag == 0
            || !self.is_master()
            || self.source.good_replicas(now, u64::from(set.min_replicas_max_lag)) >= set.min_replicas_to_write as usize
    }

    /// Forgets connections that the source closed by itself. Called at the end of every input.
    pub(in super::super) fn sync_replicas(&mut self, cx: &mut Cx<'_>) {
        if self.replicas.len() == self.source.connections() {
            return;
        }
        let gone: alloc::vec::Vec<ConnId> =
            self.replicas.iter().copied().filter(|conn| !self.source.is_replica(*conn)).collect();
        for conn in gone {
            self.gone(conn, cx);
        }
        self.snapshot_wanted_more(cx);
    }
}

/// The answer of WAIT, or of WAITAOF.
pub(in super::super) fn write_acknowledged(r: &mut Reply<'_>, acked: usize, aof: bool) {
    if aof {
        r.array(2);
        r.int(0);
    }
    r.int(acked as i64);
}

/// The words of FAILOVER.
#[derive(Default)]
struct FailoverWish<'a> {
    abort: bool,
    to: Option<(&'a [u8], i64)>,
    force: bool,
    timeout: Option<Duration>,
}

impl<'a> FailoverWish<'a> {
    /// In any order, each once; ABORT stands alone.
    fn of(args: Args<'a>) -> Result<Self, &'static str> {
        let mut wish = Self::default();
        let mut i = 1;
        while i < args.len() {
            if args.is(i, "timeout") && i + 1 < args.len() && wish.timeout.is_none() {
                let ms = super::int(args, i + 1).ok_or(super::NOT_AN_INTEGER)?;
                let ms = u64::try_from(ms).ok().filter(|ms| *ms > 0);
                wish.timeout = Some(Duration::from_millis(ms.ok_or("ERR FAILOVER timeout must be greater than 0")?));
                i += 2;
            } else if args.is(i, "abort") && args.len() == 2 {
                wish.abort = true;
                i += 1;
            } else if args.is(i, "to") && i + 2 < args.len() && wish.to.is_none() {
                wish.to = Some((args.at(i + 1), super::int(args, i + 2).ok_or(super::NOT_AN_INTEGER)?));
                i += 3;
            } else if args.is(i, "force") && !wish.force {
                wish.force = true;
                i += 1;
            } else {
                return Err(super::SYNTAX);
            }
        }
        Ok(wish)
    }
}
