//! Configuration: text, arguments, CONFIG SET and CONFIG GET.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::input::Draw;
use crate::config::{Config, ConfigError, directives, find};
use crate::glob;

/// Included files that are given out in one run; more are not there. Files may include one another, and 16 levels of
/// two each would be a program that never ends, which is nobody's fault but its author's.
const INCLUDES: usize = 8;

/// The last byte chooses the way in; the rest is text.
pub(super) fn run(data: &[u8]) {
    let mut draw = Draw::new(data);
    let way = draw.last();
    let text = String::from_utf8_lossy(draw.rest()).into_owned();
    match way % 4 {
        1 => arguments(&text),
        2 => set(draw.rest()),
        3 => get(draw.rest()),
        _ => file(&text),
    }
}

/// Text up to a line `%%` is the file, what follows are those that it includes, in the order that they are asked for.
fn file(text: &str) {
    let mut files = text.split("\n%%\n");
    let text = files.next().unwrap_or_default();
    let (mut config, mut given) = (Config::new(), 0);
    let end = config.load("redis.conf", text, &mut |name| {
        given += 1;
        assert!(!name.is_empty() || text.contains("include"), "a file is asked for by nobody");
        files.next().filter(|_| given <= INCLUDES).map(String::from).ok_or_else(|| "no such file".into())
    });
    match end {
        Err(error) => clear(&error, Some(text).filter(|_| error.file == "redis.conf")),
        Ok(()) => {
            stands(&config);
            // What is included is not in the file that is rewritten.
            if given == 0 {
                let kept = config.rewrite(text);
                let lines = |text: &str| text.split_terminator('\n').map(String::from).collect::<Vec<_>>();
                assert_eq!(lines(&kept), lines(text), "nothing changed, and the file is another");
            }
        }
    }
}

/// An error names its line, says what is wrong, and brings no line of its own into a log.
pub(super) fn clear(error: &ConfigError, text: Option<&str>) {
    if let Some(text) = text {
        let line = text.split('\n').nth(error.line - 1).expect("an error names a line that is there");
        let known = match error.text.strip_suffix(" (not shown)") {
            // Of a line with a password what it is about, and no more.
            Some(about) => about.split(' ').all(|word| line.contains(word)),
            None => line.contains(&error.text[..]) || error.text.chars().count() == 1024,
        };
        assert!(known, "another line is shown");
    }
    let shown = error.to_string();
    assert!(!error.reason.is_empty());
    assert_eq!(shown.matches('\n').count(), 2, "three lines are printed, not {shown:?}");
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "control characters are printed: {shown:?}");
}

/// A configuration that was taken can be shown, given again, written, and read again, and stays what it is.
fn stands(config: &Config) {
    let text = config.rewrite("");
    assert!(text.bytes().all(|b| b == b'\n' || (0x20..0x7f).contains(&b)), "{text:?} is no plain text");
    let mut again = Config::new();
    let end = again.load("rewritten", &text, &mut |_| Err("nothing is included".into()));
    assert_eq!(end, Ok(()), "what CONFIG REWRITE wrote is refused:\n{text}");
    assert_eq!(again.settings, config.settings, "what CONFIG REWRITE wrote says something else:\n{text}");
    assert_eq!(config.rewrite(&text), text, "to rewrite what was rewritten changes something");
    let usual = Config::new();
    for d in directives().iter().filter(|d| d.show(&config.settings) != d.show(&usual.settings)) {
        let (name, value) = (d.name, d.show(&config.settings).unwrap_or_default());
        let mutable = d.mutable;
        let set = again.set_from(&[(name.as_bytes(), value.as_bytes())], true);
        let open = set.as_ref().map_err(ToString::to_string).is_err_and(|e| e.contains("protected"));
        assert!(!mutable || open || set == Ok(Vec::new()), "{name} '{value}' is shown, and set again: {set:?}");
    }
    assert_eq!(again.settings, config.settings);
}

/// Each line is an argument.
fn arguments(text: &str) {
    let args: Vec<&str> = text.split('\n').collect();
    let mut config = Config::new();
    match config.apply_args(&args) {
        Err(error) => clear(&error, None),
        Ok(()) => stands(&config),
    }
}

/// Lines by turns name and value; an empty name ends a CONFIG SET.
fn set(bytes: &[u8]) {
    let mut config = Config::new();
    let mut pairs: Vec<(&[u8], &[u8])> = Vec::new();
    let mut lines = bytes.split(|&b| b == b'\n');
    loop {
        let name = lines.next();
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            pairs.push((name, lines.next().unwrap_or_default()));
            continue;
        }
        let before = config.clone();
        match config.set_from(&pairs, true) {
            Ok(changed) => {
                let named = |d: &str| pairs.iter().any(|(n, _)| find_bytes(n).is_some_and(|(k, _)| k == d));
                assert!(changed.iter().all(|d| named(d)), "{changed:?} changed, which nobody named");
                for d in directives().iter().filter(|d| !changed.contains(&d.name)) {
                    let same = d.show(&config.settings) == d.show(&before.settings);
                    assert!(same, "{} changed, and is not among {changed:?}", d.name);
                }
                stands(&config);
            }
            Err(error) => {
                assert_eq!(config, before, "a refused CONFIG SET changed something");
                assert!(error.to_string().starts_with("ERR "), "{error}");
            }
        }
        pairs.clear();
        if name.is_none() {
            return;
        }
    }
}

/// The directive that is spelled so.
fn find_bytes(name: &[u8]) -> Option<(&'static str, &'static str)> {
    find(core::str::from_utf8(name).ok()?).map(|(d, spelled)| (d.name, spelled))
}

/// Each line is a pattern.
fn get(bytes: &[u8]) {
    let patterns: Vec<&[u8]> = bytes.split(|&b| b == b'\n').collect();
    let config = Config::new();
    let found = config.get(&patterns);
    for d in directives().iter().filter(|d| !d.hidden && d.show(&config.settings).is_some()) {
        for name in d.names() {
            let wanted = patterns.iter().any(|p| glob::matches_ignoring_case(p, name.as_bytes()));
            let times = found.iter().filter(|(n, _)| *n == name).count();
            assert_eq!(times, usize::from(wanted), "{name} is shown {times} times");
        }
    }
}
