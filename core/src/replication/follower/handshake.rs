//! From PING to the answer to PSYNC, and the line before a snapshot.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::machine::Turn;
use crate::replication::{ReplId, capa};
use crate::resp::{Command, Value, decimal, parse_u64};

use super::channel::Dialect;
use super::event::{Event, LinkError};
use super::link::{Core, State, Takeover};
use super::mark::MARK;
use super::{Delivery, Emit, Key};

/// The line before a snapshot is no longer than this, in bytes.
const HEADER_MAX: usize = 1024;

/// What was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Ping,
    Auth,
    Port,
    Ip,
    Version,
    Capa,
    Psync,
    /// What the RDB channel says of itself.
    Channel,
    /// The number of the RDB channel, said on the main one.
    ChannelId,
}

/// The line before a snapshot: its length, or the mark at its end.
pub(super) struct Header {
    pub(super) size: Option<u64>,
    pub(super) mark: [u8; MARK],
}

/// The answer to PSYNC.
pub(super) enum Verdict {
    Continue(Option<ReplId>),
    Full(ReplId, u64),
    /// All of it, over two connections.
    TwoChannel(Dialect),
    NotNow,
    Unknown,
}

impl Core {
    pub(super) fn begin_handshake<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        let Some(link) = self.link.as_mut().filter(|_| matches!(self.state, State::Connecting)) else { return };
        cx.out.event(crate::replication::Event::from(Event::Connected));
        self.last_io = cx.now.mono;
        self.prompt = false;
        if let Some(takeover) = self.takeover.as_mut().filter(|t| **t != Takeover::Wanted) {
            // The link before this one broke without an answer.
            *takeover = Takeover::Open;
        }
        self.state = State::Handshake;
        link.connected(cx.out);
        link.ask(&Command::new(&["PING"]), Step::Ping, cx.out);
    }

    /// Takes answers off `input`. `Some`: the handshake is over.
    pub(super) fn shake<K: Key, E: Emit>(
        &mut self,
        input: &mut &[u8],
        cx: &mut Turn<'_, K, E>,
    ) -> Result<Option<Delivery<'static>>, LinkError> {
        loop {
            let Some(link) = &mut self.link else { return Ok(None) };
            let answer = link.next(input).map_err(|e| LinkError::UnexpectedReply(e.to_string().into()))?;
            let Some((step, value)) = answer else { return Ok(None) };
            let Some(step) = step else { return Err(LinkError::UnexpectedReply(value.to_string().into())) };
            let refused = value.as_error().is_some();
            match step {
                Step::Ping => self.ponged(&value, cx)?,
                Step::Auth if refused => return Err(LinkError::Auth(text(&value))),
                Step::Port if refused => not_understood("listening-port", &value, cx),
                Step::Ip if refused => not_understood("ip-address", &value, cx),
                Step::Capa => {
                    if refused {
                        not_understood("capa", &value, cx);
                    }
                    let wanted = value.as_str().unwrap_or_default();
                    self.prompt = !refused && wanted.split(' ').skip(1).any(|word| word == capa::PROMPT);
                    self.ask_psync(cx);
                }
                Step::Psync => {
                    let delivery = self.answered(&value, cx)?;
                    if delivery.is_some() || self.channel.is_some() {
                        return Ok(delivery);
                    }
                }
                Step::Auth | Step::Port | Step::Ip | Step::Version | Step::Channel | Step::ChannelId => {}
            }
        }
    }

    fn ponged<K: Key, E: Emit>(&mut self, value: &Value, cx: &mut Turn<'_, K, E>) -> Result<(), LinkError> {
        let about_rights = value.is_error("NOAUTH")
            || value.is_error("NOPERM")
            || value.as_error().is_some_and(|e| e.starts_with(b"ERR operation not permitted"));
        if value.as_error().is_some() && !about_rights {
            return Err(LinkError::Ping(text(value)));
        }
        cx.out.event(crate::replication::Event::from(Event::Ponged));
        let Some(link) = &mut self.link else { return Ok(()) };
        if let Some(auth) = &self.config.auth {
            link.ask(&auth.command(), Step::Auth, cx.out);
        }
        let mut buf = [0; 20];
        let port = decimal(&mut buf, false, u64::from(self.config.port));
        link.ask(&Command::new(&[&b"REPLCONF"[..], b"listening-port", port]), Step::Port, cx.out);
        if let Some(ip) = &self.config.ip {
            link.ask(&Command::new(&["REPLCONF", "ip-address", ip]), Step::Ip, cx.out);
        }
        // Servers other than Valkey refuse it, and nothing follows from that.
        link.ask(&Command::new(&["REPLCONF", "version", capa::AS_VALKEY]), Step::Version, cx.out);
        let rdb = capa::rdb();
        let mut args: SmallVec<[&str; 16]> = SmallVec::new();
        args.extend(["REPLCONF", "capa", "eof", "capa", "psync2"]);
        // Both dialects: the master answers in its own. One that is to take over is asked nothing beside that.
        if self.config.two_channel && self.takeover.is_none() {
            args.extend(["capa", capa::REDIS_TWO_CHANNEL, "capa", capa::VALKEY_TWO_CHANNEL]);
        }
        args.extend(["capa", capa::PROMPT, "capa", &rdb]);
        link.ask(&Command::new(&args), Step::Capa, cx.out);
        Ok(())
    }

    fn ask_psync<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        let Some(link) = &mut self.link else { return };
        let mut buf = [0; 20];
        let command = if let Some(resume) = self.resume {
            let offset = resume.offset.saturating_add(1);
            cx.out.event(crate::replication::Event::from(Event::TryingPartial { id: resume.id, offset }));
            let args = [&b"PSYNC"[..], resume.id.as_bytes(), decimal(&mut buf, false, offset), b"FAILOVER"];
            let asks = self.takeover.is_some_and(|t| t != Takeover::Probed);
            if self.takeover == Some(Takeover::Wanted) {
                self.takeover = Some(Takeover::Asked);
            }
            Command::new(if asks { &args } else { &args[..3] })
        } else {
            cx.out.event(crate::replication::Event::from(Event::NoCachedMaster));
            Command::new(&["PSYNC", "?", "-1"])
        };
        link.ask(&command, Step::Psync, cx.out);
    }

    fn answered<K: Key, E: Emit>(
        &mut self,
        value: &Value,
        cx: &mut Turn<'_, K, E>,
    ) -> Result<Option<Delivery<'static>>, LinkError> {
        self.pre_psync = false;
        let verdict = verdict(value);
        if let Some(takeover) = self.takeover
            && !self.took_over(takeover, &verdict, value, cx)?
        {
            return Ok(None);
        }
        if let (Verdict::TwoChannel(dialect), true) = (&verdict, self.config.two_channel) {
            self.open_channel(*dialect, cx);
            return Ok(None);
        }
        self.entered(verdict, value, cx).map(Some)
    }

    /// The answer of the one that is to take over: whether it did and the link goes on. It is asked once more if not.
    fn took_over<K: Key, E: Emit>(
        &mut self,
        takeover: Takeover,
        verdict: &Verdict,
        value: &Value,
        cx: &mut Turn<'_, K, E>,
    ) -> Result<bool, LinkError> {
        match (verdict, takeover) {
            (Verdict::Continue(_), _) | (Verdict::Full(..), Takeover::Asked | Takeover::Open) => {
                self.takeover = None;
                Ok(true)
            }
            (Verdict::NotNow, Takeover::Open | Takeover::Probed) => Err(LinkError::NotNow(text(value))),
            (Verdict::Unknown, Takeover::Open) => {
                self.takeover = Some(Takeover::Probed);
                self.ask_psync(cx);
                Ok(false)
            }
            _ => Err(LinkError::TakeoverRefused(text(value))),
        }
    }

    fn entered<K: Key, E: Emit>(
        &mut self,
        verdict: Verdict,
        value: &Value,
        cx: &mut Turn<'_, K, E>,
    ) -> Result<Delivery<'static>, LinkError> {
        match (verdict, self.resume) {
            (Verdict::Continue(new_id), Some(resume)) => {
                cx.out.event(crate::replication::Event::from(Event::Continued));
                let new_id = new_id.filter(|&id| id != resume.id);
                if let Some(id) = new_id {
                    cx.out.event(crate::replication::Event::from(Event::IdChanged(id)));
                }
                self.enter(new_id.unwrap_or(resume.id), resume.offset);
                self.begin_stream(cx);
                Ok(Delivery::Continue { new_id })
            }
            // It lets us go on where we never were.
            (Verdict::Continue(_), None) => Err(LinkError::UnexpectedReply(text(value))),
            (Verdict::Full(id, offset), _) => {
                cx.out.event(crate::replication::Event::from(Event::FullResync { id, offset }));
                Ok(self.begin_transfer(id, offset, None))
            }
            // Nobody asked for that.
            (Verdict::TwoChannel(_), _) => Err(LinkError::UnexpectedReply(text(value))),
            (Verdict::NotNow, _) => Err(LinkError::NotNow(text(value))),
            (Verdict::Unknown, _) => {
                cx.out.event(crate::replication::Event::from(Event::NoPsync(text(value))));
                cx.out.event(crate::replication::Event::from(Event::TryingSync));
                if let Some(link) = &mut self.link {
                    link.say(b"SYNC\r\n", cx.out);
                }
                self.pre_psync = true;
                Ok(self.begin_transfer(ReplId::random(cx.rng), 0, None))
            }
        }
    }

    /// The history and the offset that the data have, or will have with the snapshot.
    fn enter(&mut self, id: ReplId, offset: u64) {
        self.id = id;
        self.read = offset;
        self.parsed = offset;
        self.pending = 0;
        self.applied = offset;
    }

    pub(super) fn begin_transfer(&mut self, id: ReplId, offset: u64, db: Option<u32>) -> Delivery<'static> {
        self.asked = self.resume.take();
        self.enter(id, offset);
        self.state = State::Header { line: Vec::new() };
        Delivery::FullResync { id, offset, db }
    }

    /// Takes the line before a snapshot off `input`.
    pub(super) fn header(&mut self, input: &mut &[u8]) -> Result<Option<Header>, LinkError> {
        match self.line(input)? {
            Some(line) => snapshot_header(&line).map(Some),
            None => Ok(None),
        }
    }

    /// Takes a line off `input` that is not empty.
    pub(super) fn line(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, LinkError> {
        let (State::Header { line } | State::Channel { line }) = &mut self.state else { return Ok(None) };
        loop {
            let Some(end) = input.iter().position(|&b| b == b'\n') else {
                if line.len() + input.len() > HEADER_MAX {
                    return Err(LinkError::LongLine(HEADER_MAX));
                }
                line.extend_from_slice(input);
                *input = &[];
                return Ok(None);
            };
            if line.len() + end > HEADER_MAX {
                return Err(LinkError::LongLine(HEADER_MAX));
            }
            line.extend_from_slice(&input[..end]);
            *input = &input[end + 1..];
            let mut whole = core::mem::take(line);
            if whole.last() == Some(&b'\r') {
                whole.pop();
            }
            // Empty lines tell that the master lives.
            if !whole.is_empty() {
                return Ok(Some(whole));
            }
        }
    }
}

