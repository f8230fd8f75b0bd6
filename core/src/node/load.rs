//! A dataset on its way in: from the node's file, or from a master's snapshot.

use alloc::boxed::Box;
use alloc::format;
use core::time::Duration;

use bytes::Bytes;

use super::{Cx, Key, Node, What, turn};
use crate::client::Dispatch as _;
use crate::dataset::{Dataset, LoadError, LoadMode, LoadPart};
use crate::ids::{ConnId, OpId};
use crate::machine::{Action, Job, JobErrorKind, Outcome, Path, Workers};
use crate::mutations::{Mutation, on};
use crate::rdb::{self, Item, Reader, ReaderLimits};
use crate::replication::ReplId;
use crate::time::Instant;

/// Bytes of a file that are read, and taken in, at a time: well under a millisecond of work.
const READ_BYTES: usize = 1024 * 1024;
/// The same with `key-load-delay`, so that the delay is spread.
const SLOW_READ_BYTES: usize = 4 * 1024;

/// From so many bytes on, two threads take them in.
const APART_BYTES: usize = 128 * 1024;

/// What is loaded, and for whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// The node's own file at its start.
    Start,
    /// `DEBUG RELOAD`: this client waits.
    Reload(ConnId),
    /// A master's snapshot from the socket.
    Socket,
    /// A master's snapshot that was spooled to a file.
    Spool,
}

/// What a snapshot says of the replication stream it belongs to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Position {
    pub(super) id: Option<ReplId>,
    pub(super) offset: Option<u64>,
    pub(super) db: Option<u32>,
}

#[derive(Debug)]
struct File {
    path: Path,
    /// Where the next read begins.
    at: u64,
    /// Bytes that the read under way asked for.
    asked: usize,
    reading: Option<OpId>,
}

/// A load under way.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) what: Purpose,
    pub(super) mode: LoadMode,
    /// Beside a dataset that clients read on meanwhile.
    serves: bool,
    intake: Intake,
    file: Option<File>,
    began: Instant,
    began_s: u64,
    /// Bytes taken in, and how many there are if it is known.
    pub(super) taken: u64,
    pub(super) total: Option<u64>,
}

/// From bytes to items for the dataset.
#[derive(Debug)]
struct Intake {
    reader: Reader,
    position: Position,
    drop_expired: Option<u64>,
    /// Keys taken in since the last pause that `key-load-delay` made.
    fresh_keys: u64,
}

/// What an item is given to, with what [`Dataset::load_item`] is told beside it.
type Taker<'a> = dyn FnMut(&Item<'_>, Option<u64>) -> Result<(), LoadError> + 'a;

impl Intake {
    /// Takes bytes in, up to the first end of a key at or behind byte `most` of them; advances `input`.
    fn take(&mut self, input: &mut &[u8], most: usize, taker: &mut Taker<'_>) -> Result<(), Box<str>> {
        let all = input.len();
        while let Some(item) = self.reader.next(input).map_err(|e| Box::from(format!("{e}")))? {
            let ends_key = match item {
                Item::Aux { name, value } => {
                    self.position.note(name, value);
                    if self.position.id.is_some() {
                        self.drop_expired = None;
                    }
                    continue;
                }
                Item::Header { .. } => continue,
                Item::Entry(ref entry) => {
                    self.fresh_keys += 1;
                    entry.value.is_whole()
                }
                ref other => matches!(other, Item::EntryEnd),
            };
            taker(&item, self.drop_expired).map_err(|e| Box::from(format!("{e}")))?;
            if ends_key && all - input.len() >= most {
                break;
            }
        }
        Ok(())
    }

    /// Another in the same place, if there can be one.
    fn twin(&self) -> Option<Self> {
        let reader = self.reader.twin()?;
        Some(Self { reader, position: self.position, drop_expired: self.drop_expired, fresh_keys: 0 })
    }

