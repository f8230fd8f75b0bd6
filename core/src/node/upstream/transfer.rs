//! A full resync from its first byte to the dataset in place.

use alloc::boxed::Box;
use alloc::format;

use super::super::load::Purpose;
use super::super::peek::Peek;
use super::super::spool::Spool;
use super::super::{Cx, Node, What, turn};
use super::apply::Stream;
use crate::config::DisklessLoad;
use crate::dataset::{Dataset, LoadMode};
use crate::ids::OpId;
use crate::machine::{Outcome, Path};
use crate::replication::ReplId;
use crate::replication::source::Role;

/// A full resync under way.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) id: ReplId,
    pub(super) offset: u64,
    /// The database that the stream has selected there, if it was told apart from the snapshot.
    pub(super) db: Option<u32>,
    pub(super) way: Way,
}

#[derive(Debug)]
pub(super) enum Way {
    /// Nothing has come yet.
    Announced,
    /// Looked at until it is known to be good, straight into a dataset then.
    Peek(Box<Peek>),
    /// Straight into a dataset.
    Socket,
    /// Into a file, from which it is loaded then.
    Spool(Box<Spool>),
}

impl<D: Dataset> Node<D> {
    /// With `key-load-delay` the link is read no further until the keys that came have had their delay (but for what
    /// [`Node::read_on`] takes).
    pub(super) fn slow_load(&mut self, cx: &mut Cx<'_>) {
        if self.load.as_ref().is_some_and(|l| l.what == Purpose::Socket)
            && self.delay_load(cx)
            && let Some(up) = self.upstream.as_mut().filter(|u| u.read_on == 0)
        {
            up.link.set_reading(false, &mut turn!(self, cx));
        }
    }

    /// The delay is over.
    pub(in crate::node) fn load_step(&mut self, cx: &mut Cx<'_>) {
        match (self.load.as_ref().map(|l| l.what), &mut self.upstream) {
            (Some(Purpose::Socket), Some(up)) if up.link.progress().is_some() => {
                up.link.set_reading(true, &mut turn!(self, cx));
            }
            // All of it came meanwhile.
            (Some(Purpose::Socket), _) => self.loaded(cx),
            (Some(_), _) => self.load_read(cx),
            (None, _) => {}
        }
    }

    /// The snapshot's bytes begin: where they go depends on what we hold.
    pub(super) fn snapshot_begins(&mut self, size: Option<u64>, cx: &mut Cx<'_>) {
        let mode = self.config.settings.repl_diskless_load;
        let way = if self.keys() == 0 {
            self.load_socket(LoadMode::Replace, size, cx);
            Way::Socket
        } else if mode == DisklessLoad::SwapDb {
            self.load_socket(LoadMode::Beside, size, cx);
            // What is served meanwhile is stale, and not of another history.
            if self.upstream.as_ref().and_then(|u| u.incoming.as_ref()).is_some_and(|i| i.id == self.source.id()) {
                self.serve_meanwhile();
            }
            Way::Socket
        } else if mode.flushes() {
            Way::Peek(Box::new(Peek::new(size)))
        } else {
            let tag: [u8; 16] = self.rng.hex();
            let name = format!("temp-{}-{}.sync.rdb", self.clients.about.pid, crate::node::snapshot::text(&tag));
            Way::Spool(Box::new(Spool::new(self.file_named(&name))))
        };
        if let Some(incoming) = self.upstream.as_mut().and_then(|u| u.incoming.as_mut()) {
            incoming.way = way;
        }
    }

    pub(super) fn load_socket(&mut self, mode: LoadMode, size: Option<u64>, cx: &mut Cx<'_>) {
        let how = if mode == LoadMode::Replace { "straight from the socket" } else { "beside the old dataset" };
        self.event(cx, What::LoadingSnapshot { how });
        self.begin_load(Purpose::Socket, mode, size, cx);
    }

    /// What was looked at is good: the old dataset goes for it.
    pub(super) fn snapshot_good(&mut self, cx: &mut Cx<'_>) {
        let Some(incoming) = self.upstream.as_mut().and_then(|u| u.incoming.as_mut()) else { return };
        let Way::Peek(peek) = core::mem::replace(&mut incoming.way, Way::Socket) else { return };
        self.load_socket(LoadMode::Replace, peek.size, cx);
        if let Err(why) = self.load_bytes(&peek.into_bytes()) {
            self.load_failed(why, cx);
        }
    }

    /// Bytes that a full resync under way holds beside the datasets: what waits for the disk or was looked at, and the stream
    /// behind the snapshot.
    pub(in crate::node) fn incoming_memory(&self) -> usize {
        let Some(up) = &self.upstream else { return 0 };
        let before = match up.incoming.as_ref().map(|i| &i.way) {
            Some(Way::Spool(spool)) => usize::try_from(spool.held()).unwrap_or(usize::MAX),
            Some(Way::Peek(peek)) => peek.held(),
            _ => 0,
        };
        before.saturating_add(usize::try_from(up.link.held()).unwrap_or(usize::MAX))
    }

    /// Keys of the snapshot that came whole and is not in place yet.
    pub(super) fn incoming_keys(&self) -> u64 {
        match self.upstream.as_ref().and_then(|u| u.incoming.as_ref()).map(|i| &i.way) {
            Some(Way::Spool(spool)) => spool.keys(),
            Some(Way::Peek(_)) => 0,
            _ => self.data.load_counts().0,
        }
    }

