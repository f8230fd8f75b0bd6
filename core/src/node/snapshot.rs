//! A snapshot on its way out: from the dataset in slices to replicas' sockets or to a file, while commands go on.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::save::Why;
use super::{Cx, Key, Node, turn};
use crate::dataset::{Dataset, Progress};
use crate::ids::OpId;
use crate::machine::{Action, Job, Outcome, Path};
use crate::rdb::{Body, Options, Writer};
use crate::replication::source::{Content, SnapshotKind, SnapshotWanted};
use crate::time::Instant;

/// Bytes that one slice produces: some tenths of a millisecond.
const SLICE_BYTES: usize = 128 * 1024;
/// Bytes of one write to a file, and how many writes may be under way.
const WRITE_BYTES: u64 = 512 * 1024;
const WRITES_MAX: usize = 4;
/// Slices for sockets begin so long after one another at the soonest, and the loop is free for what is left of it: a loop
/// that never sleeps is the first to be taken off its processor, and then clients wait for whole time slices of others.
const PERIOD: Duration = Duration::from_micros(250);
/// With `rdb-key-save-delay` a slice is this small, so that the delay is spread.
const SLOW_SLICE_BYTES: usize = 1024;

/// Where a snapshot goes.
#[derive(Debug)]
pub(super) enum Target {
    /// Straight to the sockets of replicas.
    Sockets,
    /// To a file that replicas are sent then.
    ReplicaFile,
    /// To the dataset's file.
    File { why: Why, to: Path },
}

/// A file that is being written.
#[derive(Debug)]
struct Out {
    temp: Path,
    /// Bytes handed to jobs.
    at: u64,
    writes: BTreeSet<OpId>,
    commit: Option<OpId>,
    failed: Option<Box<str>>,
}

/// A snapshot under way.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) target: Target,
    body: Body,
    writer: Writer,
    out: Option<Out>,
    /// The dataset gave all.
    walked: bool,
    /// All of it is framed.
    produced: bool,
    /// It was ended on purpose, which is no failure.
    abandoned: bool,
    began: Instant,
    /// Changes that it has.
    dirty: u64,
    /// Keys when it began.
    pub(super) keys: u64,
    /// Keys written so far.
    pub(super) written: u64,
}

impl Snapshot {
    /// When it began.
    pub(super) fn began(&self) -> Instant {
        self.began
    }
}

impl<D: Dataset> Node<D> {
    /// Begins what replicas or a scheduled BGSAVE wait for. Asked at the end of every input.
    pub(super) fn start_due_snapshot(&mut self, cx: &mut Cx<'_>) {
        if self.source.is_awaited() {
            self.source.refuse_unreadable(self.data.snapshot_version(), &mut turn!(self, cx));
        }
        if self.snapshot.is_some() || self.load.is_some() {
            return;
        }
        if let Some(wanted) = self.source.snapshot_wanted(cx.now.mono) {
            let target = match wanted.kind {
                SnapshotKind::Socket => Target::Sockets,
                SnapshotKind::File => Target::ReplicaFile,
            };
            self.begin_snapshot(target, Some(wanted), cx);
        } else if self.save.scheduled {
            self.save.scheduled = false;
            self.request_save(Why::Asked, cx);
        }
        if !self.sync_files.is_empty() {
            self.remove_sync_files(cx);
        }
    }

    /// Begins a snapshot to the dataset's file.
    pub(super) fn begin_file_snapshot(&mut self, target: Target, cx: &mut Cx<'_>) {
        self.begin_snapshot(target, None, cx);
    }

    fn begin_snapshot(&mut self, target: Target, wanted: Option<SnapshotWanted>, cx: &mut Cx<'_>) {
        let set = &self.config.settings;
        // The lowest that will do, unless it is known that more is read: most data needs no more than version 9, which every
        // server from 5.0 on reads.
        let version = wanted.map_or(set.rdb_version.number(), |wanted| wanted.version);
        let version = self.data.snapshot_version().max(version.unwrap_or(0).min(Writer::MAX_VERSION));
        let mut writer = Writer::new(version, set.rdbchecksum);
        writer.about(crate::client::REDIS_VERSION, 64, cx.now.unix_s(), self.data.memory() as u64);
        let db = if self.is_master() { self.source.selected() } else { self.upstream.as_ref().map(|u| u.db()) };
        let db = db.unwrap_or(0);
        if self.source.is_active() || !self.is_master() {
            writer.replication(db, self.source.id().as_str(), self.source.offset() as i64);
        }
        let mut body = Body::new(Options { compress: set.rdbcompression }).for_version(version);
        let out = match target {
            Target::Sockets => None,
            _ => {
                let tag: [u8; 16] = self.rng.hex();
                let temp = self.file_named(&alloc::format!("temp-{}-{}.rdb", self.clients.about.pid, text(&tag)));
                Some(Out { temp, at: 0, writes: BTreeSet::new(), commit: None, failed: None })
            }
        };
        let content = wanted.as_ref().map_or(Content::All, |w| w.content);
        let all = content == Content::All;
        let keys = (0..self.data.databases()).map(|db| self.data.stats(db).keys).sum();
        if all {
            self.data.note_time(cx.now);
            self.data.snapshot_begin();
        } else if content == Content::Functions {
            self.data.snapshot_functions(&mut body);
        }
        if let Some(wanted) = wanted {
            let wanted = SnapshotWanted { version: Some(version), ..wanted };
            self.source.snapshot_begin(wanted, db, &mut turn!(self, cx));
        }
        let began = cx.now.mono;
        let mut snap = Snapshot {
            target,
            body,
            writer,
            out,
            walked: !all,
            produced: content == Content::Nothing,
            began,
            dirty: self.save.dirty,
            keys,
            written: 0,
            abandoned: false,
        };
        if snap.produced {
            snap.writer.finish();
        }
        self.snapshot = Some(Box::new(snap));
        self.want_resume(cx);
    }

