//! Files and arguments: lines, comments, includes.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::directive::{Directive, find, nearest};
use super::table::TWO_SOURCES;
use super::{Config, ConfigError, MAX_INCLUDE_DEPTH};
use crate::secrets::in_line;
use crate::words;

/// Reads an included file by its name.
pub(super) type Include<'a> = &'a mut dyn FnMut(&str) -> Result<String, String>;

/// Where a line stands.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    /// The file's name; empty for arguments of the program.
    pub(super) file: &'a str,
    /// From 1; for arguments the how-manyth directive.
    pub(super) line: usize,
    /// The line itself.
    pub(super) text: &'a str,
    /// How many files include one another down to this one, the first not counted.
    pub(super) depth: usize,
}

impl Spot<'_> {
    pub(super) fn error(self, reason: String) -> ConfigError {
        let text = match (secret(self.text), self.file) {
            (Some(shown), _) => shown,
            (None, "") => self.text.into(),
            (None, _) => self.text.trim().chars().take(1024).collect(),
        };
        ConfigError { file: self.file.into(), line: self.line, text, reason }
    }
}

/// What is shown of a line that holds a password: what it is about, and no more.
fn secret(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_ascii_whitespace().take(2).map(|w| w.trim_matches(['"', '\''])).collect();
    let (from, _) = in_line(&words)?;
    // Of a sentinel's the second word says which directive it is; of a user's it is the name.
    let about = words.get(..from.min(if words.first()?.eq_ignore_ascii_case("sentinel") { 2 } else { 1 }))?;
    Some(format!("{} (not shown)", about.join(" ")))
}

