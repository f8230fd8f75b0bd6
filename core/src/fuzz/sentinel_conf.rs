//! sentinel.conf and what goes with it: text, arguments, `SENTINEL SET`, `SENTINEL CONFIG SET`, `SENTINEL MONITOR`, and the
//! state file.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::config::clear;
use super::input::Draw;
use crate::config::LogLevel;
use crate::config::sentinel::{Loader, MasterSettings, SentinelConfig, SentinelSettings};
use crate::sentinel::state::{Record, Remembered};
use crate::words;

/// Included files that are given out in one run; more are not there.
const INCLUDES: usize = 8;

/// The last byte chooses the way in; the rest is text.
pub(super) fn run(data: &[u8]) {
    let mut draw = Draw::new(data);
    let way = draw.last();
    let bytes = draw.rest();
    let text = String::from_utf8_lossy(bytes).into_owned();
    match way % 6 {
        1 => arguments(&text),
        2 => set(bytes),
        3 => over(&text),
        4 => state_bytes(bytes),
        5 => state_records(&text),
        _ => file(&text),
    }
}

/// Text up to a line `%%` is the file, what follows are those that it includes, in the order that they are asked for.
fn file(text: &str) {
    let mut files = text.split("\n%%\n");
    let text = files.next().unwrap_or_default();
    let mut given = 0;
    let mut loader = Loader::new();
    let read = loader.text("sentinel.conf", text, &mut |_| {
        given += 1;
        files.next().filter(|_| given <= INCLUDES).map(String::from).ok_or_else(|| "no such file".into())
    });
    let mut asked = 0usize;
    let config = read.and_then(|()| {
        loader.finish(&mut |script| {
            asked += 1;
            assert!(!script.is_empty(), "nothing is asked for");
            true
        })
    });
    match config {
        Err(error) => clear(&error, Some(text).filter(|_| error.file == "sentinel.conf")),
        Ok(config) => {
            stands(&config);
            let scripts = |m: &MasterSettings| {
                [&m.notification_script, &m.client_reconfig_script].iter().filter(|s| !s.is_empty()).count()
            };
            assert!(asked >= config.masters.iter().map(scripts).sum(), "a script was taken on trust");
            // What is included is not in the file that is rewritten.
            if given == 0 {
                rewritten(&config, text);
            }
        }
    }
}

/// A configuration that was taken can be written and read again, and stays what it is.
fn stands(config: &SentinelConfig) {
    let text = config.rewrite("");
    assert!(text.bytes().all(|b| b == b'\n' || (0x20..0x7f).contains(&b)), "{text:?} is no plain text");
    match SentinelConfig::parse("rewritten", &text) {
        Err(error) => panic!("what was written is refused: {error}\n{text}"),
        Ok(again) => assert_eq!(&again, config, "what was written says something else:\n{text}"),
    }
    assert_eq!(config.rewrite(&text), text, "to rewrite what was rewritten changes something");
}

/// Over a text that can be read the same comes out, whatever its order, and a second time nothing changes.
fn rewritten(config: &SentinelConfig, old: &str) {
    let text = config.rewrite(old);
    match SentinelConfig::parse("rewritten", &text) {
        Err(error) => panic!("what was rewritten is refused: {error}\n{text}"),
        Ok(again) => assert_eq!(sorted(again), sorted(config.clone()), "it says something else:\n{text}"),
    }
    assert_eq!(config.rewrite(&text), text, "to rewrite what was rewritten changes something");
    let comments = |text: &str| -> Vec<String> {
        text.split_terminator('\n').filter(|l| l.trim_start().starts_with('#')).map(String::from).collect()
    };
    let (before, after) = (comments(old), comments(&text));
    assert_eq!(after.get(..before.len()), Some(&before[..]), "a comment is lost");
}

fn sorted(mut config: SentinelConfig) -> SentinelConfig {
    config.masters.sort_by(|a, b| a.name.cmp(&b.name));
    for m in &mut config.masters {
        m.replicas.sort();
        m.sentinels.sort_by_key(|s| (s.run_id, s.host.clone(), s.port));
    }
    config
}

/// One configuration over the file of another.
fn over(text: &str) {
    let mut parts = text.splitn(2, "\n%%\n");
    let mut next = || SentinelConfig::parse("s.conf", parts.next().unwrap_or_default());
    if let (Ok(a), Ok(b)) = (next(), next()) {
        rewritten(&a, &b.rewrite(""));
        rewritten(&b, &a.rewrite(""));
    }
}

/// Each line is an argument.
fn arguments(text: &str) {
    let args: Vec<&str> = text.split('\n').collect();
    let mut loader = Loader::new();
    match loader.args(&args).and_then(|()| loader.finish(&mut |_| true)) {
        Err(error) => clear(&error, None),
        Ok(config) => stands(&config),
    }
}

