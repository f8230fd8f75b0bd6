//! The beginning: listeners, the dataset's file, and the link to a master.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::load::Purpose;
use super::{Cx, Event, Node, What};
use crate::client::{
    Access as _, Connections as _, Dispatch as _, Gone, Serves, VERSION, Wanted, info, listener_line, wanted,
};
use crate::config::{Config, Settings};
use crate::dataset::{Dataset, LoadMode};
use crate::ids::{ConnId, OpId};
use crate::machine::{Action, Actions, Endpoint, Job, JobErrorKind, Outcome};
use crate::replication::SourceConfig;

/// A listener, asked for or standing.
#[derive(Debug)]
struct Listener {
    op: OpId,
    serves: Serves,
    at: Endpoint,
    /// One that may be missing: marked `-` in `bind`.
    optional: bool,
    /// Its connections are encrypted.
    tls: bool,
    standing: bool,
    /// Asked for by the change under way.
    fresh: bool,
}

/// A `CONFIG SET` that is answered when the system has said whether it can be: of listeners, or of certificates.
#[derive(Debug)]
pub(super) struct Change {
    /// Whose command it is.
    pub(super) conn: ConnId,
    /// The directive that an error names, as it was spelled.
    pub(super) argument: Box<str>,
    /// The directives that it changed,
    pub(super) changed: Vec<&'static str>,
    /// and the configuration before.
    pub(super) before: Config,
}

impl Change {
    /// Whether it changed where is listened.
    pub(super) fn moves_listeners(&self) -> bool {
        self.changed.iter().any(|n| is_address(n))
    }
}

/// Whether this directive says where is listened.
pub(super) fn is_address(name: &str) -> bool {
    matches!(name, "port" | "bind" | "tls-port" | "metrics-port" | "metrics-bind")
}

/// The listeners of a node.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    list: Vec<Listener>,
    /// Those that the change under way has no use for: given up once the new ones stand.
    old: Vec<Listener>,
    /// Those of metrics that were given up.
    gone: Gone,
    change: Option<Change>,
    /// An address of the change could not be had.
    failed: bool,
    /// Those of the start stand.
    up: bool,
}

impl Listeners {
    /// Whether an answer of the system is outstanding.
    pub(super) fn is_busy(&self) -> bool {
        self.change.is_some() || self.list.iter().any(|l| !l.standing)
    }

    /// Whether who comes by this one asks for metrics.
    #[inline]
    pub(super) fn serves_scrapers(&self, op: OpId) -> bool {
        let mut all = self.list.iter().chain(&self.old);
        all.find(|l| l.op == op).map_or_else(|| self.gone.has(op), |l| l.serves == Serves::Scrapers)
    }

    /// Where clients are served.
    fn of_clients(&self) -> impl Iterator<Item = &Listener> {
        self.list.iter().filter(|l| l.serves == Serves::Clients)
    }

    fn give_up(&mut self, old: &Listener, out: &mut Actions<Event>) {
        self.gone.note(old.op, old.serves);
        out.push(Action::Unlisten { op: old.op });
    }
}

/// Whether the system lets only one of the two be listened on: the same address, or all addresses of a family and one
/// of them.
fn collide(a: &Endpoint, b: &Endpoint) -> bool {
    let (Some(a), Some(b)) = (a.tcp(), b.tcp()) else { return false };
    let all = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.is_ipv4() == b.is_ipv4() && (all || a.ip() == b.ip())
}

/// The settings of the master side.
pub(super) fn source_config(set: &Settings) -> SourceConfig {
    let limit = set.client_output_buffer_limit.replica;
    SourceConfig {
        backlog_size: set.repl_backlog_size,
        backlog_ttl: Duration::from_secs(set.repl_backlog_ttl),
        ping_period: Duration::from_secs(u64::from(set.repl_ping_replica_period)),
        timeout: Duration::from_secs(u64::from(set.repl_timeout)),
        diskless: set.repl_diskless_sync,
        diskless_delay: Duration::from_secs(u64::from(set.repl_diskless_sync_delay)),
        diskless_max_replicas: set.repl_diskless_sync_max_replicas as usize,
        max_full_syncs: set.repl_max_full_syncs as usize,
        two_channel: set.repl_rdb_channel,
        snapshot_version: set.rdb_version.number(),
        output_hard: limit.hard,
        output_soft: limit.soft,
        output_soft_period: Duration::from_secs(limit.soft_seconds),
        ..SourceConfig::default()
    }
}

