use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec;

use quickcheck::{Arbitrary, Gen, quickcheck};

use super::error::Damage;
use super::*;
use crate::config::sentinel::{MasterSettings, SentinelConfig};

mod crashes;

pub(super) fn id(letter: char) -> RunId {
    RunId::parse(letter.to_string().repeat(40).as_bytes()).unwrap()
}

pub(super) fn vote(master: &str, epoch: u64, leader: char) -> Record {
    Record::Vote { master: master.into(), epoch, leader: id(leader) }
}

pub(super) fn config(master: &str, epoch: u64, host: &str) -> Record {
    Record::Config { master: master.into(), epoch, host: host.into(), port: 6379 }
}

fn forget(master: &str) -> Record {
    Record::Forget { master: master.into() }
}

pub(super) fn state(records: &[Record]) -> Remembered {
    let mut state = Remembered::default();
    records.iter().for_each(|r| state.apply(r));
    state
}

/// A file as it grows.
pub(super) fn file(records: &[Record]) -> Vec<u8> {
    let mut encoder = super::file::Encoder::fresh();
    records.iter().for_each(|r| encoder.push(r));
    encoder.bytes
}

fn parse(bytes: &[u8]) -> Result<(Remembered, usize), StateError> {
    Remembered::parse("s.state", bytes)
}

fn some() -> Vec<Record> {
    vec![
        Record::MyId(id('1')),
        Record::CurrentEpoch(7),
        vote("orders", 7, 'a'),
        config("a \"b\"\u{e9}", 6, "db.example"),
        forget("gone"),
        vote("orders", 8, 'b'),
        Record::Settled,
    ]
}

#[test]
fn a_person_can_read_it() {
    let text = alloc::string::String::from_utf8(file(&some())).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let without: Vec<&str> = lines.iter().skip(1).map(|l| &l[17..]).collect();
    assert_eq!(lines[0], "primacy-sentinel-state 1");
    assert_eq!(
        without,
        [
            "myid 1111111111111111111111111111111111111111",
            "current-epoch 7",
            "vote orders 7 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            r#"config "a \"b\"\xc3\xa9" 6 db.example 6379"#,
            "forget gone",
            "vote orders 8 bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
            "settled",
        ]
    );
    // The form of version 1 is what files on disks have: these digits never change.
    assert_eq!(&lines[1][..16], FIRST_SUM);
    assert_eq!(parse(text.as_bytes()), Ok((state(&some()), 0)));
}

/// The checksum of the first record above.
const FIRST_SUM: &str = "8d8833ab6fe1ea54";

#[test]
fn a_tail_that_was_cut_is_dropped() {
    let bytes = file(&some());
    let header = file(&[]).len();
    let ends: Vec<usize> = (0..=some().len()).map(|n| file(&some()[..n]).len()).collect();
    for len in header..=bytes.len() {
        let whole = ends.iter().rposition(|&end| end <= len).unwrap();
        let (found, dropped) = parse(&bytes[..len]).unwrap();
        assert_eq!(found, state(&some()[..whole]), "cut at {len}");
        assert_eq!(dropped, len - ends[whole], "cut at {len}");
    }
    assert_eq!(parse(b""), Ok((Remembered::default(), 0)), "an empty file is a new one");
}

#[test]
fn damage_is_named_where_it_stands() {
    let bytes = file(&some());
    let last = file(&some()[..some().len() - 1]).len();
    let line_of = |at: usize| bytes[..at].split(|&b| b == b'\n').count();
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x04;
        match parse(&bad) {
            Ok((found, dropped)) => {
                assert!(at >= last, "a byte at {at} changed, and nobody saw it");
                assert_eq!((found, dropped), (state(&some()[..some().len() - 1]), bytes.len() - last));
            }
            Err(StateError::Damaged { line, offset, .. }) => {
                // The record before a line end that was damaged was on the disk, and is not given up.
                assert!(at < last || at == bytes.len() - 1);
                // A line end that is gone makes one line of two; the fault is in the first.
                assert_eq!(line, line_of(at));
                let begins = bytes[..at].iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
                assert_eq!(offset, begins as u64);
            }
            Err(StateError::Version { .. }) => assert_eq!(line_of(at), 1),
            other => panic!("{at}: {other:?}"),
        }
    }
}

