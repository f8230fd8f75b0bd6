//! Where two rules meet: transactions with saves and ends, watches with flushes, passwords with what shows commands.

use crate::support::host::{Make, World};

over_both! {
    a_bgsave_in_a_transaction_waits_for_its_end
    a_watched_key_that_never_was_is_not_changed_by_a_flush
    quit_ends_a_transaction_at_once
    passwords_are_not_shown_by_slowlog_or_monitor
}

fn a_bgsave_in_a_transaction_waits_for_its_end<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let got = w.ask(c, "MULTI\nSET a 1\nBGSAVE\nSET b 2\nEXEC");
    assert_eq!(got, "OK | QUEUED | QUEUED | QUEUED | [OK, Background saving scheduled, OK]");
    w.run();
    assert_eq!(w.info(0, "rdb_changes_since_last_save"), "0", "it holds the whole transaction");
    assert!(w.hosts[0].files.contains_key("dump.rdb"));
}

fn a_watched_key_that_never_was_is_not_changed_by_a_flush<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let other = w.client(0);
    w.ask(c, "SET there 1\nWATCH absent");
    w.ask(other, "FLUSHALL");
    assert_eq!(w.ask(c, "MULTI\nPING\nEXEC"), "OK | QUEUED | [PONG]");
    w.ask(c, "WATCH absent");
    w.ask(other, "SELECT 1\nSET absent 1\nSWAPDB 0 1");
    assert_eq!(w.ask(c, "MULTI\nPING\nEXEC"), "OK | QUEUED | (nil)", "the swap brought it");
}

fn quit_ends_a_transaction_at_once<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    assert_eq!(w.ask(c, "MULTI\nSET a 1\nQUIT"), "OK | QUEUED | OK");
    let other = w.client(0);
    assert_eq!(w.ask(other, "GET a"), "(nil)", "nothing of it ran");
}

fn passwords_are_not_shown_by_slowlog_or_monitor<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let monitor = w.client(0);
    w.ask(monitor, "MONITOR");
    w.ask(c, "CONFIG SET slowlog-log-slower-than 0");
    w.ask(c, "CONFIG SET masterauth s3cret-m\nCONFIG SET requirepass s3cret-r\nAUTH s3cret-r\nPING");
    let shown = w.ask(c, "SLOWLOG GET -1") + &w.ask(monitor, "PING");
    assert!(shown.to_lowercase().contains("ping") && !shown.contains("s3cret"), "{shown}");
}
