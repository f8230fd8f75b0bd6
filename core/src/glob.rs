//! Glob patterns as Redis matches them: `KEYS`, `SCAN`, `PSUBSCRIBE`, `CONFIG GET`.
//!
//! `*` is any run of bytes, `?` any byte, `[abc]`, `[a-z]` and `[^a]` are sets, `\` takes the next byte literally.

/// Whether `text` matches `pattern`.
///
/// The time is bounded by the product of both lengths, whatever the pattern: only the last `*` is ever tried anew.
///
/// ```
/// use primacy_core::glob::matches;
/// assert!(matches(b"h[^e-g]l*\\*", b"hallo*"));
/// assert!(!matches(b"h?llo", b"hllo"));
/// ```
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    run(pattern, text, |b| b)
}

/// The same without regard to the case of ASCII letters (names of directives).
pub fn matches_ignoring_case(pattern: &[u8], text: &[u8]) -> bool {
    run(pattern, text, |b| b.to_ascii_lowercase())
}

fn run(pattern: &[u8], text: &[u8], fold: impl Fn(u8) -> u8 + Copy) -> bool {
    let (mut p, mut t) = (0, 0);
    // Behind the last `*`, and where in the text it was tried to end.
    let mut star = None;
    loop {
        let rest = pattern.get(p..).unwrap_or_default();
        if rest.first() == Some(&b'*') {
            p += 1;
            star = Some((p, t));
            if p == pattern.len() {
                return true;
            }
            continue;
        }
        let Some(&byte) = text.get(t) else { return rest.is_empty() };
        if let Some(used) = one(rest, byte, fold) {
            p += used;
            t += 1;
        } else if let Some((behind, tried)) = star {
            (p, t) = (behind, tried + 1);
            star = Some((p, t));
        } else {
            return false;
        }
    }
}

/// Whether the pattern's first element matches `byte`: its length if so.
fn one(pattern: &[u8], byte: u8, fold: impl Fn(u8) -> u8 + Copy) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', ..] => set(pattern, byte, fold),
        [b'\\', literal, ..] => (fold(*literal) == fold(byte)).then_some(2),
        [literal, ..] => (fold(*literal) == fold(byte)).then_some(1),
    }
}

/// A set from its `[` on; one without an end reaches to the end of the pattern.
fn set(pattern: &[u8], byte: u8, fold: impl Fn(u8) -> u8 + Copy) -> Option<usize> {
    let byte = fold(byte);
    let negated = pattern.get(1) == Some(&b'^');
    let mut at = if negated { 2 } else { 1 };
    let mut found = false;
    loop {
        match pattern.get(at..).unwrap_or_default() {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', literal, ..] => {
                found |= fold(*literal) == byte;
                at += 2;
            }
            [first, b'-', last, ..] => {
                let (first, last) = (fold(*first), fold(*last));
                found |= (first.min(last)..=first.max(last)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                found |= fold(*literal) == byte;
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use quickcheck::quickcheck;

    /// The definition, word for word: slow, recursive.
    fn plainly(p: &[u8], t: &[u8]) -> bool {
        match p {
            [] => t.is_empty(),
            [b'*', rest @ ..] => (0..=t.len()).any(|i| plainly(rest, &t[i..])),
            _ => t.split_first().is_some_and(|(&b, t)| one(p, b, |b| b).is_some_and(|n| plainly(&p[n..], t))),
        }
    }

    quickcheck! {
        fn as_defined(pattern: Vec<u8>, text: Vec<u8>) -> bool {
            let p: Vec<u8> = pattern.iter().take(12).map(|&b| b"ab**?[]^-\\c"[usize::from(b) % 11]).collect();
            let t: Vec<u8> = text.iter().take(12).map(|&b| b"abc"[usize::from(b) % 3]).collect();
            matches(&p, &t) == plainly(&p, &t)
        }
    }

    #[test]
    fn as_redis_matches() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("a*", "a", true),
            ("a**c", "abc", true),
            ("?", "", false),
            ("[a-c]x", "bx", true),
            ("[c-a]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[\\]]", "]", true),
            ("[]", "]", false),
            ("[^]a", "xa", true),
            ("[ab", "a", true),
            ("[ab", "ab", false),
            ("[a-", "-", true),
            ("\\", "\\", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("A", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
        assert!(matches_ignoring_case(b"[A-C]*X", b"b123x"));
    }

    #[test]
    fn hostile_patterns_end() {
        let pattern = b"a*".repeat(500);
        assert!(!matches(&[&pattern[..], b"b"].concat(), &b"a".repeat(5000)));
    }
}
