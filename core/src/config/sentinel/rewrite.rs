//! The file with what is true now.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::check;
use super::options::{By, GLOBAL, MasterOption, OF_MASTER, global, of_master};
use super::{MasterSettings, SentinelConfig, SentinelSettings};
use crate::config::rewrite::SIGNATURE;
use crate::config::syntax::{may_begin, words_of};
use crate::words::spell;

/// What a line is about: there is at most one line for each.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    option: &'static str,
    /// The master; empty for directives of the sentinel itself.
    master: String,
    /// Which of several lines of one name: a renamed command, a replica, another sentinel.
    which: String,
}

/// A line that is true.
struct Wanted {
    key: Key,
    values: Vec<String>,
    /// Whether it is written where no old line says it.
    needed: bool,
}

impl Wanted {
    fn text(&self) -> String {
        let master = Some(&self.key.master).filter(|m| !m.is_empty());
        let words = master.into_iter().chain(&self.values).map(|w| spell(w));
        format!("sentinel {} {}", self.key.option, words.collect::<Vec<_>>().join(" "))
    }
}

impl SentinelConfig {
    /// `old` with what is true now, in the form that redis-sentinel and valkey-sentinel write and read. Comments, order
    /// and lines that still hold stay as they are, in their own spelling; a line whose value changed is written where it
    /// stood; one that nothing is true of any more (a replica that is gone), or whose value is the default again, goes;
    /// what is new is added at the end.
    ///
    /// To rewrite what was rewritten changes nothing, and reading it gives this configuration. No value can bring a
    /// control character or a line of its own into the text.
    pub fn rewrite(&self, old: &str) -> String {
        let text = self.ordinary().rewrite_onto(Self::new().ordinary(), old);
        // Who knows what the other file says: a default is worth a line too.
        let included = text.lines().any(|line| words_behind(line, "include").is_some());
        let places = self.masters.iter().enumerate().rev().map(|(i, m)| (m.name.as_str(), i + 1));
        let sections: BTreeMap<&str, usize> = places.chain([("", 0)]).collect();
        // One section at a time: the lines that hundreds of masters could have are megabytes, most of which nobody writes.
        let mut open = (0, self.section(0, included));
        let mut done: BTreeSet<(usize, usize)> = BTreeSet::new();
        let mut out = String::with_capacity(text.len());
        let mut signed = false;
        for line in text.split_terminator('\n') {
            match Old::read(line) {
                Old::Other => {
                    signed |= line.trim_end() == SIGNATURE;
                    put(&mut out, line);
                }
                Old::Gone => {}
                Old::Says(key, values) => {
                    let Some(&section) = sections.get(key.master.as_str()) else { continue };
                    if open.0 != section {
                        open = (section, self.section(section, included));
                    }
                    let Some((i, now)) = open.1.iter().enumerate().find(|(_, w)| w.key == key) else { continue };
                    // An empty value in quotes is one that Redis would write back without them, and not read again.
                    match done.insert((section, i)) {
                        true if now.values == values => put(&mut out, line),
                        true if now.needed => put(&mut out, &now.text()),
                        _ => {}
                    }
                }
            }
        }
        let mut all: Vec<usize> = sections.into_values().collect();
        all.sort_unstable();
        for section in all {
            for (i, new) in self.section(section, included).iter().enumerate() {
                if new.needed && !done.contains(&(section, i)) {
                    if !core::mem::replace(&mut signed, true) {
                        put(&mut out, SIGNATURE);
                    }
                    put(&mut out, &new.text());
                }
            }
        }
        out
    }

