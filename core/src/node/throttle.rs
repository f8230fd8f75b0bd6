//! `repl-write-throttle`: writers are slowed down while a replica is further behind than that, so that it need not be
//! dropped for being behind.
//!
//! Time is cut into windows. In each the stream may grow by a share of what is left up to the limit at which replicas are
//! dropped; writes beyond that wait for the next window. So writers go on ever slower and the limit is not reached, however long
//! a replica loads.

use core::time::Duration;

use super::{Cx, Key, Node, What};
use crate::client::Dispatch as _;
use crate::dataset::Dataset;
use crate::time::Instant;

/// How long a window is.
const WINDOW: Duration = Duration::from_millis(100);
/// What is left is handed out over about so many windows.
const SHARE: u64 = 160;

/// Writers that are being slowed down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Throttle {
    since: Instant,
    /// Where the stream stood when the window began, and by how much it may grow.
    from: u64,
    allowance: u64,
    /// All replicas have caught up within the window: nobody waits for its end.
    open: bool,
}

impl Throttle {
    /// When it began.
    pub(super) fn since(&self) -> Instant {
        self.since
    }
}

impl<D: Dataset> Node<D> {
    /// Whether a write has to wait for the next window. The first of each never does.
    pub(super) fn holds_writers(&self) -> bool {
        self.throttle.is_some_and(|t| !t.open && self.source.offset().saturating_sub(t.from) > t.allowance)
    }

    /// Begins to slow writers down if a replica is too far behind. Asked before every command, since one read may bring many,
    /// and at the end of every input.
    #[inline]
    pub(super) fn check_throttle(&mut self, cx: &mut Cx<'_>) {
        if self.config.settings.repl_write_throttle == 0 || self.throttle.is_some_and(|t| !t.open) {
            return;
        }
        let Some(behind) = self.over_throttle() else { return };
        let since = self.throttle.map(|t| t.since);
        if since.is_none() {
            self.stats.throttled += 1;
            self.event(cx, What::ThrottleBegan { behind });
        }
        self.begin_window(since.unwrap_or(cx.now.mono), behind, cx);
    }

    /// Lets those who wait go on at once if the replicas have caught up.
    pub(super) fn ease_throttle(&mut self, cx: &mut Cx<'_>) {
        if self.throttle.is_some_and(|t| !t.open)
            && self.over_throttle().is_none()
            && let Some(throttle) = &mut self.throttle
        {
            throttle.open = true;
            self.release_held(cx);
        }
    }

    /// How far the last replica is behind, if that is beyond the limit.
    fn over_throttle(&self) -> Option<u64> {
        let limit = self.config.settings.repl_write_throttle;
        let behind = self.source.furthest_behind();
        (limit > 0 && behind > limit && self.is_master()).then_some(behind)
    }

    fn begin_window(&mut self, since: Instant, behind: u64, cx: &Cx<'_>) {
        let limit = self.config.settings.repl_write_throttle;
        // Without any limit nobody is dropped: as if it were as far again.
        let end = self.source.config().drops_beyond().unwrap_or(limit.saturating_mul(2));
        let allowance = end.saturating_sub(behind) / SHARE;
        self.throttle = Some(Throttle { since, from: self.source.offset(), allowance, open: false });
        self.timers.set(Key::Throttle, cx.now.mono + WINDOW);
    }

    /// A window is over: those who waited go on, within the next one if there is still reason for it.
    pub(super) fn throttle_step(&mut self, cx: &mut Cx<'_>) {
        let Some(throttle) = self.throttle.take() else { return };
        if let Some(behind) = self.over_throttle() {
            self.begin_window(throttle.since, behind, cx);
        } else {
            let took = cx.now.mono - throttle.since;
            self.stats.throttled_for += took;
            self.event(cx, What::ThrottleEnded { ms: took.as_millis() as u64 });
        }
        self.release_held(cx);
    }
}
