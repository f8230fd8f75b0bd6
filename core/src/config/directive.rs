//! One directive: its names, what it may be, where its value lies.

use alloc::string::String;
use alloc::vec::Vec;

use super::settings::Settings;
use super::table::TABLE;
use super::{Config, Kind};

/// A directive that is known.
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    /// Its name, in lower case.
    pub name: &'static str,
    /// Its older name, if it has one.
    pub alias: Option<&'static str>,
    /// What its value may be.
    pub kind: Kind,
    /// Whether `CONFIG SET` may change it.
    pub mutable: bool,
    /// Whether `CONFIG SET` may change it only where `enable-protected-configs` allows.
    pub protected: bool,
    /// Whether only its exact name finds it (`CONFIG GET`).
    pub hidden: bool,
    /// The one value that can be honoured, and what to do instead of others.
    pub(super) only: Option<(&'static str, &'static str)>,
    pub(super) place: Place,
}

/// Where a value lies.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// In a field of [`Settings`].
    Field { show: fn(&Settings) -> String, take: fn(&mut Settings, &str) -> bool },
    /// In a field that is made of several words.
    List { show: fn(&Settings) -> String, take: fn(&mut Settings, &[&str]) -> Result<(), String> },
    /// Nothing depends on it: it is kept and shown. Its default.
    Kept(&'static str),
    /// Lines of a file that are no value: `include`, `user`, `rename-command`, `loadmodule`.
    Line(fn(&mut Config, &[&str]) -> Result<(), String>),
}

impl Directive {
    pub(super) const fn new(name: &'static str, kind: Kind, place: Place) -> Self {
        Self { name, alias: None, kind, mutable: true, protected: false, hidden: false, only: None, place }
    }

    pub(super) const fn alias(self, alias: &'static str) -> Self {
        Self { alias: Some(alias), ..self }
    }

    pub(super) const fn fixed(self) -> Self {
        Self { mutable: false, ..self }
    }

    pub(super) const fn protected(self) -> Self {
        Self { protected: true, ..self }
    }

    pub(super) const fn hidden(self) -> Self {
        Self { hidden: true, ..self }
    }

    pub(super) const fn only(self, value: &'static str, advice: &'static str) -> Self {
        Self { only: Some((value, advice)), ..self }
    }

    /// Its value as `CONFIG GET` shows it; `None` for lines that are no value.
    pub fn show(&self, settings: &Settings) -> Option<String> {
        match self.place {
            Place::Field { show, .. } | Place::List { show, .. } => Some(show(settings)),
            Place::Kept(default) => Some(settings.kept.get(self.name).map_or(default, |v| v).into()),
            Place::Line(_) => None,
        }
    }

    /// Gives it a value. An error says why, in Redis's words where Redis has some.
    pub(super) fn take(&self, config: &mut Config, words: &[&str]) -> Result<(), String> {
        let settings = &mut config.settings;
        if let Place::Line(take) = self.place {
            return take(config, words);
        }
        // One word with several in it stands for them.
        let split: Vec<&str>;
        let words = match words {
            [one] if self.kind.is_list() => {
                split = one.split_ascii_whitespace().collect();
                &split
            }
            words => words,
        };
        if let Place::List { take, .. } = self.place {
            return take(settings, words);
        }
        let value = match words {
            [one] => self.kind.check(one)?,
            words if self.kind.is_list() => self.kind.check(&words.join(" "))?,
            _ => return Err("wrong number of arguments".into()),
        };
        match self.only {
            Some((allowed, advice)) if value != allowed => return Err(advice.into()),
            _ => {}
        }
        match self.place {
            Place::Field { take, .. } if !take(settings, &value) => Err("argument is out of range".into()),
            Place::Kept(default) if value == default => {
                settings.kept.remove(self.name);
                Ok(())
            }
            Place::Kept(_) => {
                settings.kept.insert(self.name, value);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Its names, the newer first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        [Some(self.name), self.alias].into_iter().flatten()
    }
}

/// All directives that are known.
pub fn directives() -> &'static [Directive] {
    TABLE
}

/// The directive of this name, in whatever case: also the spelling of the table.
pub fn find(name: &str) -> Option<(&'static Directive, &'static str)> {
    TABLE.iter().find_map(|d| Some((d, d.names().find(|n| n.eq_ignore_ascii_case(name))?)))
}

/// The known name that is nearest to an unknown one, if one is near.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    nearest_of(name, TABLE.iter().flat_map(Directive::names))
}

/// The one of `names` that is nearest to another, if one is near.
pub(super) fn nearest_of(name: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let name = name.get(..64).unwrap_or(name).to_ascii_lowercase();
    let all = names.map(|known| (distance(&name, known), known));
    all.min_by_key(|(d, _)| *d).filter(|(d, known)| *d <= known.len().min(9) / 3).map(|(_, known)| known)
}

/// Edits (a letter more, less or other) from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (slot, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let best = (diagonal + usize::from(x != y)).min(*slot + 1).min(left + 1);
            diagonal = core::mem::replace(slot, best);
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(a.len())
}
