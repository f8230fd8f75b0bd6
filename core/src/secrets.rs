//! Where passwords stand: in commands, in lines of a configuration, in rules of users. What shows or keeps any of these asks
//! here first.

use alloc::vec::Vec;

use crate::resp::Args;

/// How a word holds a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The word is one.
    Password,
    /// A rule of a user, which may be one ([`Rules`]).
    Rule,
}

/// Directives whose value is a password, of a server and of a sentinel.
const DIRECTIVES: &[&str] = &[
    "requirepass",
    "masterauth",
    "primaryauth",
    "tls-key-file-pass",
    "tls-client-key-file-pass",
    "auth-pass",
    "sentinel-pass",
];

/// Commands whose arguments may hold a secret.
pub(crate) const COMMANDS: &[&str] = &["auth", "hello", "acl", "config", "sentinel", "migrate"];

fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}

/// Whether a directive's value is a password.
pub(crate) fn is_directive(name: &[u8]) -> bool {
    DIRECTIVES.iter().any(|d| is(name, d))
}

/// Shows `found` every argument that holds a secret, in order; `name` is the command's own name, whatever clients call it.
/// Arguments that make no sense count as what they may have been meant for.
pub(crate) fn in_command(name: &[u8], args: Args<'_>, found: &mut dyn FnMut(usize, Kind)) {
    if is(name, "acl") && args.is(1, "dryrun") {
        let command = args.from(3);
        return look(command.get(0).unwrap_or_default(), command, &mut |i, kind| found(i + 3, kind));
    }
    look(name, args, found);
}

fn look(name: &[u8], args: Args<'_>, found: &mut dyn FnMut(usize, Kind)) {
    let n = args.len();
    let mut password = |i: usize| {
        if i < n {
            found(i, Kind::Password);
        }
    };
    match () {
        () if is(name, "auth") => (n.clamp(2, 3) - 1..n).for_each(password),
        () if is(name, "hello") => {
            let mut i = if args.is(1, "auth") { 1 } else { 2 };
            while i < n {
                i += match () {
                    () if args.is(i, "auth") => {
                        // Without a user it is a mistake, and the word behind it may be the password.
                        password(if i + 2 < n { i + 2 } else { i + 1 });
                        3
                    }
                    () if args.is(i, "setname") => 2,
                    () => 1,
                };
            }
        }
        () if is(name, "acl") && args.is(1, "setuser") => (3..n).for_each(|i| found(i, Kind::Rule)),
        () if is(name, "config") && args.is(1, "set") => {
            (2..n).step_by(2).filter(|i| is_directive(args.at(*i))).for_each(|i| password(i + 1));
        }
        () if is(name, "sentinel") && args.is(1, "config") && args.is(2, "set") => {
            (3..n).step_by(2).filter(|i| is_directive(args.at(*i))).for_each(|i| password(i + 1));
        }
        () if is(name, "sentinel") && args.is(1, "set") => {
            let mut i = 3;
            while i < n {
                if args.is(i, "auth-pass") {
                    password(i + 1);
                }
                i += if args.is(i, "rename-command") { 3 } else { 2 };
            }
        }
        () if is(name, "migrate") => {
            let mut i = 6;
            while i < n && !args.is(i, "keys") {
                i += match () {
                    () if args.is(i, "auth") => {
                        password(i + 1);
                        2
                    }
                    () if args.is(i, "auth2") => {
                        password(i + 2);
                        3
                    }
                    () => 1,
                };
            }
        }
        () => {}
    }
}

/// Whether any argument of a command holds a secret.
pub(crate) fn has_secret(name: &[u8], args: Args<'_>) -> bool {
    let mut any = false;
    in_command(name, args, &mut |_, _| any = true);
    any
}

/// From which word on a line of a configuration holds secrets, and of which kind.
pub(crate) fn in_line<W: AsRef<[u8]>>(words: &[W]) -> Option<(usize, Kind)> {
    let word = |i: usize| words.get(i).map(AsRef::as_ref).unwrap_or_default();
    match () {
        () if is(word(0), "user") => Some((2, Kind::Rule)),
        () if is(word(0), "sentinel") && is(word(1), "auth-pass") => Some((3, Kind::Password)),
        () if is(word(0), "sentinel") && is(word(1), "sentinel-pass") => Some((2, Kind::Password)),
        () if is_directive(word(0)) => Some((1, Kind::Password)),
        () => None,
    }
}

/// What a rule of a user holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum InRule {
    /// Behind `>` and `<`.
    Password,
    /// Behind `#` and `!`: the SHA-256 of one, in hexadecimal.
    Hash,
    /// Where rules know no passwords: within parentheses.
    Misplaced,
}

/// The rules of one user, word by word: those within parentheses may go over several words.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    open: bool,
}

impl Rules {
    /// The next word with its secrets replaced by what `change` makes of them; `None`: it holds none.
    pub(crate) fn change(&mut self, word: &[u8], change: &mut dyn FnMut(InRule, &[u8]) -> Vec<u8>) -> Option<Vec<u8>> {
        if self.open || word.starts_with(b"(") {
            self.open = !word.ends_with(b")");
            return in_selector(word, change);
        }
        let (mark, secret) = word.split_first()?;
        let kind = match mark {
            b'>' | b'<' => InRule::Password,
            b'#' | b'!' => InRule::Hash,
            _ => return None,
        };
        Some([&[*mark], &change(kind, secret)[..]].concat())
    }
}

