//! All that a server keeps for its clients' sake.

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use super::scrape::Scrapers;
use super::stats::{Stats, UsageCache};
use super::{About, PubSub, Session, Sessions, Table};
use crate::acl::{self, Commands, Context, Denied, Users, What};
use crate::blocks::Blocks;
use crate::dataset::Spec;
use crate::ids::{ConnId, OpId};
use crate::machine::{Chunks, Meter};
use crate::resp::{Args, Proto, Reply};
use crate::time::{Instant, Now};

/// Messages of so many bytes are kept once for all who get them; shorter ones are copied, which is cheaper.
const SHARED_MESSAGE: usize = 1024;

/// `CLIENT PAUSE`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause {
    pub(crate) until: Instant,
    /// All commands, or only those that write.
    pub(crate) all: bool,
}

/// What is done with the file of users.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UserFile {
    /// It is read before anybody is served.
    Start,
    /// `ACL LOAD` of this client.
    Load(ConnId),
    /// `ACL SAVE` of this client.
    Save(ConnId),
}

/// The clients of a server, and what it knows of itself for them. `R` runs a command.
pub(crate) struct Clients<R> {
    pub(crate) about: About,
    pub(crate) table: Table<R>,
    /// The same commands for rules of users,
    pub(crate) commands: Commands,
    /// the users,
    pub(crate) users: Users,
    /// and what they were denied.
    pub(crate) denials: acl::Log,
    /// Files of users that are being read or written, with the client that waits for it; none at the start.
    pub(crate) user_files: Vec<(OpId, UserFile)>,
    pub(crate) sessions: Sessions,
    /// Who asks for metrics: no clients.
    pub(crate) scrapers: Scrapers,
    pub(crate) pubsub: PubSub,
    /// Clients whose commands wait: in WAIT, or for the end of a pause.
    pub(crate) waiting: BTreeSet<ConnId>,
    /// Clients that wait no more and sent commands meanwhile: these run when the input is handled.
    pub(crate) resumed: VecDeque<ConnId>,
    /// Clients that got bytes while another input was handled: told to the runtime when it ends.
    pub(crate) stirred: BTreeSet<ConnId>,
    /// Messages to a client that was taken out as they were published: it gets them once it is served.
    aside: Vec<(ConnId, Aside)>,
    pub(crate) pause: Option<Pause>,
    /// The server holds writes back for a reason of its own, however long: `CLIENT UNPAUSE` does not end it.
    pub(crate) holds_writes: bool,
    pub(crate) stats: Stats,
    pub(crate) meter: Box<dyn Meter>,
    pub(crate) usage: UsageCache,
    /// The first tick.
    pub(crate) started: Option<Now>,
    pub(crate) next_id: u64,
}