/// What takes the words of a line, of which there is at least one.
pub(super) type Take<'a> = &'a mut dyn FnMut(Spot<'_>, Vec<String>) -> Result<(), String>;

impl Config {
    /// Reads a configuration text. `name` is the file's, for errors; `include` gives the text of another file (a
    /// directive `include`), or says why it cannot.
    ///
    /// What was read before an error stays; a node that gets one does not start.
    pub fn load(&mut self, name: &str, text: &str, include: Include<'_>) -> Result<(), ConfigError> {
        walk(name, text, include, &mut |spot, words| self.line(spot, words))?;
        self.finish()
    }

    /// Reads the arguments of a program behind the name of its file: `--port 6380 --replicaof "host 6379"`.
    ///
    /// As in redis-server, a directive has at least one value and goes on to the next argument that begins with
    /// `--`; name and value may also be one argument (`"--port 6380"`), and `--save` without a value means none.
    pub fn apply_args<S: AsRef<str>>(&mut self, args: &[S]) -> Result<(), ConfigError> {
        walk_args(args, &mut |spot, words| self.line(spot, words))?;
        self.finish()
    }

    /// Takes one line.
    pub(super) fn line(&mut self, spot: Spot<'_>, words: Vec<String>) -> Result<(), String> {
        let line = Line::of(words)?;
        line.apply(self)?;
        if line.directive.name == "user"
            && let Some(user) = self.settings.users.last_mut()
        {
            let file = if spot.file.is_empty() { "argument" } else { spot.file };
            user.at = format!("{file}:{}", spot.line);
        }
        Ok(())
    }

    /// What holds only for a whole file.
    pub(super) fn finish(&mut self) -> Result<(), ConfigError> {
        self.settings.settle();
        match self.settings.users.first() {
            Some(user) if !self.settings.aclfile.is_empty() => {
                let (file, line) = user.at.rsplit_once(':').unwrap_or_default();
                let line = line.parse().unwrap_or(1);
                let name = user.words.first().map_or("", |w| w);
                Err(ConfigError { file: file.into(), line, text: format!("user {name}"), reason: TWO_SOURCES.into() })
            }
            _ => Ok(()),
        }
    }
}

/// Shows `take` every line of a text and of those it includes.
pub(super) fn walk(name: &str, text: &str, include: Include<'_>, take: Take<'_>) -> Result<(), ConfigError> {
    walk_at(name, text, include, take, 0)
}

fn walk_at(name: &str, text: &str, include: Include<'_>, take: Take<'_>, depth: usize) -> Result<(), ConfigError> {
    for (number, line) in text.split('\n').enumerate() {
        let spot = Spot { file: name, line: number + 1, text: line, depth };
        let Some(words) = words_of(line).map_err(|e| spot.error(e))? else { continue };
        if !words.first().is_some_and(|name| name.eq_ignore_ascii_case("include")) {
            take(spot, words).map_err(|e| spot.error(e))?;
            continue;
        }
        let [_, file] = &words[..] else { return Err(spot.error("include takes one file name".into())) };
        if depth >= MAX_INCLUDE_DEPTH {
            return Err(spot.error(format!("files include one another more than {MAX_INCLUDE_DEPTH} deep")));
        }
        let text = include(file).map_err(|why| spot.error(format!("cannot include '{file}': {why}")))?;
        walk_at(file, &text, include, take, depth + 1)?;
    }
    Ok(())
}

/// Shows `take` every directive among the arguments of a program.
pub(super) fn walk_args<S: AsRef<str>>(args: &[S], take: Take<'_>) -> Result<(), ConfigError> {
    let mut rest = args;
    let mut number = 0;
    while let Some((first, more)) = rest.split_first() {
        number += 1;
        let first = first.as_ref();
        let name = first.trim_end();
        // A bare name takes the next argument whatever it looks like (a password may begin with `--`).
        let alone = ["--save", "--sentinel"].iter().any(|a| name.eq_ignore_ascii_case(a));
        let bare = !name.contains(' ') && !alone;
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
        let spot = Spot { file: "", line: number, text: &line, depth: 0 };
        let read = || -> Result<Vec<String>, String> {
            if !first.starts_with("--") {
                return Err("expected --directive value".into());
            }
            words_of(&line)?.ok_or_else(|| "expected the name of a directive behind --".into())
        };
        let done = read().and_then(|words| match words.first() {
            Some(name) if name.eq_ignore_ascii_case("include") => Err("include is for files, not for arguments".into()),
            _ => take(spot, words),
        });
        done.map_err(|reason| spot.error(reason))?;
    }
    Ok(())
}

/// The words of a line, at least one; `None` for an empty line and a comment.
pub(super) fn words_of(line: &str) -> Result<Option<Vec<String>>, String> {
    let line = line.trim_matches([' ', '\t', '\r', '\n']);
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let words = words::split(line.as_bytes()).map_err(|_| "Unbalanced quotes in configuration line")?;
    let mut words = words.into_iter().map(String::from_utf8);
    let Some(name) = words.next() else { return Ok(None) };
    let name = name.map_err(|_| "Bad directive or wrong number of arguments")?;
    let values = words.collect::<Result<Vec<_>, _>>().map_err(|_| format!("the value of '{name}' is not UTF-8"))?;
    Ok(Some([name].into_iter().chain(values).collect()))
}

/// Whether the first word of a line can be one that `known` knows: a cheap look before the line is taken apart.
pub(super) fn may_begin(line: &str, known: impl FnOnce(&str) -> bool) -> bool {
    let name = line.split_ascii_whitespace().next().unwrap_or_default();
    name.contains(['"', '\'', '\u{b}']) || known(name)
}

/// One line that says something.
pub(super) struct Line {
    pub(super) directive: &'static Directive,
    pub(super) values: Vec<String>,
}

impl Line {
    /// `None` for a line that says nothing that is known.
    pub(super) fn parse(line: &str) -> Option<Self> {
        if !may_begin(line, |name| find(name).is_some()) {
            return None;
        }
        let words = words_of(line).ok()??;
        let (directive, _) = find(words.first()?)?;
        Some(Self { directive, values: words.into_iter().skip(1).collect() })
    }

    /// The directive that the first word names.
    fn of(words: Vec<String>) -> Result<Self, String> {
        let name = words.first().map_or("", |w| w);
        let Some((directive, _)) = find(name) else {
            let hint = nearest(name).map(|n| format!(" (did you mean '{n}'?)")).unwrap_or_default();
            return Err(format!(
                "Bad directive or wrong number of arguments: '{}' is unknown{hint}",
                name.escape_debug()
            ));
        };
        Ok(Self { directive, values: words.into_iter().skip(1).collect() })
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
