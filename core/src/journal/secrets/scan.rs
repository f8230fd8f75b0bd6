//! Commands with secrets among the bytes that a client sends, at any split.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::mask::Mask;
use super::text::of_rule;
use crate::resp::{Args, Command, RequestLimits, Span, UNAUTHENTICATED_BULK, parse_i64, short_number};
use crate::secrets::{COMMANDS, Kind, Rules, in_command};
use crate::words;

/// Bytes of a command with a secret that are held back until it is whole. Of a longer one, what comes behind them is
/// recorded as so many `x`.
const HELD_MAX: usize = 64 << 10;
/// Arguments that AUTH and HELLO make sense with, at most.
const LOGIN_ARGS: usize = 7;
/// A name longer than this is looked at no further.
const NAME_MAX: usize = 256;

/// By which names clients call the commands that may hold a secret.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<(String, &'static str)>);

impl Names {
    pub(super) fn rename(&mut self, command: &str, name: &str) {
        if let Some(own) = COMMANDS.iter().find(|c| c.eq_ignore_ascii_case(command)) {
            self.0.push((name.into(), own));
        }
    }

    /// The own name of a command that may hold a secret. Those that have another name are known by both.
    fn find(&self, called: &[u8]) -> Option<&'static str> {
        let is = |name: &str| called.eq_ignore_ascii_case(name.as_bytes());
        let own = match called.len() {
            3..=8 => COMMANDS.iter().copied().find(|c| is(c)),
            _ => None,
        };
        own.or_else(|| self.0.iter().find(|(name, _)| is(name)).map(|(_, own)| *own))
    }

    /// Whether one of these commands may begin so.
    fn any_begins(&self, begun: &[u8]) -> bool {
        let begins = |name: &str| name.as_bytes().get(..begun.len()).is_some_and(|n| n.eq_ignore_ascii_case(begun));
        COMMANDS.iter().any(|c| begins(c)) || self.0.iter().any(|(name, _)| begins(name))
    }
}

/// What became of bytes that came in.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Fed {
    /// What the machine hears, if not what came in.
    pub(in super::super) heard: Option<Vec<u8>>,
    /// What is recorded of it, if not what is heard.
    pub(in super::super) recorded: Option<Vec<u8>>,
}

impl Fed {
    /// Heard and recorded as it came.
    pub(in super::super) const AS_IT_CAME: Self = Self { heard: None, recorded: None };
}

/// One connection.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The begun command that is held back.
    held: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    /// At the beginning of a command.
    #[default]
    Frame,
    /// Within a line that holds no secret.
    Line,
    /// Before an argument; so many are left.
    Argument { left: usize, hide: bool },
    /// Within one, its line end included.
    Within { bytes: usize, left: usize, hide: bool },
    /// The machine takes nothing more.
    Broken,
}

/// What lies at the front of the bytes.
enum Step {
    /// So many bytes that are recorded as they are, and then?
    Plain(usize, State),
    /// So many that are recorded as others.
    Other(usize, Vec<u8>, State),
    /// Nothing whole.
    More,
}

impl Scan {
    pub(super) fn feed(&mut self, bytes: &[u8], names: &Names, mask: &mut Mask) -> Fed {
        let joined;
        let (all, fresh) = if self.held.is_empty() {
            (bytes, true)
        } else {
            self.held.extend_from_slice(bytes);
            joined = core::mem::take(&mut self.held);
            (&joined[..], false)
        };
        let mut at = 0;
        let mut edits: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
        loop {
            if self.state == State::Frame {
                at = behind_plain(all, at, names);
            }
            let Some(rest) = all.get(at..).filter(|rest| !rest.is_empty()) else { break };
            let (len, then) = match self.step(rest, names, mask) {
                Step::Plain(len, then) => (len, then),
                Step::Other(len, other, then) => {
                    edits.push((at..at + len, other));
                    (len, then)
                }
                Step::More => break,
            };
            at += len;
            self.state = then;
        }
        let (heard, held) = all.split_at(at);
        self.held.extend_from_slice(held);
        Fed {
            heard: (!fresh || !held.is_empty()).then(|| heard.to_vec()),
            recorded: (!edits.is_empty()).then(|| edited(heard, &edits)),
        }
    }

