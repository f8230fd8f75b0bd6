//! Snapshots to the disk: who asks for one, when a rule makes one due, and what came of it.

use core::time::Duration;

use alloc::boxed::Box;

use super::snapshot::Target;
use super::{Cx, Key, Node, What};
use crate::client::{Connections as _, Dispatch as _};
use crate::dataset::Dataset;
use crate::ids::ConnId;
use crate::machine::Path;
use crate::time::Instant;

/// After a failed snapshot a rule tries again only so much later, as in Redis.
const RETRY: Duration = Duration::from_secs(5);

/// Who wants a snapshot file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Why {
    /// `SAVE`: this client waits.
    Save(ConnId),
    /// `BGSAVE`.
    Asked,
    /// A `save` rule.
    Rule,
    /// `DEBUG RELOAD`: this client waits, and the file is loaded then.
    Reload(ConnId),
    /// The shutdown waits.
    Shutdown,
}

/// What became of a wish for a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    /// It began.
    Began,
    /// Another one is under way.
    Busy,
}

/// What is known of snapshots to the disk.
#[derive(Debug, Default)]
pub(super) struct Save {
    /// Changes since the last one that reached the disk.
    pub(super) dirty: u64,
    /// When that was, wall-clock seconds.
    pub(super) last_save_s: u64,
    last: Option<Instant>,
    last_try: Option<Instant>,
    failed: bool,
    /// Seconds that the last one took; -1 if there was none.
    pub(super) last_took_s: Option<u64>,
    /// How many reached the disk.
    pub(super) count: u64,
    /// `BGSAVE SCHEDULE`.
    pub(super) scheduled: bool,
}

impl Save {
    /// Whether the last one failed.
    pub(super) fn failing(&self) -> bool {
        self.failed
    }

    pub(super) fn begin(&mut self, now: Instant, unix_s: u64) {
        self.last = Some(now);
        self.last_save_s = unix_s;
    }
}

impl<D: Dataset> Node<D> {
    /// The dataset's file.
    pub(super) fn data_file(&self) -> Path {
        self.file_named(&self.config.settings.dbfilename)
    }

    /// A file in the working folder (`dir`).
    pub(super) fn file_named(&self, name: &str) -> Path {
        match &*self.config.settings.dir {
            "" | "." | "./" => name.into(),
            dir => alloc::format!("{}/{name}", dir.trim_end_matches('/')).into(),
        }
    }

    /// Whether that snapshot is the first half of `DEBUG RELOAD`.
    pub(super) fn saving_to_reload(&self) -> bool {
        self.snapshot.as_ref().is_some_and(|s| matches!(s.target, Target::File { why: Why::Reload(_), .. }))
    }

    /// Begins a snapshot to the dataset's file unless one of any kind is under way.
    pub(super) fn request_save(&mut self, why: Why, cx: &mut Cx<'_>) -> Wish {
        if self.snapshot.is_some() || self.load.is_some() {
            return Wish::Busy;
        }
        self.save.last_try = Some(cx.now.mono);
        if why == Why::Asked {
            self.event(cx, What::SaveStarted { rule: None });
        }
        let to = self.data_file();
        self.begin_file_snapshot(Target::File { why, to }, cx);
        Wish::Began
    }

    /// `n` further changes were made.
    pub(super) fn changed(&mut self, n: u64, cx: &Cx<'_>) {
        self.save.dirty += n;
        if self.timers.get(Key::SaveRule).is_none() {
            self.arm_save_rules(cx);
        }
    }

    /// Sets the deadline at which the first rule will be due if nothing more changes.
    pub(super) fn arm_save_rules(&mut self, cx: &Cx<'_>) {
        let Some(since) = self.save.last else { return };
        let dirty = self.save.dirty;
        let first = self
            .config
            .settings
            .save
            .iter()
            .filter(|rule| dirty >= rule.changes)
            .map(|rule| since + Duration::from_secs(rule.seconds))
            .min();
        let rest = self.save.last_try.filter(|_| self.save.failed).map(|at| at + RETRY);
        match first {
            Some(at) => {
                let soonest = cx.now.mono + Duration::from_millis(1);
                self.timers.set(Key::SaveRule, at.max(rest.unwrap_or(at)).max(soonest));
            }
            // Fewer changes than any rule wants: look again when there may be more.
            None if dirty > 0 && !self.config.settings.save.is_empty() => {
                self.timers.set(Key::SaveRule, cx.now.mono + Duration::from_secs(1));
            }
            None => self.timers.clear(Key::SaveRule),
        }
    }

    /// A rule may be due.
    pub(super) fn check_save_rules(&mut self, cx: &mut Cx<'_>) {
        let Some(since) = self.save.last else { return };
        let passed = cx.now.mono - since;
        let dirty = self.save.dirty;
        let due = self
            .config
            .settings
            .save
            .iter()
            .find(|rule| dirty >= rule.changes && passed >= Duration::from_secs(rule.seconds))
            .map(|rule| (rule.changes, rule.seconds));
        if let Some(rule) = due {
            if self.request_save(Why::Rule, cx) == Wish::Began {
                self.event(cx, What::SaveStarted { rule: Some(rule) });
            } else {
                self.timers.set(Key::SaveRule, cx.now.mono + Duration::from_secs(1));
            }
        } else {
            self.arm_save_rules(cx);
        }
    }

    /// A snapshot to the dataset's file ended. `dirty` is how many changes it has.
    pub(super) fn saved(
        &mut self,
        why: Why,
        dirty: u64,
        began: Instant,
        result: Result<(), Box<str>>,
        cx: &mut Cx<'_>,
    ) {
        self.save.failed = result.is_err();
        match &result {
            Ok(()) => {
                self.save.dirty = self.save.dirty.saturating_sub(dirty);
                self.save.begin(cx.now.mono, cx.now.unix_s());
                self.save.last_took_s = Some((cx.now.mono - began).as_secs());
                self.save.count += 1;
                self.event(cx, What::Saved);
            }
            Err(why) => self.event(cx, What::SaveFailed { why: why.clone() }),
        }
        self.arm_save_rules(cx);
        match why {
            Why::Save(conn) => self.answer_waiting(conn, &result, cx),
            Why::Reload(conn) if result.is_ok() => self.reload(conn, cx),
            Why::Reload(conn) => self.reloaded(conn, &result, cx),
            Why::Shutdown => self.shutdown_saved(result, cx),
            Why::Asked | Why::Rule => {}
        }
    }

    /// A snapshot to the dataset's file was ended on purpose: no failure, and nothing was saved.
    pub(super) fn save_abandoned(&mut self, why: Why, reason: &str, cx: &mut Cx<'_>) {
        self.event(cx, What::SaveAbandoned { why: reason.into() });
        self.arm_save_rules(cx);
        let result = Err(Box::from(reason));
        match why {
            Why::Save(conn) => self.answer_waiting(conn, &result, cx),
            Why::Reload(conn) => self.reloaded(conn, &result, cx),
            Why::Shutdown => self.shutdown_saved(result, cx),
            Why::Asked | Why::Rule => {}
        }
    }

    /// Answers a client whose reply waited for a file.
    pub(super) fn answer_waiting(&mut self, conn: ConnId, result: &Result<(), Box<str>>, cx: &mut Cx<'_>) {
        let Some(mut s) = self.clients.sessions.take(conn) else { return };
        s.late(|r| match result {
            Ok(()) => r.ok(),
            Err(why) => r.error_fmt(format_args!("ERR {why}")),
        });
        self.unblock(&mut s);
        self.finish(s, cx);
    }
}
