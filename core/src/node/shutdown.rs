//! The end: replicas get what is left, the dataset goes to its file, and the process exits.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use super::save::{Why, Wish};
use super::{Asked, Cx, Key, Node, What};
use crate::client::{Connections as _, Dispatch as _};
use crate::dataset::Dataset;
use crate::ids::ConnId;
use crate::machine::{Action, Signal};

/// How a shutdown was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    /// The client that asked, which gets an answer only if it fails.
    pub(super) client: Option<ConnId>,
    /// The signal that asked.
    pub(super) signal: Asked,
    /// `SAVE`, `NOSAVE`, or by the `save` rules.
    pub(super) save: Option<bool>,
    /// `NOW`: does not wait for replicas.
    pub(super) now: bool,
    /// `FORCE`: ends even if the file cannot be written.
    pub(super) force: bool,
}

/// Where a shutdown stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Until replicas have everything.
    Replicas,
    /// Until a snapshot under way ends, then its own.
    Busy,
    /// Until the file is written.
    Saving,
    /// The machine was told to end: nothing is left to do.
    Over,
}

/// A shutdown under way.
#[derive(Debug)]
pub(super) struct Shutdown {
    options: Options,
    stage: Stage,
    /// The end of the history when it was asked for; behind it come only questions for acknowledgements.
    offset: u64,
    /// Further clients that asked while it was under way.
    also: Vec<ConnId>,
}

impl<D: Dataset> Node<D> {
    /// SIGTERM or SIGINT; a second one forces.
    pub(super) fn signalled(&mut self, signal: Signal, cx: &mut Cx<'_>) {
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.stage = Stage::Over;
            self.event(cx, What::Bye);
            cx.out.push(Action::Exit { code: 1 });
            return;
        }
        self.begin_shutdown(Options { signal: Some(signal), ..Options::default() }, cx);
    }

    pub(super) fn begin_shutdown(&mut self, options: Options, cx: &mut Cx<'_>) {
        self.event(cx, What::ShutdownAsked(options.signal));
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.also.extend(options.client);
            // Who is in a hurry does not wait for replicas; a file under way is written all the same.
            if options.now && shutdown.stage == Stage::Replicas {
                shutdown.options = Options { client: shutdown.options.client, ..options };
                self.shutdown_save(cx);
            }
            return;
        }
        let offset = self.source.offset();
        self.shutdown = Some(Shutdown { options, stage: Stage::Replicas, offset, also: Vec::new() });
        let patience = Duration::from_secs(u64::from(self.config.settings.shutdown_timeout));
        if options.now || patience.is_zero() || self.load.is_some() || self.source.all_acked(offset) {
            return self.shutdown_save(cx);
        }
        self.want_acks = true;
        self.timers.set(Key::Shutdown, cx.now.mono + patience);
    }

    /// Goes on if what was waited for is there. Called at the end of every input.
    pub(super) fn shutdown_step(&mut self, cx: &mut Cx<'_>) {
        match self.shutdown.as_ref().map(|s| (s.stage, s.offset)) {
            Some((Stage::Replicas, offset)) if self.source.all_acked(offset) => self.shutdown_save(cx),
            Some((Stage::Busy, _)) if self.snapshot.is_none() => self.shutdown_save(cx),
            _ => {}
        }
    }

    /// The patience with replicas is at its end.
    pub(super) fn shutdown_late(&mut self, cx: &mut Cx<'_>) {
        if self.shutdown.as_ref().is_some_and(|s| s.stage == Stage::Replicas) {
            self.shutdown_save(cx);
        }
    }

    fn shutdown_save(&mut self, cx: &mut Cx<'_>) {
        let Some(shutdown) = &mut self.shutdown else { return };
        let first = shutdown.stage == Stage::Replicas;
        let options = shutdown.options;
        self.timers.clear(Key::Shutdown);
        if first {
            self.report_replicas(cx);
        }
        // What was loaded in part is not the dataset: it must not take the file's place.
        let save = options.save.unwrap_or(!self.config.settings.save.is_empty()) && self.load.is_none();
        if !save {
            return self.exit(0, cx);
        }
        if self.snapshot.is_some() {
            self.abandon_snapshot("the server shuts down", cx);
        }
        let stage = if self.snapshot.is_some() {
            Stage::Busy
        } else {
            match self.request_save(Why::Shutdown, cx) {
                Wish::Began => Stage::Saving,
                Wish::Busy => Stage::Busy,
            }
        };
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.stage = stage;
        }
    }

    fn report_replicas(&mut self, cx: &mut Cx<'_>) {
        let offset = self.shutdown.as_ref().map_or(0, |s| s.offset);
        let (mut synced, mut all) = (0, 0);
        let mut lagging: Vec<(Box<str>, u64, u64)> = Vec::new();
        for r in self.source.replicas(cx.now.mono) {
            all += 1;
            if r.offset >= offset {
                synced += 1;
            } else {
                lagging.push((format!("{}", r.endpoint).into(), r.offset, offset - r.offset));
            }
        }
        for (peer, offset, behind) in lagging {
            self.event(cx, What::LaggingReplica { peer, offset, behind });
        }
        if all > 0 {
            self.event(cx, What::ShutdownSync { synced, all });
        }
    }

    /// The dataset's file was written, or not.
    pub(super) fn shutdown_saved(&mut self, result: Result<(), Box<str>>, cx: &mut Cx<'_>) {
        let Some(shutdown) = &self.shutdown else { return };
        let options = shutdown.options;
        match result {
            Ok(()) => self.exit(0, cx),
            Err(_) if options.force => self.exit(0, cx),
            Err(why) => {
                self.event(cx, What::ShutdownFailed { why });
                self.end_shutdown("ERR Errors trying to SHUTDOWN. Check logs.", cx);
            }
        }
    }

    /// `SHUTDOWN ABORT`; whether there was anything to abort.
    pub(super) fn abort_shutdown(&mut self, cx: &mut Cx<'_>) -> bool {
        let waits = self.shutdown.as_ref().is_some_and(|s| s.stage == Stage::Replicas);
        if waits {
            self.timers.clear(Key::Shutdown);
            self.end_shutdown("ERR Errors trying to SHUTDOWN. Check logs.", cx);
        }
        waits
    }

    /// The shutdown is off: who asked hears of it, and who was held back goes on.
    fn end_shutdown(&mut self, text: &str, cx: &mut Cx<'_>) {
        let Some(Shutdown { options, also, .. }) = self.shutdown.take() else { return };
        for conn in options.client.into_iter().chain(also) {
            if let Some(mut s) = self.clients.sessions.take(conn) {
                s.late(|r| r.error(text));
                self.unblock(&mut s);
                self.finish(s, cx);
            }
        }
        if self.clients.pause.is_none() {
            self.unpause(cx);
        }
    }

    fn exit(&mut self, code: i32, cx: &mut Cx<'_>) {
        // Else the end of this very input would find that nothing is waited for, and end it again.
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.stage = Stage::Over;
        }
        self.remove_temporary_files(cx);
        self.event(cx, What::Bye);
        cx.out.push(Action::Exit { code });
    }
}