    /// Takes in what is left of `chunk`, by two threads if that is sooner: the one makes entries of the first keys and
    /// puts them into the dataset, the other passes over those and makes entries of the rest, which go in behind.
    fn take_apart<D: Dataset>(
        &mut self,
        input: &mut &[u8],
        chunk: &Bytes,
        data: &mut D,
        workers: &mut dyn Workers,
    ) -> Result<(), Box<str>> {
        if !workers.several() || input.len() < APART_BYTES {
            return Ok(());
        }
        if !self.reader.is_between_keys() {
            self.take(input, 1, &mut |item, drop_expired| data.load_item(item, drop_expired))?;
        }
        let (Some(twin), Some(part), true) = (self.twin(), data.load_apart(), input.len() >= APART_BYTES) else {
            return Ok(());
        };
        // The one puts the entries of both into the dataset, the other passes over the first keys.
        let near = input.len() / 2;
        let stretch = Stretch { intake: twin, part, bytes: chunk.slice(chunk.len() - input.len()..), from: near };
        let (mut rest, mut first) = (*input, Ok(()));
        let made = workers.both(
            &mut || first = self.take(&mut rest, near, &mut |item, drop_expired| data.load_item(item, drop_expired)),
            Box::new(move || Box::new(stretch.take())),
        );
        first?;
        *input = rest;
        // Who could not pass over the first keys has done nothing, and there is no other way than to read on.
        if let Some(Some(taken)) = made.and_then(|made| made.downcast::<Option<Taken>>().ok()).map(|taken| *taken) {
            data.load_join(taken.part).map_err(|e| Box::from(format!("{e}")))?;
            let fresh_keys = self.fresh_keys + taken.intake.fresh_keys;
            *self = Self { fresh_keys, ..taken.intake };
            *input = input.get(input.len().saturating_sub(taken.left)..).unwrap_or_default();
            taken.result?;
        }
        Ok(())
    }
}

/// The far part of a chunk, for another thread.
struct Stretch {
    intake: Intake,
    part: Box<dyn LoadPart>,
    /// From where the near part begins.
    bytes: Bytes,
    /// The first key at or behind this byte is the first of the far part.
    from: usize,
}

/// What became of it.
struct Taken {
    intake: Intake,
    part: Box<dyn LoadPart>,
    /// Bytes behind the end of the snapshot.
    left: usize,
    result: Result<(), Box<str>>,
}

impl Stretch {
    fn take(self) -> Option<Taken> {
        let Self { mut intake, mut part, bytes, from } = self;
        let mut input = &bytes[..];
        if !intake.reader.pass_keys(&mut input, from) {
            return None;
        }
        let result = intake.take(&mut input, usize::MAX, &mut |item, drop_expired| part.load_item(item, drop_expired));
        Some(Taken { intake, part, left: input.len(), result })
    }
}

impl<D: Dataset> Node<D> {
    /// Whether clients have to wait for a dataset.
    pub(super) fn loading(&self) -> bool {
        self.load.as_ref().is_some_and(|l| !l.serves)
    }

    /// Whether a dataset grows beside the one that is served.
    pub(super) fn loading_beside(&self) -> bool {
        self.load.as_ref().is_some_and(|l| l.serves)
    }

    /// A load beside the old dataset: clients read that one on.
    pub(super) fn serve_meanwhile(&mut self) {
        if let Some(load) = &mut self.load {
            load.serves = load.mode == LoadMode::Beside;
        }
    }

    /// Begins to load; the present keys go first if `mode` says so.
    pub(super) fn begin_load(&mut self, what: Purpose, mode: LoadMode, total: Option<u64>, cx: &mut Cx<'_>) {
        if mode == LoadMode::Replace {
            self.abandon_snapshot("the dataset is being replaced", cx);
            self.tell_watchers_of(None, |_| true);
        }
        self.data.note_time(cx.now);
        self.data.load_begin(mode);
        self.idle_work = true;
        self.want_resume(cx);
        // Only a master that starts on its own leaves out what has expired, and only if no replica can go on from the
        // file's offset: it would never hear of those keys.
        self.load = Some(Box::new(Load {
            what,
            mode,
            serves: false,
            intake: Intake {
                reader: Reader::new(ReaderLimits::default()),
                position: Position::default(),
                drop_expired: (what == Purpose::Start && self.is_master()).then_some(cx.now.unix_ms),
                fresh_keys: 0,
            },
            file: None,
            began: cx.now.mono,
            began_s: cx.now.unix_s(),
            taken: 0,
            total,
        }));
    }

    /// Begins to load from a file.
    pub(super) fn begin_load_file(&mut self, what: Purpose, mode: LoadMode, path: Path, cx: &mut Cx<'_>) {
        self.begin_load(what, mode, None, cx);
        if let Some(load) = &mut self.load {
            load.file = Some(File { path, at: 0, asked: 0, reading: None });
        }
        self.load_read(cx);
    }

    /// Starts the next read of the file under way.
    pub(super) fn load_read(&mut self, cx: &mut Cx<'_>) {
        let len = if self.config.settings.key_load_delay > 0 { SLOW_READ_BYTES } else { READ_BYTES };
        let Some(file) = self.load.as_mut().and_then(|l| l.file.as_mut()) else { return };
        let op = self.ids.op();
        file.reading = Some(op);
        file.asked = len;
        cx.out.push(Action::Start { op, job: Job::Read { file: file.path.clone(), at: file.at, len } });
    }

