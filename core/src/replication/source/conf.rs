//! REPLCONF: what a connection says of itself before PSYNC, and acknowledgements after it.

use alloc::borrow::Cow;
use alloc::string::String;

use crate::ids::ConnId;
use crate::machine::Turn;
use crate::resp::{Args, parse_i64, parse_u64};

use super::channel::Dialect;
use super::event::Event;
use super::peer::{Content, Said, State};
use super::{Emit, Key, Source};
use crate::replication::capa;

/// The highest version under the magic `REDIS` that a Valkey reads: all of them, to this day. (Those from 9.0 on read
/// more under a magic of their own, which we do not write.)
const VALKEY_READS: u16 = 11;
/// An address given by `REPLCONF ip-address` is shorter than this, in bytes.
const ADDRESS_MAX: usize = 256;

/// What to answer to REPLCONF.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub enum Answer {
    /// `+OK`.
    Ok,
    /// `+OK`, and behind it the name of a capability that is wanted.
    OkWith(&'static str),
    /// This error (its prefix is in it).
    Error(Cow<'static, str>),
    /// Nothing.
    Silent,
    /// The connection was a replica's, had no business with it, and was closed.
    Closed,
}

const NOT_AN_INTEGER: Answer = Answer::Error(Cow::Borrowed("ERR value is not an integer or out of range"));

impl Source {
    /// `REPLCONF option value …` on any connection, `args` with the command's name. Before PSYNC the host writes the
    /// answer. On a replica's connection only ACK is welcome: it has no answer, and whatever has one closes it, as
    /// in Redis.
    pub fn replconf<K: Key, E: Emit>(&mut self, conn: ConnId, args: Args<'_>, cx: &mut Turn<'_, K, E>) -> Answer {
        if args.is(1, "ack") && args.len() >= 3 {
            if args.len() % 2 == 1 {
                self.acknowledge(conn, args, cx);
                return Answer::Silent;
            }
        } else if args.is(1, "getack") && args.len() % 2 == 1 {
            return Answer::Silent;
        }
        if self.peers.contains_key(&conn) {
            self.answered(conn, "replconf", cx);
            return Answer::Closed;
        }
        let said = self.said.entry(conn).or_default();
        let two = self.config.two_channel && self.config.diskless;
        said.answered_at = Some(cx.now.mono);
        match options(said, two, args).and_then(|wanted| self.check_numbers(conn).map(|()| wanted)) {
            Ok(wanted) => wanted.map_or(Answer::Ok, Answer::OkWith),
            Err(answer) => answer,
        }
    }

    /// A replica's connection sent a command that has an answer: it is closed, as Redis does.
    pub fn answered<K: Key, E: Emit>(&mut self, conn: ConnId, command: &str, cx: &mut Turn<'_, K, E>) {
        let Some(peer) = self.peers.get(&conn) else { return };
        // The name is the peer's words: it brings no line of its own into a log.
        let command: String = command.chars().filter(|c| !c.is_control()).take(64).collect();
        let event = Event::Answered { replica: peer.name(), command: command.into() };
        cx.out.event(crate::replication::Event::from(event));
        self.remove_and_close(conn, cx);
    }

    /// A replica was heard (an empty line while it loads): it lives.
    pub fn heard(&mut self, conn: ConnId, now: crate::time::Instant) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.acked_at = now;
        }
    }

    fn acknowledge<K: Key, E: Emit>(&mut self, conn: ConnId, args: Args<'_>, cx: &mut Turn<'_, K, E>) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        // Redis ignores what is no number, and keeps the connection.
        let Some(offset) = parse_u64(args.at(2)) else { return };
        // An offset we never reached is no acknowledgement of anything: WAIT must not count it for later writes.
        let offset = offset.min(self.log.visible());
        peer.acked_at = cx.now.mono;
        if peer.awaits_snapshot() {
            // It cannot have what it was not sent.
            return;
        }
        peer.delay.acknowledged(offset, self.log.visible(), &self.marks, cx.now.mono);
        if offset > peer.acked {
            peer.acked = offset;
            self.acks = true;
        }
        if args.is(3, "fack") {
            let fsynced = parse_u64(args.at(4)).or(peer.fsynced);
            self.acks |= fsynced != peer.fsynced;
            peer.fsynced = fsynced;
        }
        if matches!(peer.state, State::Held | State::Early) {
            peer.become_online(cx.now.mono);
            let event = Event::Synchronized(peer.name());
            cx.out.event(crate::replication::Event::from(event));
            self.dirty = true;
            self.acks = true;
        }
    }
}

