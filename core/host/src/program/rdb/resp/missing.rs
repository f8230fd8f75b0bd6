//! What no command can rebuild.

use std::collections::BTreeMap;

/// Of each kind so many keys are named.
const NAMED: usize = 10;

/// Something that a snapshot holds and commands cannot express.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Lost {
    Module,
    ModuleAux,
    KeyMeta,
    Released,
    Producers,
    Deliveries,
    Deleted,
    Unknown,
}

impl Lost {
    fn words(self) -> &'static str {
        match self {
            Self::Module => "values of modules",
            Self::ModuleAux => "data of modules beside the keys",
            Self::KeyMeta => "metadata of keys",
            Self::Released => "streams with released entries",
            Self::Producers => "streams that remember ids of producers",
            Self::Deliveries => "groups with so many pending entries that times and counts of deliveries are lost",
            Self::Deleted => "streams with pending entries that were deleted",
            Self::Unknown => "values of unknown types",
        }
    }
}

/// What was lost so far.
#[derive(Debug, Default)]
pub(super) struct Missing {
    kinds: BTreeMap<Lost, (u64, Vec<String>)>,
}

impl Missing {
    /// Something of this key was lost; `what` says more of it, or is empty.
    pub(super) fn add(&mut self, lost: Lost, key: &[u8], what: &str) {
        let (count, named) = self.kinds.entry(lost).or_default();
        *count += 1;
        if named.len() < NAMED {
            let cut = key.get(..64).unwrap_or(key);
            let more = if cut.len() < key.len() { "…" } else { "" };
            let space = if what.is_empty() || key.is_empty() { "" } else { " " };
            let key = if key.is_empty() && !what.is_empty() {
                String::new()
            } else {
                format!("\"{}{more}\"", cut.escape_ascii())
            };
            named.push(format!("{key}{space}{what}"));
        }
    }

    /// The same, once for all times with the same `noted`: if `is_lost`, and not noted before.
    pub(super) fn add_first(&mut self, lost: Lost, key: &[u8], is_lost: bool, noted: &mut bool) {
        if is_lost && !core::mem::replace(noted, true) {
            self.add(lost, key, "");
        }
    }

    /// A line for each kind.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |(lost, (count, named)): (&Lost, &(u64, Vec<String>))| {
            let more = if *count > named.len() as u64 { ", …" } else { "" };
            format!("no command for {}: {count} ({}{more})", lost.words(), named.join(", "))
        };
        self.kinds.iter().map(line).collect()
    }
}