    /// The true lines of one section: 0 is the sentinel itself, the others are the masters', with `monitor` first.
    fn section(&self, section: usize, included: bool) -> Vec<Wanted> {
        let usual = SentinelSettings::default();
        let mut lines: Vec<Wanted> = match section.checked_sub(1).map(|i| self.masters.get(i)) {
            Some(master) => master.map(of_one).unwrap_or_default(),
            None => { GLOBAL.iter() }
                .filter_map(|option| {
                    let value = (option.show)(&self.global)?;
                    let needed = option.always || Some(&value) != (option.show)(&usual).as_ref();
                    let key = Key { option: option.name, master: String::new(), which: String::new() };
                    Some(Wanted { key, values: [value].into(), needed })
                })
                .collect(),
        };
        // A line that is there twice would be refused when it is read.
        let mut seen = BTreeSet::new();
        lines.retain(|w| seen.insert(w.key.clone()));
        for w in &mut lines {
            w.needed |= included && w.values.iter().all(|v| !v.is_empty());
        }
        lines
    }
}

fn put(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

fn of_one(m: &MasterSettings) -> Vec<Wanted> {
    let key = Key { option: "monitor", master: m.name.clone(), which: String::new() };
    let values = [m.host.clone(), m.port.to_string(), m.quorum.to_string()].into();
    let lines = OF_MASTER.iter().filter(|o| o.by != By::Set).flat_map(|option| {
        (option.show)(m).into_iter().map(|shown| Wanted {
            key: key_of(option, &m.name, &shown.values),
            values: shown.values,
            needed: shown.needed,
        })
    });
    [Wanted { key, values, needed: true }].into_iter().chain(lines).collect()
}

fn key_of(option: &MasterOption, master: &str, values: &[String]) -> Key {
    let name = option.names.first().copied().unwrap_or_default();
    let which = match (name, values) {
        ("rename-command", [command, ..]) => command.clone(),
        ("known-sentinel", [_, _, id]) => id.clone(),
        ("known-replica" | "known-sentinel", [host, port]) => format!("{host} {port}"),
        _ => String::new(),
    };
    Key { option: name, master: master.into(), which }
}

/// The words behind a directive, if the line is one of it.
fn words_behind(line: &str, directive: &str) -> Option<Vec<String>> {
    let named = |name: &str| name.eq_ignore_ascii_case(directive);
    if !may_begin(line, named) {
        return None;
    }
    let mut words = words_of(line).ok()??.into_iter();
    words.next().filter(|name| named(name)).map(|_| words.collect())
}

/// What a line of the old text says.
enum Old {
    /// It is no `sentinel` line, or not one that is known: it stays.
    Other,
    /// It cannot be read: nothing is lost with it.
    Gone,
    Says(Key, Vec<String>),
}

impl Old {
    fn read(line: &str) -> Self {
        let Some(words) = words_behind(line, "sentinel") else { return Self::Other };
        let words: Vec<&str> = words.iter().map(|w| &w[..]).collect();
        let [name, values @ ..] = &words[..] else { return Self::Other };
        if let Some(option) = global(name) {
            let mut scratch = SentinelSettings::default();
            let [value] = values else { return Self::Gone };
            if (option.take)(&mut scratch, value).is_err() {
                return Self::Gone;
            }
            let key = Key { option: option.name, master: String::new(), which: String::new() };
            return Self::Says(key, (option.show)(&scratch).into_iter().collect());
        }
        let [master, values @ ..] = values else { return Self::Other };
        if name.eq_ignore_ascii_case("monitor") {
            let key = Key { option: "monitor", master: (*master).into(), which: String::new() };
            let values: Vec<String> = match values {
                [host, port, quorum] => {
                    [check::host(host, true).unwrap_or_default(), (*port).into(), (*quorum).into()].into()
                }
                _ => Vec::new(),
            };
            return Self::Says(key, values);
        }
        let Some(option) = of_master(name).filter(|o| o.by != By::Set) else { return Self::Other };
        let mut scratch = MasterSettings::new(master, "", 1, 1);
        if (option.take)(&mut scratch, values, true).is_err() {
            return Self::Gone;
        }
        match (option.show)(&scratch).pop() {
            Some(shown) => Self::Says(key_of(option, master, &shown.values), shown.values),
            None => Self::Gone,
        }
    }
}
