//! `primacy replay`: feeds a recording to a fresh machine, checks that it does the same, and shows what happened.

mod show;
mod tell;
mod wish;

use core::fmt::Debug;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant as StdInstant};

use primacy_core::journal::{Difference, End, Header, Item, JournalError, Playback, Reader, Record, Recorded, Replay};
use primacy_core::machine::{LogLine, Machine};
use primacy_core::time::Instant;

use show::{Show, Since};
use tell::Tell;
use wish::{Until, Wish};

/// What is read of the file at once, bytes.
const PIECE: usize = 1 << 20;
/// How often the progress line is written anew.
const BEAT: Duration = Duration::from_millis(500);

/// Why a recording cannot be replayed by this program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// It is of another kind of machine.
    #[error("it records a machine of the kind {came}; this program replays {expected}")]
    Machine {
        /// What this program has.
        expected: String,
        /// What the recording names.
        came: String,
    },
    /// Its configuration is not understood.
    #[error("its configuration cannot be read: {0}. Use the release of Primacy that wrote it")]
    Config(String),
}

/// Why there is no answer: exit code 2.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{}: {error}", file.display())]
    Read { file: PathBuf, error: io::Error },
    #[error("{}: {error}", file.display())]
    Journal { file: PathBuf, error: JournalError },
    #[error("{}: {error}", file.display())]
    Unusable { file: PathBuf, error: Unusable },
    #[error("--html {}: {error}", file.display())]
    Page { file: PathBuf, error: io::Error },
    #[error("write: {0}")]
    Write(#[from] io::Error),
}

/// How a replay went.
struct Outcome {
    header: Header,
    inputs: u64,
    first: Instant,
    last: Instant,
    end: Ended,
}

enum Ended {
    /// At the recording's end.
    Whole(End),
    /// Where the recording breaks off.
    Cut(JournalError),
    /// Where it was told to stop.
    Asked,
    Differs(Difference),
    /// Where it cannot be read.
    Damaged(JournalError),
}

/// Replays recordings of one kind of machine.
pub struct Player {
    kind: &'static str,
    play: Play,
}

type Play = Box<dyn Fn(&Wish, &str) -> Result<Outcome, Trouble>>;

impl core::fmt::Debug for Player {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Player").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Player {
    /// Of machines that recordings call `kind`; `build` makes a fresh one of what a recording's header says.
    pub fn new<M>(kind: &'static str, build: fn(&Header, &Playback) -> Result<M, Unusable>) -> Self
    where
        M: Machine<Call: Recorded + Debug, Event: LogLine> + 'static,
    {
        Self { kind, play: Box::new(move |wish, program| replay(wish, program, build)) }
    }
}

/// Runs `primacy replay` with these arguments. `program` is this program's name and version; of `players` the one that
/// fits the recording is taken. Exit code 0: the same, 1: it differs, 2: it cannot be read.
pub fn run(args: Vec<OsString>, program: &str, players: &[Player]) -> ExitCode {
    let wish = match Wish::parse(args) {
        Ok(Some(wish)) => wish,
        Ok(None) => {
            print!("{}", wish::HELP);
            return ExitCode::SUCCESS;
        }
        Err(e) => {
            eprintln!("primacy replay: {e}; see `primacy replay --help`");
            return ExitCode::from(2);
        }
    };
    match play(&wish, program, players).and_then(|outcome| report(&wish, outcome)) {
        Ok(code) => code,
        // Who closed the pipe has seen enough.
        Err(Trouble::Write(e)) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("primacy replay: {e}");
            ExitCode::from(2)
        }
    }
}

fn play(wish: &Wish, program: &str, players: &[Player]) -> Result<Outcome, Trouble> {
    // Of the header alone, which is the same in all of them.
    let header = Source::open(wish)?.header(&mut Reader::<()>::new())?;
    match players.iter().find(|p| p.kind == header.machine) {
        Some(player) => (player.play)(wish, program),
        None => {
            let expected = players.iter().map(|p| p.kind).collect::<Vec<_>>().join(" and ");
            let error = Unusable::Machine { expected, came: header.machine };
            Err(Trouble::Unusable { file: wish.file.clone(), error })
        }
    }
}

