//! `down-after`: nobody counts as down before `down-after-milliseconds` have passed since the oldest PING without an answer
//! was sent, by what the connections carried.

use alloc::format;
use core::time::Duration;

use super::Broken;
use crate::sentinel::DownReason;
use crate::sim::sentinel::wire::Pings;
use crate::time::Instant;

/// The name.
pub const NAME: &str = "down-after";
/// From the sentinel's decision to send until the bytes go: a few turns of its loop.
const TURNS: Duration = Duration::from_millis(2);

/// Whether the reason is that PINGs have no good answer.
pub fn is_silence(why: &DownReason) -> bool {
    matches!(why, DownReason::Silent | DownReason::Unreachable | DownReason::Refuses(_))
}

/// Checks that an instance may count as down at `now`, in the sentinel's own time.
pub fn check(pings: &Pings, down_after: Duration, now: Instant, who: &str) -> Result<(), Broken> {
    let silent = now.since(pings.since()) + TURNS;
    if silent < down_after {
        let text = format!("{who} is down, and was silent for no more than {silent:?}: down-after is {down_after:?}");
        return Err(Broken::new(NAME, text));
    }
    Ok(())
}
