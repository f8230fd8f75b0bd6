//! What commands that wait share: their timeout, and the word that a client has to wait.

use crate::dataset::{Context, Wait, WaitFor};
use crate::resp::Args;

/// A timeout in seconds, with fractions, as ms; 0: without an end. An error has been answered if it is `None`.
pub(super) fn timeout(text: &[u8], cx: &mut Context<'_, '_>) -> Option<u64> {
    match parse(text, cx.now.unix_ms) {
        Ok(ms) => Some(ms),
        Err(text) => {
            cx.reply.error(text);
            None
        }
    }
}

fn parse(text: &[u8], now_ms: u64) -> Result<u64, &'static str> {
    let seconds = super::super::score::parse(text).ok_or("ERR timeout is not a float or out of range")?;
    if seconds < 0.0 {
        return Err("ERR timeout is negative");
    }
    let ms = seconds * 1000.0;
    if ms > (i64::MAX as u64).saturating_sub(now_ms) as f64 {
        return Err("ERR timeout is out of range");
    }
    let whole = ms as u64;
    // A part of a millisecond counts as one: only 0 is without an end.
    Ok(if (whole as f64) < ms { whole + 1 } else { whole })
}

/// Says that the client waits for one of `keys`; if it cannot wait, answers that there is nothing.
pub(super) fn wait_for(what: WaitFor, keys: Args<'_>, timeout_ms: u64, cx: &mut Context<'_, '_>) {
    match &mut cx.wait {
        Some(wait) => {
            let keys = keys.iter().map(Into::into).collect();
            **wait = Some(Wait { what, keys, timeout_ms, command: None });
        }
        None => cx.reply.null_array(),
    }
}
