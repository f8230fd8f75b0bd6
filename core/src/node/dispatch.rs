//! From a client's bytes to commands that run: parsing, the checks that Redis makes in its order, and the call.

use alloc::string::String;
use core::time::Duration;

use super::commands::{subcommand_name, unknown_subcommand};
use super::{Cx, Key, Node, Run, What, turn};
use crate::client::{Blocked, CloseWhen, ReplyMode, Session};
use crate::config::Guard;
use crate::dataset::{Context, Dataset, Flags, Origin, Spec};
use crate::ids::ConnId;
use crate::resp::{Args, Command, Reply, RequestLimits};
use crate::time::Instant;

/// Bytes of a client's own words that go into an error.
const QUOTED_MAX: usize = 128;

/// `CLIENT PAUSE`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    pub(super) until: Instant,
    /// All commands, or only those that write.
    pub(super) all: bool,
}

/// A command that was found, ready to run.
#[derive(Clone, Copy)]
pub(super) struct Found<D: Dataset> {
    pub(super) index: usize,
    pub(super) spec: &'static Spec,
    pub(super) run: Run<D>,
}

/// Why a command is not run.
enum Refusal {
    /// With this error.
    Error(String),
    /// Later: it waits for the end of a pause.
    Held,
}

impl From<&str> for Refusal {
    fn from(text: &str) -> Self {
        Self::Error(text.into())
    }
}

impl Session {
    /// A writer of replies for this client.
    pub(super) fn reply(&mut self) -> Reply<'_> {
        Reply::new(&mut self.outbox, self.proto)
    }

    /// Writes the reply of a command that had to wait, unless the client wants none.
    pub(super) fn late(&mut self, write: impl FnOnce(&mut Reply<'_>)) {
        if self.reply == ReplyMode::On {
            write(&mut self.reply());
        }
    }
}

impl<D: Dataset> Node<D> {
    pub(super) fn received(&mut self, conn: ConnId, bytes: &[u8], cx: &mut Cx<'_>) {
        let Some(mut s) = self.sessions.take(conn) else { return };
        s.bytes_in += bytes.len() as u64;
        s.active = cx.now.mono;
        self.stats.net_in += bytes.len() as u64;
        self.stats.sample(cx.now.mono);
        if s.replica {
            // An empty line is a sign of life and no command.
            self.source.heard(conn, cx.now.mono);
        }
        self.feed(&mut s, bytes, cx);
        self.finish(s, cx);
    }

    /// Runs what `bytes` complete. Behind a command that waits, the rest is held.
    pub(super) fn feed(&mut self, s: &mut Session, bytes: &[u8], cx: &mut Cx<'_>) {
        let mut input = bytes;
        // Out of the session for the while, so that arguments may borrow it beside the session.
        let mut requests = core::mem::take(&mut s.requests);
        self.stats.clock.begin(&mut *self.meter);
        while s.blocked.is_none() && s.close == CloseWhen::Never {
            match requests.next(&mut input, &self.limits_of(s)) {
                Ok(Some(args)) => {
                    self.command(s, args, cx);
                    if s.replica && !self.source.is_replica(s.conn) {
                        s.close(CloseWhen::Now);
                    }
                }
                Ok(None) => break,
                Err(e) => {
                    let mut text = b"ERR ".to_vec();
                    text.extend(e.message());
                    s.reply().error_bytes(&text);
                    s.close(CloseWhen::Drained);
                    self.stats.count_error("ERR");
                    let client = self.client_line(s, cx.now).into();
                    self.event(cx, What::ProtocolError { client, why: alloc::format!("{e}").into() });
                }
            }
        }
        s.requests = requests;
        if s.blocked.is_some() && s.close == CloseWhen::Never {
            s.held.extend_from_slice(input);
        }
        if s.held.len() as u64 + s.requests.buffered() as u64 > self.config.settings.client_query_buffer_limit {
            let client = self.client_line(s, cx.now).into();
            self.event(cx, What::QueryLimit { client });
            s.close(CloseWhen::Now);
        }
    }

