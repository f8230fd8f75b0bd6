//! What is a node's own in serving clients: its checks, transactions, MONITOR and SLOWLOG, and the sessions that became
//! replicas.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use smallvec::SmallVec;

use super::{Cx, Key, Node, Run, What, turn};
use crate::client::scrape::Page;
use crate::client::{self, Clients, CloseWhen, Dispatch as _, Found, Refusal, Server, Session};
use crate::client::{paused, subscribed, unauthenticated};
use crate::config::{Guard, Settings};
use crate::dataset::{Context, Dataset, Flags, Origin, Spec, Wait};
use crate::ids::{ConnId, Ids};
use crate::mutations::{Mutation, on};
use crate::resp::{Ahead, Args, Command, Reply};
use crate::secrets;
use crate::time::Instant;
use crate::timers::Timers;

/// Commands that are looked at together before they run.
pub(super) const FORESEEN: usize = 16;

impl<D: Dataset> Server for Node<D> {
    type Run = Run<D>;
    type Key = Key;

    #[inline]
    fn clients(&self) -> &Clients<Run<D>> {
        &self.clients
    }

    #[inline]
    fn clients_mut(&mut self) -> &mut Clients<Run<D>> {
        &mut self.clients
    }

    fn timers(&mut self) -> &mut Timers<Key> {
        &mut self.timers
    }

    fn ids(&mut self) -> &mut Ids {
        &mut self.ids
    }

    fn users_ready(&mut self, cx: &mut Cx<'_>) {
        self.start_serving(cx);
    }

    fn settings(&self) -> &Settings {
        &self.config.settings
    }

    fn mode(&self) -> (&'static str, Option<&'static str>) {
        ("standalone", Some(if self.is_master() { "master" } else { "replica" }))
    }

    fn run_id(&self) -> String {
        String::from_utf8_lossy(&self.run_id).into_owned()
    }

    fn port(&self) -> u16 {
        self.listening_port()
    }

    fn listening(&self) -> Vec<Box<str>> {
        self.listener_lines()
    }

    fn section(&mut self, n: usize, page: &mut Page<'_>) -> bool {
        self.write_section(n, page)
    }

