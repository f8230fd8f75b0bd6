//! Function libraries: stored, propagated, written to snapshots, and never run, for there is no interpreter here.
//!
//! Of a library's code the first line is read, which names it, and [`scan`] finds the functions that it registers as far
//! as the text tells. A library that comes from a master or in a snapshot was run by another server already, so that what
//! the text seems to say is no reason to refuse it.

mod scan;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;

use super::entry::allocated;
use crate::words;
pub(super) use scan::Function;
use scan::Told;

/// An error's text.
pub(super) type Refused = Vec<u8>;

const BAD_NAME: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least one \
                        character long";

/// One library.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Library {
    name: Box<[u8]>,
    code: Bytes,
    functions: Vec<Function>,
}

/// What is demanded of a library's code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trust {
    /// All that can be told from the text: it comes from a client.
    None,
    /// A name: another server has loaded it.
    Loaded,
}

impl Library {
    /// Reads a library's code.
    pub(super) fn parse(code: &[u8], trust: Trust) -> Result<Self, Refused> {
        let (name, engine) = first_line(code)?;
        if name.is_empty() || !name.iter().all(|&b| scan::is_word(b)) {
            return Err([b"ERR ", BAD_NAME.as_bytes()].concat());
        }
        let lua = engine.eq_ignore_ascii_case(b"lua");
        if !lua && trust == Trust::None {
            return Err([b"ERR Engine '", &engine[..], b"' not found"].concat());
        }
        let Told { functions, fault, mentions } = if lua { scan::scan(code) } else { Told::default() };
        if trust == Trust::None {
            if let Some(fault) = fault {
                return Err([b"ERR Error registering functions: ERR ", fault.as_bytes()].concat());
            }
            if !mentions {
                return Err(b"ERR No functions registered".to_vec());
            }
        }
        Ok(Self { name: name.into(), code: Bytes::copy_from_slice(code), functions })
    }

    /// Its name.
    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    /// Its code, the first line too.
    pub(super) fn code(&self) -> &Bytes {
        &self.code
    }

    /// The functions that its text tells of.
    pub(super) fn functions(&self) -> &[Function] {
        &self.functions
    }
}

/// The name and the engine in the first line: `#!lua name=lib`.
fn first_line(code: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Refused> {
    let refused = |text: &str| Err([b"ERR ", text.as_bytes()].concat());
    if !code.starts_with(b"#!") {
        return refused("Missing library metadata");
    }
    let Some(end) = code.iter().position(|&b| b == b'\n') else { return refused("Invalid library metadata") };
    let mut line = code.get(..end).unwrap_or_default().to_vec();
    let mut spans = Vec::new();
    if words::split_in_place(&mut line, |span| spans.push(span)).is_err() {
        return refused("Invalid library metadata");
    }
    let mut words = spans.into_iter().map(|span| line.get(span).unwrap_or_default());
    let engine = words.next().and_then(|word| word.strip_prefix(b"#!")).unwrap_or_default().to_vec();
    let mut name = None;
    for word in words {
        let value = match word.split_at_checked(5) {
            Some((key, value)) if key.eq_ignore_ascii_case(b"name=") => value,
            _ => return Err([b"ERR Invalid metadata value given: ", word].concat()),
        };
        if name.replace(value.to_vec()).is_some() {
            return refused("Invalid metadata value, name argument was given multiple times");
        }
    }
    match name {
        Some(name) => Ok((name, engine)),
        None => refused("Library name was not given"),
    }
}

/// All libraries, in the order of their names. A clone shares their code.
#[derive(Clone, Default, Debug)]
pub(super) struct Libraries(BTreeMap<Box<[u8]>, Library>);

impl Libraries {
    /// Adds a library; one of its name gives way if `replace`.
    pub(super) fn add(&mut self, library: Library, replace: bool, trust: Trust) -> Result<(), Refused> {
        if !replace && self.0.contains_key(&library.name) {
            return Err([b"ERR Library '", library.name(), b"' already exists"].concat());
        }
        if trust == Trust::None
            && let Some(name) = self.collision(&library)
        {
            return Err([b"ERR Function ", name, b" already exists"].concat());
        }
        self.0.insert(library.name.clone(), library);
        Ok(())
    }

    /// A function of `library` that another library has.
    fn collision<'l>(&self, library: &'l Library) -> Option<&'l [u8]> {
        let others = || self.0.values().filter(|other| other.name != library.name).flat_map(|other| &other.functions);
        let has = |function: &&Function| others().any(|other| other.name.eq_ignore_ascii_case(&function.name));
        library.functions.iter().find(has).map(|function| &function.name[..])
    }

    /// Removes a library; whether it was there.
    pub(super) fn remove(&mut self, name: &[u8]) -> bool {
        self.0.remove(name).is_some()
    }

    /// Whether there is a library of this name.
    pub(super) fn has(&self, name: &[u8]) -> bool {
        self.0.contains_key(name)
    }

    /// Removes all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Library> {
        self.0.values()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Memory in bytes.
    pub(super) fn memory(&self) -> usize {
        self.iter().map(|library| allocated(library.code.len()) + allocated(size_of::<Library>())).sum()
    }
}

#[cfg(test)]
mod tests;