    /// The source may have let all readers go by itself, or its history may be another: then the snapshot ends.
    pub(super) fn check_snapshot(&mut self, cx: &mut Cx<'_>) {
        if self.snapshot.as_ref().is_some_and(|s| !matches!(s.target, Target::File { .. }))
            && !self.source.snapshot_alive()
        {
            self.abandon_snapshot("no replica waits for it any more", cx);
        }
    }

    /// A replica took bytes, or is gone: the snapshot may go on.
    pub(super) fn snapshot_wanted_more(&mut self, cx: &mut Cx<'_>) {
        if self.snapshot.as_ref().is_some_and(|s| matches!(s.target, Target::Sockets))
            && self.timers.get(Key::SnapshotStep).is_none()
        {
            self.want_resume(cx);
        }
    }

    /// The next slice of the snapshot under way, if there is room for it.
    pub(super) fn snapshot_slice(&mut self, cx: &mut Cx<'_>) {
        let Some(mut snap) = self.snapshot.take() else { return };
        if !matches!(snap.target, Target::File { .. }) && !self.source.snapshot_alive() {
            return self.snapshot_given_up(&snap, "no replica waits for it any more", cx);
        }
        let room = match &snap.out {
            None => self.source.snapshot_room() > 0,
            Some(out) => out.writes.len() < WRITES_MAX && out.failed.is_none(),
        };
        if !room {
            self.snapshot = Some(snap);
            return;
        }
        let delay_us = u64::try_from(self.config.settings.rdb_key_save_delay).unwrap_or(0);
        let before = snap.written;
        if !snap.produced {
            let budget = if delay_us > 0 { SLOW_SLICE_BYTES } else { SLICE_BYTES };
            // One value may be far larger than a slice: it is shared at once, and goes on slice by slice.
            if !snap.walked && snap.body.is_empty() && self.data.snapshot_step(&mut snap.body, budget) == Progress::Done
            {
                self.data.snapshot_end();
                snap.walked = true;
            }
            snap.written += snap.body.take_keys();
            snap.writer.absorb_some(&mut snap.body, SLICE_BYTES);
            if snap.walked && snap.body.is_empty() {
                snap.writer.finish();
                snap.produced = true;
            }
        }
        if snap.out.is_none() {
            let to = self.source.snapshot_out();
            for chunk in snap.writer.out().drain() {
                to.append_shared(chunk);
            }
            if snap.produced {
                self.source.snapshot_finish(&mut turn!(self, cx));
                return;
            }
        } else {
            self.write_out(&mut snap, cx);
        }
        let more = !snap.produced;
        let sockets = snap.out.is_none();
        let keys = snap.written - before;
        self.snapshot = Some(snap);
        if more && delay_us > 0 {
            let pause = Duration::from_micros((delay_us * keys).max(1));
            self.timers.set(Key::SnapshotStep, cx.now.mono + pause);
        } else if more && sockets {
            self.timers.set(Key::SnapshotStep, cx.now.mono + PERIOD);
        } else if more {
            self.want_resume(cx);
        }
    }

    /// Hands what was produced to the file worker, in pieces worth a write.
    fn write_out(&mut self, snap: &mut Snapshot, cx: &mut Cx<'_>) {
        let Some(out) = &mut snap.out else { return };
        let ready = snap.writer.out();
        if ready.len() >= WRITE_BYTES || (snap.produced && !ready.is_empty()) {
            let len = ready.len();
            let bytes: Vec<Bytes> = ready.drain().collect();
            let op = self.ids.op();
            cx.out.push(Action::Start {
                op,
                job: Job::Append { file: out.temp.clone(), at: out.at, bytes, sync: false },
            });
            out.at += len;
            out.writes.insert(op);
        }
    }

