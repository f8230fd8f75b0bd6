//! The machine around a machine that writes down what goes in.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::digest::Digest;
use super::frame::{BLOCK_MAX, HEAD, Kind, PREFIX, end_block, prefix, seal};
use super::header::{End, Header};
use super::input::{self, Recorded};
use super::meter::Readings;
use super::reader::{ACTIONS, LEARNED, SENT_SUM, TIMES, TURNS};
use super::secrets::{Fed, Secrets};
use super::sum::Sum;
use super::wire::{put_bytes, put_number, put_signed};
use crate::ids::ConnId;
use crate::machine::{Action, Actions, Chunks, Input, LogLine, Machine};
use crate::time::{Instant, Now};

/// A block is handed over when it holds so many bytes. Few and large ones: each wakes the thread that writes.
pub const BLOCK: usize = 512 << 10;
/// A block is handed over when its first record is so old, too: a `kill -9` loses no more than that.
pub const FLUSH_AFTER: Duration = Duration::from_millis(250);
/// Of what a connection sends in one go, so many bytes are summed.
const SUMMED_MAX: usize = 16 << 10;
/// Connections whose last shown bytes are remembered until they are sent; among more, some go unchecked.
const SHOWN: usize = 16;
/// What is kept free of the bound for the block that ends the recording.
const END_ROOM: u64 = 64;

/// Where a recording goes.
pub trait Sink: Send {
    /// Takes the next bytes of the recording, and gives an empty buffer for the ones after. Must not block.
    ///
    /// # Errors
    /// When it takes no more: the recording is over, and how it ends in the file is the sink's affair.
    fn block(&mut self, block: Vec<u8>) -> Result<Vec<u8>, Full>;

    /// Takes the last bytes, and why they are the last.
    fn end(&mut self, block: Vec<u8>, why: End);
}

/// A sink that takes no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// A machine that records what its machine is told, for as long as the sink takes it and the bound allows. The machine
/// inside hears everything, recorded or not.
#[derive(Debug)]
pub struct Recorder<M: Machine> {
    machine: M,
    pen: Option<Box<Pen>>,
}

/// What it takes to record.
struct Pen {
    sink: Box<dyn Sink>,
    readings: Readings,
    /// Room for a head, then the records so far.
    block: Vec<u8>,
    number: u32,
    /// Bytes handed over.
    written: u64,
    bound: u64,
    /// The time of the last record.
    now: Now,
    /// When the begun block is handed over at the latest.
    flush_at: Option<Instant>,
    digest: Digest,
    shown: [Shown; SHOWN],
    secrets: Option<Secrets>,
}

/// What was shown of a connection's unsent bytes last.
#[derive(Clone, Copy, Default)]
struct Shown {
    conn: u64,
    len: usize,
    sum: u32,
}

impl core::fmt::Debug for Pen {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pen").field("written", &self.written).field("bound", &self.bound).finish_non_exhaustive()
    }
}

impl<M: Machine> Recorder<M> {
    /// Records `machine`, which was made of what `header` says and reads a [`RecordedMeter`](super::RecordedMeter) with
    /// these `readings`. The recording ends before it is longer than `bound` bytes. `secrets` keeps passwords out of it, those
    /// in the header's configuration too; without, everything is recorded as it is.
    pub fn new(
        machine: M,
        header: &Header,
        readings: Readings,
        secrets: Option<Secrets>,
        sink: Box<dyn Sink>,
        bound: u64,
    ) -> Self {
        readings.keep(true);
        let mut pen = Box::new(Pen {
            sink,
            readings,
            block: Vec::new(),
            number: 0,
            written: 0,
            bound,
            now: Now::default(),
            flush_at: None,
            digest: Digest::new(),
            shown: [Shown::default(); SHOWN],
            secrets,
        });
        let going_on = match &mut pen.secrets {
            None => pen.begin(header),
            Some(secrets) => {
                let config = secrets.configuration(&header.config);
                pen.begin(&Header { config, ..header.clone() })
            }
        };
        Self { machine, pen: Some(pen).filter(|_| going_on) }
    }

    /// Records nothing.
    pub fn off(machine: M) -> Self {
        Self { machine, pen: None }
    }

    /// The machine inside.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// Whether it still records.
    pub fn is_recording(&self) -> bool {
        self.pen.is_some()
    }
}

