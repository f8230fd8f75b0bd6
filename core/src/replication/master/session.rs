//! One connection to a [`Master`](super::Master): a client until it says PSYNC.

use alloc::string::String;

use crate::blocks::Blocks;
use crate::ids::ConnId;
use crate::machine::{Action, Actions, Chunks, Endpoint, Turn};
use crate::replication::source::{Answer, Source, TWO_CHANNEL, Taken, Timer};
use crate::resp::{Args, Proto, Reply, RequestLimits, Requests};
use crate::secrets::same_secret;

use super::Event;

/// Bytes of answers that a client may leave unread before it is closed.
const UNREAD_MAX: u64 = 64 * 1024;
/// What a peer of this machine may send in one command; nothing it understands is longer.
const LIMITS: RequestLimits =
    RequestLimits { bulk: 16 * 1024, args: 64, inline: 16 * 1024, buffer: 64 * 1024, authenticated: true };

#[derive(Debug)]
pub(super) struct Session {
    conn: ConnId,
    peer: Endpoint,
    requests: Requests,
    out: Blocks,
    writing: bool,
    authenticated: bool,
    /// Closed once all answers are sent.
    leaving: bool,
}

/// Whether the connection goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// It does.
    Stay,
    /// It ends once all answers are sent.
    Leave,
    /// It is to be closed.
    Close,
    /// The source has closed it.
    Gone,
}

impl Session {
    pub(super) fn new(conn: ConnId, peer: Endpoint, authenticated: bool) -> Self {
        Self {
            conn,
            peer,
            requests: Requests::new(),
            out: Blocks::new(),
            writing: false,
            authenticated,
            leaving: false,
        }
    }

    /// Takes what came, and says whether the connection goes on.
    pub(super) fn received(
        &mut self,
        mut input: &[u8],
        source: &mut Source,
        password: Option<&str>,
        cx: &mut Turn<'_, Timer, Event>,
    ) -> Next {
        if source.is_replica(self.conn) {
            source.heard(self.conn, cx.now.mono);
        }
        while !self.leaving {
            let limits = RequestLimits { authenticated: self.authenticated, ..LIMITS };
            // The parser is lent out, since its arguments borrow it while the session answers.
            let mut requests = core::mem::take(&mut self.requests);
            let next = match requests.next(&mut input, &limits) {
                Ok(Some(args)) => Some(self.command(args, source, password, cx)),
                Ok(None) => None,
                Err(_) if source.is_replica(self.conn) => Some(Next::Close),
                Err(e) => {
                    Reply::new(&mut self.out, Proto::Resp2).error_fmt(format_args!("ERR {e}"));
                    Some(Next::Leave)
                }
            };
            self.requests = requests;
            match next {
                None => break,
                Some(Next::Stay) => {}
                Some(Next::Leave) => self.leaving = true,
                Some(end) => return end,
            }
        }
        if self.out.len() > UNREAD_MAX {
            return Next::Close;
        }
        self.tell(cx.out);
        Next::Stay
    }

    fn command(
        &mut self,
        args: Args<'_>,
        source: &mut Source,
        password: Option<&str>,
        cx: &mut Turn<'_, Timer, Event>,
    ) -> Next {
        if args.is(0, "replconf") && self.authenticated {
            return self.replconf(source.replconf(self.conn, args, cx));
        }
        if source.is_replica(self.conn) {
            if !args.is(0, "psync") && !args.is(0, "sync") {
                source.answered(self.conn, &name(args), cx);
                return Next::Gone;
            }
            return Next::Stay;
        }
        let mut reply = Reply::new(&mut self.out, Proto::Resp2);
        if args.is(0, "quit") {
            reply.ok();
            return Next::Leave;
        }
        if args.is(0, "auth") {
            self.authenticated |= auth(args, password, &mut reply);
        } else if !self.authenticated {
            reply.error("NOAUTH Authentication required.");
        } else if args.is(0, "ping") && args.len() <= 2 {
            match args.get(1) {
                Some(text) => reply.bulk(text),
                None => reply.simple("PONG"),
            }
        } else if (args.is(0, "psync") && args.len() >= 3) || (args.is(0, "sync") && args.len() == 1) {
            return self.hand_over(args, source, cx);
        } else if ["ping", "psync", "sync"].iter().any(|word| args.is(0, word)) {
            let name = name(args).to_ascii_lowercase();
            reply.error_fmt(format_args!("ERR wrong number of arguments for '{name}' command"));
        } else {
            reply.error_fmt(format_args!(
                "ERR unknown command '{}', a replication source serves PING AUTH REPLCONF PSYNC SYNC QUIT",
                name(args)
            ));
        }
        Next::Stay
    }

    fn replconf(&mut self, answer: Answer) -> Next {
        let mut reply = Reply::new(&mut self.out, Proto::Resp2);
        match answer {
            Answer::Ok => reply.ok(),
            Answer::OkWith(wanted) => reply.simple(&alloc::format!("OK {wanted}")),
            Answer::Error(text) => reply.error(&text),
            Answer::Silent => {}
            Answer::Closed => return Next::Gone,
        }
        Next::Stay
    }

    fn hand_over(&mut self, args: Args<'_>, source: &mut Source, cx: &mut Turn<'_, Timer, Event>) -> Next {
        let result = if !self.out.is_empty() {
            Err("ERR SYNC and PSYNC are invalid with pending output".into())
        } else if args.is(0, "sync") {
            source.sync(self.conn, self.peer.clone(), cx)
        } else {
            source.takes_over(args, cx).and_then(|_| source.psync(self.conn, self.peer.clone(), args, cx))
        };
        let mut reply = Reply::new(&mut self.out, Proto::Resp2);
        match result {
            Ok(Taken::TwoChannel) => reply.simple(TWO_CHANNEL),
            Ok(_) => {}
            Err(text) => reply.error(&text),
        }
        Next::Stay
    }

    fn tell(&mut self, out: &mut Actions<Event>) {
        let writing = !self.out.is_empty();
        if writing != self.writing {
            self.writing = writing;
            out.push(Action::Interest { conn: self.conn, read: true, write: writing });
        }
    }

    pub(super) fn transmit(&mut self, budget: usize, out: &mut Chunks) {
        self.out.read(self.out.start(), budget, out);
    }

    /// The kernel took `len` bytes; false if that was the last it is owed.
    pub(super) fn sent(&mut self, len: usize, out: &mut Actions<Event>) -> bool {
        self.out.release(self.out.start().saturating_add(len as u64));
        self.tell(out);
        !(self.leaving && self.out.is_empty())
    }
}

fn name(args: Args<'_>) -> String {
    let shown = args.at(0);
    String::from_utf8_lossy(shown.get(..64).unwrap_or(shown)).chars().filter(|c| !c.is_control()).collect()
}

fn auth(args: Args<'_>, password: Option<&str>, reply: &mut Reply<'_>) -> bool {
    let given = match args.len() {
        2 => args.at(1),
        3 if args.at(1) == b"default" => args.at(2),
        3 => {
            reply.error("WRONGPASS invalid username-password pair or user is disabled.");
            return false;
        }
        _ => {
            reply.error("ERR wrong number of arguments for 'auth' command");
            return false;
        }
    };
    match password {
        None if args.len() == 3 => reply.ok(),
        None => reply.error(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
             configuration is correct?",
        ),
        Some(password) if same_secret(password.as_bytes(), given) => {
            reply.ok();
            return true;
        }
        Some(_) => reply.error("WRONGPASS invalid username-password pair or user is disabled."),
    }
    false
}
