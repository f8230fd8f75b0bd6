//! From a client's bytes to commands that run: parsing, the checks that every server makes, and the call.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::clients::Pause;
use super::commands::{subcommand_name, unknown_subcommand};
use super::server::{Cx, Found, Handler, Refusal, Server, Timer};
use super::{Blocked, Clients, CloseWhen, Connections as _, Event, Lookup, ReplyMode, Session};
use crate::dataset::{Flags, Spec};
use crate::ids::ConnId;
use crate::resp::{Args, Command, Proto, RequestLimits};

/// Bytes of a client's own words that go into an error.
const QUOTED_MAX: usize = 128;

/// From bytes to commands that run.
pub(crate) trait Dispatch: Server {
    /// Runs what `bytes` complete. Behind a command that waits, the rest is held.
    fn feed(&mut self, s: &mut Session, bytes: &[u8], cx: &mut Cx<'_, Self::Event>) {
        let mut input = bytes;
        // Out of the session for the while, so that arguments may borrow it beside the session.
        let mut requests = core::mem::take(&mut s.requests);
        let clients = self.clients_mut();
        clients.stats.clock.begin(&mut *clients.meter);
        let mut foreseen = 0;
        while s.blocked.is_none() && s.close == CloseWhen::Never {
            if foreseen == 0 {
                foreseen = self.foresee(s.db, input);
            }
            foreseen -= 1;
            match requests.next(&mut input, &self.limits_of(s)) {
                Ok(Some(args)) => {
                    self.command(s, args, cx);
                    if s.replica && !self.replica_served(s.conn) {
                        s.close(CloseWhen::Now);
                    }
                }
                Ok(None) => break,
                Err(e) => {
                    let mut text = b"ERR ".to_vec();
                    text.extend(e.message());
                    s.reply().error_bytes(&text);
                    s.close(CloseWhen::Drained);
                    let clients = self.clients_mut();
                    clients.stats.count_error("ERR");
                    let client = clients.line(s, cx.now).into();
                    self.tell(Event::ProtocolError { client, why: alloc::format!("{e}").into() }, cx);
                }
            }
        }
        s.requests = requests;
        if s.blocked.is_some() && s.close == CloseWhen::Never {
            s.held.extend_from_slice(input);
        }
        if s.held.len() as u64 + s.requests.buffered() as u64 > self.settings().client_query_buffer_limit {
            let client = self.clients().line(s, cx.now).into();
            self.clients_mut().stats.query_limit_disconnections += 1;
            self.tell(Event::QueryLimit { client }, cx);
            s.close(CloseWhen::Now);
        }
    }

    fn limits_of(&self, s: &Session) -> RequestLimits {
        let set = self.settings();
        RequestLimits {
            bulk: usize::try_from(set.proto_max_bulk_len).unwrap_or(usize::MAX),
            buffer: usize::try_from(set.client_query_buffer_limit).unwrap_or(usize::MAX),
            authenticated: !self.clients().must_log_in(s),
            ..RequestLimits::default()
        }
    }

    /// Runs one command of a client, or queues it, or says why not.
    fn command(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_, Self::Event>) {
        s.commands += 1;
        if s.replica && self.replica_said(s, args, cx) {
            return;
        }
        let before = s.reply;
        s.reply = match before {
            ReplyMode::SkipNext => ReplyMode::Skip,
            ReplyMode::Skip => ReplyMode::On,
            other => other,
        };
        let mark = s.outbox.end();
        match self.find(args) {
            Ok(found) if self.clients().table.is_renamed() && !args.is(0, found.own_name()) => {
                // From here on it has the name that replicas and files know.
                let whole = Command::from_args(args);
                let words: Vec<&[u8]> =
                    [found.own_name().as_bytes()].into_iter().chain(whole.args().from(1).iter()).collect();
                self.found(s, &found, Command::new(&words).args(), cx);
            }
            Ok(found) if args.has_pieces() && !found.spec.flags.has(Flags::PIECES) => {
                let whole = Command::from_args(args);
                self.found(s, &found, whole.args(), cx);
            }
            Ok(found) => self.found(s, &found, args, cx),
            Err(text) => {
                self.refuse(s, None, &text);
                // Its arguments are in the text, whatever they were meant for.
                s.reply().keep_secret();
            }
        }
        // A client that wants no replies still gets those of CLIENT REPLY ON, which switches before it answers.
        s.silence(mark);
        // What was published for it meanwhile stands behind its reply.
        self.clients_mut().hand_over(s);
        if s.blocked == Some(Blocked::Paused) {
            // It was held back, and comes again as if it had not come.
            s.reply = before;
            s.commands -= 1;
        }
    }

