//! What the value of a directive may be, and its canonical spelling.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::resp::parse_i64;

/// What a value may be. Bounds are inclusive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// `yes` or `no`.
    Bool,
    /// A whole number.
    Number {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// Bytes, with a unit or without.
    Memory {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// Bytes, or a percentage of `maxmemory`.
    MemoryOrPercent,
    /// File permissions in octal, `777` at most.
    Permissions,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Some of these words.
    Words(&'static [&'static str]),
    /// Any text.
    Text,
    /// The name of a file, without a folder.
    FileName,
    /// Several values with rules of their own.
    List,
}

impl Kind {
    /// The canonical spelling of `value`, as `CONFIG GET` shows it; an error has Redis's words.
    pub fn check(&self, value: &str) -> Result<String, String> {
        match *self {
            Self::Bool => check_word(&["yes", "no"], value).ok_or_else(|| "argument must be 'yes' or 'no'".into()),
            Self::Number { min, max } => {
                let n = parse_i64(value.as_bytes()).ok_or("argument couldn't be parsed into an integer")?;
                between(n, min, max)
            }
            Self::Memory { min, max } => between(memory(value).ok_or("argument must be a memory value")?, min, max),
            Self::MemoryOrPercent => match value.strip_suffix('%') {
                None => memory(value).map(|n| n.to_string()).ok_or("argument must be a memory or percent value".into()),
                Some(digits) => match digits.parse::<u64>() {
                    Ok(n) if n <= 100 => Ok(format!("{n}%")),
                    Ok(_) => Err("percentage argument must be less or equal to 100".into()),
                    Err(_) => Err("argument must be a memory or percent value".into()),
                },
            },
            Self::Permissions => match u32::from_str_radix(value, 8) {
                Ok(n) if n <= 0o777 => Ok(format!("{n:o}")),
                Ok(_) => Err("argument must be between 0 and 777 inclusive".into()),
                Err(_) => Err("argument couldn't be parsed as an octal number".into()),
            },
            Self::Word(words) => check_word(words, value).ok_or_else(|| one_of(words)),
            Self::Words(words) => {
                let known = value.split_ascii_whitespace().map(|v| check_word(words, v)).collect::<Option<Vec<_>>>();
                match known {
                    Some(known) if !known.is_empty() => Ok(known.join(" ")),
                    _ => Err(one_of(words)),
                }
            }
            Self::FileName if value.contains(['/', '\\']) => Err("must be a file name, not a path".into()),
            Self::Text | Self::FileName | Self::List => Ok(value.into()),
        }
    }

    /// Whether a line may give it in several words.
    pub(super) fn is_list(self) -> bool {
        matches!(self, Self::List | Self::Words(_))
    }
}

fn check_word(words: &[&str], value: &str) -> Option<String> {
    words.iter().find(|w| w.eq_ignore_ascii_case(value)).map(|&w| w.into())
}

fn one_of(words: &[&str]) -> String {
    format!("argument(s) must be one of the following: {}", words.join(", "))
}

fn between<T: Ord + ToString + Copy>(n: T, min: T, max: T) -> Result<String, String> {
    if n < min || n > max {
        return Err(format!("argument must be between {} and {} inclusive", min.to_string(), max.to_string()));
    }
    Ok(n.to_string())
}

/// Bytes: digits and a unit (`k` is 1000, `kb` is 1024, and so on). Nothing at all is 0, as in Redis.
pub fn memory(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor: u64 = match &unit.to_ascii_lowercase()[..] {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    match number {
        "" => unit.is_empty().then_some(0),
        _ => number.parse::<u64>().ok()?.checked_mul(factor),
    }
}

/// Bytes in the largest unit that divides them.
pub(super) fn show_memory(bytes: u64) -> String {
    match bytes {
        0 => "0".into(),
        n if n.is_multiple_of(1 << 30) => format!("{}gb", n >> 30),
        n if n.is_multiple_of(1 << 20) => format!("{}mb", n >> 20),
        n if n.is_multiple_of(1 << 10) => format!("{}kb", n >> 10),
        n => n.to_string(),
    }
}