fn replay<M>(
    wish: &Wish,
    program: &str,
    build: fn(&Header, &Playback) -> Result<M, Unusable>,
) -> Result<Outcome, Trouble>
where
    M: Machine<Call: Recorded + Debug, Event: LogLine>,
{
    let mut file = Source::open(wish)?;
    let mut reader = Reader::<M::Call>::new();
    let header = file.header(&mut reader)?;
    if header.program != program {
        eprintln!("primacy replay: recorded by {}, this is {program}: they may differ on purpose", header.program);
    }
    let page = wish.html.as_ref().map(|path| Page::new(path, wish, &header)).transpose()?;
    let playback = Playback::new();
    let machine = build(&header, &playback).map_err(|error| Trouble::Unusable { file: wish.file.clone(), error })?;
    let mut run = Run { replay: Replay::new(machine, playback), wish, show: Show::new(), first: None, page };
    let mut out = BufWriter::new(io::stdout().lock());
    let (mut last, mut whole) = ((0, Instant::ZERO), None);
    let end = loop {
        match reader.next() {
            Ok(Some(Item::Record(record))) => {
                if run.is_over(&record) {
                    break Ended::Asked;
                }
                last = (record.number, record.now.mono);
                if let Err(difference) = run.step(record, &mut out)? {
                    break Ended::Differs(difference);
                }
            }
            Ok(Some(Item::End(end))) => whole = Some(end),
            Ok(Some(Item::Header(_))) => {}
            Ok(None) => {
                if !file.feed(&mut reader)? {
                    break reader.finish().map_or_else(Ended::Cut, |()| whole.map_or(Ended::Asked, Ended::Whole));
                }
                file.progress(last.0);
            }
            Err(error) => break Ended::Damaged(error),
        }
    };
    out.flush()?;
    file.clear_progress();
    let (first, page) = (run.first.unwrap_or_default(), run.page);
    let outcome = Outcome { header, inputs: last.0, first, last: last.1, end };
    if let Some(page) = page {
        page.write(wish, &outcome)?;
    }
    Ok(outcome)
}

/// A replay under way.
struct Run<'w, M: Machine> {
    replay: Replay<M>,
    wish: &'w Wish,
    show: Show,
    first: Option<Instant>,
    page: Option<Page>,
}

impl<M> Run<'_, M>
where
    M: Machine<Call: Recorded + Debug, Event: LogLine>,
{
    fn is_over(&mut self, record: &Record<'_, M::Call>) -> bool {
        let first = *self.first.get_or_insert(record.now.mono);
        match self.wish.until {
            Some(Until::Input(n)) => record.number > n,
            Some(Until::Time(t)) => record.now.mono - first > t,
            None => false,
        }
    }

    /// Feeds one input, and shows it if that was asked for, or if it is the one that differs.
    fn step(&mut self, record: Record<'_, M::Call>, out: &mut impl Write) -> Result<Result<(), Difference>, io::Error> {
        let shown = self.wish.print && record.number >= self.wish.from;
        let first = self.first.unwrap_or_default();
        // It is described before it is fed: an outcome is gone then. Without --print only its head is kept.
        let text = self.show.input(&record, first, shown, &mut self.replay);
        if let Some(page) = &mut self.page {
            page.tell.input(&record, &mut self.replay);
        }
        let number = record.number;
        let result = self.replay.step(record);
        if let Some(page) = &mut self.page {
            page.tell.actions(number, self.replay.actions());
        }
        if shown {
            out.write_all(text.as_bytes())?;
            self.show.actions(self.replay.actions(), out)?;
        }
        if let Err(difference) = &result {
            let at = Since(difference.now.mono, first);
            writeln!(
                out,
                "DIFFERS at input {}, {at} after the start, offset {} of the file",
                difference.number, difference.offset
            )?;
            writeln!(out, "  input: {}", text.trim())?;
            writeln!(out, "  {}", difference.differs)?;
            writeln!(out, "  actions that came now:")?;
            self.show.actions(self.replay.actions(), out)?;
        }
        Ok(result)
    }
}

/// The page that was asked for.
struct Page {
    tell: Tell,
    file: File,
    path: PathBuf,
}

impl Page {
    fn new(path: &Path, wish: &Wish, header: &Header) -> Result<Self, Trouble> {
        let path = path.to_owned();
        let file = tell::create(&path, &wish.file).map_err(|error| Trouble::Page { file: path.clone(), error })?;
        let title = wish.file.display().to_string();
        let mut tell = Tell::new(&title, &wish.command(), wish.from);
        tell.fact("recorded by", &*header.program);
        tell.fact("machine", &*header.machine);
        Ok(Self { tell, file, path })
    }