#[test]
fn a_line_that_is_missing_or_elsewhere_is_damage() {
    let bytes = file(&some());
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&b| b == b'\n').collect();
    let without: Vec<u8> = [&lines[..3], &lines[4..]].concat().concat();
    assert!(matches!(parse(&without), Err(StateError::Damaged { line: 4, .. })));
    let mut swapped = lines;
    swapped.swap(3, 4);
    assert!(matches!(parse(&swapped.concat()), Err(StateError::Damaged { line: 4, .. })));
}

#[test]
fn files_of_others_and_of_the_future() {
    let error = parse(b"primacy-sentinel-state 2\n").unwrap_err();
    assert!(error.to_string().contains("version 2, and this release knows version 1"), "{error}");
    let error = parse(b"port 26379\n").unwrap_err();
    assert!(matches!(&error, StateError::Damaged { line: 1, offset: 0, what: Damage::NotOurs, .. }));
    assert!(error.to_string().contains("s.state is damaged at line 1 (offset 0): expected 'primacy-sentinel-state'"));
}

#[test]
fn higher_epochs_win() {
    let s = state(&[vote("m", 5, 'a'), vote("m", 4, 'b'), vote("m", 5, 'c')]);
    assert_eq!((s.vote("m"), s.epoch()), (Some((5, id('a'))), 5));
    let s = state(&[config("m", 5, "x"), config("m", 4, "y"), Record::CurrentEpoch(2)]);
    assert_eq!((s.place("m"), s.epoch()), (Some((5, "x", 6379)), 5));
    let s = state(&[config("m", 5, "x"), config("m", 5, "z")]);
    assert_eq!(s.place("m"), Some((5, "z", 6379)), "of one epoch the last");
}

#[test]
fn who_is_forgotten_is_not_voted_on_again_in_the_same_epoch() {
    let s = state(&[vote("m", 5, 'a'), config("m", 5, "x"), forget("m")]);
    assert_eq!((s.vote("m"), s.place("m"), s.has_forgotten()), (Some((5, id('a'))), None, true));
    let s = state(&[vote("m", 5, 'a'), Record::CurrentEpoch(6), forget("m"), config("m", 0, "x"), vote("m", 5, 'b')]);
    assert_eq!(s.vote("m"), Some((5, id('a'))), "a vote may be asked for in an epoch that others went past");
    assert_eq!(state(&[config("m", 5, "x"), forget("m")]).records().len(), 2);
    assert!(!state(&[forget("m"), config("m", 6, "x")]).has_forgotten());
    assert!(!state(&[forget("m"), Record::Settled]).has_forgotten());
}

fn conf(epoch: u64) -> SentinelConfig {
    let mut conf = SentinelConfig::new();
    let mut m = MasterSettings::new("m", "old", 6379, 2);
    m.config_epoch = epoch;
    m.replicas = vec![("new".into(), 6379), ("third".into(), 6379)];
    conf.masters.push(m);
    conf
}

#[test]
fn an_older_conf_is_brought_up() {
    let mut s = state(&[Record::MyId(id('1')), config("m", 9, "new"), vote("m", 9, 'a'), Record::CurrentEpoch(11)]);
    let mut c = conf(3);
    let told = s.merge(&mut c);
    let m = &c.masters[0];
    assert_eq!((&*m.host, m.config_epoch, m.leader_epoch), ("new", 9, 9));
    assert_eq!(m.replicas, [("third".into(), 6379), ("old".into(), 6379)], "the old master is a replica now");
    assert_eq!((c.global.myid, c.global.current_epoch), (Some(id('1')), 11));
    assert_eq!(told, [Merged::Moved { master: "m".into(), host: "new".into(), port: 6379, epoch: 9 }]);
    assert_eq!(s.merge(&mut c), []);
}

#[test]
fn a_newer_conf_stays() {
    for epoch in [9, 10] {
        let mut s = state(&[config("m", 9, "new")]);
        let mut c = conf(epoch);
        c.global.current_epoch = 20;
        assert_eq!(s.merge(&mut c), []);
        assert_eq!((&*c.masters[0].host, c.masters[0].config_epoch, c.global.current_epoch), ("old", epoch, 20));
        assert_eq!(s.epoch(), 20);
    }
    let mut s = Remembered::default();
    let mut c = conf(3);
    c.global.myid = Some(id('7'));
    let before = c.clone();
    s.merge(&mut c);
    assert_eq!((c.masters, c.global.myid), (before.masters, before.global.myid), "a classic file alone is enough");
}

