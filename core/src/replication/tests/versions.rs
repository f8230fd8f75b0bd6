//! Which version of the format a snapshot has, and who is refused one.

use super::super::source::{Answer, Content, Event, SnapshotWanted};
use super::*;

impl Bare {
    /// What a connection is answered that says this of itself.
    fn says(&mut self, n: u64, words: &[&str]) -> Answer {
        let command = Command::new(&[&["REPLCONF"], words].concat());
        self.with(|s, cx| s.replconf(ConnId::accepted(n), command.args(), cx))
    }

    /// It asks for everything.
    fn waits(&mut self, n: u64, words: &[&str]) {
        assert_eq!(self.says(n, words), Answer::Ok);
        assert_eq!(self.psync(n, super::super::ReplId::ZERO, 999), b"");
    }

    fn wanted(&self) -> Option<SnapshotWanted> {
        let later = crate::time::Instant::ZERO + Duration::from_secs(10);
        self.source.snapshot_wanted(later)
    }

    fn version(&self) -> Option<u16> {
        self.wanted().and_then(|wanted| wanted.version)
    }

    /// What is on its way to a replica.
    fn sent_to(&mut self, n: u64) -> Vec<u8> {
        let mut chunks = Chunks::new();
        self.source.transmit(ConnId::accepted(n), 1000, &mut chunks);
        chunks.concat()
    }
}

const VALKEY: &[&str] = &["version", "9.1.0"];
const OURS: &[&str] = &["capa", "primacy-rdb-12"];

#[test]
fn the_lowest_that_all_who_wait_are_known_to_read() {
    let mut b = Bare::new();
    b.source.keep_log();
    b.waits(1, OURS);
    assert_eq!(b.version(), Some(12));
    b.waits(2, VALKEY);
    assert_eq!(b.version(), Some(11));
    b.waits(3, &[]);
    assert_eq!(b.version(), None, "a Redis never says what it reads");
    b.with(|s, cx| s.configure(SourceConfig { snapshot_version: Some(10), ..config(true) }, cx));
    assert_eq!(b.version(), Some(10), "a directive fixes it");
}

#[test]
fn what_is_said_of_versions_is_answered_as_valkey_does() {
    let mut b = Bare::new();
    for (text, right) in [
        ("9.0.0", true),
        ("255.0.255", true),
        ("256.0.0", false),
        ("9.0", false),
        ("9.0.0.0", false),
        ("9.0.0-rc1", false),
        ("", false),
    ] {
        let error = std::format!("ERR Unrecognized version format: {text}");
        let want = if right { Answer::Ok } else { Answer::Error(error.into()) };
        assert_eq!(b.says(1, &["version", text]), want);
    }
    b.waits(2, &["capa", "primacy-rdb-x", "capa", "primacy-rdb-", "capa", "primacy"]);
    assert_eq!(b.version(), None, "what is no number says nothing");
}

#[test]
fn who_cannot_read_it_is_told_in_place_of_a_snapshot() {
    let mut b = Bare::new();
    b.source.keep_log();
    let id = b.source.id();
    b.waits(1, VALKEY);
    b.waits(2, &[]);
    b.waits(3, OURS);
    b.with(|s, cx| s.refuse_unreadable(11, cx));
    assert_eq!(told(&b, |e| matches!(e, Event::Unreadable { .. })), 0, "all read this, as far as it is known");
    b.with(|s, cx| s.refuse_unreadable(12, cx));
    let text =
        std::format!("+FULLRESYNC {id} 0\r\n-ERR the data need snapshot version 12, and this replica reads 11\r\n");
    assert_eq!(b.sent_to(1), text.as_bytes());
    assert_eq!(told(&b, |e| matches!(e, Event::Unreadable { reads: 11, needs: 12, .. })), 1);
    let len = text.len();
    b.with(|s, cx| s.sent(ConnId::accepted(1), len, cx));
    assert!(!b.source.is_replica(ConnId::accepted(1)), "it goes when it has heard");
    assert!(b.source.is_replica(ConnId::accepted(2)) && b.source.is_replica(ConnId::accepted(3)));
    // With a directive those that say nothing count as no better.
    b.with(|s, cx| s.configure(SourceConfig { snapshot_version: Some(9), ..config(true) }, cx));
    b.with(|s, cx| s.refuse_unreadable(12, cx));
    assert!(b.sent_to(2).ends_with(b"reads 9\r\n"));
    assert_eq!(b.version(), Some(9), "the one of our own still waits");
    assert!(b.source.is_awaited());
}

#[test]
fn no_one_joins_a_file_that_it_cannot_read() {
    let begin = |b: &mut Bare, version| {
        let wanted = SnapshotWanted { kind: SnapshotKind::File, content: Content::All, version };
        b.with(|s, cx| s.snapshot_begin(wanted, 0, cx));
    };
    let joins = |b: &mut Bare, n, words: &[&str]| {
        assert_eq!(b.says(n, words), Answer::Ok);
        b.psync(n, super::super::ReplId::ZERO, 999).starts_with(b"+FULLRESYNC")
    };
    let mut b = Bare::new();
    b.source.keep_log();
    b.waits(1, OURS);
    begin(&mut b, Some(12));
    assert!(joins(&mut b, 2, OURS));
    assert!(!joins(&mut b, 3, VALKEY));
    assert!(!joins(&mut b, 4, &[]));
    let mut b = Bare::new();
    b.source.keep_log();
    b.waits(1, &[]);
    begin(&mut b, Some(9));
    assert!(joins(&mut b, 2, VALKEY) && joins(&mut b, 3, &[]));
}