    fn limits_of(&self, s: &Session) -> RequestLimits {
        let set = &self.config.settings;
        RequestLimits {
            bulk: usize::try_from(set.proto_max_bulk_len).unwrap_or(usize::MAX),
            buffer: usize::try_from(set.client_query_buffer_limit).unwrap_or(usize::MAX),
            authenticated: s.authenticated,
            ..RequestLimits::default()
        }
    }

    /// Runs one command of a client, or queues it, or says why not.
    fn command(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        s.commands += 1;
        if s.replica && !args.is(0, "replconf") {
            let name = String::from_utf8_lossy(args.at(0)).to_lowercase();
            return self.source.answered(s.conn, &name, &mut turn!(self, cx));
        }
        let before = s.reply;
        s.reply = match before {
            ReplyMode::SkipNext => ReplyMode::Skip,
            ReplyMode::Skip => ReplyMode::On,
            other => other,
        };
        let mark = s.outbox.end();
        match self.find(args) {
            Ok(found) if args.has_pieces() && !found.spec.flags.has(Flags::PIECES) => {
                let whole = Command::from_args(args);
                self.found(s, &found, whole.args(), cx);
            }
            Ok(found) => self.found(s, &found, args, cx),
            Err(text) => self.refuse(s, None, &text),
        }
        // A client that wants no replies still gets those of CLIENT REPLY ON, which switches before it answers.
        if s.reply != ReplyMode::On && !s.replica {
            let keep = mark.max(s.outbox.start());
            s.outbox.truncate(keep);
        }
        if s.blocked == Some(Blocked::Paused) {
            // It was held back, and comes again as if it had not come.
            s.reply = before;
            s.commands -= 1;
        }
    }

    /// The command of these arguments (a subcommand of a container counts as one), or the error that it is answered.
    pub(super) fn find(&self, args: Args<'_>) -> Result<Found<D>, String> {
        let Some(found) = self.table.find(args.at(0)).filter(|f| !f.spec.name.contains('|')) else {
            return Err(unknown(args));
        };
        let (index, spec, run) = (found.index, found.spec, *found.run);
        // A container of the dataset's knows its own subcommands.
        if spec.flags.has(Flags::CONTAINER) && args.len() > 1 && matches!(run, Run::Own(_)) {
            let sub = subcommand_name(spec.name, args.at(1)).and_then(|name| self.table.find(&name));
            let Some(sub) = sub else { return Err(unknown_subcommand(spec.name, args.at(1))) };
            return checked(sub.index, sub.spec, *sub.run, args).map_err(|text| match spec.name {
                // DEBUG has one complaint for both.
                "debug" => unknown_subcommand(spec.name, args.at(1)),
                _ => text,
            });
        }
        checked(index, spec, run, args)
    }

    fn found(&mut self, s: &mut Session, found: &Found<D>, args: Args<'_>, cx: &mut Cx<'_>) {
        s.last_command = Some(found.index);
        match self.refusal(s, found, cx) {
            Some(Refusal::Held) => {
                let command = Command::from_args(args);
                s.held.extend_from_slice(command.frame());
                s.blocked = Some(Blocked::Paused);
                self.waiting.insert(s.conn);
            }
            Some(Refusal::Error(text)) if s.multi.is_some() && found.spec.name == "exec" => {
                s.multi = None;
                self.unwatch(s);
                self.refuse(
                    s,
                    Some(found.index),
                    &alloc::format!("EXECABORT Transaction discarded because of: {text}"),
                );
            }
            Some(Refusal::Error(text)) => self.refuse(s, Some(found.index), &text),
            None if s.multi.is_some() && !found.spec.flags.has(Flags::IN_MULTI) => self.queue(s, found, args),
            None => self.call(s, found, args, cx),
        }
    }

    fn refuse(&mut self, s: &mut Session, index: Option<usize>, text: &str) {
        if let Some(m) = &mut s.multi {
            m.broken = true;
        }
        self.stats.rejected(index);
        self.stats.count_error(text.split(' ').next().unwrap_or("ERR"));
        s.reply().error(text);
    }