    /// The last byte of the snapshot came.
    pub(super) fn snapshot_ends(&mut self, cx: &mut Cx<'_>) {
        let id = self.upstream.as_ref().and_then(|u| u.incoming.as_ref()).map(|i| i.id);
        if let Some((id, why)) = id.zip(self.refuses_empty(self.incoming_keys())) {
            return self.refuse_resync(id, why, cx);
        }
        let way = self.upstream.as_mut().and_then(|u| u.incoming.as_mut()).map(|i| &mut i.way);
        match way {
            Some(Way::Spool(spool)) => {
                if let Err(why) = spool.finish(&mut self.ids, cx.out) {
                    return self.load_failed_or_spool(why, cx);
                }
                self.spool_step(cx);
            }
            Some(Way::Peek(peek)) if !peek.is_whole() => {
                self.resync_failed("the snapshot ends before its end mark", cx);
            }
            Some(Way::Peek(_)) => {
                self.snapshot_good(cx);
                self.snapshot_ends(cx);
            }
            _ => match self.load_bytes(&[]) {
                // The stream behind it waits for the delay of its last keys, too.
                Ok(true) if self.delay_load(cx) => {}
                Ok(true) => self.loaded(cx),
                Ok(false) => self.load_failed("the snapshot ends before its end mark".into(), cx),
                Err(why) => self.load_failed(why, cx),
            },
        }
    }

    /// A write of the spooled snapshot ended.
    pub(super) fn spool_done(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_>) {
        if let Some(Incoming { way: Way::Spool(spool), .. }) = self.upstream.as_mut().and_then(|u| u.incoming.as_mut())
            && let Err(why) = spool.done(op, result)
        {
            return self.load_failed_or_spool(why, cx);
        }
        self.spool_step(cx);
    }

    /// The spooled snapshot goes on: reads stop while writes pile up; once it is whole, it is loaded.
    pub(super) fn spool_step(&mut self, cx: &mut Cx<'_>) {
        let Some(up) = &mut self.upstream else { return };
        let Some(Incoming { way: Way::Spool(spool), .. }) = &up.incoming else { return };
        if spool.is_whole() {
            if self.load.is_none() {
                let file = spool.file();
                self.event(cx, What::LoadingSnapshot { how: "from a file" });
                self.begin_load_file(Purpose::Spool, LoadMode::Replace, file, cx);
            }
        } else if !spool.is_finished() {
            let room = spool.has_room() || (up.read_on > 0 && !spool.is_full());
            up.link.set_reading(room, &mut turn!(self, cx));
        }
    }

    pub(super) fn load_failed_or_spool(&mut self, why: Box<str>, cx: &mut Cx<'_>) {
        if self.load.as_ref().is_some_and(|l| matches!(l.what, Purpose::Socket | Purpose::Spool)) {
            self.load_failed(why, cx);
        } else {
            self.resync_failed(&why, cx);
        }
    }

    /// The snapshot is in place: the history is the master's, and its stream goes on.
    pub(in crate::node) fn resync_loaded(&mut self, db: Option<u32>, keys: u64, cx: &mut Cx<'_>) {
        let Some(incoming) = self.upstream.as_mut().and_then(|u| u.incoming.take()) else { return };
        self.remove_spool(&incoming.way, cx);
        self.source.restart_at(incoming.id, incoming.offset, &mut turn!(self, cx));
        self.source.set_role(Role::Replica { linked: true }, &mut turn!(self, cx));
        self.event(cx, What::SnapshotLoaded { keys });
        let Some(up) = &mut self.upstream else { return };
        up.stream = Stream { db: incoming.db.or(db).unwrap_or(0), multi: None };
        up.refused = None;
        up.link.snapshot_loaded(&mut turn!(self, cx));
        self.pump_held(cx);
    }

    /// The snapshot is no good: the link begins anew after a while.
    pub(in crate::node) fn resync_failed(&mut self, why: &str, cx: &mut Cx<'_>) {
        self.event(cx, What::SnapshotFault { why: why.into() });
        if let Some(up) = &mut self.upstream {
            up.link.fail(why, &mut turn!(self, cx));
        }
        self.link_lost(cx);
    }

    /// Ends a full resync under way; a dataset beside or a file is dropped, the old data stay if they are still there.
    pub(super) fn drop_incoming(&mut self, cx: &mut Cx<'_>) {
        let Some(incoming) = self.upstream.as_mut().and_then(|u| u.incoming.take()) else { return };
        if self.load.as_ref().is_some_and(|l| matches!(l.what, Purpose::Socket | Purpose::Spool)) {
            self.abandon_load(cx);
        }
        self.remove_spool(&incoming.way, cx);
    }

    /// The file that a snapshot is spooled to.
    pub(in crate::node) fn spool_file(&self) -> Option<Path> {
        match &self.upstream.as_ref()?.incoming.as_ref()?.way {
            Way::Spool(spool) => Some(spool.file()),
            _ => None,
        }
    }

    pub(super) fn remove_spool(&mut self, way: &Way, cx: &mut Cx<'_>) {
        if let Way::Spool(spool) = way {
            spool.remove(&mut self.ids, cx.out);
        }
    }
}
