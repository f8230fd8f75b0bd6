//! The RDB channel: the second connection of a two-channel full resync, by which the snapshot comes while the stream of
//! changes is kept from the main one.
//!
//! Two dialects, told apart by the master's answer to PSYNC. Redis 8 (`+RDBCHANNELSYNC <id>`): the second connection names
//! the main one and says `PSYNC ? -1`; the master pushes the stream from the snapshot's offset on. Valkey 8 (`+DUALCHANNELSYNC`):
//! the second connection says SYNC and is told of the offset (`$ENDOFF:`); the main one asks for the stream from there.

use alloc::string::ToString;
use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::ids::ConnId;
use crate::link::Link;
use crate::machine::{Action, Turn};
use crate::replication::{ReplId, capa};
use crate::resp::{Command, decimal, parse_i64, parse_u64};

use super::event::{Event, LinkError};
use super::handshake::{Step, Verdict, text, verdict};
use super::link::{Core, State};
use super::{Delivery, Emit, Key, Resume};

/// Who began the dialect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dialect {
    /// Redis 8: the master knows the main connection by this number.
    Redis(u64),
    /// Valkey 8.
    Valkey,
}

/// What a two-channel full resync has beside the main connection.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) dialect: Dialect,
    /// The second connection, until the snapshot is here.
    pub(super) link: Option<Link<Step>>,
    /// Whether it stands.
    pub(super) up: bool,
    /// Whether what comes over the main connection is the stream.
    pub(super) flows: bool,
}

impl Channel {
    fn conn(&self) -> Option<ConnId> {
        self.link.as_ref().map(Link::conn)
    }
}

/// The line that Valkey puts before a snapshot: `$ENDOFF:<offset> <id> <db> <number of this connection>`.
struct EndOffset {
    offset: u64,
    id: ReplId,
    db: Option<u32>,
    number: u64,
}

impl Core {
    /// Whether this connection is the RDB channel.
    pub(super) fn is_channel(&self, conn: ConnId) -> bool {
        self.channel.as_ref().is_some_and(|c| c.conn() == Some(conn))
    }

    /// The link by this connection, of the two that there may be.
    pub(super) fn link_of(&mut self, conn: ConnId) -> Option<&mut Link<Step>> {
        let second = self.channel.as_mut().and_then(|c| c.link.as_mut());
        self.link.as_mut().into_iter().chain(second).find(|l| l.conn() == conn)
    }

    /// The link by which a snapshot comes.
    pub(super) fn snapshot_link(&self) -> Option<&Link<Step>> {
        match &self.channel {
            Some(channel) => channel.link.as_ref(),
            None => self.link.as_ref(),
        }
    }

    /// The same, to be changed.
    pub(super) fn snapshot_link_mut(&mut self) -> Option<&mut Link<Step>> {
        match &mut self.channel {
            Some(channel) => channel.link.as_mut(),
            None => self.link.as_mut(),
        }
    }

    /// The master wants two connections: the second one is opened.
    pub(super) fn open_channel<K: Key, E: Emit>(&mut self, dialect: Dialect, cx: &mut Turn<'_, K, E>) {
        let Some(to) = self.address.clone() else { return };
        let flows = matches!(dialect, Dialect::Redis(_));
        let link = Some(self.dial(to, cx));
        self.channel = Some(Channel { dialect, link, up: false, flows });
        self.state = State::Channel { line: Vec::new() };
        self.last_io = cx.now.mono;
        cx.out.event(crate::replication::Event::from(Event::ChannelOpened));
        self.arm_silence(cx);
        // The master hears of us on the main connection while the snapshot comes by the other.
        self.arm_beat(cx);
    }