    /// Adds to the pause of the load what `key-load-delay` says for the keys taken in since; whether there is a pause.
    pub(super) fn delay_load(&mut self, cx: &Cx<'_>) -> bool {
        let us = u64::try_from(self.config.settings.key_load_delay).unwrap_or(0);
        let Some(load) = &mut self.load else { return false };
        let keys = core::mem::take(&mut load.intake.fresh_keys);
        let from = self.timers.get(Key::LoadStep);
        if us > 0 && (keys > 0 || from.is_none()) {
            let pause = Duration::from_micros(us.saturating_mul(keys).max(1));
            self.timers.set(Key::LoadStep, from.unwrap_or(cx.now.mono).max(cx.now.mono) + pause);
        }
        us > 0 || from.is_some()
    }

    /// `key-load-delay` changed: what it was is not waited for any more.
    pub(super) fn end_load_pause(&mut self, cx: &Cx<'_>) {
        if self.timers.get(Key::LoadStep).is_some() {
            self.timers.set(Key::LoadStep, cx.now.mono + Duration::from_micros(1));
        }
    }

    /// Whether `DEBUG RELOAD` is under way: all others wait, for what they wrote meanwhile would be lost.
    pub(super) fn reloading(&self) -> bool {
        self.load.as_ref().is_some_and(|l| matches!(l.what, Purpose::Reload(_))) || self.saving_to_reload()
    }

    /// The end of a `DEBUG RELOAD`.
    pub(super) fn reloaded(&mut self, conn: ConnId, result: &Result<(), Box<str>>, cx: &mut Cx<'_>) {
        self.answer_waiting(conn, result, cx);
        self.pause_link(false, cx);
        self.release_held(cx);
    }

    /// `DEBUG RELOAD`, once the file is there.
    pub(super) fn reload(&mut self, conn: ConnId, cx: &mut Cx<'_>) {
        let file = self.data_file();
        self.begin_load_file(Purpose::Reload(conn), LoadMode::Replace, file, cx);
    }

    /// Takes in bytes of a snapshot; whether it is complete.
    pub(super) fn load_bytes(&mut self, bytes: &[u8]) -> Result<bool, Box<str>> {
        self.load_some(bytes, None)
    }

    /// Takes in bytes of a snapshot, which are `chunk` if they can be shared; whether it is complete.
    fn load_some(&mut self, bytes: &[u8], chunk: Option<&Bytes>) -> Result<bool, Box<str>> {
        let Some(load) = &mut self.load else { return Ok(false) };
        load.taken += bytes.len() as u64;
        let (mut input, data) = (bytes, &mut self.data);
        if let Some(chunk) = chunk {
            load.intake.take_apart(&mut input, chunk, data, &mut *self.workers)?;
        }
        load.intake.take(&mut input, usize::MAX, &mut |item, drop_expired| data.load_item(item, drop_expired))?;
        if load.intake.reader.is_done() && !input.is_empty() && load.file.is_none() {
            return Err(format!("{} bytes follow the end of the snapshot", input.len()).into());
        }
        Ok(load.intake.reader.is_done())
    }

    /// The next piece of the file under way; the outcome back if it is not its.
    pub(super) fn load_done(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_>) -> Option<Outcome> {
        let file = self.load.as_mut().and_then(|l| l.file.as_mut()).filter(|f| f.reading == Some(op));
        let Some(file) = file else { return Some(result) };
        file.reading = None;
        match result {
            Outcome::Read(bytes) => {
                let at_end = bytes.len() < file.asked;
                file.at += bytes.len() as u64;
                let slow = self.config.settings.key_load_delay > 0;
                if !at_end && !slow {
                    // The next piece is read while this one is taken in.
                    self.load_read(cx);
                }
                match self.load_some(&bytes, Some(&bytes)) {
                    Ok(true) => self.loaded(cx),
                    Ok(false) if at_end => {
                        let why = self.load.as_ref().map(|l| match l.intake.reader.finish() {
                            Ok(()) => Box::from("the file ends early"),
                            Err(e) => Box::from(format!("{e}")),
                        });
                        self.load_failed(why.unwrap_or_default(), cx);
                    }
                    Ok(false) if slow => drop(self.delay_load(cx)),
                    Ok(false) => {}
                    Err(why) => self.load_failed(why, cx),
                }
            }
            Outcome::Failed(e)
                if e.kind == JobErrorKind::NotFound && self.load.as_ref().is_some_and(|l| l.what == Purpose::Start) =>
            {
                self.data.load_abort();
                self.load = None;
                self.ready(None, cx);
            }
            Outcome::Failed(e) => self.load_failed(e.message, cx),
            other => self.load_failed(format!("unexpected outcome {other:?}").into(), cx),
        }
        None
    }

