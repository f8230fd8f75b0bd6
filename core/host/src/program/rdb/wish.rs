//! The arguments of `primacy rdb`.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;
use primacy_core::glob;
use primacy_core::rdb::Entry;

use super::format::Type;

/// What is to be done with a dump.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Summary,
    Jsonl,
    Resp,
    Check,
}

/// Where a dump comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum From {
    File(PathBuf),
    Stdin,
}

#[derive(Debug)]
pub(super) struct Wish {
    pub(super) from: From,
    pub(super) form: Form,
    pub(super) filter: Filter,
}

/// Which keys were asked for.
#[derive(Debug, Default)]
pub(super) struct Filter {
    db: Option<u64>,
    /// Any one has to match.
    patterns: Vec<Vec<u8>>,
    /// Any one has to be it.
    types: Vec<Type>,
}

impl Filter {
    /// Whether every key was asked for.
    pub(super) fn is_all(&self) -> bool {
        self.db.is_none() && self.patterns.is_empty() && self.types.is_empty()
    }

    /// Whether this key was.
    pub(super) fn takes(&self, entry: &Entry<'_>) -> bool {
        self.db.is_none_or(|db| db == entry.db)
            && (self.types.is_empty() || Type::of(&entry.value).is_some_and(|typ| self.types.contains(&typ)))
            && (self.patterns.is_empty() || self.patterns.iter().any(|pattern| glob::matches(pattern, entry.key)))
    }
}

impl Wish {
    /// `None`: help was asked for.
    pub(super) fn parse(args: Vec<OsString>) -> Result<Option<Self>, lexopt::Error> {
        let (mut from, mut form, mut check, mut filter) = (None, None, false, Filter::default());
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Long("help") | Short('h') => return Ok(None),
                Long("format") => form = Some(parser.value()?.parse_with(form_of)?),
                Long("check") => check = true,
                Long("db") => filter.db = Some(parser.value()?.parse()?),
                Long("match") => filter.patterns.push(parser.value()?.into_encoded_bytes()),
                Long("type") => filter.types.push(parser.value()?.parse_with(type_of)?),
                Value(path) if from.is_none() => {
                    from = Some(if path == "-" { From::Stdin } else { From::File(path.into()) });
                }
                other => return Err(other.unexpected()),
            }
        }
        let from = from.ok_or("a dump was expected: a file, or - for standard input")?;
        if check && (form.is_some() || !filter.is_all()) {
            return Err(
                "--check is about the whole file, and prints one line: leave --format, --db, --match and --type out"
                    .into(),
            );
        }
        let form = if check { Form::Check } else { form.unwrap_or(Form::Summary) };
        Ok(Some(Self { from, form, filter }))
    }
}

fn form_of(text: &str) -> Result<Form, String> {
    match text {
        "summary" => Ok(Form::Summary),
        "jsonl" => Ok(Form::Jsonl),
        "resp" => Ok(Form::Resp),
        _ => Err("there are summary, jsonl and resp".into()),
    }
}

fn type_of(text: &str) -> Result<Type, String> {
    Type::ALL.into_iter().find(|typ| typ.name() == text).ok_or_else(|| {
        let all = Type::ALL.map(Type::name);
        format!("there are {}", all.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use primacy_core::rdb::Value;

    use super::*;

    fn parse(line: &str) -> Result<Option<Wish>, String> {
        Wish::parse(line.split_whitespace().map(OsString::from).collect()).map_err(|e| e.to_string())
    }

    fn wish(line: &str) -> Wish {
        parse(line).unwrap().unwrap()
    }

    #[test]
    fn what_is_taken() {
        assert_eq!(wish("dump.rdb").form, Form::Summary);
        assert_eq!(wish("dump.rdb").from, From::File("dump.rdb".into()));
        assert_eq!(wish("--format jsonl -").from, From::Stdin);
        assert_eq!(wish("--check dump.rdb").form, Form::Check);
        assert!(parse("--help").unwrap().is_none());
    }

    #[test]
    fn what_is_refused() {
        for line in [
            "",
            "a b",
            "--format xml a",
            "--type number a",
            "--db x a",
            "--check --format jsonl a",
            "--check --db 0 a",
            "--nonsense a",
            "a --format",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn keys_are_chosen_by_all_conditions() {
        let entry =
            |db, key| Entry { db, key, expire_at_ms: None, idle_s: None, freq: None, value: Value::String(b"") };
        let takes = |line: &str, db, key: &'static str| wish(line).filter.takes(&entry(db, key.as_bytes()));
        assert!(takes("f", 3, "x"));
        assert!(takes("f --db 3", 3, "x") && !takes("f --db 3", 0, "x"));
        assert!(takes("f --match a* --match b*", 0, "bc") && !takes("f --match a* --match b*", 0, "c"));
        assert!(takes("f --type hash --type string", 0, "x") && !takes("f --type hash", 0, "x"));
        assert!(!takes("f --db 0 --match y", 0, "x"));
    }
}
