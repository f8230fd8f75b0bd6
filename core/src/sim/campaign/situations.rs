//! What occurred, by name: a campaign in which one of these never happened proved nothing there.

use alloc::vec::Vec;

/// Makes the enum `Situation` and its counts `Situations`.
#[cfg(feature = "keyspace")]
macro_rules! situations {
    ($($name:ident = $text:literal,)*) => {
        /// Something that a campaign wants to have seen.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Situation {
            $(#[doc = $text] $name,)*
        }

        impl Situation {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// All of them in words.
            pub const TEXTS: &'static [&'static str] = &[$($text,)*];

            /// In words.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }

        /// How often each occurred.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct Situations([u64; Situation::ALL.len()]);

        impl Default for Situations {
            fn default() -> Self {
                Self([0; Situation::ALL.len()])
            }
        }

        impl Situations {
            /// Counts one.
            pub fn count(&mut self, situation: Situation) {
                self.0[situation as usize] += 1;
            }

            /// How often it occurred.
            pub fn of(&self, situation: Situation) -> u64 {
                self.0[situation as usize]
            }

            /// All with their counts.
            pub fn iter(&self) -> impl Iterator<Item = (Situation, u64)> + '_ {
                Situation::ALL.iter().map(|s| (*s, self.of(*s)))
            }

            /// Adds another run's.
            pub fn add(&mut self, other: &Self) {
                self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a += b);
            }

            /// The same for whoever does not know these situations.
            pub fn counts(&self) -> $crate::sim::campaign::Counts {
                $crate::sim::campaign::Counts::new(Situation::TEXTS, self.0.into())
            }
        }
    };
}
#[cfg(feature = "keyspace")]
pub(in crate::sim) use situations;

/// How often each situation of some campaign occurred.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    texts: &'static [&'static str],
    counts: Vec<u64>,
}

impl Counts {
    /// Counts of the situations that `texts` name, in their order.
    pub fn new(texts: &'static [&'static str], counts: Vec<u64>) -> Self {
        Self { texts, counts }
    }

    /// Each in words, with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.texts.iter().copied().zip(self.counts.iter().copied())
    }

    /// Adds another run's, of the same campaign.
    pub fn add(&mut self, other: &Self) {
        if self.counts.is_empty() {
            self.clone_from(other);
            return;
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(a, b)| *a += b);
    }
}