/// A word of a selector, or several with spaces between them.
fn in_selector(word: &[u8], change: &mut dyn FnMut(InRule, &[u8]) -> Vec<u8>) -> Option<Vec<u8>> {
    let mut any = false;
    let parts: Vec<Vec<u8>> = word
        .split(|b| *b == b' ')
        .map(|part| {
            let begin = part.iter().take_while(|b| matches!(b, b'(' | b'"' | b'\'')).count();
            let end = part.len() - usize::from(part.ends_with(b")")).min(part.len() - begin);
            match part.get(begin..end) {
                Some([b'>' | b'<' | b'#' | b'!', secret @ ..]) => {
                    any = true;
                    let (before, after) = (part.get(..=begin), part.get(end..));
                    [before.unwrap_or_default(), &change(InRule::Misplaced, secret), after.unwrap_or_default()].concat()
                }
                _ => part.to_vec(),
            }
        })
        .collect();
    any.then(|| parts.join(&b' '))
}

/// Compares in time that does not depend on where the first difference lies.
pub(crate) fn same_secret(a: &[u8], b: &[u8]) -> bool {
    let mut differ = a.len() ^ b.len();
    for i in 0..a.len().max(b.len()) {
        differ |= usize::from(a.get(i).copied().unwrap_or(0) ^ b.get(i).copied().unwrap_or(0));
    }
    core::hint::black_box(differ) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Command;
    use crate::words;
    use alloc::string::String;

    /// The command with its secrets as `*`.
    fn shown(line: &str) -> String {
        let mut all = words::split(line.as_bytes()).unwrap();
        let command = Command::new(&all);
        let mut rules = Rules::default();
        in_command(command.args().at(0), command.args(), &mut |i, kind| match kind {
            Kind::Password => all[i] = b"*".into(),
            Kind::Rule => {
                if let Some(changed) = rules.change(&all[i], &mut |_, _| b"*".into()) {
                    all[i] = changed;
                }
            }
        });
        String::from_utf8(all.join(&b' ')).unwrap()
    }

    #[test]
    fn secrets_of_commands_are_found() {
        for (line, expected) in [
            ("auth pw", "auth *"),
            ("AUTH user pw", "AUTH user *"),
            ("auth a b c", "auth a * *"),
            ("auth", "auth"),
            ("hello 3", "hello 3"),
            ("hello 3 setname auth AUTH u pw setname n", "hello 3 setname auth AUTH u * setname n"),
            ("hello 3 auth pw", "hello 3 auth *"),
            ("hello auth u pw", "hello auth u *"),
            ("acl setuser u on >pw +get #h <old !h ~k", "acl setuser u on >* +get #* <* !* ~k"),
            ("acl setuser u '(+get' '>pw)' >out", "acl setuser u (+get >*) >*"),
            ("acl setuser u '(+get >pw ~k)' '>a)'", "acl setuser u (+get >* ~k) >*"),
            ("acl dryrun u auth pw", "acl dryrun u auth *"),
            ("acl getuser >pw", "acl getuser >pw"),
            ("config set port 1 masterauth pw RequirePass pw", "config set port 1 masterauth * RequirePass *"),
            ("config set tls-key-file-pass pw", "config set tls-key-file-pass *"),
            ("config get requirepass", "config get requirepass"),
            (
                "sentinel set m rename-command a auth-pass auth-pass pw",
                "sentinel set m rename-command a auth-pass auth-pass *",
            ),
            ("sentinel config set sentinel-pass pw", "sentinel config set sentinel-pass *"),
            ("migrate h 1 k 0 5 copy auth pw keys auth x", "migrate h 1 k 0 5 copy auth * keys auth x"),
            ("migrate h 1 k 0 5 auth2 u pw", "migrate h 1 k 0 5 auth2 u *"),
            ("set auth pw", "set auth pw"),
        ] {
            assert_eq!(shown(line), expected);
        }
    }

    #[test]
    fn secrets_of_lines_are_found() {
        for (line, expected) in [
            ("requirepass pw", Some((1, Kind::Password))),
            ("MasterAuth pw", Some((1, Kind::Password))),
            ("user u on >pw", Some((2, Kind::Rule))),
            ("sentinel auth-pass m pw", Some((3, Kind::Password))),
            ("sentinel sentinel-pass pw", Some((2, Kind::Password))),
            ("sentinel auth-user m u", None),
            ("masteruser u", None),
            ("", None),
        ] {
            assert_eq!(in_line(&words::split(line.as_bytes()).unwrap()), expected, "{line}");
        }
    }

    #[test]
    fn secrets_compare_by_content_and_length() {
        assert!(same_secret(b"abc", b"abc") && same_secret(b"", b""));
        for (a, b) in [("abc", "abd"), ("abc", "ab"), ("", "a"), ("abc", "abc\0")] {
            assert!(!same_secret(a.as_bytes(), b.as_bytes()), "{a:?} {b:?}");
        }
    }
}