    fn write(mut self, wish: &Wish, outcome: &Outcome) -> Result<(), Trouble> {
        let name = wish.file.display();
        self.tell.fact("inputs", outcome.inputs.to_string());
        self.tell.fact("time", Since(outcome.last, outcome.first).to_string());
        let (title, end) = match &outcome.end {
            Ended::Whole(end) => (format!("{name}: the same actions"), format!("the recording ends: {end}")),
            Ended::Cut(e) => (format!("{name}: the same actions, up to where it breaks off"), e.to_string()),
            Ended::Asked => (format!("{name}: the same actions"), "the replay was to stop here".into()),
            Ended::Differs(difference) => {
                let text = difference.to_string();
                self.tell.violation(&*text);
                (format!("{name}: differs at input {}", difference.number), "the replay stops here".into())
            }
            Ended::Damaged(e) => (format!("{name}: damaged behind input {}", outcome.inputs), e.to_string()),
        };
        self.tell.fact("came out", title.clone());
        let Self { tell, mut file, path } = self;
        tell.write(&title, &end, &mut file).map_err(|error| Trouble::Page { file: path, error })
    }
}

/// Says how it went.
fn report(wish: &Wish, outcome: Outcome) -> Result<ExitCode, Trouble> {
    let mut out = io::stdout().lock();
    let (inputs, span) = (outcome.inputs, Since(outcome.last, outcome.first));
    let name = wish.file.display();
    let same = format!("{name}: {inputs} inputs over {span}, recorded by {}: the same actions", outcome.header.program);
    match outcome.end {
        Ended::Differs(_) => {
            writeln!(out, "{name}: the {} inputs before it are the same", inputs - 1)?;
            return Ok(ExitCode::from(1));
        }
        Ended::Damaged(error) => {
            writeln!(out, "{name}: the {inputs} inputs before the damage are the same")?;
            return Err(Trouble::Journal { file: wish.file.clone(), error });
        }
        Ended::Whole(end) => writeln!(out, "{same}. It ends since {end}")?,
        Ended::Cut(error) => writeln!(out, "{same}. {error}")?,
        Ended::Asked => writeln!(out, "{same}, up to where it was to stop")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The file, and how far it is read.
struct Source {
    path: PathBuf,
    file: File,
    piece: Vec<u8>,
    len: u64,
    read: u64,
    shown: StdInstant,
    /// Whether there is somebody to look at a progress line, and one stands.
    terminal: bool,
    stands: bool,
}

impl Source {
    fn open(wish: &Wish) -> Result<Self, Trouble> {
        let path = wish.file.clone();
        let open = || File::open(&path).and_then(|f| Ok((f.metadata()?.len(), f)));
        let (len, file) = open().map_err(|error| Trouble::Read { file: path.clone(), error })?;
        let terminal = io::stderr().is_terminal() && !(wish.print && io::stdout().is_terminal());
        let shown = StdInstant::now();
        Ok(Self { path, file, piece: vec![0; PIECE], len, read: 0, shown, terminal, stands: false })
    }

    /// Gives the reader a piece; whether there was one.
    fn feed<C: Recorded>(&mut self, reader: &mut Reader<C>) -> Result<bool, Trouble> {
        loop {
            match self.file.read(&mut self.piece) {
                Ok(n) => {
                    reader.feed(&self.piece[..n]);
                    self.read += n as u64;
                    return Ok(n > 0);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Trouble::Read { file: self.path.clone(), error }),
            }
        }
    }

    /// What the recording begins with.
    fn header<C: Recorded>(&mut self, reader: &mut Reader<C>) -> Result<Header, Trouble> {
        loop {
            match reader.next().map_err(|e| self.journal(e))? {
                Some(Item::Header(header)) => return Ok(header),
                _ => {
                    if !self.feed(reader)? {
                        return Err(self.journal(reader.finish().err().unwrap_or(JournalError::NoEnd { offset: 0 })));
                    }
                }
            }
        }
    }

    fn journal(&self, error: JournalError) -> Trouble {
        Trouble::Journal { file: self.path.clone(), error }
    }

    fn progress(&mut self, inputs: u64) {
        if self.terminal && self.shown.elapsed() >= BEAT {
            (self.shown, self.stands) = (StdInstant::now(), true);
            let percent = self.read * 100 / self.len.max(1);
            eprint!("\r{percent:>3} % of {} MB, {inputs} inputs", self.len >> 20);
        }
    }

    fn clear_progress(&mut self) {
        if core::mem::take(&mut self.stands) {
            eprint!("\r\x1b[K");
        }
    }
}
