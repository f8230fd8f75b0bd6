//! Texts without their secrets: configurations, files of users.

use alloc::vec::Vec;

use super::mask::Mask;
use crate::secrets::{InRule, Kind, Rules, in_line};
use crate::words;

/// A configuration with tokens.
pub(super) fn configuration(text: &[u8], mask: &mut Mask) -> Vec<u8> {
    lines(text, &mut |word, kind, rules| match kind {
        Kind::Password => mask.password(word),
        Kind::Rule => {
            rules.change(word, &mut |what, secret| of_rule(what, secret, mask)).unwrap_or_else(|| word.into())
        }
    })
}

/// A file of users with tokens. Words stand between spaces, and no quotes count; whatever the lines are.
pub(super) fn users(text: &[u8], mask: &mut Mask) -> Vec<u8> {
    let line = |line: &[u8]| {
        let mut rules = Rules::default();
        let word = |word: &[u8]| {
            let (body, end) = word.split_at(word.trim_ascii_end().len());
            let changed = rules.change(body, &mut |what, secret| of_rule(what, secret, mask));
            changed.map_or_else(|| word.to_vec(), |c| [&c, end].concat())
        };
        line.split(|b| *b == b' ').map(word).collect::<Vec<_>>().join(&b' ')
    };
    text.split(|b| *b == b'\n').map(line).collect::<Vec<_>>().join(&b'\n')
}

/// What stands in a rule in the place of its secret.
pub(super) fn of_rule(what: InRule, secret: &[u8], mask: &mut Mask) -> Vec<u8> {
    match what {
        InRule::Password => mask.password(secret),
        InRule::Hash => mask.hash_text(secret),
        InRule::Misplaced => alloc::vec![b'x'; secret.len()],
    }
}

/// A text that a machine writes, with the lengths of its secrets in their place: the same for a machine that knows tokens.
pub(in super::super) fn without_secrets(text: &[u8]) -> Vec<u8> {
    let length = |secret: &[u8]| alloc::format!("*{}", secret.len()).into_bytes();
    lines(text, &mut |word, kind, rules| match kind {
        Kind::Password => length(word),
        Kind::Rule => rules.change(word, &mut |_, secret| length(secret)).unwrap_or_else(|| word.into()),
    })
}

/// What takes a word that may be a secret.
type Change<'a> = &'a mut dyn FnMut(&[u8], Kind, &mut Rules) -> Vec<u8>;

fn lines(text: &[u8], change: Change<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (n, text) in text.split(|b| *b == b'\n').enumerate() {
        if n > 0 {
            out.push(b'\n');
        }
        line(text, change, &mut out);
    }
    out
}

/// A line; what is commented out may have been a password once.
fn line(text: &[u8], change: Change<'_>, out: &mut Vec<u8>) {
    let begin = text.iter().take_while(|b| b.is_ascii_whitespace() || **b == b'#').count();
    let (before, body) = text.split_at(begin);
    let end = body.trim_ascii_end().len();
    let (body, behind) = body.split_at(end);
    // Quotes that are not closed make it no line of a configuration, and no less a secret.
    let by_spaces = || body.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty()).map(<[u8]>::to_vec).collect();
    let words: Vec<Vec<u8>> = words::split(body).unwrap_or_else(|_| by_spaces());
    let Some((from, kind)) = in_line(&words) else { return out.extend_from_slice(text) };
    out.extend_from_slice(before);
    let mut rules = Rules::default();
    for (i, word) in words.iter().enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        let word = if i < from { word.clone() } else { change(word, kind, &mut rules) };
        match core::str::from_utf8(&word) {
            Ok(word) => out.extend_from_slice(words::spell(word).as_bytes()),
            Err(_) => out.extend_from_slice(words::quote(&word).as_bytes()),
        }
    }
    out.extend_from_slice(behind);
}