    /// What is held back.
    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }

    /// What is held back and will never be whole.
    pub(super) fn rest(self) -> Option<Fed> {
        let recorded = filled(&self.held);
        (!self.held.is_empty()).then_some(Fed { heard: Some(self.held), recorded: Some(recorded) })
    }

    #[inline]
    fn step(&self, rest: &[u8], names: &Names, mask: &mut Mask) -> Step {
        match self.state {
            State::Frame if rest.starts_with(b"*") => frame(rest, names, mask),
            State::Frame => inline(rest, names, mask),
            State::Line => match rest.iter().position(|b| *b == b'\n') {
                Some(end) => Step::Plain(end + 1, State::Frame),
                None => Step::Plain(rest.len(), State::Line),
            },
            State::Argument { left: 0, .. } => Step::Plain(0, State::Frame),
            State::Argument { left, hide } => match number(rest, b'$') {
                Number::Is(bytes, len) => {
                    Step::Plain(len, State::Within { bytes: bytes.saturating_add(2), left: left - 1, hide })
                }
                Number::More => Step::More,
                Number::None => broken(rest),
            },
            State::Within { bytes, left, hide } => {
                let now = bytes.min(rest.len());
                let then = match bytes - now {
                    0 => State::Argument { left, hide },
                    bytes => State::Within { bytes, left, hide },
                };
                if hide { Step::Other(now, alloc::vec![b'x'; now], then) } else { Step::Plain(now, then) }
            }
            State::Broken => Step::Other(rest.len(), alloc::vec![b'x'; rest.len()], State::Broken),
        }
    }
}