    fn healthy(&self) -> Result<(), &'static str> {
        if self.shutdown.is_some() { Err("the server is shutting down") } else { Ok(()) }
    }

    fn ready(&self) -> Result<(), String> {
        self.is_ready()
    }

    fn tell(&mut self, event: client::Event, cx: &mut Cx<'_>) {
        self.event(cx, What::Client(event));
    }

    fn run(&mut self, s: &mut Session, found: &Found<Run<D>>, args: Args<'_>, cx: &mut Cx<'_>) -> bool {
        match found.run {
            Run::Data(command) => self.call_data(s, command, args, cx),
            Run::Own(run) => self.run_handler(run, s, args, cx),
        }
    }

    /// A container of the dataset's has the last word on its subcommands.
    fn has_subcommands(run: Run<D>) -> bool {
        matches!(run, Run::Own(_))
    }

    fn refusal(&self, s: &Session, found: &Found<Run<D>>, args: Args<'_>, cx: &Cx<'_>) -> Option<Refusal> {
        let flags = self.flags_of(s, found);
        let set = &self.config.settings;
        if let Some(refusal) = unauthenticated(&self.clients, s, flags) {
            return Some(refusal);
        }
        let write = flags.has(Flags::WRITE) || flags.has(Flags::MAY_REPLICATE);
        let ping = found.spec.name == "ping";
        let wrong = on(Mutation::WritesWhileHandingOver) && self.failover.is_some();
        if s.multi.is_some() && flags.has(Flags::NO_MULTI) {
            return Some("ERR Command not allowed inside a transaction".into());
        }
        if let Some(denied) = self.clients.denied(s, found.index, args) {
            return Some(Refusal::Denied(denied));
        }
        if self.out_of_memory && self.wants_memory(s, found, flags) {
            return Some(OOM.into());
        }
        if flags.has(Flags::WRITE) || ping {
            if self.is_master() && set.stop_writes_on_bgsave_error && !set.save.is_empty() && self.save.failing() {
                return Some(MISCONF.into());
            }
            if !ping && !self.enough_replicas(cx.now.mono) {
                return Some("NOREPLICAS Not enough good replicas to write.".into());
            }
            if !ping && !self.is_master() && set.replica_read_only && !wrong {
                return Some("READONLY You can't write against a read only replica.".into());
            }
        }
        if let Some(refusal) = subscribed(s, found.spec) {
            return Some(refusal);
        }
        if found.spec.name.starts_with("debug|") && !self.debug_allowed(s) {
            return Some(DEBUG_REFUSED.into());
        }
        if !self.is_master() && !set.replica_serve_stale_data && !self.link_up() && !flags.has(Flags::STALE) {
            return Some("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.".into());
        }
        if !s.replica && self.reloading() {
            return Some(Refusal::Held);
        }
        if self.loading() && !flags.has(Flags::LOADING) {
            return Some("LOADING Redis is loading the dataset in memory".into());
        }
        if self.loading_beside() && flags.has(Flags::NO_ASYNC_LOADING) {
            return Some("LOADING Redis is loading the dataset in memory".into());
        }
        if let Some(refusal) = paused(&self.clients, s, found, flags).filter(|_| !wrong) {
            return Some(refusal);
        }
        if self.shutdown.is_some() && write && !s.replica {
            return Some(Refusal::Held);
        }
        // A transaction is held as a whole, at its EXEC.
        if write && !s.replica && (s.multi.is_none() || flags.has(Flags::IN_MULTI)) && self.holds_writers() {
            return Some(Refusal::Held);
        }
        None
    }

    #[inline]
    fn foresee(&self, db: u32, input: &[u8]) -> usize {
        if input.is_empty() || !self.data.foresees(db) { FORESEEN } else { self.look_ahead(db, input) }
    }

    #[inline]
    fn make_room(&mut self, s: &mut Session, found: &Found<Run<D>>, cx: &mut Cx<'_>) {
        self.check_throttle(cx);
        if self.config.settings.maxmemory > 0 {
            if !self.clients.must_log_in(s) && !self.administers(s, found) {
                self.evict_slice(Some(s), cx);
            }
        } else {
            self.out_of_memory = false;
        }
    }

    fn refused(&mut self, s: &mut Session, found: &Found<Run<D>>, text: &str) {
        if s.multi.is_some() && found.spec.name == "exec" {
            s.multi = None;
            self.unwatch(s);
            let text = alloc::format!("EXECABORT Transaction discarded because of: {text}");
            self.refuse(s, Some(found.index), &text);
        } else {
            self.refuse(s, Some(found.index), text);
        }
    }

    fn admitted(&mut self, s: &mut Session, found: &Found<Run<D>>, args: Args<'_>, cx: &mut Cx<'_>) {
        if s.multi.is_some() && !found.spec.flags.has(Flags::IN_MULTI) {
            self.queue(s, found, args);
        } else {
            self.call(s, found, args, cx);
            self.serve_waiters(cx);
        }
    }

    fn before(&mut self, s: &mut Session, spec: &'static Spec, args: Args<'_>, cx: &mut Cx<'_>) {
        if !self.monitors.is_empty() && !spec.flags.has(Flags::SKIP_MONITOR) && !secrets::has_secret(args.at(0), args) {
            self.feed_monitors(s, args, cx);
        }
    }

    fn after(&mut self, s: &Session, spec: &'static Spec, args: Args<'_>, us: u64, cx: &Cx<'_>) {
        let set = &self.config.settings;
        let slow = set.slowlog_log_slower_than >= 0 && us >= set.slowlog_log_slower_than as u64;
        if slow && !spec.flags.has(Flags::SKIP_SLOWLOG) && !secrets::has_secret(args.at(0), args) {
            self.slowlog.record(us, args, s, cx.now, set.slowlog_max_len as usize);
        }
        let threshold = set.latency_monitor_threshold;
        if threshold > 0 && us >= threshold * 1000 {
            let event = if spec.flags.has(Flags::FAST) { "fast-command" } else { "command" };
            self.latency.record(event, us / 1000, cx.now);
        }
    }

    fn left(&mut self, s: &Session, cx: &mut Cx<'_>) {
        self.unwatch_keys(s.conn, &s.watched);
        self.stop_waiting(s);
        self.monitors.remove(&s.conn);
        self.source.closed(s.conn, &mut turn!(self, cx));
        if self.replicas.remove(&s.conn) {
            self.snapshot_wanted_more(cx);
        }
    }

    fn wait_over(&mut self, conn: ConnId, error: Option<&str>, cx: &mut Cx<'_>) {
        self.end_wait(conn, error, cx);
    }

    fn break_link(&mut self, cx: &mut Cx<'_>) -> bool {
        self.break_upstream(cx)
    }

    fn replica_heard(&mut self, conn: ConnId, now: Instant) {
        self.source.heard(conn, now);
    }

    fn replica_said(&mut self, s: &Session, args: Args<'_>, cx: &mut Cx<'_>) -> bool {
        if args.is(0, "replconf") {
            return false;
        }
        let name = String::from_utf8_lossy(args.at(0)).to_lowercase();
        self.source.answered(s.conn, &name, &mut turn!(self, cx));
        true
    }

    fn replica_took(&mut self, conn: ConnId, len: usize, cx: &mut Cx<'_>) {
        self.clients.stats.repl_out += len as u64;
        self.source.sent(conn, len, &mut turn!(self, cx));
        self.snapshot_wanted_more(cx);
    }

    fn replica_served(&self, conn: ConnId) -> bool {
        self.source.is_replica(conn)
    }
}

