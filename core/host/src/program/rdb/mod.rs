//! `primacy rdb`: a dump verified, summed up, printed, or turned into commands, in one pass and constant memory.

mod check;
mod format;
mod help;
mod json;
mod out;
mod pending;
mod progress;
mod resp;
mod source;
mod summary;
mod units;
mod wish;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use primacy_core::rdb::{Item, RdbError, Reader, ReaderLimits, StreamPart, Value};

use check::Check;
use format::{Ended, Format};
use json::Jsonl;
use out::Out;
use progress::Progress;
use resp::Commands;
use source::Source;
use summary::Summary;
use wish::{Filter, Form, From, Wish};

/// A string up to this length, in bytes, is read whole: that is faster than pieces, and shows whether it is text.
const WHOLE: usize = 1 << 20;

/// Why a dump was not read to its end.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Read(io::Error),
    #[error("{0}")]
    Defect(#[from] RdbError),
    #[error("write: {0}")]
    Write(io::Error),
}

/// Runs the command with the arguments behind its name.
pub(super) fn run(program: &str, args: Vec<OsString>) -> ExitCode {
    let wish = match Wish::parse(args) {
        Ok(Some(wish)) => wish,
        Ok(None) => return super::print(&help::HELP.replace("PROGRAM", program)),
        Err(error) => {
            eprintln!("{program} rdb: {error}; `{program} rdb --help` shows what it takes");
            return ExitCode::from(2);
        }
    };
    let name = match &wish.from {
        From::File(path) => path.display().to_string(),
        From::Stdin => "standard input".into(),
    };
    match open(&wish.from).and_then(|source| show(&wish, &name, source, &mut io::stdout().lock())) {
        Ok(lost) if lost.is_empty() => ExitCode::SUCCESS,
        Ok(lost) => {
            lost.iter().for_each(|line| eprintln!("{program} rdb: {name}: {line}"));
            ExitCode::from(1)
        }
        // Who closed the pipe has seen enough.
        Err(Trouble::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("{program} rdb: {name}: {trouble}");
            ExitCode::from(if matches!(trouble, Trouble::Read(_)) { 2 } else { 1 })
        }
    }
}

fn open(from: &From) -> Result<Source, Trouble> {
    match from {
        From::File(path) => Source::open(path).map_err(Trouble::Read),
        From::Stdin => Ok(Source::stdin()),
    }
}

/// Writes what was asked for to `to`. What could not be told is returned, a line each.
fn show(wish: &Wish, name: &str, source: Source, to: &mut dyn Write) -> Result<Vec<String>, Trouble> {
    let prints = matches!(wish.form, Form::Jsonl | Form::Resp);
    let mut progress = Progress::new(source.len, prints);
    let mut out = Out::new(to);
    let limits = ReaderLimits { value: WHOLE, ..ReaderLimits::default() };
    let mut pass = Pass { source, reader: Reader::new(limits), filter: &wish.filter };
    let result = match wish.form {
        Form::Summary => pass.run(&mut Summary::default(), &mut out, &mut progress),
        Form::Jsonl => pass.run(&mut Jsonl::default(), &mut out, &mut progress),
        Form::Resp => pass.run(&mut Commands::new(wish.filter.is_all()), &mut out, &mut progress),
        Form::Check => {
            let mut check = Check::default();
            let result = pass.run(&mut check, &mut out, &mut progress);
            if result.is_ok() {
                out.put(check.line(name, pass.reader.offset(), progress.took()).as_bytes());
            }
            result
        }
    };
    progress.clear();
    // What stood before a defect is printed too.
    let written = out.flush();
    let lost = result?;
    written.map_err(Trouble::Write)?;
    Ok(lost)
}

/// One pass through a dump.
struct Pass<'w> {
    source: Source,
    reader: Reader,
    filter: &'w Filter,
}

impl Pass<'_> {
    fn run(
        &mut self,
        format: &mut impl Format,
        out: &mut Out<'_>,
        progress: &mut Progress,
    ) -> Result<Vec<String>, Trouble> {
        let mut key = Key::default();
        while !self.reader.is_done() {
            let block = self.source.next().map_err(Trouble::Read)?;
            if block.is_empty() {
                self.reader.finish()?;
                break;
            }
            let mut rest = block;
            while let Some(item) = self.reader.next(&mut rest)? {
                let told = key.take(&item, self.filter);
                if told {
                    format.item(&item, out);
                }
                let begun = matches!(item, Item::Entry(_));
                if begun && told {
                    let (number, name) = self.reader.value_type();
                    format.stored_as(number, name);
                } else if begun {
                    format.passed_over();
                    self.reader.skip();
                }
                if let Some(ended) = key.end(self.reader.offset()) {
                    format.ended(ended);
                }
            }
            out.check().map_err(Trouble::Write)?;
            progress.show(self.source.read, key.count);
        }
        Ok(format.finish(self.reader.empty_skipped(), out))
    }
}

/// What is known of the key under way, whatever the format.
#[derive(Debug, Default)]
struct Key {
    /// Keys so far.
    count: u64,
    /// Where the last key ended.
    last: u64,
    state: At,
    /// Whether it was asked for.
    wanted: bool,
    elements: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum At {
    /// Between keys, behind something else than a key.
    #[default]
    Between,
    /// Behind what belongs to the key that comes next.
    Before,
    Inside,
    End,
}

impl Key {
    /// Whether the format is told of this item.
    #[inline]
    fn take(&mut self, item: &Item<'_>, filter: &Filter) -> bool {
        match item {
            Item::Entry(entry) => {
                self.count += 1;
                self.wanted = filter.takes(entry);
                self.elements = if let Value::Compact(_, compact) = entry.value { compact.rows() as u64 } else { 0 };
                self.state = if entry.value.is_whole() { At::End } else { At::Inside };
                return self.wanted;
            }
            Item::Element(_) | Item::ArrayItem { .. } => self.elements += 1,
            Item::Block(block) => self.elements += block.len() as u64,
            Item::Stream(StreamPart::Meta { length, .. }) => self.elements = *length,
            Item::EntryEnd => {
                self.state = At::End;
                return self.wanted;
            }
            Item::KeyMeta { .. } => self.state = At::Before,
            _ => {}
        }
        match self.state {
            At::Inside => self.wanted,
            At::Before => true,
            At::Between | At::End => {
                self.state = At::Between;
                true
            }
        }
    }

    /// What is known of the key if the last item was its last; the reader is at `offset` now.
    #[inline]
    fn end(&mut self, offset: u64) -> Option<Ended> {
        match self.state {
            At::Before | At::Inside => None,
            At::Between => {
                self.last = offset;
                None
            }
            At::End => {
                let bytes = offset - self.last;
                self.last = offset;
                self.wanted.then_some(Ended { bytes, elements: self.elements })
            }
        }
    }
}

#[cfg(test)]
mod tests;
