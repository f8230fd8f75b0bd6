//! Patterns of KEYS and SCAN: `*`, `?`, `[a-c]`, `[^a]`, and `\` before a character that stands for itself.

/// Whether all of `text` matches `pattern`. Time is at most the product of the lengths, whatever the pattern.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when the text behind the last star has to begin one byte later.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(p), text.get(t)) {
            (Some(b'*'), _) => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            (None, None) => return true,
            (_, None) => return false,
            (None, Some(_)) => None,
            (Some(b'?'), Some(_)) => Some(p + 1),
            (Some(b'['), Some(&byte)) => class(pattern, p + 1, byte),
            (Some(b'\\'), Some(byte)) if p + 1 < pattern.len() => (pattern.get(p + 1) == Some(byte)).then_some(p + 2),
            (Some(literal), Some(byte)) => (literal == byte).then_some(p + 1),
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                t += 1;
            }
            (None, Some((after, from))) => {
                star = Some((after, from + 1));
                p = after;
                t = from + 1;
            }
            (None, None) => return false,
        }
    }
}

/// Whether the class that begins at `at` (behind its `[`) has `byte`: the position behind the class then. A class
/// without an end reaches to the end of the pattern.
fn class(pattern: &[u8], mut at: usize, byte: u8) -> Option<usize> {
    let negated = pattern.get(at) == Some(&b'^');
    at += usize::from(negated);
    let mut found = false;
    loop {
        match (pattern.get(at), pattern.get(at + 1), pattern.get(at + 2)) {
            (Some(b'\\'), Some(literal), _) => {
                found |= *literal == byte;
                at += 2;
            }
            (Some(b']'), _, _) => {
                at += 1;
                break;
            }
            (None, _, _) => break,
            (Some(&a), Some(b'-'), Some(&b)) => {
                found |= (a.min(b)..=a.max(b)).contains(&byte);
                at += 3;
            }
            (Some(literal), _, _) => {
                found |= *literal == byte;
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        let yes = [
            ("*", ""),
            ("*", "abc"),
            ("a*c", "abbc"),
            ("a*c", "ac"),
            ("h?llo", "hello"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hallo"),
            ("h[a-b]llo", "hbllo"),
            ("h[b-a]llo", "hallo"),
            ("a\\*b", "a*b"),
            ("*a*b*", "xaybz"),
            ("[\\]]", "]"),
            ("a[bc", "ab"),
            ("**", "x"),
            ("a\\", "a\\"),
        ];
        for (p, t) in yes {
            assert!(matches(p.as_bytes(), t.as_bytes()), "{p} {t}");
        }
        let no =
            [("", "a"), ("a", ""), ("a*c", "ab"), ("h[^e]llo", "hello"), ("a\\*b", "axb"), ("?", ""), ("[a-c]", "d")];
        for (p, t) in no {
            assert!(!matches(p.as_bytes(), t.as_bytes()), "{p} {t}");
        }
        let (p, t) = ("a*".repeat(500) + "b", "a".repeat(5000));
        assert!(!matches(p.as_bytes(), t.as_bytes()), "and it does not take for ever");
    }
}