    /// The checks before a command runs, in Redis's order.
    fn refusal(&self, s: &Session, found: &Found<D>, cx: &Cx<'_>) -> Option<Refusal> {
        let flags = self.flags_of(s, found);
        let set = &self.config.settings;
        if !s.authenticated && !flags.has(Flags::NO_AUTH) {
            return Some("NOAUTH Authentication required.".into());
        }
        let write = flags.has(Flags::WRITE) || flags.has(Flags::MAY_REPLICATE);
        let ping = found.spec.name == "ping";
        if s.multi.is_some() && flags.has(Flags::NO_MULTI) {
            return Some("ERR Command not allowed inside a transaction".into());
        }
        if flags.has(Flags::WRITE) || ping {
            if self.is_master() && set.stop_writes_on_bgsave_error && !set.save.is_empty() && self.save.failing() {
                return Some(MISCONF.into());
            }
            if !ping && !self.enough_replicas(cx.now.mono) {
                return Some("NOREPLICAS Not enough good replicas to write.".into());
            }
            if !ping && !self.is_master() && set.replica_read_only {
                return Some("READONLY You can't write against a read only replica.".into());
            }
        }
        if s.subscriptions() > 0 && s.proto == crate::resp::Proto::Resp2 && !in_pubsub(found.spec.name) {
            return Some(Refusal::Error(alloc::format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                found.spec.name
            )));
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
        if let Some(p) = self.pause
            && !s.replica
            && (p.all || write)
            && !found.spec.name.starts_with("client")
            && (s.multi.is_none() || flags.has(Flags::IN_MULTI))
        {
            return Some(Refusal::Held);
        }
        if self.shutdown.is_some() && write && !s.replica {
            return Some(Refusal::Held);
        }
        None
    }

    fn debug_allowed(&self, s: &Session) -> bool {
        match self.config.settings.enable_debug_command {
            Guard::Yes => true,
            Guard::Local => s.is_local(),
            Guard::No => false,
        }
    }

    /// The properties of a command; EXEC has those of what it would run: what was allowed when it was queued may not be
    /// any more.
    fn flags_of(&self, s: &Session, found: &Found<D>) -> Flags {
        let Some(multi) = s.multi.as_ref().filter(|_| found.spec.name == "exec") else { return found.spec.flags };
        let any = Flags::WRITE.and(Flags::MAY_REPLICATE).and(Flags::NO_ASYNC_LOADING);
        let all = Flags::LOADING.and(Flags::STALE);
        multi
            .queue
            .iter()
            .filter_map(|(index, _)| self.table.get(*index))
            .fold(found.spec.flags, |flags, spec| Flags((flags.0 | (spec.flags.0 & any.0)) & (spec.flags.0 | !all.0)))
    }

    /// Runs a command and accounts for it.
    pub(super) fn call(&mut self, s: &mut Session, found: &Found<D>, args: Args<'_>, cx: &mut Cx<'_>) {
        let shown = !is_secret(found.spec.name, args);
        if !self.monitors.is_empty() && shown && !found.spec.flags.has(Flags::SKIP_MONITOR) {
            self.feed_monitors(s, args, cx);
        }
        let mark = s.outbox.end();
        let failed = match found.run {
            Run::Data(command) => self.call_data(s, command, args, cx),
            Run::Own(run) => {
                run(self, s, args, cx);
                s.outbox.byte_at(mark) == Some(b'-')
            }
        };
        if failed {
            self.stats.count_reply_error(&mut s.outbox, mark);
        }
        let us = self.stats.clock.lap(&mut *self.meter);
        self.stats.called(found.index, us, failed);
        let threshold = self.config.settings.slowlog_log_slower_than;
        if threshold >= 0 && us >= threshold as u64 && shown && !found.spec.flags.has(Flags::SKIP_SLOWLOG) {
            let limit = self.config.settings.slowlog_max_len as usize;
            self.slowlog.record(us, args, s, cx.now, limit);
        }
        let threshold = self.config.settings.latency_monitor_threshold;
        if threshold > 0 && us >= threshold * 1000 {
            self.latency.record(
                if found.spec.flags.has(Flags::FAST) { "fast-command" } else { "command" },
                us / 1000,
                cx.now,
            );
        }
    }

