//! Files and arguments: lines, comments, includes.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::directive::{Directive, find, nearest};
use super::{Config, ConfigError, MAX_INCLUDE_DEPTH};
use crate::words;

/// Reads an included file by its name.
type Include<'a> = &'a mut dyn FnMut(&str) -> Result<String, String>;

impl Config {
    /// Reads a configuration text. `name` is the file's, for errors; `include` gives the text of another file (a
    /// directive `include`), or says why it cannot.
    ///
    /// What was read before an error stays; a node that gets one does not start.
    pub fn load(&mut self, name: &str, text: &str, include: Include<'_>) -> Result<(), ConfigError> {
        self.load_at(name, text, include, 0)
    }

    fn load_at(&mut self, name: &str, text: &str, include: Include<'_>, depth: usize) -> Result<(), ConfigError> {
        for (number, line) in text.split('\n').enumerate() {
            let error = |reason: String| ConfigError {
                file: name.into(),
                line: number + 1,
                text: line.trim().chars().take(1024).collect(),
                reason,
            };
            let Some(parsed) = Line::parse(line).map_err(error)? else { continue };
            if parsed.directive.name != "include" {
                parsed.apply(self).map_err(error)?;
                continue;
            }
            let [file] = &parsed.values[..] else { return Err(error("include takes one file name".into())) };
            if depth >= MAX_INCLUDE_DEPTH {
                return Err(error(format!("files include one another more than {MAX_INCLUDE_DEPTH} deep")));
            }
            let text = include(file).map_err(|why| error(format!("cannot include '{file}': {why}")))?;
            self.load_at(file, &text, include, depth + 1)?;
        }
        self.settings.settle();
        Ok(())
    }

    /// Reads the arguments of a program behind the name of its file: `--port 6380 --replicaof "host 6379"`.
    ///
    /// As in redis-server, a directive has at least one value and goes on to the next argument that begins with
    /// `--`; name and value may also be one argument (`"--port 6380"`), and `--save` without a value means none.
    pub fn apply_args<S: AsRef<str>>(&mut self, args: &[S]) -> Result<(), ConfigError> {
        let mut rest = args;
        let mut number = 0;
        while let Some((first, more)) = rest.split_first() {
            number += 1;
            let first = first.as_ref();
            // A bare name takes the next argument whatever it looks like (a password may begin with `--`).
            let bare = !first.trim_end().contains(' ') && !first.trim_end().eq_ignore_ascii_case("--save");
            let sure = usize::from(bare).min(more.len());
            let count = sure + more.iter().skip(sure).take_while(|a| !a.as_ref().starts_with("--")).count();
            let (values, next) = more.split_at(count);
            rest = next;
            let mut line = first.strip_prefix("--").unwrap_or(first).to_string();
            for value in values {
                line.push(' ');
                line.push_str(&words::quote(value.as_ref().as_bytes()));
            }
            if line.trim_end().eq_ignore_ascii_case("save") {
                line.push_str(" \"\"");
            }
            let read = || -> Result<Line, String> {
                if !first.starts_with("--") {
                    return Err("expected --directive value".into());
                }
                Line::parse(&line)?.ok_or_else(|| "expected the name of a directive behind --".into())
            };
            let done = read().and_then(|parsed| match parsed.directive.name {
                "include" => Err("include is for files, not for arguments".into()),
                _ => parsed.apply(self),
            });
            done.map_err(|reason| ConfigError { file: String::new(), line: number, text: line.clone(), reason })?;
        }
        self.settings.settle();
        Ok(())
    }
}

/// One line that says something.
pub(super) struct Line {
    pub(super) directive: &'static Directive,
    pub(super) values: Vec<String>,
}

impl Line {
    /// `None` for an empty line and a comment.
    pub(super) fn parse(line: &str) -> Result<Option<Self>, String> {
        let line = line.trim_matches([' ', '\t', '\r', '\n']);
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let words = words::split(line.as_bytes()).map_err(|_| "Unbalanced quotes in configuration line")?;
        let mut words = words.into_iter().map(String::from_utf8);
        let Some(name) = words.next() else { return Ok(None) };
        let name = name.map_err(|_| "Bad directive or wrong number of arguments")?;
        let values = words.collect::<Result<Vec<_>, _>>().map_err(|_| format!("the value of '{name}' is not UTF-8"))?;
        let Some((directive, _)) = find(&name) else {
            let hint = nearest(&name).map(|n| format!(" (did you mean '{n}'?)")).unwrap_or_default();
            return Err(format!(
                "Bad directive or wrong number of arguments: '{}' is unknown{hint}",
                name.escape_debug()
            ));
        };
        Ok(Some(Self { directive, values }))
    }

    pub(super) fn apply(&self, config: &mut Config) -> Result<(), String> {
        if self.values.is_empty() {
            return Err("wrong number of arguments".into());
        }
        let values: Vec<&str> = self.values.iter().map(|v| &v[..]).collect();
        // The first rules replace the default ones; an empty word replaces all.
        if self.directive.name == "save" && !core::mem::replace(&mut config.save_seen, true) {
            config.settings.save.clear();
        }
        self.directive.take(config, &values)
    }
}