impl<D: Dataset> Node<D> {
    /// The first tick.
    pub(super) fn start(&mut self, cx: &mut Cx<'_>) {
        self.clients.started = Some(cx.now);
        let port = self.config.settings.port;
        self.event(cx, What::Started { pid: self.clients.about.pid, version: VERSION, port });
        self.event(cx, What::Initialized);
        info::refresh_usage(self, cx);
        self.begin_users(cx);
    }

    /// The users are known: whoever comes from here on meets them.
    pub(super) fn start_serving(&mut self, cx: &mut Cx<'_>) {
        let master = self.config.settings.replicaof.clone();
        if let Some(master) = master {
            self.prepare_link(master.host.into(), master.port, None, cx);
        }
        if self.config.settings.uses_tls() {
            self.load_first_certificates(cx);
        } else {
            self.start_listening(cx);
        }
    }

    /// Listeners, and behind them the dataset's file.
    pub(super) fn start_listening(&mut self, cx: &mut Cx<'_>) {
        for wanted in wanted(&self.config.settings) {
            self.listen(wanted, cx);
        }
        self.conclude(cx);
        if self.listeners.of_clients().next().is_none() {
            return;
        }
        let file = self.data_file();
        self.begin_load_file(Purpose::Start, LoadMode::Replace, file, cx);
    }

    fn listen(&mut self, wanted: Wanted, cx: &mut Cx<'_>) {
        let Wanted { serves, at, optional, mode, tls } = wanted;
        let (op, backlog) = (self.ids.op(), self.config.settings.tcp_backlog);
        cx.out.push(Action::Start { op, job: Job::Listen { at: at.clone(), backlog, mode, tls } });
        self.listeners.list.push(Listener { op, serves, at, optional, tls, standing: false, fresh: true });
    }

    /// The configuration names other addresses. Those that stand already are kept, the new ones are listened on
    /// before the old ones are given up. `Some` if that is done at once, else the client hears of it later.
    pub(super) fn listen_anew(&mut self, change: Change, cx: &mut Cx<'_>) -> Option<(Change, bool)> {
        self.listeners.old = core::mem::take(&mut self.listeners.list);
        let mut new = Vec::new();
        for wanted in wanted(&self.config.settings) {
            let same = |l: &Listener| l.at == wanted.at && l.tls == wanted.tls && l.serves == wanted.serves;
            match self.listeners.old.iter().position(same) {
                Some(i) => {
                    let kept = self.listeners.old.remove(i);
                    self.listeners.list.push(Listener { optional: wanted.optional, ..kept });
                }
                None => new.push(wanted),
            }
        }
        // An old listener in the way of a new one goes first, and comes back if the change fails.
        let mut before = core::mem::take(&mut self.listeners.old);
        for old in &mut before {
            if new.iter().any(|n| collide(&n.at, &old.at)) {
                old.standing = false;
                self.listeners.give_up(old, cx.out);
            }
        }
        self.listeners.old = before;
        for wanted in new {
            self.listen(wanted, cx);
        }
        (self.listeners.change, self.listeners.failed) = (Some(change), false);
        self.conclude(cx)
    }

    /// A listener stands or does not; the outcome back if it is none's.
    pub(super) fn listen_done(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_>) -> Option<Outcome> {
        let Some(i) = self.listeners.list.iter().position(|l| l.op == op) else { return Some(result) };
        match result {
            Outcome::Listening(at) => {
                self.listeners.list[i].standing = true;
                self.listeners.list[i].at = at.clone();
                self.event(cx, What::Listening(at));
            }
            Outcome::Failed(e) => {
                let l = self.listeners.list.remove(i);
                if l.optional && e.kind == JobErrorKind::NotAvailable {
                    self.event(cx, What::ListenSkipped { at: l.at, why: e.message });
                } else {
                    self.listen_failed(l.at, e.message, cx);
                }
            }
            other => {
                let l = self.listeners.list.remove(i);
                self.listen_failed(l.at, alloc::format!("unexpected outcome {other:?}").into(), cx);
            }
        }
        if let Some((change, done)) = self.conclude(cx) {
            self.answer_listeners(&change, done, cx);
        }
        None
    }

    fn listen_failed(&mut self, at: Endpoint, why: Box<str>, cx: &mut Cx<'_>) {
        self.event(cx, What::ListenFailed { at, why });
        self.listeners.failed = true;
    }