fn snapshot_header(line: &[u8]) -> Result<Header, LinkError> {
    let shown = || -> Box<str> { line.escape_ascii().to_string().into() };
    match line {
        [b'-', ..] => Err(LinkError::SnapshotRefused(shown())),
        [b'$', b'E', b'O', b'F', b':', mark @ ..] => match mark.try_into() {
            Ok(mark) => Ok(Header { size: None, mark }),
            Err(_) => Err(LinkError::BadSnapshotHeader(shown())),
        },
        [b'$', digits @ ..] => match parse_u64(digits) {
            Some(size) => Ok(Header { size: Some(size), mark: [0; MARK] }),
            None => Err(LinkError::BadSnapshotHeader(shown())),
        },
        _ => Err(LinkError::BadSnapshotHeader(shown())),
    }
}

pub(super) fn verdict(value: &Value) -> Verdict {
    // MASTERDOWN: a replica that serves no stale data answers so to everything while its own link is down. It knows PSYNC,
    // and SYNC instead would end in a full resync under an id that nobody else knows.
    if ["NOMASTERLINK", "LOADING", "MASTERDOWN"].iter().any(|word| value.is_error(word)) {
        return Verdict::NotNow;
    }
    let line = if value.as_error().is_some() { None } else { value.as_str() };
    let mut words = line.unwrap_or_default().split(' ').filter(|w| !w.is_empty());
    match (words.next(), words.next(), words.next()) {
        (Some("CONTINUE"), None, None) => Verdict::Continue(None),
        (Some("CONTINUE"), Some(id), _) => id.parse().map_or(Verdict::Unknown, |id| Verdict::Continue(Some(id))),
        (Some("FULLRESYNC"), Some(id), Some(offset)) => match (id.parse(), parse_u64(offset.as_bytes())) {
            // Offsets are signed on the wire: what is added to one never wraps.
            (Ok(id), Some(offset)) if i64::try_from(offset).is_ok() => Verdict::Full(id, offset),
            _ => Verdict::Unknown,
        },
        (Some("DUALCHANNELSYNC"), None, None) => Verdict::TwoChannel(Dialect::Valkey),
        (Some("RDBCHANNELSYNC"), Some(id), None) => {
            parse_u64(id.as_bytes()).map_or(Verdict::Unknown, |id| Verdict::TwoChannel(Dialect::Redis(id)))
        }
        _ => Verdict::Unknown,
    }
}

/// An answer as it is told in the log: one line, bounded.
pub(super) fn text(value: &Value) -> Box<str> {
    let text = match value.as_error().or(value.as_bytes()) {
        Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        None => value.to_string(),
    };
    let mark = if value.as_error().is_some() { "-" } else { "" };
    let text: String = mark.chars().chain(text.chars().filter(|c| !c.is_control())).take(256).collect();
    text.into()
}

fn not_understood<K: Key, E: Emit>(option: &'static str, value: &Value, cx: &mut Turn<'_, K, E>) {
    cx.out.event(crate::replication::Event::from(Event::NotUnderstood { option, reply: text(value) }));
}