    /// Everything is in: the new dataset takes its place.
    pub(super) fn loaded(&mut self, cx: &mut Cx<'_>) {
        let Some(load) = self.load.take() else { return };
        if load.mode == LoadMode::Beside {
            self.tell_watchers_of(None, |_| true);
        }
        self.data.load_commit();
        self.idle_work = true;
        self.want_resume(cx);
        let (keys, expired) = self.data.load_counts();
        self.stats.load_keys = (keys, expired);
        if load.mode == LoadMode::Beside {
            self.tell_watchers_of(None, |_| true);
        }
        match load.what {
            Purpose::Start => {
                let ms = (cx.now.mono - load.began).as_millis() as u64;
                self.event(cx, What::Loaded { keys, expired, ms });
                self.ready(Some(load.intake.position), cx);
            }
            Purpose::Reload(conn) => {
                self.save.dirty = 0;
                self.reloaded(conn, &Ok(()), cx);
            }
            Purpose::Socket | Purpose::Spool => {
                self.save.dirty = 0;
                self.resync_loaded(load.intake.position.db, keys, cx);
            }
        }
        self.timers.clear(Key::Expire);
    }

    /// The snapshot is no good.
    pub(super) fn load_failed(&mut self, why: Box<str>, cx: &mut Cx<'_>) {
        let Some(load) = self.load.take() else { return };
        self.load_aborted(load.mode, cx);
        match load.what {
            Purpose::Start => {
                let file = Box::from(&*self.data_file());
                self.event(cx, What::LoadFailed { file, why });
                cx.out.push(Action::Exit { code: 1 });
            }
            Purpose::Reload(conn) => {
                let text = format!("Error trying to load the RDB dump ({why}), check server logs").into();
                self.reloaded(conn, &Err(text), cx);
                if !self.is_master() {
                    // Its data are gone: the stream cannot go on where it was.
                    self.resync_failed("the dataset was lost in DEBUG RELOAD", cx);
                }
            }
            Purpose::Socket | Purpose::Spool => self.resync_failed(&why, cx),
        }
    }

    /// Ends a load whose source is gone.
    pub(super) fn abandon_load(&mut self, cx: &mut Cx<'_>) {
        if let Some(load) = self.load.take() {
            self.load_aborted(load.mode, cx);
        }
    }

    /// What was loaded is dropped. If the data before it are gone too, nobody may go on from our history: it was
    /// theirs.
    fn load_aborted(&mut self, mode: LoadMode, cx: &mut Cx<'_>) {
        self.timers.clear(Key::LoadStep);
        self.data.load_abort();
        self.idle_work = true;
        self.want_resume(cx);
        if mode == LoadMode::Replace {
            let new = ReplId::random(&mut self.rng);
            self.source.restart_at(new, self.source.offset(), &mut turn!(self, cx));
        }
    }

    /// The fields of INFO's persistence section while a dataset loads.
    pub(super) fn load_progress(&self) -> Option<(u64, u64, Option<u64>)> {
        self.load.as_ref().map(|l| (l.began_s, l.taken, l.total))
    }

    /// The dataset is in place, or there was none: the history goes on where the file says.
    fn ready(&mut self, position: Option<Position>, cx: &mut Cx<'_>) {
        self.save.begin(cx.now.mono, cx.now.unix_s());
        if let Some(Position { id: Some(id), offset: Some(offset), db }) = position {
            if self.is_master() {
                let new = if on(Mutation::KeepsId) { id } else { ReplId::random(&mut self.rng) };
                self.source.restored(id, offset, new, &mut turn!(self, cx));
            } else {
                self.source.restart_at(id, offset, &mut turn!(self, cx));
                self.resume_from(id, offset, db);
            }
        }
        self.event(cx, What::Ready);
        self.start_link(cx);
    }
}

impl Position {
    /// Takes note of an AUX field.
    pub(super) fn note(&mut self, name: &[u8], value: &[u8]) {
        let number = || crate::resp::parse_u64(value);
        if name.eq_ignore_ascii_case(rdb::aux::REPL_ID) {
            self.id = ReplId::parse(value).ok();
        } else if name.eq_ignore_ascii_case(rdb::aux::REPL_OFFSET) {
            self.offset = number();
        } else if name.eq_ignore_ascii_case(rdb::aux::REPL_STREAM_DB) {
            self.db = number().and_then(|n| u32::try_from(n).ok());
        }
    }
}