impl<R> Clients<R> {
    pub(crate) fn new(commands: Vec<(&'static Spec, R)>, meter: Box<dyn Meter>, about: About) -> Self {
        let table = Table::new(commands);
        let commands = Commands::new(table.iter());
        Self {
            about,
            users: Users::new(&commands),
            commands,
            denials: acl::Log::default(),
            user_files: Vec::new(),
            stats: Stats::new(table.len()),
            table,
            sessions: Sessions::default(),
            scrapers: Scrapers::default(),
            pubsub: PubSub::default(),
            waiting: BTreeSet::new(),
            resumed: VecDeque::new(),
            stirred: BTreeSet::new(),
            aside: Vec::new(),
            pause: None,
            holds_writes: false,
            meter,
            usage: UsageCache::default(),
            started: None,
            next_id: 0,
        }
    }

    /// Whether a client has to log in before it may do anything else.
    #[inline]
    pub(crate) fn must_log_in(&self, s: &Session) -> bool {
        !s.authenticated && !self.users.is_open()
    }

    /// Whether a client's user may run a command.
    #[inline]
    pub(crate) fn denied(&self, s: &Session, index: usize, args: Args<'_>) -> Option<Denied> {
        self.users.check(s.user, &self.commands, index, args).err()
    }

    /// Notes what a client was denied. `who`: the name that it wanted to log in with, else it is the client's own.
    pub(crate) fn note_denial(
        &mut self,
        s: &Session,
        what: What,
        object: &[u8],
        who: Option<&[u8]>,
        now: Now,
        most: usize,
    ) {
        let context = if s.multi.is_some() { Context::Multi } else { Context::Toplevel };
        self.note_denial_in(s, context, what, object, who, now, most);
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one entry")]
    pub(crate) fn note_denial_in(
        &mut self,
        s: &Session,
        context: Context,
        what: What,
        object: &[u8],
        who: Option<&[u8]>,
        now: Now,
        most: usize,
    ) {
        self.stats.denied(what);
        let user = who.unwrap_or_else(|| self.users.get(s.user).name());
        let (object, user, client) = (object.into(), user.into(), self.line(s, now));
        let entry = acl::Entry { id: 0, count: 1, what, context, object, user, first: now, last: now, client };
        self.denials.note(entry, most);
    }

    /// Whether writes are held back.
    pub(crate) fn is_paused(&self) -> bool {
        self.pause.is_some() || self.holds_writes
    }

    /// Shows what a client is owed.
    pub(crate) fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        if let Some(s) = self.sessions.get_mut(conn) {
            s.outbox.read(s.outbox.start(), budget, out);
        } else {
            self.scrapers.transmit(conn, budget, out);
        }
    }

    /// Delivers a message; how many got it. `own` is the session taken out for the command that publishes, if any.
    pub(crate) fn publish(&mut self, mut own: Option<&mut Session>, channel: &[u8], body: &[u8]) -> usize {
        if self.pubsub.is_empty() {
            return 0;
        }
        let Self { pubsub, sessions, stirred, aside, .. } = self;
        let mut count = 0;
        for (pattern, listeners) in pubsub.receivers(channel) {
            let message = Message { pattern, channel, body };
            let mut frames = (listeners.len() > 1).then(Frames::default);
            for &conn in listeners {
                count += 1;
                let s = match own.as_deref_mut() {
                    Some(s) if s.conn == conn => s,
                    _ => {
                        let Some(s) = sessions.get_mut(conn) else {
                            aside.push((conn, Aside::of(message)));
                            continue;
                        };
                        stirred.insert(conn);
                        s
                    }
                };
                match &mut frames {
                    Some(frames) => frames.write(message, s),
                    None => message.write(&mut s.reply()),
                }
            }
        }
        count
    }

    /// Gives a client that was taken out the messages that were published meanwhile.
    #[inline]
    pub(crate) fn hand_over(&mut self, s: &mut Session) {
        if !self.aside.is_empty() {
            let own = s.conn;
            for (_, message) in self.aside.extract_if(.., |(conn, _)| *conn == own) {
                message.as_message().write(&mut s.reply());
            }
        }
    }

    /// Ends all subscriptions of a client without a word.
    pub(crate) fn unsubscribe_all(&mut self, s: &mut Session) {
        self.pubsub.forget(s);
        s.channels.clear();
        s.patterns.clear();
    }

    /// One line of `CLIENT LIST`, without its end.
    pub(crate) fn line(&self, s: &Session, now: Now) -> String {
        let events = match (s.interest.read, s.interest.write) {
            (true, true) => "rw",
            (true, false) => "r",
            (false, true) => "w",
            (false, false) => "",
        };
        let multi = s.multi.as_ref().map_or(-1, |m| m.queue.len() as i64);
        let command = s.last_command.and_then(|i| self.table.get(i)).map_or("NULL", |spec| spec.name);
        let buffered = s.requests.buffered() + s.held.len();
        alloc::format!(
            "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} ssub=0 multi={multi} watch={} \
             qbuf={buffered} qbuf-free=0 argv-mem=0 multi-mem={} rbs=0 rbp=0 obl={} oll=0 omem={} tot-mem={} events={events} \
             cmd={command} user={} redir=-1 resp={} lib-name={} lib-ver={}",
            s.id,
            s.peer,
            s.local,
            s.conn.as_u64(),
            s.name,
            (now.mono - s.since).as_secs(),
            (now.mono - s.active).as_secs(),
            s.flags(),
            s.db,
            s.channels.len(),
            s.patterns.len(),
            s.watched.len(),
            s.multi.as_ref().map_or(0, |m| m.bytes),
            s.outbox.len(),
            s.outbox.memory(),
            s.memory(),
            printable(self.users.get(s.user).name()),
            if s.proto == Proto::Resp3 { 3 } else { 2 },
            s.lib.0,
            s.lib.1,
        )
    }
}

/// A user's name for a line that may stand in a log.
fn printable(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// One message as it goes out.
#[derive(Clone, Copy)]
struct Message<'a> {
    pattern: Option<&'a [u8]>,
    channel: &'a [u8],
    body: &'a [u8],
}

impl Message<'_> {
    fn write(&self, r: &mut Reply<'_>) {
        match self.pattern {
            None => {
                r.push(3);
                r.bulk(b"message");
            }
            Some(pattern) => {
                r.push(4);
                r.bulk(b"pmessage");
                r.bulk(pattern);
            }
        }
        r.bulk(self.channel);
        r.bulk(self.body);
    }
}