/// Each line is an argument; an empty one ends a command. By turns `SENTINEL SET`, `SENTINEL CONFIG SET` and
/// `SENTINEL MONITOR`, on one configuration.
fn set(bytes: &[u8]) {
    let mut config = SentinelConfig::new();
    config.global.deny_scripts_reconfig = bytes.len().is_multiple_of(2);
    // Names are for those who ask for them; a command that says so outranks this.
    config.global.resolve_hostnames = true;
    let mut level = LogLevel::Notice;
    let mut master = MasterSettings::new("m", "127.0.0.1", 6379, 1);
    let lines: Vec<&[u8]> = bytes.split(|&b| b == b'\n').collect();
    for (i, args) in lines.split(|l| l.is_empty()).enumerate() {
        let before = (master.clone(), config.global.clone(), level);
        let refused = match i % 3 {
            0 => master.set(&config.global, args).map(|_| ()),
            1 => config.global.set(&mut level, args).map(|_| ()),
            _ => match args {
                [name, host, port, quorum, ..] => {
                    MasterSettings::monitor([name, host, port, quorum], config.global.resolve_hostnames).map(|m| {
                        if m.name != "m" && config.master(&m.name).is_none() {
                            config.masters.push(m);
                        }
                    })
                }
                _ => Ok(()),
            },
        };
        if let Err(error) = refused {
            let said = error.to_string();
            assert!(said.starts_with("ERR ") && !said.contains(char::is_control), "{said:?}");
            assert_eq!((&master, &config.global, level), (&before.0, &before.1, before.2), "refused, and changed");
        }
    }
    // What was monitored while names were allowed can be read again only where they still are.
    let global = SentinelSettings { resolve_hostnames: true, ..config.global };
    config.masters.push(master);
    config.settings.loglevel = level;
    stands(&SentinelConfig { global, ..config });
}

/// Any bytes as a state file, and behind records that are whole.
fn state_bytes(bytes: &[u8]) {
    let state = state_of(&[Record::CurrentEpoch(3)]);
    let behind = [&state.snapshot()[..], bytes].concat();
    for (file, sure) in [(bytes, 0), (&behind[..], state.snapshot().len())] {
        match Remembered::parse("s.state", file) {
            Ok((found, dropped)) => {
                assert!(dropped <= file.len() - sure, "a whole record was dropped");
                read_again(&found);
                // What was dropped says nothing.
                let kept = file.get(..file.len() - dropped).unwrap_or_default();
                assert_eq!(Remembered::parse("s.state", kept), Ok((found, 0)));
            }
            Err(error) => {
                let said = error.to_string();
                assert!(said.contains("s.state") && !said.contains(char::is_control), "{said:?}");
            }
        }
    }
}

/// Each line is a record, behind a line `%%` comes a sentinel.conf.
fn state_records(text: &str) {
    let (records, conf) = text.split_once("\n%%\n").unwrap_or((text, ""));
    let records: Vec<Record> = { records.lines() }
        .filter_map(|line| {
            let words = words::split(line.as_bytes()).ok()?.into_iter().map(String::from_utf8);
            Record::read(&words.collect::<Result<Vec<_>, _>>().ok()?).ok()
        })
        .collect();
    let mut state = state_of(&records);
    read_again(&state);
    let Ok(mut config) = SentinelConfig::parse("s.conf", conf) else { return };
    let before = config.clone();
    let (epoch, known) = (state.epoch(), config.global.current_epoch);
    state.merge(&mut config);
    assert_eq!(config.global.current_epoch, epoch.max(known), "epochs never go back");
    assert_eq!(state.epoch(), config.global.current_epoch);
    for m in &config.masters {
        let was = before.master(&m.name).map_or((0, 0), |m| (m.config_epoch, m.leader_epoch));
        assert!(m.config_epoch >= was.0 && m.leader_epoch >= was.1, "epochs of {} went back", m.name);
        assert!(state.place(&m.name).is_none_or(|p| p.0 <= m.config_epoch), "an older place");
        assert!(state.vote(&m.name).is_none_or(|v| v.0 <= m.leader_epoch), "a vote is forgotten");
    }
    let again = config.clone();
    state.merge(&mut config);
    assert_eq!(config, again, "merged twice is merged once");
}

fn state_of(records: &[Record]) -> Remembered {
    let mut state = Remembered::default();
    records.iter().for_each(|r| state.apply(r));
    state
}

fn read_again(state: &Remembered) {
    let bytes = state.snapshot();
    assert!(bytes.iter().all(|b| *b == b'\n' || (0x20..0x7f).contains(b)), "a state file is no plain text");
    assert_eq!(Remembered::parse("s.state", &bytes).as_ref(), Ok(&(state.clone(), 0)), "it is read as another");
}
