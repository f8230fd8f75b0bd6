//! Finds a command by its name, in whatever case.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use crate::dataset::Spec;

/// An entry found.
#[derive(Debug)]
pub struct Lookup<'t, R> {
    /// Its number, steady over the table's life: statistics are kept by it.
    pub index: usize,
    /// What the command is.
    pub spec: &'static Spec,
    /// What runs it.
    pub run: &'t R,
}

/// A fixed set of commands with what runs each: open addressing over the lower-cased name.
#[derive(Debug)]
pub struct Table<R> {
    commands: Vec<(&'static Spec, R)>,
    slots: Box<[u16]>,
    /// What `rename-command` says, if anything.
    renamed: Option<Box<Renamed>>,
}

/// Names that clients use in place of the table's.
#[derive(Debug, Default)]
struct Renamed {
    /// New names in lower case.
    names: BTreeMap<Vec<u8>, usize>,
    /// Commands whose own names are gone.
    gone: BTreeSet<usize>,
}

const EMPTY: u16 = u16::MAX;

impl<R> Table<R> {
    /// A table of these commands; of two with one name the first counts.
    pub fn new(commands: Vec<(&'static Spec, R)>) -> Self {
        let size = (commands.len() * 4).next_power_of_two().clamp(16, 1 << 16);
        let mut table = Self { commands: Vec::new(), slots: vec![EMPTY; size].into_boxed_slice(), renamed: None };
        for (spec, run) in commands.into_iter().take(usize::from(EMPTY)) {
            let mut at = table.home(spec.name.as_bytes());
            while table.slots[at] != EMPTY {
                at = (at + 1) & (size - 1);
            }
            table.slots[at] = table.commands.len() as u16;
            table.commands.push((spec, run));
        }
        table
    }

    /// How many commands there are.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// The command of this name.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<Lookup<'_, R>> {
        let mut at = self.home(name);
        loop {
            let index = usize::from(self.slots[at]);
            let (spec, run) = self.commands.get(index)?;
            if name.eq_ignore_ascii_case(spec.name.as_bytes()) {
                return Some(Lookup { index, spec, run });
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// The command that clients call so: by its name, or by what it was renamed to.
    #[inline]
    pub fn find_called(&self, name: &[u8]) -> Option<Lookup<'_, R>> {
        let Some(renamed) = &self.renamed else { return self.find(name) };
        if let Some(&index) = renamed.names.get(&name.to_ascii_lowercase()) {
            let (spec, run) = self.commands.get(index)?;
            return Some(Lookup { index, spec, run });
        }
        self.find(name).filter(|found| !renamed.gone.contains(&found.index))
    }

    /// Whether any command has another name for clients.
    #[inline]
    pub fn is_renamed(&self) -> bool {
        self.renamed.is_some()
    }

    /// What clients call the command of this name, if that is another one.
    pub fn called_for(&self, name: &[u8]) -> Option<&[u8]> {
        let renamed = self.renamed.as_ref()?;
        let index = self.find(name)?.index;
        renamed.names.iter().find(|(_, i)| **i == index).map(|(name, _)| &name[..])
    }

    /// Lets clients call a command otherwise (`rename-command`), or not at all with an empty name. Rules of users, statistics
    /// and what masters send keep the name of the table.
    ///
    /// # Errors
    /// In Redis's words: if there is no such command, or one of the new name.
    pub fn rename(&mut self, command: &str, name: &str) -> Result<(), &'static str> {
        let found = self.find_called(command.as_bytes()).filter(|found| !found.spec.name.contains('|'));
        let index = found.ok_or("No such command in rename-command")?.index;
        let name = name.to_ascii_lowercase().into_bytes();
        if self.find_called(&name).is_some_and(|other| other.index != index) {
            return Err("Target command name already exists");
        }
        let renamed = self.renamed.get_or_insert_default();
        renamed.names.retain(|_, i| *i != index);
        renamed.gone.insert(index);
        if !name.is_empty() {
            renamed.names.insert(name, index);
        }
        Ok(())
    }

    /// Command number `index`.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'static Spec> {
        self.commands.get(index).map(|(spec, _)| *spec)
    }

    /// All commands in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'static Spec> + '_ {
        self.commands.iter().map(|(spec, _)| *spec)
    }

    #[inline]
    fn home(&self, name: &[u8]) -> usize {
        // FNV-1a; at most a quarter of the slots is taken, and a name too long to be a command costs no more than one.
        let mut h: u32 = 0x811c_9dc5;
        for &b in name.iter().take(32) {
            h = (h ^ u32::from(b | 0x20)).wrapping_mul(0x0100_0193);
        }
        (h ^ (h >> 15)) as usize & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Flags, KeySpec};

    const fn spec(name: &'static str) -> Spec {
        let keys = KeySpec::NONE;
        Spec { name, arity: 1, flags: Flags(0), keys, group: "", since: "", summary: "" }
    }

    #[test]
    fn finds_each_in_any_case_and_nothing_else() {
        static SPECS: [Spec; 4] = [spec("get"), spec("set"), spec("getset"), spec("client|list")];
        let t = Table::new(SPECS.iter().enumerate().map(|(i, s)| (s, i)).collect());
        for (i, s) in SPECS.iter().enumerate() {
            assert_eq!(t.find(s.name.to_uppercase().as_bytes()).map(|l| (l.index, *l.run)), Some((i, i)));
        }
        for no in ["", "ge", "gett", "nosuchcommandwithaveryverylongnameindeed"] {
            assert!(t.find(no.as_bytes()).is_none(), "{no}");
        }
    }

    #[test]
    fn a_renamed_command_is_called_by_its_new_name_alone() {
        static SPECS: [Spec; 3] = [spec("get"), spec("config"), spec("config|get")];
        let mut t = Table::new(SPECS.iter().enumerate().map(|(i, s)| (s, i)).collect());
        assert_eq!(t.rename("CONFIG", "Secret"), Ok(()));
        let called = |t: &Table<usize>, name: &str| t.find_called(name.as_bytes()).map(|l| l.index);
        assert_eq!((called(&t, "sECRET"), called(&t, "config"), called(&t, "config|get")), (Some(1), None, Some(2)));
        assert_eq!(t.find(b"config").map(|l| l.index), Some(1));
        assert_eq!(t.rename("secret", "other"), Ok(()));
        assert_eq!((called(&t, "secret"), called(&t, "other")), (None, Some(1)));
        assert_eq!(t.rename("get", ""), Ok(()));
        assert_eq!((called(&t, "get"), called(&t, "")), (None, None));
        assert_eq!(t.rename("nosuch", "x"), Err("No such command in rename-command"));
        assert_eq!(t.rename("get", "x"), Err("No such command in rename-command"));
        assert_eq!(t.rename("other", "config|get"), Err("Target command name already exists"));
    }
}