impl<M: Machine> Machine for Recorder<M>
where
    M::Call: Recorded,
    M::Event: LogLine,
{
    type Call = M::Call;
    type Event = M::Event;

    fn handle(&mut self, now: Now, input: Input<'_, M::Call>, out: &mut Actions<M::Event>) {
        let Some(pen) = &mut self.pen else { return self.machine.handle(now, input, out) };
        if pen.flush_at.is_some_and(|at| at <= now.mono) {
            let going_on = pen.flush();
            let own = matches!(input, Input::Tick) && self.machine.deadline().is_none_or(|d| d > now.mono);
            if !going_on {
                self.give_up(now, out);
            }
            if own {
                return; // This tick was for us alone.
            }
            if !going_on {
                return self.machine.handle(now, input, out);
            }
        }
        match &input {
            Input::Received { conn, bytes } => self.received(now, *conn, bytes, out),
            Input::Eof { conn } | Input::Closed { conn, .. } => {
                let rest = self.pen.as_mut().and_then(|p| p.secrets.as_mut()?.rest(*conn));
                if let Some(rest) = rest {
                    self.fed(now, *conn, &[], &rest, out);
                }
                self.record(now, input, None, out);
            }
            _ => {
                let told = self.pen.as_mut().and_then(|p| p.secrets.as_mut()?.done(&input));
                self.record(now, input, told.as_ref(), out);
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let flush = self.pen.as_ref().and_then(|p| p.flush_at);
        match (self.machine.deadline(), flush) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        let before = out.len();
        self.machine.transmit(conn, budget, out);
        if let Some(pen) = &mut self.pen {
            // Of secrets the replay has tokens.
            let chunks = if out.is_secret() { None } else { out.get(before..) };
            pen.shown(conn, chunks.unwrap_or_default());
        }
    }
}

impl<M: Machine> Recorder<M>
where
    M::Call: Recorded,
    M::Event: LogLine,
{
    /// Feeds the machine, and records what it was told, or `instead`.
    #[inline]
    fn record(
        &mut self,
        now: Now,
        input: Input<'_, M::Call>,
        instead: Option<&Input<'_, M::Call>>,
        out: &mut Actions<M::Event>,
    ) {
        let Some(pen) = &mut self.pen else { return self.machine.handle(now, input, out) };
        let mut record = pen.begin_record(now, instead.unwrap_or(&input));
        let before = out.len();
        self.machine.handle(now, input, out);
        if !pen.end_record(&mut record, out.get(before..).unwrap_or_default(), now) {
            self.give_up(now, out);
        }
    }

    /// Bytes came in, which may hold secrets.
    #[inline]
    fn received(&mut self, now: Now, conn: ConnId, bytes: &[u8], out: &mut Actions<M::Event>) {
        let fed = match self.pen.as_mut().and_then(|p| p.secrets.as_mut()) {
            Some(secrets) => secrets.received(conn, bytes),
            None => Fed::AS_IT_CAME,
        };
        self.fed(now, conn, bytes, &fed, out);
    }

    fn fed(&mut self, now: Now, conn: ConnId, bytes: &[u8], fed: &Fed, out: &mut Actions<M::Event>) {
        let heard = match fed.heard.as_deref() {
            Some([]) => return, // All of it is held back.
            heard => heard.unwrap_or(bytes),
        };
        let instead = fed.recorded.as_deref().map(|bytes| Input::Received { conn, bytes });
        self.record(now, Input::Received { conn, bytes: heard }, instead.as_ref(), out);
    }

    /// The recording is over: what was held back for its sake the machine hears now.
    #[cold]
    fn give_up(&mut self, now: Now, out: &mut Actions<M::Event>) {
        let Some(pen) = self.pen.take() else { return };
        if out.iter().any(|action| matches!(action, Action::Exit { .. })) {
            return;
        }
        for (conn, bytes) in pen.secrets.iter().flat_map(Secrets::held) {
            self.machine.handle(now, Input::Received { conn, bytes }, out);
        }
    }
}

impl<M: Machine> Drop for Recorder<M> {
    fn drop(&mut self) {
        if let Some(pen) = &mut self.pen
            && pen.flush()
        {
            pen.end(End::Dropped);
        }
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        // The machine's clock goes on by itself.
        self.readings.keep(false);
    }
}

/// What a recording begins with: the word, the version, and the block of the header.
pub(crate) fn opening(header: &Header) -> Vec<u8> {
    let mut first = Vec::from(prefix());
    first.extend_from_slice(&[0; HEAD]);
    header.put(&mut first);
    seal(&mut first[PREFIX..], 0, Kind::Header);
    first
}

/// A record that is being written.
struct Begun {
    at: usize,
    tag_at: usize,
    tag: u8,
    sent: Option<Shown>,
}

impl Pen {
    /// The first bytes go at once, so that a file is a recording from its start.
    fn begin(&mut self, header: &Header) -> bool {
        let first = opening(header);
        let len = first.len() as u64;
        if len + END_ROOM > self.bound || first.len() - PREFIX - HEAD > BLOCK_MAX {
            self.end(End::Bound { bytes: self.bound });
            return false;
        }
        self.hand_over(first)
    }

    fn hand_over(&mut self, block: Vec<u8>) -> bool {
        self.written += block.len() as u64;
        self.number = self.number.wrapping_add(1);
        self.flush_at = None;
        match self.sink.block(block) {
            Ok(mut empty) => {
                empty.clear();
                empty.reserve(BLOCK + BLOCK / 4);
                empty.extend_from_slice(&[0; HEAD]);
                self.block = empty;
                true
            }
            Err(Full) => false,
        }
    }

    /// Hands the begun block over; whether the recording goes on.
    fn flush(&mut self) -> bool {
        if self.block.len() <= HEAD {
            return true;
        }
        let mut block = core::mem::take(&mut self.block);
        seal(&mut block, self.number, Kind::Records);
        self.hand_over(block)
    }

    fn end(&mut self, why: End) {
        let block = end_block(self.number, &why);
        self.sink.end(block, why);
    }

    #[inline]
    fn begin_record<C: Recorded>(&mut self, now: Now, input: &Input<'_, C>) -> Begun {
        let out = &mut self.block;
        let at = out.len();
        for learned in self.secrets.iter_mut().flat_map(Secrets::learned) {
            out.push(LEARNED);
            put_bytes(out, &learned.token);
            out.extend_from_slice(&learned.hash);
        }
        let (tag_at, tag) = (out.len(), input::kind(input));
        out.push(tag);
        put_signed(out, now.mono.as_micros().wrapping_sub(self.now.mono.as_micros()) as i64);
        put_signed(out, now.unix_ms.wrapping_sub(self.now.unix_ms) as i64);
        self.now = now;
        input::put(out, input);
        let sent = match input {
            Input::Sent { conn, len } => {
                let shown = &mut self.shown[slot(*conn)];
                let same = shown.conn == conn.as_u64() && shown.len > 0 && shown.len <= *len;
                core::mem::take(shown).some_if(same)
            }
            _ => None,
        };
        Begun { at, tag_at, tag, sent }
    }

    /// Writes what came of it; whether the recording goes on.
    #[inline]
    fn end_record<E: LogLine>(&mut self, record: &mut Begun, actions: &[Action<E>], now: Now) -> bool {
        let out = &mut self.block;
        let (times, turns) = self.readings.drain(out);
        record.tag |= if times { TIMES } else { 0 } | if turns { TURNS } else { 0 };
        if let Some(shown) = record.sent {
            record.tag |= SENT_SUM;
            put_number(out, shown.len as u64);
            out.extend_from_slice(&shown.sum.to_le_bytes());
        }
        let mut exit = None;
        if !actions.is_empty() {
            record.tag |= ACTIONS;
            for action in actions {
                self.digest.action(action);
                if let Some(secrets) = &mut self.secrets {
                    secrets.action(action);
                }
                if let Action::Exit { code } = action {
                    exit = exit.or(Some(*code));
                }
            }
            out.extend_from_slice(&self.digest.value().to_le_bytes());
        }
        if let Some(first) = out.get_mut(record.tag_at) {
            *first = record.tag;
        }
        let len = out.len();
        if len - HEAD > BLOCK_MAX {
            return self.end_before(record.at, End::TooLarge { len: (len - record.at) as u64 });
        }
        if self.written + len as u64 + END_ROOM > self.bound {
            return self.end_before(record.at, End::Bound { bytes: self.bound });
        }
        if let Some(code) = exit {
            if self.flush() {
                self.end(End::Exit { code });
            }
            return false;
        }
        if len >= BLOCK {
            return self.flush();
        }
        if self.flush_at.is_none() {
            self.flush_at = Some(now.mono + FLUSH_AFTER);
        }
        true
    }

    /// Ends the recording before the record that begins at `at`.
    #[cold]
    fn end_before(&mut self, at: usize, why: End) -> bool {
        self.block.truncate(at);
        if self.flush() {
            self.end(why);
        }
        false
    }

    /// Sums what is shown: the handles are gone when it is known how much of it was sent.
    #[inline]
    fn shown(&mut self, conn: ConnId, chunks: &[bytes::Bytes]) {
        let (mut sum, mut left) = (Sum::new(), SUMMED_MAX);
        for chunk in chunks {
            let part = chunk.get(..left).unwrap_or(chunk);
            sum.update(part);
            left -= part.len();
        }
        self.shown[slot(conn)] = Shown { conn: conn.as_u64(), len: SUMMED_MAX - left, sum: sum.value() as u32 };
    }
}

impl Shown {
    fn some_if(self, yes: bool) -> Option<Self> {
        yes.then_some(self)
    }
}

fn slot(conn: ConnId) -> usize {
    // The lowest bit tells who opened it, and most are of one kind.
    (conn.as_u64() >> 1) as usize % SHOWN
}
