//! What the host pulls: the snapshot, then the stream.

use crate::blocks::Blocks;
use crate::ids::ConnId;
use crate::machine::Turn;
use crate::resp::{Args, ProtocolError, RequestLimits};

use super::event::{Event, LinkError};
use super::handshake::Header;
use super::link::{Core, State};
use super::mark::{Found, Mark};
use super::{Delivery, Emit, Follower, HELD_MAX, Key};

impl Follower {
    /// Takes the next thing that the master sent off `input`, the bytes that came over `conn`, one of the link's. Call until
    /// `None`; `input` is used up then. In between call [`Follower::applied`] as commands are executed, so that an
    /// acknowledgement that the master asks for tells the truth.
    pub fn next<'a, 'i: 'a, K: Key, E: Emit>(
        &'a mut self,
        conn: ConnId,
        input: &mut &'i [u8],
        cx: &mut Turn<'_, K, E>,
    ) -> Option<Delivery<'a>> {
        let second = self.core.is_channel(conn);
        if !second && self.core.conn() != Some(conn) {
            *input = &[];
            return None;
        }
        if self.core.channel.is_some() && !second {
            let result = self.main(input, cx);
            if !matches!(result, Ok(true)) {
                return self.or_lost(result.map(|_| None), input, cx);
            }
        } else if !input.is_empty() {
            self.core.last_io = cx.now.mono;
        }
        match self.core.state {
            State::Handshake => {
                let mut result = self.core.shake(input, cx);
                if self.core.channel.is_some() && result.is_ok() {
                    // What is left of the input is not for the handshake any more.
                    result = self.main(input, cx).map(|_| None);
                }
                self.or_lost(result, input, cx)
            }
            State::Channel { .. } => {
                let result = self.core.shake_channel(input, cx);
                self.or_lost(result, input, cx)
            }
            State::Header { .. } => {
                let result = self.begin_snapshot(input, cx);
                self.or_lost(result, input, cx)
            }
            State::Sized { left: 0, .. } => {
                self.core.begin_loading(cx);
                Some(Delivery::SnapshotEnd)
            }
            State::Sized { ref mut left, .. } => {
                let all: &'i [u8] = input;
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(all.len());
                let (piece, rest) = all.split_at(n);
                *left -= n as u64;
                *input = rest;
                (n > 0).then_some(Delivery::Snapshot(piece))
            }
            State::Marked { .. } => self.marked(input, cx),
            // Nothing is due behind a snapshot that has a connection of its own.
            State::Loading | State::Joining if second => {
                *input = &[];
                None
            }
            State::Loading => {
                let result = self.hold(0, input, cx);
                self.or_lost(result.map(|()| None), input, cx)
            }
            State::Streaming => self.stream(input, cx),
            State::Idle | State::Resolving { .. } | State::Connecting | State::Joining => {
                *input = &[];
                None
            }
        }
    }

    fn or_lost<'a, K: Key, E: Emit>(
        &mut self,
        result: Result<Option<Delivery<'static>>, LinkError>,
        input: &mut &[u8],
        cx: &mut Turn<'_, K, E>,
    ) -> Option<Delivery<'a>> {
        match result {
            Ok(delivery) => delivery,
            Err(error) => {
                *input = &[];
                self.forget();
                self.core.lose(error.clone(), false, cx);
                Some(Delivery::Lost(error))
            }
        }
    }

    fn begin_snapshot<K: Key, E: Emit>(
        &mut self,
        input: &mut &[u8],
        cx: &mut Turn<'_, K, E>,
    ) -> Result<Option<Delivery<'static>>, LinkError> {
        let Some(Header { size, mark }) = self.core.header(input)? else { return Ok(None) };
        cx.out.event(crate::replication::Event::from(Event::Receiving(size)));
        self.core.state = if let Some(total) = size {
            State::Sized { total, left: total }
        } else {
            self.mark = Mark::new(mark);
            State::Marked { read: 0 }
        };
        Ok(Some(Delivery::SnapshotBegin { size }))
    }

    fn marked<'a, 'i: 'a, K: Key, E: Emit>(
        &'a mut self,
        input: &mut &'i [u8],
        cx: &mut Turn<'_, K, E>,
    ) -> Option<Delivery<'a>> {
        match self.mark.next(input) {
            Found::Data(piece) => {
                if let State::Marked { read } = &mut self.core.state {
                    *read += piece.len() as u64;
                }
                Some(Delivery::Snapshot(piece))
            }
            Found::End => {
                self.core.begin_loading(cx);
                Some(Delivery::SnapshotEnd)
            }
            Found::More => None,
        }
    }

    /// What comes over the main connection while the snapshot comes by another one. True if the stream flows now, and is
    /// to be handed out.
    fn main<K: Key, E: Emit>(&mut self, input: &mut &[u8], cx: &mut Turn<'_, K, E>) -> Result<bool, LinkError> {
        let Some(channel) = &self.core.channel else { return Ok(true) };
        if !channel.flows && !self.core.shake_main(input, cx)? {
            return Ok(false);
        }
        if matches!(self.core.state, State::Streaming) {
            return Ok(true);
        }
        if self.held.is_empty() {
            // Before the stream an empty line tells that the master lives.
            let blank = input.iter().take_while(|&&b| b == b'\n').count();
            *input = &input[blank..];
        }
        self.hold(self.core.config.stream_buffer, input, cx)?;
        Ok(false)
    }

    /// Keeps what comes before the snapshot is in place, and from `limit` bytes on lets no more come.
    fn hold<K: Key, E: Emit>(
        &mut self,
        limit: u64,
        input: &mut &[u8],
        cx: &mut Turn<'_, K, E>,
    ) -> Result<(), LinkError> {
        let most = limit.saturating_add(HELD_MAX as u64);
        if self.held().saturating_add(input.len() as u64) > most {
            return Err(LinkError::Overrun(HELD_MAX));
        }
        self.held.append(input);
        *input = &[];
        if let Some(link) = self.core.link.as_mut().filter(|l| l.is_reading() && self.held.len() >= limit) {
            link.set_reading(false, cx.out);
            if limit > 0 {
                cx.out.event(crate::replication::Event::from(Event::BufferFull { limit }));
            }
        }
        Ok(())
    }

    fn stream<'a, 'i: 'a, K: Key, E: Emit>(
        &'a mut self,
        input: &mut &'i [u8],
        cx: &mut Turn<'_, K, E>,
    ) -> Option<Delivery<'a>> {
        self.held.release(self.held_at);
        if self.held.is_empty() {
            if self.held_at > 0 {
                self.held = Blocks::new();
                self.held_at = 0;
            }
            return frame(&mut self.requests, &mut self.core, input, cx);
        }
        // What came before the snapshot was in place goes first, and new input behind it.
        self.held.append(input);
        *input = &[];
        let mut rest = self.held.pieces(self.held_at, u64::MAX).next().unwrap_or_default();
        let before = rest.len();
        let last = self.held_at + before as u64 == self.held.end();
        let delivery = frame(&mut self.requests, &mut self.core, &mut rest, cx);
        self.held_at += (before - rest.len()) as u64;
        // A frame that lies in several blocks: there is more, but nothing to hand out yet.
        if delivery.is_none() && !last { Some(Delivery::Stream(&[])) } else { delivery }
    }
}