/// Takes the options in order; those before a wrong one stay. The capability of which we say that we want it.
fn options(said: &mut Said, two_channel: bool, args: Args<'_>) -> Result<Option<&'static str>, Answer> {
    let mut wanted = None;
    if args.len().is_multiple_of(2) {
        return Err(Answer::Error(Cow::Borrowed("ERR syntax error")));
    }
    for i in (1..args.len()).step_by(2) {
        let value = args.at(i + 1);
        if args.is(i, "listening-port") {
            said.port = parse_i64(value).ok_or(NOT_AN_INTEGER)?;
        } else if args.is(i, "ip-address") {
            said.ip = Some(address(value)?);
        } else if args.is(i, "capa") {
            // Capabilities that we do not know are passed over: that is how new ones come in.
            said.eof |= value.eq_ignore_ascii_case(b"eof");
            said.psync2 |= value.eq_ignore_ascii_case(b"psync2");
            said.reads = capa::reads(value).or(said.reads);
            if value.eq_ignore_ascii_case(capa::PROMPT.as_bytes()) {
                said.prompt = true;
                wanted = Some(capa::PROMPT);
            }
            if value.eq_ignore_ascii_case(capa::REDIS_TWO_CHANNEL.as_bytes()) {
                // Of a replica that knows both, Redis's: it needs no question on the main connection.
                said.two_channel = Some(Dialect::Redis);
            } else if value.eq_ignore_ascii_case(capa::VALKEY_TWO_CHANNEL.as_bytes()) {
                said.two_channel = said.two_channel.or(Some(Dialect::Valkey));
            }
        } else if args.is(i, "version") {
            if !is_version(value) {
                let text = alloc::format!("ERR Unrecognized version format: {}", String::from_utf8_lossy(value));
                return Err(Answer::Error(Cow::Owned(text)));
            }
            said.reads = said.reads.or(Some(VALKEY_READS));
        } else if args.is(i, "rdb-only") {
            said.rdb_only = match parse_i64(value).ok_or(NOT_AN_INTEGER)? {
                0 => false,
                1 => true,
                // Redis 7.0's words, as they are.
                _ => return Err(Answer::Error(Cow::Borrowed("ERR value is out of range, value must between 0 and 1"))),
            };
        } else if two_channel && args.is(i, "rdb-channel") {
            said.rdb_channel = parse_i64(value).ok_or(NOT_AN_INTEGER)? == 1;
        } else if two_channel && args.is(i, "main-ch-client-id") {
            said.main = Some(number(value)?);
        } else if two_channel && args.is(i, "set-rdb-client-id") {
            said.rdb = Some(number(value)?);
        } else if args.is(i, "rdb-filter-only") {
            said.content = content(value)?;
        } else {
            let text = alloc::format!("ERR Unrecognized REPLCONF option: {}", String::from_utf8_lossy(args.at(i)));
            return Err(Answer::Error(Cow::Owned(text)));
        }
    }
    Ok(wanted)
}

/// The number of another connection of the same replica.
fn number(value: &[u8]) -> Result<ConnId, Answer> {
    parse_u64(value).map(ConnId::from_u64).ok_or(NOT_AN_INTEGER)
}

/// Whether `value` is a version as Valkey 8.0 and later announce theirs: three numbers of 8 bits.
fn is_version(value: &[u8]) -> bool {
    let mut parts = value.split(|&b| b == b'.');
    let mut number = || parts.next().is_some_and(|n| parse_u64(n).is_some_and(|n| n <= 255));
    number() && number() && number() && parts.next().is_none()
}

/// An announced address: short, and without anything that could forge a line of INFO or of a log.
fn address(value: &[u8]) -> Result<alloc::boxed::Box<str>, Answer> {
    if value.len() >= ADDRESS_MAX {
        let text =
            alloc::format!("ERR REPLCONF ip-address provided by replica instance is too long: {} bytes", value.len());
        return Err(Answer::Error(Cow::Owned(text)));
    }
    match core::str::from_utf8(value) {
        Ok(text) if !text.chars().any(|c| c.is_control() || c == ',' || c == ' ') => Ok(text.into()),
        _ => Err(Answer::Error(Cow::Borrowed("ERR REPLCONF ip-address is not an address or a host name"))),
    }
}

fn content(value: &[u8]) -> Result<Content, Answer> {
    let mut content = Content::Nothing;
    for word in value.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty()) {
        if word.eq_ignore_ascii_case(b"functions") {
            content = Content::Functions;
        } else {
            let text = alloc::format!("ERR Unsupported rdb-filter-only option: {}", String::from_utf8_lossy(word));
            return Err(Answer::Error(Cow::Owned(text)));
        }
    }
    Ok(content)
}