/// A message that waits until the one who gets it is served.
struct Aside {
    pattern: Option<Box<[u8]>>,
    channel: Box<[u8]>,
    body: Box<[u8]>,
}

impl Aside {
    fn of(message: Message<'_>) -> Self {
        Self { pattern: message.pattern.map(Into::into), channel: message.channel.into(), body: message.body.into() }
    }

    fn as_message(&self) -> Message<'_> {
        Message { pattern: self.pattern.as_deref(), channel: &self.channel, body: &self.body }
    }
}

/// A message in the forms that several who get it share: encoded once for each version of the protocol.
#[derive(Default)]
struct Frames {
    resp2: Option<Bytes>,
    resp3: Option<Bytes>,
}

impl Frames {
    fn write(&mut self, message: Message<'_>, s: &mut Session) {
        let place = if s.proto == Proto::Resp3 { &mut self.resp3 } else { &mut self.resp2 };
        let frame = place.get_or_insert_with(|| {
            let mut out = Blocks::new();
            message.write(&mut Reply::new(&mut out, s.proto));
            let pieces: Vec<Bytes> = out.drain().collect();
            pieces.concat().into()
        });
        if frame.len() < SHARED_MESSAGE {
            s.outbox.append(frame);
        } else {
            s.outbox.append_shared(frame.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Kind;
    use crate::machine::{Endpoint, NoMeter};
    use std::format;

    /// Three who listen: two of them in RESP2, by name and by pattern, one in RESP3 by name.
    fn listeners() -> Clients<()> {
        let mut clients = Clients::new(Vec::new(), Box::new(NoMeter), About::default());
        let here = Endpoint::Unix("".into());
        for (n, proto, kind) in [
            (1, Proto::Resp2, Kind::Channel),
            (2, Proto::Resp2, Kind::Channel),
            (3, Proto::Resp3, Kind::Channel),
            (4, Proto::Resp2, Kind::Pattern),
        ] {
            let conn = ConnId::accepted(n);
            let mut s = Session::new(conn, n, here.clone(), here.clone(), Instant::ZERO);
            s.proto = proto;
            clients.pubsub.subscribe(conn, kind, if kind == Kind::Channel { b"news" } else { b"n*" });
            clients.sessions.insert(Box::new(s));
        }
        clients
    }

    #[test]
    fn a_message_reaches_all_in_their_own_form() {
        for body in ["hi".into(), "x".repeat(3 * SHARED_MESSAGE)] {
            let mut clients = listeners();
            assert_eq!(clients.publish(None, b"news", body.as_bytes()), 4);
            assert_eq!(clients.publish(None, b"old", body.as_bytes()), 0);
            let bulk = format!("$4\r\nnews\r\n${}\r\n{body}\r\n", body.len());
            let wanted = [
                format!("*3\r\n$7\r\nmessage\r\n{bulk}"),
                format!("*3\r\n$7\r\nmessage\r\n{bulk}"),
                format!(">3\r\n$7\r\nmessage\r\n{bulk}"),
                format!("*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n{bulk}"),
            ];
            for (n, wanted) in (1..).zip(wanted) {
                let (conn, mut chunks) = (ConnId::accepted(n), Chunks::new());
                clients.transmit(conn, usize::MAX, &mut chunks);
                assert_eq!(String::from_utf8_lossy(&chunks.concat()), wanted);
                assert!(clients.stirred.contains(&conn), "{conn:?} is told to the runtime");
            }
        }
    }

    #[test]
    fn who_publishes_and_listens_gets_the_message_at_once() {
        let mut clients = listeners();
        let mut own = clients.sessions.take(ConnId::accepted(1)).unwrap();
        assert_eq!(clients.publish(Some(&mut own), b"news", b"hi"), 4);
        assert!(!own.outbox.is_empty() && !clients.stirred.contains(&own.conn));
    }

    #[test]
    fn who_listens_and_is_being_served_gets_the_message_behind_its_reply() {
        let mut clients = listeners();
        let mut served = clients.sessions.take(ConnId::accepted(3)).unwrap();
        assert_eq!(clients.publish(None, b"news", b"hi"), 4);
        served.reply().ok();
        clients.hand_over(&mut served);
        clients.hand_over(&mut served);
        clients.sessions.put(served);
        let mut chunks = Chunks::new();
        clients.transmit(ConnId::accepted(3), usize::MAX, &mut chunks);
        assert_eq!(chunks.concat(), b"+OK\r\n>3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n");
    }
}
