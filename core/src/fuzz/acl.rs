//! Rules of users in any bytes, and what they allow.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::acl::{self, Commands, User, Users};
use crate::client::commands::keyuse;
use crate::dataset::Spec;
use crate::glob;
use crate::resp::Command;

/// The commands that the rules speak of; more of them only take time.
const NAMES: &str = "get set mget del sort exists lmpop publish subscribe psubscribe select ping auth multi object object|encoding \
                     object|help config config|get config|set client client|id client|list xread eval";

/// Lines of rules, each for a user of its own, and lines that begin with `?`, which are commands. No rule panics; what is
/// shown of a user makes it again; whether a command is allowed is what a plain reading of the rules says.
pub(super) fn run(data: &[u8]) {
    let named = |spec: &&'static Spec| NAMES.split(' ').any(|name| name == spec.name);
    let specs: Vec<&'static Spec> = crate::node::command_specs().into_iter().filter(named).collect();
    let commands = Commands::new(specs.iter().copied());
    let mut users: Vec<(User, Vec<Vec<u8>>)> = Vec::new();
    for line in data.split(|&b| b == b'\n').take(64) {
        match line {
            [b'?', command @ ..] => {
                let words: Vec<&[u8]> = command.split(|&b| b == b' ').filter(|w| !w.is_empty()).collect();
                check(&commands, &specs, &users, &words);
            }
            rules => users.push(make(&commands, rules)),
        }
    }
    let _ = Users::parse(&commands, data, false);
}

/// The user that rules make, and those of them that were taken.
fn make(commands: &Commands, rules: &[u8]) -> (User, Vec<Vec<u8>>) {
    let mut user = Users::new(commands).draft(b"u", commands, false);
    let words = rules.split(|&b| b == b' ').filter(|w| !w.is_empty());
    let mut taken = Vec::new();
    for rule in acl::merge_selectors(words).unwrap_or_default() {
        let before = user.clone();
        match user.apply(commands, &rule, false) {
            Ok(()) => taken.push(rule),
            Err(error) => {
                assert_eq!(user.password_hashes().len(), before.password_hashes().len(), "a wrong rule changed a user");
                assert!(!error.to_string().is_empty());
                user = before;
            }
        }
    }
    let shown = user.rules();
    let mut again = Users::new(commands).draft(b"u", commands, false);
    for rule in acl::merge_selectors(shown.split(|&b| b == b' ')).expect("what is shown is whole") {
        again.apply(commands, &rule, false).expect("what is shown is taken");
    }
    assert!(again == user, "what is shown makes another user: {}", String::from_utf8_lossy(&shown));
    (user, taken)
}

