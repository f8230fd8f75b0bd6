//! What is wrong with rules, and how words make a rule.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// What is wrong with a rule, in Redis's words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// It is none.
    #[error("Syntax error")]
    Syntax,
    /// It names a command or category that is not there.
    #[error("Unknown command or category name in ACL")]
    Unknown,
    /// `+container|subcommand|word`.
    #[error("Allowing first-arg of a subcommand is not supported")]
    FirstArgOfSubcommand,
    /// A pattern of keys where all are allowed.
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try \
         'resetkeys' to start with an empty list of patterns"
    )]
    KeysAfterAll,
    /// A pattern of channels where all are allowed.
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try \
         'resetchannels' to start with an empty list of channels"
    )]
    ChannelsAfterAll,
    /// No hash of a password.
    #[error("The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters")]
    Hash,
    /// A password that the user does not have.
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    /// More rules than [`MAX_RULES`](super::MAX_RULES).
    #[error("More rules, patterns or passwords than one user may have")]
    TooMany,
    /// A word within the parentheses of a selector.
    #[error("{error} in the word '{word}'")]
    InSelector {
        /// The word, lossily as text.
        word: Box<str>,
        /// What is wrong with it.
        error: Box<Self>,
    },
}

/// The rules that `words` are: those from one that begins with a parenthesis to one that ends with its counterpart are
/// one rule, a selector. An error is the word whose parenthesis nobody closes.
pub(crate) fn merge_selectors<'w>(words: impl Iterator<Item = &'w [u8]>) -> Result<Vec<Vec<u8>>, Box<str>> {
    let mut rules: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for word in words {
        open = match open.take() {
            None if word.starts_with(b"(") && !word.ends_with(b")") => Some((word, word.into())),
            None => {
                rules.push(word.into());
                None
            }
            Some((first, mut rule)) => {
                rule.push(b' ');
                rule.extend_from_slice(word);
                if word.ends_with(b")") {
                    rules.push(rule);
                    None
                } else {
                    Some((first, rule))
                }
            }
        };
    }
    match open {
        None => Ok(rules),
        Some((first, _)) => Err(String::from_utf8_lossy(first).into()),
    }
}