/// Hands out what is new of the stream as raw bytes, then its next command.
fn frame<'a, 'i: 'a, K: Key, E: Emit>(
    requests: &'a mut crate::resp::Requests,
    core: &mut Core,
    input: &mut &'i [u8],
    cx: &mut Turn<'_, K, E>,
) -> Option<Delivery<'a>> {
    let all: &'i [u8] = input;
    if let Some(new) = all.get(core.fresh..).filter(|n| !n.is_empty()) {
        core.fresh = all.len();
        core.read += new.len() as u64;
        return Some(Delivery::Stream(new));
    }
    let before = input.len();
    let result = requests.next(input, &RequestLimits::MASTER);
    let used = before - input.len();
    core.fresh -= used.min(core.fresh);
    let start = core.parsed;
    core.pending += used as u64;
    let error = match result {
        Ok(None) => {
            core.acknowledge_news(cx);
            return None;
        }
        // A frame begins with '*'; a line that does not is an inline command, which no master sends. That is judged by
        // the whole line: its beginning may lie in another read.
        Ok(Some(args)) if args.raw().is_none() && !args.has_pieces() => LinkError::Inline { offset: start },
        Ok(Some(args)) => {
            core.parsed += core::mem::take(&mut core.pending);
            let end = core.parsed;
            if core.is_ours(args, start, cx) {
                return Some(Delivery::Skip { end });
            }
            return Some(Delivery::Command { args, end });
        }
        Err(ProtocolError::InlineTooLong | ProtocolError::UnbalancedQuotes) => LinkError::Inline { offset: start },
        Err(error) => LinkError::Protocol { error, offset: start },
    };
    *input = &[];
    core.broken = true;
    core.lose(error.clone(), false, cx);
    Some(Delivery::Lost(error))
}

impl Core {
    /// PING and GETACK are the link's own business: they count, and there is nothing to execute.
    fn is_ours<K: Key, E: Emit>(&mut self, args: Args<'_>, start: u64, cx: &mut Turn<'_, K, E>) -> bool {
        let ping = args.len() == 1 && args.is(0, "ping");
        let replconf = args.is(0, "replconf");
        if replconf && args.is(1, "getack") {
            // What was applied before this very command.
            self.acknowledge(cx);
        }
        if (ping || replconf) && self.applied == start {
            self.applied = self.parsed;
        }
        ping || replconf
    }
}