impl<D: Dataset> Node<D> {
    /// Tells the data which keys the commands at the front of `input` name; how many commands that were, at least one.
    pub(super) fn look_ahead(&self, db: u32, input: &[u8]) -> usize {
        let keys: SmallVec<[&[u8]; FORESEEN]> = Ahead::new(input).take(FORESEEN).collect();
        if keys.len() > 1 {
            self.data.foresee(db, &keys);
        }
        keys.len().max(1)
    }

    fn debug_allowed(&self, s: &Session) -> bool {
        match self.config.settings.enable_debug_command {
            Guard::Yes => true,
            Guard::Local => s.is_local(),
            Guard::No => false,
        }
    }

    /// Whether a command administers, or EXEC would run one that does: no room is made for it, for what changes the role must
    /// not write to the history that it leaves.
    fn administers(&self, s: &Session, found: &Found<Run<D>>) -> bool {
        let admin = |spec: &Spec| spec.flags.has(Flags::ADMIN) && !spec.flags.has(Flags::DENYOOM);
        match s.multi.as_ref().filter(|_| found.spec.name == "exec") {
            Some(multi) => multi.queue.iter().filter_map(|(i, _)| self.clients.table.get(*i)).any(admin),
            None => admin(found.spec),
        }
    }

    /// Whether a command is refused while memory is short: also whatever would be queued, for a queue takes memory.
    fn wants_memory(&self, s: &Session, found: &Found<Run<D>>, flags: Flags) -> bool {
        let ends = matches!(found.spec.name, "exec" | "discard" | "quit" | "reset");
        flags.has(Flags::DENYOOM) || (s.multi.is_some() && !ends)
    }

    /// The properties of a command; EXEC has those of what it would run: what was allowed when it was queued may not be
    /// any more.
    fn flags_of(&self, s: &Session, found: &Found<Run<D>>) -> Flags {
        let Some(multi) = s.multi.as_ref().filter(|_| found.spec.name == "exec") else { return found.spec.flags };
        let any = Flags::WRITE.and(Flags::MAY_REPLICATE).and(Flags::NO_ASYNC_LOADING).and(Flags::DENYOOM);
        let all = Flags::LOADING.and(Flags::STALE);
        multi
            .queue
            .iter()
            .filter_map(|(index, _)| self.clients.table.get(*index))
            .fold(found.spec.flags, |flags, spec| Flags((flags.0 | (spec.flags.0 & any.0)) & (spec.flags.0 | !all.0)))
    }

    /// Runs a command of the dataset for a client, who may have to wait then; whether it failed.
    fn call_data(&mut self, s: &mut Session, command: usize, args: Args<'_>, cx: &mut Cx<'_>) -> bool {
        match self.execute(s, command, args, cx) {
            Executed::Answered { failed } => failed,
            Executed::Waits(wait) => {
                self.begin_waiting(s, args, *wait, cx);
                false
            }
        }
    }

    /// Executes a command of the dataset for a client.
    pub(super) fn execute(&mut self, s: &mut Session, command: usize, args: Args<'_>, cx: &mut Cx<'_>) -> Executed {
        self.effects.watching = self.is_watched();
        let mut wait = None;
        let mut reply = Reply::new(&mut s.outbox, s.proto);
        self.data.execute(
            command,
            args,
            &mut Context {
                now: cx.now,
                db: s.db,
                origin: Origin::Client,
                may_expire: self.may_expire(),
                rng: &mut self.rng,
                reply: &mut reply,
                effects: &mut self.effects,
                touch: !s.no_touch,
                // A transaction does not stop in the middle.
                wait: self.unit.is_none().then_some(&mut wait),
            },
        );
        let failed = reply.errors() > 0;
        self.publish_events();
        if !self.effects.is_empty() || self.effects.dirty > 0 {
            self.propagate(s, args, cx);
        }
        match wait {
            None => Executed::Answered { failed },
            Some(wait) => Executed::Waits(Box::new(wait)),
        }
    }

    fn queue(&mut self, s: &mut Session, found: &Found<Run<D>>, args: Args<'_>) {
        let limit = self.config.settings.client_query_buffer_limit;
        let Some(multi) = &mut s.multi else { return };
        let command = Command::from_args(args);
        multi.bytes += command.memory();
        multi.queue.push((found.index, command));
        if multi.bytes as u64 > limit {
            s.close(CloseWhen::Now);
        }
        s.reply().simple("QUEUED");
    }
}

/// What came of a command of the dataset.
pub(super) enum Executed {
    /// It answered.
    Answered {
        /// With an error.
        failed: bool,
    },
    /// It found nothing, and its client waits.
    Waits(Box<Wait>),
}

const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";

const DEBUG_REFUSED: &str = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a \
local connection, otherwise you need to set this option in the configuration file, and then restart the server.";

const MISCONF: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that \
may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting \
fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";
