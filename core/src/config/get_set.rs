//! `CONFIG GET` and `CONFIG SET`.

use alloc::string::String;
use alloc::vec::Vec;

use super::directive::{Directive, Place, find};
use super::{Config, Guard, SetError, directives};
use crate::glob;

impl Config {
    /// What `CONFIG GET` answers: the names that match one of the patterns, each once, with their values. Both names
    /// of a directive are shown where both match.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(&'static str, String)> {
        let wanted = |d: &Directive, name: &str| {
            patterns.iter().any(|p| {
                if d.hidden {
                    p.eq_ignore_ascii_case(name.as_bytes())
                } else {
                    glob::matches_ignoring_case(p, name.as_bytes())
                }
            })
        };
        let names = directives().iter().flat_map(|d| d.names().map(move |n| (d, n)));
        names.filter(|(d, n)| wanted(d, n)).filter_map(|(d, n)| Some((n, d.show(&self.settings)?))).collect()
    }

    /// What `CONFIG SET` does: all of the pairs, or none. Gives the names of the directives whose values changed.
    ///
    /// A protected directive can be set only where `enable-protected-configs` is `yes`; see [`Config::set_from`].
    pub fn set(&mut self, pairs: &[(&[u8], &[u8])]) -> Result<Vec<&'static str>, SetError> {
        self.set_from(pairs, false)
    }

    /// The same for a client whose connection is `local` to this machine or not (`enable-protected-configs local`).
    pub fn set_from(&mut self, pairs: &[(&[u8], &[u8])], local: bool) -> Result<Vec<&'static str>, SetError> {
        let mut named: Vec<(&'static Directive, &'static str)> = Vec::with_capacity(pairs.len());
        // Redis names an unknown directive before it looks at any other fault.
        for (name, _) in pairs {
            let spelled = String::from_utf8_lossy(name);
            match find(&spelled) {
                Some((d, n)) if !matches!(d.place, Place::Line(_)) => named.push((d, n)),
                _ => return Err(SetError::Unknown(spelled.into_owned())),
            }
        }
        let open = match self.settings.enable_protected_configs {
            Guard::Yes => true,
            Guard::Local => local,
            Guard::No => false,
        };
        for (i, (d, name)) in named.iter().enumerate() {
            let reason = if !d.mutable {
                "can't set immutable config"
            } else if d.protected && !open {
                "can't set protected config"
            } else if named.iter().take(i).any(|(_, n)| n == name) {
                "duplicate parameter"
            } else {
                continue;
            };
            return Err(refused(pairs, i, reason.into()));
        }
        let mut next = self.clone();
        for (i, ((d, _), (_, value))) in named.iter().zip(pairs).enumerate() {
            next.set_one(d, value).map_err(|reason| refused(pairs, i, reason))?;
        }
        next.settings.settle();
        let mut changed: Vec<&'static str> = Vec::new();
        for (d, _) in named {
            if !changed.contains(&d.name) && d.show(&self.settings) != d.show(&next.settings) {
                changed.push(d.name);
            }
        }
        *self = next;
        Ok(changed)
    }

    /// Gives the directives of these names the values that they have in `before`.
    pub(crate) fn restore(&mut self, before: &Self, names: &[&str]) {
        for d in directives().iter().filter(|d| names.contains(&d.name)) {
            if let Some(value) = d.show(&before.settings) {
                let taken = self.set_one(d, value.as_bytes());
                debug_assert_eq!(taken, Ok(()), "a value that was shown is taken again");
            }
        }
        self.settings.settle();
    }

    fn set_one(&mut self, directive: &Directive, value: &[u8]) -> Result<(), String> {
        let value = core::str::from_utf8(value).map_err(|_| "argument must be UTF-8 text")?;
        if directive.name == "save" {
            self.settings.save.clear();
        }
        directive.take(self, &[value])
    }
}

fn refused(pairs: &[(&[u8], &[u8])], i: usize, reason: String) -> SetError {
    let name = pairs.get(i).map_or_else(String::new, |(n, _)| String::from_utf8_lossy(n).into_owned());
    SetError::Refused { name, reason }
}
