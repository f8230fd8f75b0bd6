//! Exact deadlines: poll's own timeout is rounded up to whole milliseconds, a timer descriptor is exact to the
//! microsecond and below.

use std::io;
use std::time::Duration;

use mio::{Registry, Token};
use primacy_core::time::Instant;

/// Wakes the poller at a deadline.
#[derive(Debug)]
pub(crate) struct Timer {
    #[cfg(target_os = "linux")]
    fd: std::os::fd::OwnedFd,
    /// When it will fire.
    armed: Option<Instant>,
}

#[cfg(target_os = "linux")]
impl Timer {
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        use std::os::fd::AsRawFd;

        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        registry.register(&mut mio::unix::SourceFd(&fd.as_raw_fd()), token, mio::Interest::READABLE)?;
        Ok(Self { fd, armed: None })
    }

    /// Sees to it that the poller wakes at `deadline`, which is so far off, and answers the timeout to poll with, if it
    /// needs one.
    ///
    /// A timer that is set to an earlier time already is left alone: it wakes the loop once for nothing, which costs
    /// less than setting it anew every time that a deadline moves away.
    pub(crate) fn wake_at(&mut self, deadline: Instant, left: Duration) -> io::Result<Option<Duration>> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

        if self.armed.is_some_and(|armed| armed <= deadline) {
            return Ok(None);
        }
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            },
        };
        timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &once)?;
        self.armed = Some(deadline);
        Ok(None)
    }

    /// It fired. (Nothing is read from it: setting it clears its count, and its event is an edge.)
    pub(crate) fn fired(&mut self) {
        self.armed = None;
    }
}

#[cfg(not(target_os = "linux"))]
impl Timer {
    #[allow(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
    pub(crate) fn new(_: &Registry, _: Token) -> io::Result<Self> {
        Ok(Self { armed: None })
    }

    #[allow(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
    pub(crate) fn wake_at(&mut self, _: Instant, left: Duration) -> io::Result<Option<Duration>> {
        Ok(Some(left))
    }

    pub(crate) fn fired(&mut self) {
        self.armed = None;
    }
}