    /// If every answer is there: the end of the start, or of a change, which is given back with whether it was done.
    fn conclude(&mut self, cx: &mut Cx<'_>) -> Option<(Change, bool)> {
        if self.listeners.list.iter().any(|l| !l.standing) {
            return None;
        }
        let failed = core::mem::take(&mut self.listeners.failed);
        let Some(change) = self.listeners.change.take() else {
            if !self.listeners.up {
                let deaf = self.listeners.of_clients().next().is_none();
                if !failed && deaf {
                    self.event(cx, What::NotListening);
                }
                self.listeners.up = !failed && !deaf;
                if !self.listeners.up {
                    cx.out.push(Action::Exit { code: 1 });
                }
            }
            self.settle_listeners();
            return None;
        };
        // A node that is to listen somewhere never ends up listening nowhere: all optional ones missing is a failure.
        let deaf = [Serves::Clients, Serves::Scrapers].into_iter().any(|serves| {
            !self.listeners.list.iter().any(|l| l.serves == serves)
                && wanted(&self.config.settings).iter().any(|w| w.serves == serves)
        });
        let done = !failed && !deaf;
        if done {
            for old in core::mem::take(&mut self.listeners.old).iter().filter(|l| l.standing) {
                self.listeners.give_up(old, cx.out);
            }
            self.settle_listeners();
        } else {
            self.take_back(&change, cx);
        }
        Some((change, done))
    }

    fn settle_listeners(&mut self) {
        for l in &mut self.listeners.list {
            l.fresh = false;
        }
    }

    /// The listeners and the settings become what they were before a change.
    fn take_back(&mut self, change: &Change, cx: &mut Cx<'_>) {
        self.event(cx, What::ListenersRestored { argument: change.argument.clone() });
        self.config.restore(&change.before, &change.changed);
        self.configured(&change.changed, cx);
        if change.changed.iter().any(|n| n.starts_with("tls-")) {
            self.restore_certificates(cx);
        }
        let fresh: Vec<Listener> = self.listeners.list.extract_if(.., |l| l.fresh).collect();
        for l in &fresh {
            self.listeners.give_up(l, cx.out);
        }
        for old in core::mem::take(&mut self.listeners.old) {
            if old.standing {
                self.listeners.list.push(old);
            } else {
                let Listener { serves, at, optional, tls, .. } = old;
                self.listen(Wanted { serves, at, optional, mode: None, tls }, cx);
            }
        }
    }

    /// Answers a change of listeners.
    pub(super) fn answer_listeners(&mut self, change: &Change, done: bool, cx: &mut Cx<'_>) {
        let why = match &change.argument.to_ascii_lowercase()[..] {
            "port" | "tls-port" | "metrics-port" => "Unable to listen on this port. Check server logs.",
            _ => "Failed to bind to specified addresses.",
        };
        self.answer_change(change, if done { Ok(()) } else { Err(why) }, cx);
    }

    /// Answers the client of a change.
    pub(super) fn answer_change(&mut self, change: &Change, done: Result<(), &str>, cx: &mut Cx<'_>) {
        let Some(mut s) = self.clients.sessions.take(change.conn) else { return };
        let name = &change.argument;
        s.late(|r| match done {
            Ok(()) => r.ok(),
            Err(why) => {
                r.error_fmt(format_args!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"));
            }
        });
        self.unblock(&mut s);
        self.finish(s, cx);
    }

    /// The TCP port that is listened on: the configured one, or the one that the system chose.
    pub(super) fn listening_port(&self) -> u16 {
        self.listeners
            .of_clients()
            .find_map(|l| l.at.tcp().filter(|_| l.standing))
            .map_or(self.config.settings.port, |a| a.port())
    }

    /// The port that others are told to replicate from: the encrypted one where links are encrypted.
    pub(super) fn replication_port(&self) -> u16 {
        let tls = self.config.settings.tls_replication;
        let standing = self.listeners.of_clients().filter(|l| l.standing && l.tls == tls);
        { standing }.find_map(|l| l.at.tcp()).map_or_else(|| self.listening_port(), |a| a.port())
    }

    /// What is listened on, each as `INFO` shows it.
    pub(super) fn listener_lines(&self) -> Vec<Box<str>> {
        self.listeners.list.iter().filter(|l| l.standing).map(|l| listener_line(&l.at, l.tls, l.serves)).collect()
    }
}