    /// The command of these arguments (a subcommand of a container counts as one), or the error that it is answered.
    fn find(&self, args: Args<'_>) -> Result<Found<Self::Run>, String> {
        self.find_among(args, self.clients().table.find_called(args.at(0)))
    }

    /// The same for a command that a master sent or that was found before: by its own name, too, where clients have another.
    fn find_known(&self, args: Args<'_>) -> Result<Found<Self::Run>, String> {
        let table = &self.clients().table;
        self.find_among(args, table.find(args.at(0)).or_else(|| table.find_called(args.at(0))))
    }

    fn find_among(&self, args: Args<'_>, found: Option<Lookup<'_, Self::Run>>) -> Result<Found<Self::Run>, String> {
        let table = &self.clients().table;
        let Some(found) = found.filter(|f| !f.spec.name.contains('|')) else {
            return Err(unknown(args));
        };
        let (index, spec, run) = (found.index, found.spec, *found.run);
        if spec.flags.has(Flags::CONTAINER) && args.len() > 1 {
            let sub = subcommand_name(spec.name, args.at(1)).and_then(|name| table.find(&name));
            let Some(sub) = sub else {
                if Self::has_subcommands(run) {
                    return Err(unknown_subcommand(spec.name, args.at(1)));
                }
                // Without a row for it, it is for the container to say.
                return checked(index, spec, run, args);
            };
            return checked(sub.index, sub.spec, *sub.run, args).map_err(|text| match spec.name {
                // DEBUG has one complaint for both.
                "debug" => unknown_subcommand(spec.name, args.at(1)),
                _ => text,
            });
        }
        checked(index, spec, run, args)
    }

    fn found(&mut self, s: &mut Session, found: &Found<Self::Run>, args: Args<'_>, cx: &mut Cx<'_, Self::Event>) {
        s.last_command = Some(found.index);
        self.make_room(s, found, cx);
        match self.refusal(s, found, args, cx) {
            Some(Refusal::Held) => {
                let mut command = Command::from_args(args);
                // It comes again as from the client.
                if let Some(name) = self.clients().table.called_for(args.at(0)) {
                    let words: Vec<&[u8]> = [name].into_iter().chain(command.args().from(1).iter()).collect();
                    command = Command::new(&words);
                }
                s.held.extend_from_slice(command.frame());
                s.blocked = Some(Blocked::Paused);
                self.clients_mut().waiting.insert(s.conn);
            }
            Some(Refusal::Denied(denied)) => {
                let most = self.settings().acllog_max_len as usize;
                if let Some((what, object)) = denied.what() {
                    self.clients_mut().note_denial(s, what, object, None, cx.now, most);
                }
                self.refused(s, found, &denied.error());
            }
            Some(Refusal::Error(text)) => self.refused(s, found, &text),
            None => self.admitted(s, found, args, cx),
        }
    }

    /// Answers a command that does not run with an error, and counts it.
    fn refuse(&mut self, s: &mut Session, index: Option<usize>, text: &str) {
        if let Some(m) = &mut s.multi {
            m.broken = true;
        }
        let stats = &mut self.clients_mut().stats;
        stats.rejected(index);
        stats.count_error(text.split(' ').next().unwrap_or("ERR"));
        s.reply().error(text);
    }

    /// Runs a command and accounts for it.
    fn call(&mut self, s: &mut Session, found: &Found<Self::Run>, args: Args<'_>, cx: &mut Cx<'_, Self::Event>) {
        self.before(s, found.spec, args, cx);
        let mark = s.outbox.end();
        let failed = self.run(s, found, args, cx);
        let track = self.settings().latency_tracking;
        let clients = self.clients_mut();
        if failed {
            clients.stats.count_reply_error(&mut s.outbox, mark);
        }
        let us = clients.stats.clock.lap(&mut *clients.meter);
        clients.stats.called(found.index, us, failed, track);
        self.after(s, found.spec, args, us, cx);
    }

