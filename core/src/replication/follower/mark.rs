//! The end of a snapshot of unknown length: 40 random bytes, announced before it.

/// Length of the mark in bytes.
pub(super) const MARK: usize = 40;

/// Finds the mark in a stream of pieces, however they are cut, and lets the rest through uncopied.
#[derive(Debug)]
pub(super) struct Mark {
    bytes: [u8; MARK],
    /// Bytes of the mark at the end of what came: held back, and equal to the mark's first ones.
    matched: usize,
    /// How far the search may jump when its window ends on a byte.
    jump: [u8; 256],
    /// `border[i]`: the longest proper prefix of the mark that ends its first `i + 1` bytes.
    border: [u8; MARK],
}

/// What the next bytes are.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Found<'a> {
    /// Bytes of the snapshot.
    Data(&'a [u8]),
    /// The mark; the snapshot is complete.
    End,
    /// The input is used up.
    More,
}

impl Mark {
    pub(super) fn new(bytes: [u8; MARK]) -> Self {
        let mut jump = [MARK as u8; 256];
        for (i, &b) in bytes[..MARK - 1].iter().enumerate() {
            jump[usize::from(b)] = (MARK - 1 - i) as u8;
        }
        let mut border = [0; MARK];
        let mut k = 0;
        for i in 1..MARK {
            while k > 0 && bytes[i] != bytes[k] {
                k = usize::from(border[k - 1]);
            }
            k += usize::from(bytes[i] == bytes[k]);
            border[i] = k as u8;
        }
        Self { bytes, matched: 0, jump, border }
    }

    /// Takes the next piece off `input`.
    pub(super) fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Found<'a> {
        while self.matched > 0 {
            let [b, rest @ ..] = input else { return Found::More };
            if *b == self.bytes[self.matched] {
                *input = rest;
                self.matched += 1;
                if self.matched == MARK {
                    self.matched = 0;
                    return Found::End;
                }
                continue;
            }
            // What was held back is no mark, but its end may begin one.
            let held = self.matched;
            let mut m = usize::from(self.border[held - 1]);
            while m > 0 && self.bytes[m] != *b {
                m = usize::from(self.border[m - 1]);
            }
            self.matched = m;
            return Found::Data(&self.bytes[..held - m]);
        }
        self.search(input)
    }

    /// Looks for the mark from the beginning of `input`.
    fn search<'i>(&mut self, input: &mut &'i [u8]) -> Found<'i> {
        let all = *input;
        if all.is_empty() {
            return Found::More;
        }
        let mut at = 0;
        while let Some(window) = all.get(at..at + MARK) {
            if window == self.bytes {
                if at == 0 {
                    *input = &all[MARK..];
                    return Found::End;
                }
                *input = &all[at..];
                return Found::Data(&all[..at]);
            }
            at += usize::from(self.jump[usize::from(window[MARK - 1])]);
        }
        // The longest end of the input that begins the mark is held back.
        let from = all.len().saturating_sub(MARK - 1);
        let keep = (from..all.len()).find(|&i| self.bytes.starts_with(&all[i..])).unwrap_or(all.len());
        self.matched = all.len() - keep;
        *input = &[];
        if keep == 0 { Found::More } else { Found::Data(&all[..keep]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use quickcheck::quickcheck;

    /// Feeds `stream` in pieces of the given sizes; what came out, and what was left behind the mark.
    fn run(mark: [u8; MARK], stream: &[u8], cuts: &[u8]) -> Option<(Vec<u8>, usize)> {
        let mut m = Mark::new(mark);
        let mut data = Vec::new();
        let (mut at, mut i) = (0, 0);
        while at < stream.len() {
            let n = cuts.get(i % cuts.len().max(1)).map_or(7, |&c| usize::from(c) % 90 + 1);
            i += 1;
            let to = (at + n).min(stream.len());
            let mut input = &stream[at..to];
            at = to;
            loop {
                match m.next(&mut input) {
                    Found::Data(d) => data.extend_from_slice(d),
                    Found::More => break,
                    Found::End => return Some((data, input.len() + stream.len() - to)),
                }
            }
        }
        None
    }

    quickcheck! {
        fn any_cut_finds_the_mark(body: Vec<u8>, tail: Vec<u8>, cuts: Vec<u8>, two_letters: bool, partial: u8) -> bool {
            // Few letters, and the mark's own beginning inside: the search must fall back rightly.
            let fold = |b: u8| if two_letters { b'a' + (b & 1) } else { b };
            let mut mark = [b'a'; MARK];
            mark[MARK - 1 - usize::from(partial) % 30] = b'b';
            mark[MARK - 1] = b'c';
            let mut stream: Vec<u8> = body.iter().map(|&b| fold(b)).collect();
            stream.extend_from_slice(&mark[..usize::from(partial) % MARK]);
            stream.extend(body.iter().map(|&b| fold(b)));
            let want = stream.clone();
            stream.extend_from_slice(&mark);
            stream.extend_from_slice(&tail);
            // Where the mark is first: without its 'c' the body cannot hold it.
            let first = stream.windows(MARK).position(|w| w == mark).unwrap_or(0);
            run(mark, &stream, &cuts) == Some((want[..first.min(want.len())].to_vec(), stream.len() - first - MARK))
        }
    }

    #[test]
    fn no_mark_no_end() {
        assert_eq!(run([b'x'; MARK], &[b'x'; MARK - 1], &[1]), None);
    }
}