#[test]
fn what_was_removed_stays_removed() {
    let mut s = state(&[config("m", 9, "new"), forget("m")]);
    let mut c = conf(3);
    let told = s.merge(&mut c);
    assert!(c.masters.is_empty());
    assert_eq!(told, [Merged::Forgotten { master: "m".into() }]);
    let mut s = state(&[config("m", 9, "new"), forget("m"), Record::Settled]);
    let mut c = conf(3);
    s.merge(&mut c);
    assert_eq!(c.masters.len(), 1, "a person wrote it there again");
}

#[test]
fn an_id_from_another_file_is_not_taken() {
    let mut s = state(&[Record::MyId(id('1'))]);
    let mut c = conf(3);
    c.global.myid = Some(id('2'));
    assert_eq!(s.merge(&mut c), [Merged::Identity { conf: id('2'), own: id('1') }]);
    assert_eq!(c.global.myid, Some(id('1')));
}

#[test]
fn of_masters_that_nobody_names_the_latest_votes_are_kept() {
    let mut s = state(&[vote("x", 5, 'a'), config("x", 5, "h"), config("y", 5, "h"), Record::CurrentEpoch(9)]);
    s.merge(&mut conf(0));
    assert_eq!((s.vote("x"), s.place("x"), s.place("y")), (Some((5, id('a'))), None, None));
    let mut s = state(&[vote("m", 1, 'a')]);
    for n in 0..VOTES_KEPT as u64 + 2 {
        s.apply(&vote(&n.to_string(), 10 + n, 'a'));
    }
    s.merge(&mut conf(0));
    assert_eq!((s.vote("0"), s.vote("1")), (None, None));
    assert!(s.vote("2").is_some() && s.vote("m").is_some(), "a master that is named keeps its vote");
}

impl Arbitrary for Record {
    fn arbitrary(g: &mut Gen) -> Self {
        let name = |g: &mut Gen| -> String {
            match u8::arbitrary(g) % 4 {
                0 => String::arbitrary(g),
                n => (*["m", "orders", "a b"].get(usize::from(n) - 1).unwrap()).into(),
            }
        };
        let epoch = |g: &mut Gen| u64::from(u8::arbitrary(g) % 8);
        let who = |g: &mut Gen| id(char::from(b'a' + u8::arbitrary(g) % 26));
        match u8::arbitrary(g) % 8 {
            0 => Self::MyId(who(g)),
            1 => Self::CurrentEpoch(epoch(g)),
            2 | 3 => Self::Vote { master: name(g), epoch: epoch(g), leader: who(g) },
            4 | 5 => Self::Config { master: name(g), epoch: epoch(g), host: name(g), port: u16::arbitrary(g) },
            6 => Self::Forget { master: name(g) },
            _ => Self::Settled,
        }
    }
}

quickcheck! {
    fn what_is_written_is_read_again(records: Vec<Record>) -> bool {
        let bytes = file(&records);
        bytes.iter().all(|b| *b == b'\n' || (0x20..0x7f).contains(b)) && parse(&bytes) == Ok((state(&records), 0))
    }

    fn the_shortest_form_says_the_same(records: Vec<Record>) -> bool {
        let state = state(&records);
        parse(&state.snapshot()) == Ok((state, 0))
    }

    fn any_bytes_are_taken(tail: Vec<u8>) -> bool {
        let mut bytes = file(&[vote("m", 1, 'a')]);
        bytes.extend(tail);
        parse(&bytes).is_ok_and(|(s, _)| s.vote("m").is_some()) || parse(&bytes).is_err()
    }

    fn merged_twice_is_merged_once(records: Vec<Record>, epoch: u8) -> bool {
        let (mut s, mut c) = (state(&records), conf(u64::from(epoch % 8)));
        s.merge(&mut c);
        let again = (s.clone(), c.clone());
        s.merge(&mut c);
        again == (s, c)
    }

    fn epochs_never_go_back(records: Vec<Record>) -> bool {
        let mut s = Remembered::default();
        let mut seen: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        records.iter().all(|r| {
            let before = s.epoch();
            s.apply(r);
            if let Record::Forget { master } = r {
                seen.remove(master);
            }
            let names: Vec<String> = s.masters.keys().cloned().collect();
            s.epoch() >= before
                && names.into_iter().all(|m| {
                    let now = (s.vote(&m).map_or(0, |v| v.0), s.place(&m).map_or(0, |p| p.0));
                    let was = seen.insert(m, now).unwrap_or_default();
                    now.0 >= was.0 && now.1 >= was.1
                })
        })
    }
}