    /// Runs a command by its handler; whether it failed.
    fn run_handler(
        &mut self,
        handler: Handler<Self>,
        s: &mut Session,
        args: Args<'_>,
        cx: &mut Cx<'_, Self::Event>,
    ) -> bool {
        let mark = s.outbox.end();
        handler(self, s, args, cx);
        s.outbox.byte_at(mark) == Some(b'-')
    }

    /// Ends the waiting of a client; it goes on with what it sent meanwhile once the input is handled, since its commands
    /// may let others go on, and so forth.
    fn unblock(&mut self, s: &mut Session) {
        s.blocked = None;
        let clients = self.clients_mut();
        clients.waiting.remove(&s.conn);
        if !s.held.is_empty() {
            clients.resumed.push_back(s.conn);
        }
        self.timers().clear(Timer::Wait(s.conn).into());
    }

    /// Runs what clients sent while they waited, of those that wait no more; whether there were any.
    fn resume_held(&mut self, cx: &mut Cx<'_, Self::Event>) -> bool {
        let mut any = false;
        while let Some(conn) = self.clients_mut().resumed.pop_front() {
            any = true;
            let Some(mut s) = self.clients_mut().sessions.take(conn) else { continue };
            let held = core::mem::take(&mut s.held);
            self.feed(&mut s, &held, cx);
            self.finish(s, cx);
        }
        any
    }

    /// Holds commands back for `ms`.
    fn pause_for(&mut self, ms: u64, all: bool, cx: &mut Cx<'_, Self::Event>) {
        let until = cx.now.mono + Duration::from_millis(ms);
        let old = self.clients().pause;
        // A longer or stricter pause that is under way is kept.
        let until = old.map_or(until, |p| p.until.max(until));
        self.clients_mut().pause = Some(Pause { until, all: all || old.is_some_and(|p| p.all) });
        self.timers().set(Timer::Pause.into(), until.max(cx.now.mono + Duration::from_micros(1)));
    }

    /// Ends a pause: those held back go on.
    fn unpause(&mut self, cx: &mut Cx<'_, Self::Event>) {
        self.clients_mut().pause = None;
        self.timers().clear(Timer::Pause.into());
        self.release_held(cx);
    }

    /// Lets those that were held back try again.
    fn release_held(&mut self, cx: &mut Cx<'_, Self::Event>) {
        let held: Vec<ConnId> = self.clients().waiting.iter().copied().collect();
        for conn in held {
            let Some(mut s) = self.clients_mut().sessions.take(conn) else { continue };
            if s.blocked == Some(Blocked::Paused) {
                self.unblock(&mut s);
                self.finish(s, cx);
            } else {
                self.clients_mut().sessions.put(s);
            }
        }
    }
}

impl<S: Server> Dispatch for S {}

/// The refusal of a client that has to say who it is first.
pub(crate) fn unauthenticated<R>(clients: &Clients<R>, s: &Session, flags: Flags) -> Option<Refusal> {
    (clients.must_log_in(s) && !flags.has(Flags::NO_AUTH)).then(|| "NOAUTH Authentication required.".into())
}

/// The refusal of a RESP2 client that is subscribed: it could not tell a reply from a message.
pub(crate) fn subscribed(s: &Session, spec: &Spec) -> Option<Refusal> {
    let free =
        matches!(spec.name, "subscribe" | "unsubscribe" | "psubscribe" | "punsubscribe" | "ping" | "quit" | "reset");
    (s.subscriptions() > 0 && s.proto == Proto::Resp2 && !free).then(|| {
        Refusal::Error(alloc::format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
            spec.name
        ))
    })
}

/// Whether a pause holds a command back: also one that a transaction only queues, as in Redis.
pub(crate) fn paused<R>(clients: &Clients<R>, s: &Session, found: &Found<R>, flags: Flags) -> Option<Refusal> {
    if !clients.is_paused() {
        return None;
    }
    let all = clients.pause.is_some_and(|p| p.all);
    let write = flags.has(Flags::WRITE) || flags.has(Flags::MAY_REPLICATE);
    (!s.replica && (all || write) && !found.spec.name.starts_with("client")).then_some(Refusal::Held)
}

fn checked<R>(index: usize, spec: &'static Spec, run: R, args: Args<'_>) -> Result<Found<R>, String> {
    let least = usize::from(spec.arity.unsigned_abs());
    if (spec.arity >= 0 && args.len() != least) || args.len() < least {
        return Err(alloc::format!("ERR wrong number of arguments for '{}' command", spec.name));
    }
    Ok(Found { index, spec, run })
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
