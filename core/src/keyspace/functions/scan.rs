//! Which functions a library registers, as far as its text tells.
//!
//! The text is cut into Lua's words, so that comments and strings do not count. A call of `redis.register_function` or
//! `server.register_function` whose name is one literal string is taken for a function, in either form of the call. What
//! is computed (a variable, a concatenation, a call under another name) cannot be told and is left out.

use alloc::vec::Vec;

/// A function that is registered.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::keyspace) struct Function {
    pub(in crate::keyspace) name: Vec<u8>,
    pub(in crate::keyspace) description: Option<Vec<u8>>,
    pub(in crate::keyspace) flags: Vec<Vec<u8>>,
}

/// What a text tells.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Functions, in the order of the text.
    pub(super) functions: Vec<Function>,
    /// Why a server would refuse one of them.
    pub(super) fault: Option<&'static str>,
    /// Whether anything is registered at all.
    pub(super) mentions: bool,
}

const FLAGS: [&[u8]; 5] = [b"no-writes", b"allow-oom", b"allow-stale", b"no-cluster", b"allow-cross-slot-keys"];

/// Whether a byte may stand in a name.
pub(super) fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

/// A word of Lua.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Word<'a> {
    /// A name, a keyword or a number.
    Name(&'a [u8]),
    /// A string, its escapes undone.
    Text(Vec<u8>),
    /// Anything else.
    Sign(u8),
}

/// The words of a text.
struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    fn skip(&mut self, n: usize) -> &'a [u8] {
        let (head, rest) = self.rest.split_at(n.min(self.rest.len()));
        self.rest = rest;
        head
    }

    /// What is between long brackets (`[[`, `[==[`) that open here.
    fn long(&mut self) -> Option<&'a [u8]> {
        let level = self.rest.get(1..)?.iter().take_while(|&&b| b == b'=').count();
        if self.rest.first() != Some(&b'[') || self.rest.get(level + 1) != Some(&b'[') {
            return None;
        }
        self.skip(level + 2);
        // The end is looked for one bracket after another.
        let mut at = 0;
        let ends = |at: usize| {
            self.rest.get(at..at + level + 2).is_some_and(|end| {
                end.first() == Some(&b']') && end.last() == Some(&b']') && end[1..=level].iter().all(|&b| b == b'=')
            })
        };
        while at < self.rest.len() && !ends(at) {
            at += 1;
        }
        let text = self.skip(at);
        self.skip(level + 2);
        Some(text)
    }

    fn comment(&mut self) {
        self.skip(2);
        if self.long().is_none() {
            let end = self.rest.iter().position(|&b| b == b'\n').unwrap_or(self.rest.len());
            self.skip(end);
        }
    }

    fn quoted(&mut self, quote: u8) -> Vec<u8> {
        self.skip(1);
        let mut text = Vec::new();
        loop {
            match *self.rest {
                [] => return text,
                [b, ..] if b == quote || b == b'\n' => {
                    self.skip(1);
                    return text;
                }
                [b'\\', b, ..] if b.is_ascii_digit() => {
                    self.skip(1);
                    let n = self.rest.iter().take(3).take_while(|b| b.is_ascii_digit()).count();
                    text.push(self.skip(n).iter().fold(0u8, |n, b| n.wrapping_mul(10).wrapping_add(b - b'0')));
                }
                [b'\\', b, ..] => {
                    self.skip(2);
                    text.push(match b {
                        b'n' => b'\n',
                        b't' => b'\t',
                        b'r' => b'\r',
                        b => b,
                    });
                }
                [b, ..] => {
                    self.skip(1);
                    text.push(b);
                }
            }
        }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        loop {
            match *self.rest {
                [] => return None,
                [b, ..] if b.is_ascii_whitespace() => {
                    self.skip(1);
                }
                [b'-', b'-', ..] => self.comment(),
                [quote @ (b'"' | b'\''), ..] => return Some(Word::Text(self.quoted(quote))),
                [b'[', b'[' | b'=', ..] => {
                    return Some(match self.long() {
                        // A line's end right behind the bracket does not count.
                        Some(text) => Word::Text(text.strip_prefix(b"\n").unwrap_or(text).to_vec()),
                        None => Word::Sign(self.skip(1)[0]),
                    });
                }
                [b, ..] if is_word(b) => {
                    let n = self.rest.iter().take_while(|&&b| is_word(b)).count();
                    return Some(Word::Name(self.skip(n)));
                }
                [b, ..] => {
                    self.skip(1);
                    return Some(Word::Sign(b));
                }
            }
        }
    }
}

/// Looks for what a library's code registers. Its first line is none of Lua's.
pub(super) fn scan(code: &[u8]) -> Told {
    let from = code.iter().position(|&b| b == b'\n').unwrap_or(code.len());
    let words: Vec<Word<'_>> = Words { rest: code.get(from..).unwrap_or_default() }.collect();
    let mut told = Told::default();
    for (i, word) in words.iter().enumerate() {
        if *word != Word::Name(b"register_function") {
            continue;
        }
        told.mentions = true;
        let table = i.checked_sub(2).and_then(|at| words.get(at..i));
        let called = matches!(table, Some([Word::Name(b"redis" | b"server"), Word::Sign(b'.')]));
        let function = match words.get(i + 1..) {
            Some([Word::Sign(b'('), Word::Sign(b'{'), inside @ ..] | [Word::Sign(b'{'), inside @ ..]) => named(inside),
            Some([Word::Sign(b'('), Word::Text(name), Word::Sign(b','), ..]) => {
                Some(Function { name: name.clone(), ..Function::default() })
            }
            _ => None,
        };
        if let Some(function) = function.filter(|_| called) {
            take(&mut told, function);
        }
    }
    told
}

/// The function that the fields of a table name; `None` if its name is no literal.
fn named(words: &[Word<'_>]) -> Option<Function> {
    let (mut function, mut depth) = (Function::default(), 0usize);
    for (i, word) in words.iter().enumerate() {
        match word {
            Word::Sign(b'{' | b'(') => depth += 1,
            Word::Sign(b'}' | b')') if depth == 0 => break,
            Word::Sign(b'}' | b')') => depth -= 1,
            Word::Name(key) if depth == 0 => match (*key, words.get(i + 1..)) {
                (b"function_name", Some([Word::Sign(b'='), Word::Text(text), Word::Sign(b',' | b';' | b'}'), ..])) => {
                    function.name.clone_from(text);
                }
                (b"description", Some([Word::Sign(b'='), Word::Text(text), Word::Sign(b',' | b';' | b'}'), ..])) => {
                    function.description = Some(text.clone());
                }
                (b"flags", Some([Word::Sign(b'='), Word::Sign(b'{'), list @ ..])) => {
                    let list = list.iter().take_while(|word| **word != Word::Sign(b'}'));
                    let texts = list.filter_map(|word| if let Word::Text(text) = word { Some(text) } else { None });
                    function.flags = texts.cloned().collect();
                }
                _ => {}
            },
            _ => {}
        }
    }
    (!function.name.is_empty()).then_some(function)
}

/// Takes a function, or notes why it would be refused.
fn take(told: &mut Told, function: Function) {
    if !function.name.iter().all(|&b| is_word(b)) || function.name.is_empty() {
        told.fault.get_or_insert(super::BAD_NAME);
    } else if function.flags.iter().any(|flag| !FLAGS.contains(&&flag[..])) {
        told.fault.get_or_insert("unknown flag given");
    } else if told.functions.iter().any(|other| other.name == function.name) {
        told.fault.get_or_insert("Function already exists in the library");
    } else {
        told.functions.push(function);
    }
}