    /// The next step of the file under way; the outcome back if it is not its.
    pub(super) fn snapshot_done(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_>) -> Option<Outcome> {
        let ours = self
            .snapshot
            .as_ref()
            .and_then(|s| s.out.as_ref())
            .is_some_and(|o| o.writes.contains(&op) || o.commit == Some(op));
        if !ours {
            return Some(result);
        }
        let mut snap = self.snapshot.take()?;
        let Some(out) = &mut snap.out else { return None };
        let was_commit = out.commit == Some(op);
        out.writes.remove(&op);
        if let Outcome::Failed(e) = &result {
            out.failed.get_or_insert_with(|| e.message.clone());
        }
        if let Some(why) = out.failed.clone() {
            // All writes under way have to end before the file can go.
            if out.writes.is_empty() {
                self.snapshot_given_up(&snap, &why, cx);
            } else {
                self.snapshot = Some(snap);
            }
            return None;
        }
        if was_commit {
            self.snapshot_committed(&snap, cx);
            return None;
        }
        self.write_out(&mut snap, cx);
        let Some(out) = &mut snap.out else { return None };
        if snap.produced && out.writes.is_empty() {
            match &snap.target {
                Target::File { to, .. } => {
                    let op = self.ids.op();
                    out.commit = Some(op);
                    cx.out.push(Action::Start { op, job: Job::Commit { file: out.temp.clone(), to: to.clone() } });
                }
                _ => {
                    let (file, len) = (out.temp.clone(), out.at);
                    self.source.snapshot_file(&file, len, &mut turn!(self, cx));
                    self.sync_files.push(file);
                    return None;
                }
            }
        } else if !snap.produced && self.timers.get(Key::SnapshotStep).is_none() {
            self.want_resume(cx);
        }
        self.snapshot = Some(snap);
        None
    }

    fn snapshot_committed(&mut self, snap: &Snapshot, cx: &mut Cx<'_>) {
        if let Target::File { why, .. } = snap.target {
            self.saved(why, snap.dirty, snap.began, Ok(()), cx);
        }
    }

    /// Ends a snapshot that cannot be finished.
    fn snapshot_given_up(&mut self, snap: &Snapshot, reason: &str, cx: &mut Cx<'_>) {
        if !snap.walked {
            self.data.snapshot_end();
        }
        self.timers.clear(Key::SnapshotStep);
        if let Some(out) = &snap.out {
            let op = self.ids.op();
            cx.out.push(Action::Start { op, job: Job::Remove { file: out.temp.clone() } });
        }
        match snap.target {
            Target::File { why, .. } if snap.abandoned => self.save_abandoned(why, reason, cx),
            Target::File { why, .. } => self.saved(why, 0, snap.began, Err(reason.into()), cx),
            Target::Sockets | Target::ReplicaFile => self.source.snapshot_failed(reason, &mut turn!(self, cx)),
        }
    }

    /// Ends the snapshot under way because the data it shows are being replaced, or the process ends.
    pub(super) fn abandon_snapshot(&mut self, reason: &str, cx: &mut Cx<'_>) {
        let Some(mut snap) = self.snapshot.take() else { return };
        snap.abandoned = true;
        match &mut snap.out {
            // All of it is written: the file may as well take its place.
            Some(out) if out.commit.is_some() => self.snapshot = Some(snap),
            // Writes under way end first; the last of their answers ends the snapshot.
            Some(out) if !out.writes.is_empty() => {
                out.failed = Some(reason.into());
                let for_replicas = matches!(snap.target, Target::ReplicaFile);
                self.snapshot = Some(snap);
                // Nobody may join it from here on.
                if for_replicas {
                    self.source.snapshot_failed(reason, &mut turn!(self, cx));
                }
            }
            _ => self.snapshot_given_up(&snap, reason, cx),
        }
    }

    /// The process ends: files that were only for a while go.
    pub(super) fn remove_temporary_files(&mut self, cx: &mut Cx<'_>) {
        let unfinished = self.snapshot.take().and_then(|s| s.out.map(|out| out.temp));
        let spool = self.spool_file();
        for file in core::mem::take(&mut self.sync_files).into_iter().chain(unfinished).chain(spool) {
            let op = self.ids.op();
            cx.out.push(Action::Start { op, job: Job::Remove { file } });
        }
    }

    /// Removes files that were sent to replicas and that nobody reads any more.
    fn remove_sync_files(&mut self, cx: &mut Cx<'_>) {
        let files = core::mem::take(&mut self.sync_files);
        for file in files {
            if self.source.reads_file(&file) {
                self.sync_files.push(file);
            } else {
                let op = self.ids.op();
                cx.out.push(Action::Start { op, job: Job::Remove { file } });
            }
        }
    }
}

/// Hexadecimal digits as text.
pub(super) fn text(hex: &[u8]) -> &str {
    core::str::from_utf8(hex).unwrap_or_default()
}
