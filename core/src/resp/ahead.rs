//! A look at commands that have come and are not parsed yet.

use super::requests::short_number;

/// The second words of the commands that lie whole at the front of some input, one for each: for most commands a key. Ends
/// where a command is not whole, not in the usual form, or has no second word.
///
/// A hint and no parse: what it says may be wrong, and nothing is an error.
///
/// ```
/// use primacy_core::resp::Ahead;
/// let input = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*3\r\n$3\r\nSET\r\n$2\r\nk2\r\n$1\r\nv\r\n*2\r\n$3\r\nGE";
/// assert_eq!(Ahead::new(input).collect::<Vec<_>>(), [&b"k"[..], b"k2"]);
/// ```
#[derive(Clone, Debug)]
pub struct Ahead<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Ahead<'a> {
    /// Looks at `input`, which begins where a command does.
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0 }
    }

    /// The bulk at `at`, and the place behind it.
    #[inline]
    fn bulk(&self, at: usize) -> Option<(&'a [u8], usize)> {
        if *self.input.get(at)? != b'$' {
            return None;
        }
        // At most eight digits: no sum here overflows.
        let (len, from) = short_number(self.input, at + 1)?;
        let end = from + len + 2;
        (end <= self.input.len()).then(|| (&self.input[from..from + len], end))
    }
}

impl<'a> Iterator for Ahead<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if *self.input.get(self.at)? != b'*' {
            return None;
        }
        let (words, at) = short_number(self.input, self.at + 1)?;
        if words < 2 {
            return None;
        }
        let (_, at) = self.bulk(at)?;
        let (second, mut at) = self.bulk(at)?;
        for _ in 2..words {
            at = self.bulk(at)?.1;
        }
        self.at = at;
        Some(second)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Command, RequestLimits, Requests};
    use super::Ahead;
    use alloc::vec::Vec;
    use quickcheck::quickcheck;

    /// A name, a second word, and more.
    type Words = (Vec<u8>, Vec<u8>, Vec<Vec<u8>>);

    quickcheck! {
        /// What it sees is what the parser finds, as far as it goes; it never reads beyond.
        fn sees_what_the_parser_finds(commands: Vec<Words>, cut: usize) -> bool {
            let mut input = Vec::new();
            for (name, key, rest) in &commands {
                let mut words: Vec<&[u8]> = [&name[..], key].to_vec();
                words.extend(rest.iter().map(|w| &w[..]));
                input.extend_from_slice(Command::new(&words).frame());
            }
            input.truncate(input.len() - cut % (input.len() + 1));
            let seen: Vec<&[u8]> = Ahead::new(&input).collect();
            let (mut requests, mut left, mut found) = (Requests::new(), &input[..], Vec::new());
            while let Ok(Some(args)) = requests.next(&mut left, &RequestLimits::default()) {
                found.push(args.at(1).to_vec());
            }
            seen == found
        }

        fn takes_any_bytes(input: Vec<u8>) -> bool {
            Ahead::new(&input).count() <= input.len()
        }
    }

    #[test]
    fn ends_at_what_is_not_usual() {
        for odd in [
            &b"PING\r\n"[..],
            b"*1\r\n$4\r\nPING\r\n",
            b"*0\r\n",
            b"*2\r\n$-1\r\n$1\r\nk\r\n",
            b"*99999999\r\n",
            b"*2\r\n$99999999\r\n",
        ] {
            assert_eq!(Ahead::new(odd).count(), 0, "{odd:?}");
        }
    }
}