fn check(commands: &Commands, specs: &[&'static Spec], users: &[(User, Vec<Vec<u8>>)], words: &[&[u8]]) {
    let Some(first) = words.first() else { return };
    let is = |spec: &Spec, name: &[u8]| spec.name.as_bytes().eq_ignore_ascii_case(name);
    let sub = words.get(1).map(|sub| [first, &b"|"[..], sub].concat());
    let found = { sub.iter() }.map(|s| &s[..]).chain([*first]).find_map(|n| specs.iter().position(|s| is(s, n)));
    let Some(index) = found else { return };
    let command = Command::new(words);
    for (user, rules) in users {
        let mut all = Users::new(commands);
        let id = all.put(user.clone()).expect("there is room");
        let allowed = match all.check(id, commands, index, command.args()) {
            Ok(()) | Err(acl::Denied::Sort(_)) => true,
            Err(denied) => {
                assert!(denied.error().starts_with("NOPERM "));
                false
            }
        };
        let plain = plainly(specs[index], rules, &command);
        assert_eq!(allowed, plain, "{words:?} by {:?}", String::from_utf8_lossy(&user.rules()));
    }
}

/// Whether rules allow a command, read one after the other for it alone.
fn plainly(spec: &'static Spec, rules: &[Vec<u8>], command: &Command) -> bool {
    let mut selectors: Vec<Vec<Vec<u8>>> = [Vec::new()].into();
    for rule in rules {
        let lower = rule.to_ascii_lowercase();
        match &rule[..] {
            [b'(', inner @ .., b')'] => selectors.push(crate::words::split(inner).expect("it was taken")),
            _ if lower == b"reset" => selectors = [Vec::new()].into(),
            _ if lower == b"clearselectors" => selectors.truncate(1),
            _ => selectors[0].push(rule.clone()),
        }
    }
    selectors.iter().any(|rules| one(spec, rules, command))
}

fn one(spec: &'static Spec, rules: &[Vec<u8>], command: &Command) -> bool {
    let args = command.args();
    let (parent, _) = spec.name.split_once('|').unwrap_or((spec.name, ""));
    let (mut runs, mut firsts): (bool, Vec<String>) = (false, Vec::new());
    let mut keys: Vec<(&[u8], bool, bool)> = Vec::new();
    let mut channels: Vec<&[u8]> = Vec::new();
    for rule in rules {
        let text = String::from_utf8_lossy(rule).to_lowercase();
        let mut whole = |on: bool| {
            runs = on;
            firsts.clear();
        };
        match (&text[..], &rule[..]) {
            ("+@all" | "allcommands", _) => whole(true),
            ("-@all" | "nocommands", _) => whole(false),
            ("allkeys", _) | (_, b"~*") => keys = [(&b"*"[..], true, true)].into(),
            ("resetkeys", _) => keys.clear(),
            ("allchannels", _) | (_, b"&*") => channels = [&b"*"[..]].into(),
            ("resetchannels", _) => channels.clear(),
            (_, [b'~', pattern @ ..]) => keys.push((pattern, true, true)),
            (_, [b'%', rest @ ..]) => {
                let at = rest.iter().position(|b| *b == b'~').unwrap_or(rest.len());
                let (letters, pattern) = rest.split_at(at);
                let has = |l: u8| letters.iter().any(|b| b.eq_ignore_ascii_case(&l));
                keys.push((pattern.get(1..).unwrap_or_default(), has(b'R'), has(b'W')));
            }
            (_, [b'&', pattern @ ..]) => channels.push(pattern),
            (_, [sign @ (b'+' | b'-'), b'@', ..]) => {
                let bits = |spec: &Spec| acl::categories(spec);
                let bit = acl::CATEGORIES.iter().position(|c| *c == &text[2..]).expect("it was taken");
                let container = crate::node::command_specs().into_iter().find(|s| s.name == parent);
                if bits(spec) & (1 << bit) != 0 || container.is_some_and(|c| bits(c) & (1 << bit) != 0) {
                    whole(*sign == b'+');
                }
            }
            (_, [sign @ (b'+' | b'-'), ..]) => {
                let name = &text[1..];
                if name == spec.name || name == parent {
                    whole(*sign == b'+');
                } else if let Some(first) = name.strip_prefix(spec.name).and_then(|rest| rest.strip_prefix('|')) {
                    firsts.push(first.into());
                }
            }
            _ => {}
        }
    }
    // Patterns of one text are one, with the rights of all.
    let merged = |pattern: &[u8]| {
        let same = keys.iter().filter(|(p, ..)| *p == pattern);
        same.fold((false, false), |(r, w), (_, reads, writes)| (r | reads, w | writes))
    };
    let first = String::from_utf8_lossy(args.at(1)).to_lowercase();
    let runs = runs || matches!(spec.name, "auth") || (args.len() > 1 && firsts.contains(&first));
    let named = keyuse::keys(spec, args).unwrap_or_default();
    let keys_allowed = named.iter().all(|(key, uses)| {
        let (reads, writes) =
            (uses.contains("access"), ["insert", "delete", "update"].iter().any(|u| uses.contains(u)));
        keys.iter().any(|(pattern, ..)| {
            let (may_read, may_write) = merged(pattern);
            (may_read || !reads) && (may_write || !writes) && glob::matches(pattern, key)
        })
    });
    let listened: Vec<&[u8]> = match spec.name {
        "publish" => args.iter().skip(1).take(1).collect(),
        "subscribe" | "psubscribe" => args.iter().skip(1).collect(),
        _ => Vec::new(),
    };
    let channels_allowed = listened.iter().all(|name| {
        let literal = spec.name == "psubscribe";
        channels.iter().any(|c| *c == b"*" || if literal { c == name } else { glob::matches(c, name) })
    });
    runs && keys_allowed && channels_allowed
}