    /// Runs a command of the dataset for a client; whether it failed.
    fn call_data(&mut self, s: &mut Session, command: usize, args: Args<'_>, cx: &mut Cx<'_>) -> bool {
        self.effects.watching = !self.watchers.is_empty();
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
            },
        );
        let failed = reply.errors() > 0;
        if !self.effects.is_empty() || self.effects.dirty > 0 {
            self.propagate(s, args, cx);
        }
        failed
    }

    fn queue(&mut self, s: &mut Session, found: &Found<D>, args: Args<'_>) {
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

    /// Lets a client that waited go on with what it sent meanwhile.
    pub(super) fn unblock(&mut self, s: &mut Session, cx: &mut Cx<'_>) {
        s.blocked = None;
        self.waiting.remove(&s.conn);
        self.timers.clear(Key::Wait(s.conn));
        let held = core::mem::take(&mut s.held);
        if !held.is_empty() {
            self.feed(s, &held, cx);
        }
    }

    /// Holds commands back for `ms`.
    pub(super) fn pause_for(&mut self, ms: u64, all: bool, cx: &mut Cx<'_>) {
        let until = cx.now.mono + Duration::from_millis(ms);
        let old = self.pause;
        // A longer or stricter pause that is under way is kept.
        let until = old.map_or(until, |p| p.until.max(until));
        self.pause = Some(Pause { until, all: all || old.is_some_and(|p| p.all) });
        self.timers.set(Key::Pause, until.max(cx.now.mono + Duration::from_micros(1)));
    }

    /// Ends a pause: those held back go on.
    pub(super) fn unpause(&mut self, cx: &mut Cx<'_>) {
        self.pause = None;
        self.timers.clear(Key::Pause);
        self.release_held(cx);
    }

    /// Lets those that were held back try again.
    pub(super) fn release_held(&mut self, cx: &mut Cx<'_>) {
        let held: alloc::vec::Vec<ConnId> = self.waiting.iter().copied().collect();
        for conn in held {
            let Some(mut s) = self.sessions.take(conn) else { continue };
            if s.blocked == Some(Blocked::Paused) {
                self.unblock(&mut s, cx);
                self.finish(s, cx);
            } else {
                self.sessions.put(s);
            }
        }
    }
}

fn checked<D: Dataset>(index: usize, spec: &'static Spec, run: Run<D>, args: Args<'_>) -> Result<Found<D>, String> {
    let least = usize::from(spec.arity.unsigned_abs());
    if (spec.arity >= 0 && args.len() != least) || args.len() < least {
        return Err(alloc::format!("ERR wrong number of arguments for '{}' command", spec.name));
    }
    Ok(Found { index, spec, run })
}

const DEBUG_REFUSED: &str = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a \
local connection, otherwise you need to set this option in the configuration file, and then restart the server.";

const MISCONF: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that \
may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting \
fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";

/// Whether its arguments hold a password: neither MONITOR nor SLOWLOG shows it.
fn is_secret(name: &str, args: Args<'_>) -> bool {
    name == "config|set"
        && args.iter().any(|a| a.to_ascii_lowercase().ends_with(b"auth") || a.eq_ignore_ascii_case(b"requirepass"))
}

/// Whether a RESP2 client that is subscribed may run it.
fn in_pubsub(name: &str) -> bool {
    matches!(name, "subscribe" | "unsubscribe" | "psubscribe" | "punsubscribe" | "ping" | "quit" | "reset")
}

fn unknown(args: Args<'_>) -> String {
    let name = String::from_utf8_lossy(&args.at(0)[..args.at(0).len().min(QUOTED_MAX)]).into_owned();
    let mut rest = String::new();
    for a in args.from(1).iter() {
        let Some(room) = QUOTED_MAX.checked_sub(rest.len()).filter(|&r| r > 0) else { break };
        rest.push('\'');
        rest.push_str(&String::from_utf8_lossy(&a[..a.len().min(room)]));
        rest.push_str("' ");
    }
    alloc::format!("ERR unknown command '{name}', with args beginning with: {rest}")
}