fn edited(bytes: &[u8], edits: &[(Range<usize>, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    for (range, other) in edits {
        out.extend_from_slice(bytes.get(at..range.start).unwrap_or_default());
        out.extend_from_slice(other);
        at = range.end;
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    out
}

/// Bytes that say nothing, and that a parser stumbles over as over these: line ends, quotes and the first byte stay.
fn filled(bytes: &[u8]) -> Vec<u8> {
    let fill = |(i, b): (usize, &u8)| {
        let stays = i == 0 || b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'\\');
        if stays { *b } else { b'x' }
    };
    bytes.iter().enumerate().map(fill).collect()
}

/// The machine will find that this is no command, and close.
fn broken(rest: &[u8]) -> Step {
    Step::Other(rest.len(), filled(rest), State::Broken)
}

/// A line with a number.
enum Number {
    /// The number, and the length of its line.
    Is(usize, usize),
    More,
    /// There is none.
    None,
}

#[inline]
fn number(rest: &[u8], mark: u8) -> Number {
    match rest.first() {
        None => return Number::More,
        Some(first) if *first != mark => return Number::None,
        Some(_) => {}
    }
    if let Some((n, len)) = short_number(rest, 1) {
        return Number::Is(n, len);
    }
    let Some(end) = rest.iter().position(|b| *b == b'\r') else {
        return if rest.len() > RequestLimits::default().inline { Number::None } else { Number::More };
    };
    match rest.get(1..end).and_then(parse_i64) {
        _ if rest.len() < end + 2 => Number::More,
        Some(n) if mark == b'*' => Number::Is(usize::try_from(n.max(0)).unwrap_or(usize::MAX), end + 2),
        Some(n) => usize::try_from(n).map_or(Number::None, |n| Number::Is(n, end + 2)),
        None => Number::None,
    }
}

/// Behind the whole commands at `at` that hold no secret. Nearly all are of this kind, and [`Scan::step`] takes a step for
/// each of their arguments.
fn behind_plain(all: &[u8], mut at: usize, names: &Names) -> usize {
    while let Some(next) = plain(all, at, names) {
        at = next;
    }
    at
}

/// The end of the command at `at`, if it is whole, in the usual form with short numbers, and holds no secret.
#[inline]
fn plain(all: &[u8], at: usize, names: &Names) -> Option<usize> {
    if all.get(at) != Some(&b'*') {
        return None;
    }
    let (count, mut next) = short_number(all, at + 1)?;
    if count == 0 || count > RequestLimits::default().args {
        return None;
    }
    for i in 0..count {
        if all.get(next) != Some(&b'$') {
            return None;
        }
        let (len, word_at) = short_number(all, next + 1)?;
        next = word_at + len + 2;
        let word = all.get(word_at..next)?;
        if i == 0 && (len > NAME_MAX || names.find(word.get(..len)?).is_some()) {
            return None;
        }
    }
    Some(next)
}

/// A command that begins here in the usual form.
#[inline]
fn frame(rest: &[u8], names: &Names, mask: &mut Mask) -> Step {
    let (count, name_at) = match number(rest, b'*') {
        Number::Is(0, len) => return Step::Plain(len, State::Frame),
        Number::Is(count, len) if count <= RequestLimits::default().args => (count, len),
        Number::Is(..) | Number::None => return broken(rest),
        Number::More => return Step::More,
    };
    let behind = rest.get(name_at..).unwrap_or_default();
    let (len, head) = match number(behind, b'$') {
        Number::Is(len, head) => (len, head),
        Number::More => return Step::More,
        Number::None => return broken(rest),
    };
    let at = name_at + head;
    let plain = Step::Plain(at, State::Within { bytes: len.saturating_add(2), left: count - 1, hide: false });
    if len > NAME_MAX {
        return plain;
    }
    let Some(called) = rest.get(at..at + len).filter(|_| rest.len() >= at + len + 2) else { return Step::More };
    match names.find(called) {
        None => plain,
        Some(name) => with_secret(name, rest, count, Span { at, len }, mask),
    }
}

/// A command that may hold a secret.
fn with_secret(name: &'static str, rest: &[u8], count: usize, called: Span, mask: &mut Mask) -> Step {
    let login = matches!(name, "auth" | "hello");
    let mut spans = alloc::vec![called];
    let mut at = called.at + called.len + 2;
    let mut over = login && count > LOGIN_ARGS;
    while spans.len() < count && !over {
        let behind = rest.get(at..).unwrap_or_default();
        let (len, head) = match number(behind, b'$') {
            Number::Is(len, head) => (len, head),
            Number::More if rest.len() > HELD_MAX => {
                over = true;
                break;
            }
            Number::More => return Step::More,
            // Where the machine stumbles, the next step does.
            Number::None => {
                over = true;
                break;
            }
        };
        let next = (at + head).saturating_add(len).saturating_add(2);
        if next > HELD_MAX || login && len > UNAUTHENTICATED_BULK {
            over = true;
        } else if rest.len() < next {
            return Step::More;
        } else {
            spans.push(Span { at: at + head, len });
            at = next;
        }
    }
    let then = if over { State::Argument { left: count - spans.len(), hide: true } } else { State::Frame };
    masked(name, rest, at, &spans, mask, then)
}

/// The first `len` bytes with tokens.
fn masked(name: &str, rest: &[u8], len: usize, spans: &[Span], mask: &mut Mask, then: State) -> Step {
    let args = Args::new(rest, spans, None);
    let mut out = rest.get(..len).unwrap_or_default().to_vec();
    let mut rules = Rules::default();
    let mut any = false;
    in_command(name.as_bytes(), args, &mut |i, kind| {
        let Some(other) = other(args.at(i), kind, &mut rules, mask) else { return };
        if let Some(place) = spans.get(i).and_then(|s| out.get_mut(s.at..s.at + s.len))
            && place.len() == other.len()
        {
            place.copy_from_slice(&other);
            any = true;
        }
    });
    if any { Step::Other(len, out, then) } else { Step::Plain(len, then) }
}

fn other(word: &[u8], kind: Kind, rules: &mut Rules, mask: &mut Mask) -> Option<Vec<u8>> {
    match kind {
        Kind::Password => Some(mask.password(word)),
        Kind::Rule => rules.change(word, &mut |what, secret| of_rule(what, secret, mask)),
    }
}

/// A command in a line. What cannot be one with a secret the machine hears at once: it may be no command at all.
fn inline(rest: &[u8], names: &Names, mask: &mut Mask) -> Step {
    let most = RequestLimits::default().inline;
    let end = rest.iter().position(|b| *b == b'\n');
    let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    let begun = line.trim_ascii_start();
    let first = begun.split(|b| b.is_ascii_whitespace() || *b == 0x0b).next().unwrap_or_default();
    let quoted = begun.first() == Some(&0x0b) || first.iter().any(|b| matches!(b, b'"' | b'\''));
    let may_be =
        quoted || if first.len() < begun.len() { names.find(first).is_some() } else { names.any_begins(first) };
    let Some(end) = end else {
        return match may_be {
            false => Step::Plain(rest.len(), State::Line),
            true if rest.len() > most => broken(rest),
            true => Step::More,
        };
    };
    let plain = Step::Plain(end + 1, State::Frame);
    if !may_be {
        return plain;
    }
    if end > most {
        return broken(rest);
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Ok(mut words) = words::split(line) else { return broken(rest) };
    let Some(name) = words.first().and_then(|called| names.find(called)) else { return plain };
    let command = Command::new(&words);
    let (mut rules, mut any) = (Rules::default(), false);
    in_command(name.as_bytes(), command.args(), &mut |i, kind| {
        if let (Some(word), Some(other)) = (words.get_mut(i), other(command.args().at(i), kind, &mut rules, mask)) {
            *word = other;
            any = true;
        }
    });
    if !any {
        return plain;
    }
    // The same words and, as far as it goes, the same length.
    let spell = |w: &Vec<u8>| core::str::from_utf8(w).map_or_else(|_| words::quote(w), words::spell);
    let mut out = words.iter().map(spell).collect::<Vec<_>>().join(" ").into_bytes();
    out.resize(out.len().max(line.len()), b' ');
    out.extend_from_slice(rest.get(line.len()..=end).unwrap_or_default());
    Step::Other(end + 1, out, State::Frame)
}
