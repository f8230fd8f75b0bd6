//! What is wrong with a configuration, and where.

use alloc::string::String;
use core::fmt;

/// Why a node cannot start with a configuration. [`fmt::Display`] prints the lines that Redis prints.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// The file's name as it was given; empty for arguments of the program.
    pub file: String,
    /// The line in it, from 1; for arguments the how-manyth directive.
    pub line: usize,
    /// The line's text.
    pub text: String,
    /// What was expected, and what to do.
    pub reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, text) = (self.line, self.text.escape_debug());
        match &self.file[..] {
            "" => writeln!(f, "Reading the arguments of the program, at directive {line}")?,
            file => writeln!(f, "Reading the configuration file {}, at line {line}", OneLine(file))?,
        }
        write!(f, ">>> '{text}'\n{}", OneLine(&self.reason))
    }
}

/// Text that may hold what a file says, with its control characters escaped: it brings no line of its own.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() { write!(f, "{}", c.escape_debug())? } else { fmt::Write::write_char(f, c)? }
        }
        Ok(())
    }
}

impl core::error::Error for ConfigError {}

/// Why `CONFIG SET` changed nothing. [`fmt::Display`] is Redis's answer, `ERR` included.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// No directive of this name can be set.
    #[error("ERR Unknown option or number of arguments for CONFIG SET - '{}'", .0.escape_debug())]
    Unknown(String),
    /// The directive cannot have this value now.
    #[error("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")]
    Refused {
        /// The directive as it was spelled.
        name: String,
        /// Why.
        reason: String,
    },
}
