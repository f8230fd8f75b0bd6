use alloc::string::ToString;
use alloc::vec;

use super::*;

const SMALL: Limits =
    Limits { lanes: 2, messages: 3, message_bytes: 4, bytes: 10, bands: 2, marks: 2, lines: 2, text: 8, facts: 1 };

fn at(us: u64) -> Instant {
    Instant::from_micros(us)
}

#[test]
fn the_oldest_messages_go_first() {
    let mut s = Story::new("t", "", SMALL);
    let (a, b) = (s.lane("a", LaneKind::Node), s.lane("b", LaneKind::Node));
    let ids: Vec<_> = (0..5).map(|n| s.sent(a, b, 1, at(n), b"x")).collect();
    assert_eq!(s.messages().map(|(n, m)| (n, m.sent)).collect::<Vec<_>>(), [(2, at(2)), (3, at(3)), (4, at(4))]);
    s.arrived(ids[0], at(50));
    s.lost(ids[3], at(60));
    let fates: Vec<_> = s.messages().map(|(_, m)| m.fate).collect();
    assert_eq!(fates, [Fate::OnTheWay, Fate::Lost(at(60)), Fate::OnTheWay], "the gone one's fate touches no other");
    assert_eq!(s.left_out(), LeftOut { messages: 2, ..LeftOut::default() });
    assert_eq!(s.end(), at(60));
}

#[test]
fn bytes_are_bounded_in_each_message_and_together() {
    let mut s = Story::new("t", "", SMALL);
    let (a, b) = (s.lane("a", LaneKind::Node), s.lane("b", LaneKind::Node));
    for n in 0..3 {
        s.sent(a, b, 1, at(n), b"123456");
        assert!(s.messages().map(|(_, m)| m.head.len()).sum::<usize>() <= SMALL.bytes);
    }
    let kept: Vec<_> = s.messages().map(|(n, m)| (n, m.head.as_slice(), m.len)).collect();
    assert_eq!(kept, [(1, &b"1234"[..], 6), (2, &b"1234"[..], 6)]);
    assert_eq!(s.left_out(), LeftOut { messages: 1, bytes: 6, ..LeftOut::default() });

    // Whatever comes, the sum stays true: a limit of no bytes holds messages without any.
    let mut none = Story::new("t", "", Limits { bytes: 0, message_bytes: 0, ..SMALL });
    let (a, b) = (none.lane("a", LaneKind::Node), none.lane("b", LaneKind::Node));
    none.sent(a, b, 1, at(0), b"123456");
    assert_eq!(none.messages().count(), 1);
}

#[test]
fn a_lane_without_room_is_left_out_and_counted() {
    let mut s = Story::new("t", "", SMALL);
    let (a, b) = (s.lane("a", LaneKind::Node), s.lane("b", LaneKind::Client));
    let c = s.lane("c", LaneKind::Node);
    assert_eq!((s.lanes().len(), c.index()), (2, 2));
    let lost = s.sent(a, c, 1, at(0), b"x");
    let kept = s.sent(a, b, 1, at(0), b"x");
    s.lost(lost, at(1));
    s.arrived(kept, at(1));
    s.band(c, BandKind::Role, "master", at(0));
    s.mark(Mark::new(at(0), MarkKind::Fault, "cut").on(a).and(c));
    assert_eq!(s.messages().map(|(_, m)| m.fate).collect::<Vec<_>>(), [Fate::Arrived(at(1))]);
    assert_eq!(s.bands().count(), 0);
    assert_eq!(s.marks().map(|m| (m.lane, m.other)).collect::<Vec<_>>(), [(Some(a), None)]);
    assert_eq!(s.left_out().messages, 1);
}

#[test]
fn a_lane_is_one_thing_at_a_time() {
    let mut s = Story::new("t", "", Limits::default());
    let (a, b) = (s.lane("a", LaneKind::Node), s.lane("b", LaneKind::Node));
    s.band(a, BandKind::Role, "replica", at(1));
    s.band(a, BandKind::Role, "replica", at(2));
    s.band(a, BandKind::Epoch, "7", at(2));
    s.band(b, BandKind::Role, "master", at(2));
    s.band(a, BandKind::Role, "master", at(5));
    s.end_band(a, BandKind::Epoch, at(6));
    s.end_band(a, BandKind::Epoch, at(9));
    let got: Vec<_> = s.bands().map(|b| (b.lane, b.text.as_str(), b.from, b.to)).collect();
    let want = [
        (a, "replica", at(1), Some(at(5))),
        (a, "7", at(2), Some(at(6))),
        (b, "master", at(2), None),
        (a, "master", at(5), None),
    ];
    assert_eq!(got, want);
    assert_eq!(s.end(), at(9));
}

#[test]
fn log_lines_do_not_push_faults_out() {
    let mut s = Story::new("t", "", SMALL);
    let fault = s.mark(Mark::new(at(1), MarkKind::Fault, "cut").lasting());
    let lines: Vec<_> = (2..6).map(|n| s.mark(Mark::new(at(n), MarkKind::Log, n.to_string()))).collect();
    s.ended(lines[0], at(70));
    s.ended(fault, at(80));
    assert_eq!(s.marks().map(|m| (m.text.as_str(), m.until)).collect::<Vec<_>>(), [("cut", Some(at(80)))]);
    assert_eq!(s.lines().map(|m| (m.text.as_str(), m.until)).collect::<Vec<_>>(), [("4", None), ("5", None)]);
    assert_eq!(s.left_out(), LeftOut { lines: 2, ..LeftOut::default() });
    assert_eq!(s.end(), at(80));
}

#[test]
fn texts_and_facts_are_bounded() {
    assert_eq!(cut("12345678".into(), 8), "12345678");
    assert_eq!(cut("123456789".into(), 8), "12345…");
    assert_eq!(cut("1234ü6789".into(), 8), "1234…", "never through a character");
    assert_eq!(cut("123".into(), 0), "…");
    let mut s = Story::new("a title that is long", "", SMALL);
    s.fact("seed", "7");
    s.fact("seed", "8");
    s.fact("other", "9");
    assert_eq!(s.facts(), [("seed".to_string(), "8".to_string())]);
    assert_eq!(s.title(), "a tit…");
    assert_eq!(vec![s.lane("a lane that is long", LaneKind::Peer)].len(), s.lanes().len());
    assert_eq!(s.lanes()[0].name, "a lan…");
}
