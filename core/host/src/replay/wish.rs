//! The arguments of `primacy replay`.

use core::fmt::Write;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

pub(super) const HELP: &str = "\
Run a recording again: the same machine is told the same things, and has to do the same. The first difference stops it,
with the input, its time and place in the file, and what is done now.

Usage:
  primacy replay FILE [--print] [--html OUT] [--from N] [--until N | TIME]

  FILE          what `primacy server --record FILE` wrote
  --print       show every input and what it led to, a line each; commands are decoded
  --html OUT    write what happened as a page for a browser: connections, messages, log, differences
  --from N      show from input N on, by --print and in the page
  --until N     stop behind input N
  --until TIME  stop so long after the start: 250ms, 12.5s, 3m
  --verify      check only; this is what happens anyway

The exit code is 0 if everything is the same, 1 if something differs, 2 if the recording cannot be read. One that breaks
off, as after a kill -9, is replayed up to there. A recording holds the server's data in the clear, and so do what
--print shows and the page; in the place of passwords there are tokens.
";

/// Where to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Until {
    Input(u64),
    Time(Duration),
}

#[derive(Debug)]
pub(super) struct Wish {
    pub(super) file: PathBuf,
    pub(super) print: bool,
    pub(super) html: Option<PathBuf>,
    pub(super) from: u64,
    pub(super) until: Option<Until>,
}

impl Wish {
    /// `None`: help was asked for.
    pub(super) fn parse(args: Vec<OsString>) -> Result<Option<Self>, lexopt::Error> {
        let (mut file, mut print, mut html, mut from, mut until) = (None, false, None, 0, None);
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Long("help") | Short('h') => return Ok(None),
                Long("print") => print = true,
                Long("verify") => {}
                Long("html") => html = Some(parser.value()?.into()),
                Long("from") => from = parser.value()?.parse()?,
                Long("until") => {
                    let text = parser.value()?;
                    let wrong = || {
                        format!(
                            "--until takes an input's number or a time (250ms, 12.5s, 3m), not '{}'",
                            text.display()
                        )
                    };
                    until = Some(text.to_str().and_then(until_of).ok_or_else(wrong)?);
                }
                Value(path) if file.is_none() => file = Some(path.into()),
                other => return Err(other.unexpected()),
            }
        }
        let file = file.ok_or("the file of a recording was expected")?;
        Ok(Some(Self { file, print, html, from, until }))
    }
}

impl Wish {
    /// The command that shows the same again.
    pub(super) fn command(&self) -> String {
        let mut text = format!("primacy replay {}", self.file.display());
        if let Some(html) = &self.html {
            let _ = write!(text, " --html {}", html.display()); // Writing to a string does not fail.
        }
        if self.from > 0 {
            let _ = write!(text, " --from {}", self.from);
        }
        match self.until {
            Some(Until::Input(n)) => text + &format!(" --until {n}"),
            Some(Until::Time(t)) => text + &format!(" --until {}s", t.as_secs_f64()),
            None => text,
        }
    }
}

fn until_of(text: &str) -> Option<Until> {
    if let Ok(n) = text.parse() {
        return Some(Until::Input(n));
    }
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic())?);
    let seconds = number.parse::<f64>().ok()?
        * match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            _ => return None,
        };
    Duration::try_from_secs_f64(seconds).ok().map(Until::Time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_numbers_or_times() {
        assert_eq!(until_of("12"), Some(Until::Input(12)));
        assert_eq!(until_of("12.5s"), Some(Until::Time(Duration::from_millis(12_500))));
        assert_eq!(until_of("250ms"), Some(Until::Time(Duration::from_millis(250))));
        assert_eq!(until_of("2m"), Some(Until::Time(Duration::from_secs(120))));
        for wrong in ["", "x", "1.5", "-3", "3h", "-1s", "1e99s"] {
            assert_eq!(until_of(wrong), None, "{wrong}");
        }
    }
}