    /// The second connection stands.
    pub(super) fn begin_channel<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        let Some(channel) = &mut self.channel else { return };
        let Some(link) = &mut channel.link else { return };
        channel.up = true;
        self.last_io = cx.now.mono;
        link.connected(cx.out);
        if let Some(auth) = &self.config.auth {
            link.ask(&auth.command(), Step::Auth, cx.out);
        }
        let (mut port, mut main) = ([0; 20], [0; 20]);
        let port = decimal(&mut port, false, u64::from(self.config.port));
        let capa = capa::rdb();
        let mut args: SmallVec<[&[u8]; 16]> = SmallVec::new();
        args.extend([&b"REPLCONF"[..], b"capa", b"eof", b"capa", capa.as_bytes()]);
        args.extend([&b"rdb-only"[..], b"1", b"rdb-channel", b"1"]);
        match channel.dialect {
            Dialect::Redis(id) => args.extend([&b"main-ch-client-id"[..], decimal(&mut main, false, id)]),
            // Said of the main connection, too; which snapshot comes is decided by what was said of this one.
            Dialect::Valkey => args.extend([&b"version"[..], capa::AS_VALKEY.as_bytes()]),
        }
        args.extend([&b"listening-port"[..], port]);
        if let Some(ip) = &self.config.ip {
            // Without it a sentinel would take this connection for another replica.
            args.extend([&b"ip-address"[..], ip.as_bytes()]);
        }
        link.ask(&Command::new(&args), Step::Channel, cx.out);
    }

    /// Takes answers off the second connection until it is known which snapshot comes.
    pub(super) fn shake_channel<K: Key, E: Emit>(
        &mut self,
        input: &mut &[u8],
        cx: &mut Turn<'_, K, E>,
    ) -> Result<Option<Delivery<'static>>, LinkError> {
        loop {
            let Some(channel) = &mut self.channel else { return Ok(None) };
            let Some(link) = &mut channel.link else { return Ok(None) };
            if link.asked().len() == 0 {
                // Said SYNC: what comes is no answer but a line of the snapshot's.
                return self.end_offset(input, cx);
            }
            let answer = link.next(input).map_err(|e| LinkError::ChannelRefused(e.to_string().into()))?;
            let Some((step, value)) = answer else { return Ok(None) };
            let refused = value.as_error().is_some();
            match step {
                Some(Step::Auth) if refused => return Err(LinkError::Auth(text(&value))),
                Some(Step::Auth) => {}
                Some(Step::Channel) if refused => return Err(LinkError::ChannelRefused(text(&value))),
                Some(Step::Channel) if channel.dialect == Dialect::Valkey => link.say(b"SYNC\r\n", cx.out),
                Some(Step::Channel) => link.ask(&Command::new(&["PSYNC", "?", "-1"]), Step::Psync, cx.out),
                Some(Step::Psync) => match verdict(&value) {
                    Verdict::Full(id, offset) => {
                        cx.out.event(crate::replication::Event::from(Event::FullResync { id, offset }));
                        return Ok(Some(self.begin_transfer(id, offset, None)));
                    }
                    Verdict::NotNow => return Err(LinkError::NotNow(text(&value))),
                    _ => return Err(LinkError::ChannelRefused(text(&value))),
                },
                _ => return Err(LinkError::ChannelRefused(text(&value))),
            }
        }
    }

    /// Valkey's line, and the questions on the main connection that follow from it.
    fn end_offset<K: Key, E: Emit>(
        &mut self,
        input: &mut &[u8],
        cx: &mut Turn<'_, K, E>,
    ) -> Result<Option<Delivery<'static>>, LinkError> {
        let Some(line) = self.line(input)? else { return Ok(None) };
        if line.first() == Some(&b'-') {
            return Err(LinkError::SnapshotRefused(line.escape_ascii().to_string().into()));
        }
        let Some(end) = parse_end_offset(&line) else {
            return Err(LinkError::BadEndOffset(line.escape_ascii().to_string().into()));
        };
        cx.out.event(crate::replication::Event::from(Event::FullResync { id: end.id, offset: end.offset }));
        let delivery = self.begin_transfer(end.id, end.offset, end.db);
        let Some(main) = &mut self.link else { return Ok(Some(delivery)) };
        let mut buf = [0; 20];
        let number = decimal(&mut buf, false, end.number);
        main.ask(&Command::new(&[&b"REPLCONF"[..], b"set-rdb-client-id", number]), Step::ChannelId, cx.out);
        Ok(Some(delivery))
    }

    /// Takes answers off the main connection of Valkey's dialect. True once the stream flows.
    pub(super) fn shake_main<K: Key, E: Emit>(
        &mut self,
        input: &mut &[u8],
        cx: &mut Turn<'_, K, E>,
    ) -> Result<bool, LinkError> {
        loop {
            let Some(link) = &mut self.link else { return Ok(false) };
            let answer = link.next(input).map_err(|e| LinkError::UnexpectedReply(e.to_string().into()))?;
            let Some((step, value)) = answer else { return Ok(false) };
            match step {
                Some(Step::ChannelId) if value.as_error().is_none() => {
                    let (mut buf, offset) = ([0; 20], self.read.saturating_add(1));
                    cx.out.event(crate::replication::Event::from(Event::TryingPartial { id: self.id, offset }));
                    let args = [&b"PSYNC"[..], self.id.as_bytes(), decimal(&mut buf, false, offset)];
                    link.ask(&Command::new(&args), Step::Psync, cx.out);
                }
                Some(Step::Psync) => match verdict(&value) {
                    Verdict::Continue(id) if id.is_none_or(|id| id == self.id) => {
                        cx.out.event(crate::replication::Event::from(Event::Continued));
                        self.flows(cx);
                        return Ok(true);
                    }
                    _ => return Err(LinkError::MainRefused(text(&value))),
                },
                Some(_) => return Err(LinkError::MainRefused(text(&value))),
                None => return Err(LinkError::UnexpectedReply(text(&value))),
            }
        }
    }

    /// The stream flows by the main connection.
    fn flows<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        if let Some(channel) = &mut self.channel {
            channel.flows = true;
        }
        if matches!(self.state, State::Loading | State::Joining) {
            self.close_channel(cx);
        }
        if matches!(self.state, State::Joining) {
            self.finish(cx);
        }
    }

    /// The snapshot is here: its connection is needed no more, unless the master holds the stream for us by it.
    pub(super) fn leave_channel<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        if self.channel.as_ref().is_some_and(|c| c.flows) {
            self.close_channel(cx);
        }
    }

    /// Closes the second connection, if there is one.
    pub(super) fn close_channel<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        if let Some(link) = self.channel.as_mut().and_then(|c| c.link.take()) {
            cx.out.push(Action::Close { conn: link.conn() });
        }
    }

    /// The snapshot is in place. The stream goes on, as soon as the main connection was let on to it.
    pub(super) fn snapshot_loaded<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        if self.channel.as_ref().is_none_or(|c| c.flows) {
            return self.finish(cx);
        }
        // From here on the data are good: a link that is lost now goes on by a partial resync.
        self.resume = Some(Resume { id: self.id, offset: self.applied });
        self.state = State::Joining;
        self.last_io = cx.now.mono;
        self.arm_silence(cx);
    }

    fn finish<K: Key, E: Emit>(&mut self, cx: &mut Turn<'_, K, E>) {
        self.channel = None;
        self.begin_stream(cx);
        cx.out.event(crate::replication::Event::from(Event::Finished));
        self.acknowledge(cx);
    }
}

fn parse_end_offset(line: &[u8]) -> Option<EndOffset> {
    let mut words = line.strip_prefix(b"$ENDOFF:")?.split(|&b| b == b' ');
    // Offsets are signed on the wire: what is added to one never wraps.
    let offset = parse_u64(words.next()?).filter(|&offset| i64::try_from(offset).is_ok())?;
    let id = ReplId::parse(words.next()?).ok()?;
    // Below zero: none is selected, and the stream says which.
    let db = u32::try_from(parse_i64(words.next()?)?).ok();
    let number = parse_u64(words.next()?)?;
    words.next().is_none().then_some(EndOffset { offset, id, db, number })
}
