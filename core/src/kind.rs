//! The kind of an event as a word for programs: the name of its variant.

use alloc::string::String;
use core::fmt::{self, Write as _};

/// The name of an enum's variant: `FullResync { .. }` is `full-resync`.
pub(crate) fn kind_of(event: &impl fmt::Debug) -> String {
    let mut name = Name(String::new());
    // It fails as soon as it has all that is wanted.
    let _ = write!(name, "{event:?}");
    name.0
}

struct Name(String);

impl fmt::Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            // The name ends where its fields begin: nothing more is to be written.
            if !c.is_ascii_alphanumeric() {
                return Err(fmt::Error);
            }
            if c.is_ascii_uppercase() && !self.0.is_empty() {
                self.0.push('-');
            }
            self.0.push(c.to_ascii_lowercase());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    #[allow(dead_code, reason = "only their names are looked at")]
    enum Event {
        Bye,
        FullResync { offset: u64 },
        Other(Option<u8>),
    }

    #[test]
    fn variants_name_themselves() {
        let all = [Event::Bye, Event::FullResync { offset: 1 }, Event::Other(Some(1))];
        assert_eq!(all.map(|e| kind_of(&e)), ["bye", "full-resync", "other"]);
    }
}
