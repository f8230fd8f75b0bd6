//! The matrix of replication: every pair of a master and a replica of which at least one is Primacy, by every way to
//! replicate, and by what data a full resync carries. In each cell the master is written to while it resyncs; then data,
//! offsets and replication ids are equal, and the resync was of the kind that was due.
//!
//! A run takes one way for each pair, other ones every day (or by `PRIMACY_SEED`), so that each peer and each way is met.
//! All cells are there with a filter (`tests/run.sh matrix::`) and with `PRIMACY_FULL=1`; the latter writes
//! `docs/replication-matrix.md`.

mod cells;
mod data;
mod probe;
mod table;

use libtest_mimic::Trial;
use primacy_tests::peers::{self, Peer};
use primacy_tests::program::{Kind, Program};
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, full};
use std::time::{Duration, SystemTime};
pub(crate) use table::write;

const LIMIT: Duration = Duration::from_secs(180);
const DAY: u64 = 86_400;

/// Who plays a master or a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Primacy,
    Real(Peer),
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Primacy => "primacy",
            Self::Real(peer) => peer.name(),
        }
    }

    /// The real server, or why it is not there; nothing for the one under test.
    fn find(self) -> Result<Option<Program>, String> {
        match self {
            Self::Primacy => Ok(None),
            Self::Real(peer) => peer.find().map(Some),
        }
    }
}

/// A master and its replica: a row.
type Pair = [Side; 2];

/// The rows.
fn pairs() -> Vec<Pair> {
    let mut all = vec![[Side::Primacy, Side::Primacy]];
    all.extend(peers::ALL.map(|peer| [Side::Primacy, Side::Real(peer)]));
    all.extend(peers::ALL.map(|peer| [Side::Real(peer), Side::Primacy]));
    all
}

/// What is tried between the two: a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    /// A full resync by way of files.
    Disk,
    /// A full resync straight from one process to the other.
    Diskless,
    /// A full resync with a connection of its own for the snapshot.
    TwoChannel,
    /// The link breaks, the master goes on.
    Cut,
    /// The replica ends and comes again.
    Replica,
    /// The master ends and comes again.
    Master,
    /// The replica has a replica.
    Chain,
    /// The replica becomes the master, and the old master follows it.
    Promotion,
    /// A snapshot carries streams from which entries were deleted, and groups that are half-way through.
    Streams,
    /// A snapshot carries function libraries.
    Functions,
    /// A snapshot carries hashes with fields that expire.
    Fields,
}

/// The ways to replicate.
const WAYS: [Column; 8] = [
    Column::Disk,
    Column::Diskless,
    Column::TwoChannel,
    Column::Cut,
    Column::Replica,
    Column::Master,
    Column::Chain,
    Column::Promotion,
];
/// Data that not all servers have, or not all in a form that others read.
const DATA: [Column; 3] = [Column::Streams, Column::Functions, Column::Fields];

impl Column {
    /// Its name in test names.
    fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Diskless => "diskless",
            Self::TwoChannel => "two_channel",
            Self::Cut => "broken_link",
            Self::Replica => "replica_restarted",
            Self::Master => "master_restarted",
            Self::Chain => "chain",
            Self::Promotion => "promotion",
            Self::Streams => "streams",
            Self::Functions => "functions",
            Self::Fields => "fields",
        }
    }

    /// Its title in the table.
    fn title(self) -> &'static str {
        match self {
            Self::Disk => "full, disk",
            Self::Diskless => "full, diskless",
            Self::TwoChannel => "full, two channels",
            Self::Cut => "partial, broken link",
            Self::Replica => "partial, replica restarted",
            Self::Master => "partial, master restarted",
            Self::Chain => "chain",
            Self::Promotion => "promotion",
            Self::Streams => "streams of any history",
            Self::Functions => "function libraries",
            Self::Fields => "fields that expire",
        }
    }

    /// Why it cannot be between these two, in short; the cell shows that it is so, and how the servers say it.
    fn cannot(self, master: Kind, replica: Kind) -> Option<Why> {
        let (old, redis) = (Kind::Redis(6, 2), |kind| matches!(kind, Kind::Redis(..)));
        match self {
            Self::TwoChannel if redis(master) || redis(replica) => Some(Why::OneChannel),
            Self::Master if master == old => Some(Why::Forgets),
            Self::Functions if master == old => Some(Why::Unknown),
            Self::Fields if redis(master) => Some(Why::Unknown),
            Self::Streams | Self::Functions if replica == old => {
                Some(Why::Unread("Can't handle RDB format version 10"))
            }
            Self::Fields if redis(replica) => Some(Why::Unread("Can't handle RDB format version 12")),
            Self::Fields if matches!(replica, Kind::Valkey(..)) && !matches!(master, Kind::Valkey(..)) => {
                Some(Why::Unread("the data need snapshot version 12"))
            }
            _ => None,
        }
    }
}

/// Why a cell cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// One of the two has no second channel.
    OneChannel,
    /// The master does not know its own history again after a restart.
    Forgets,
    /// The master has no such data.
    Unknown,
    /// The replica does not read a snapshot with such data, and logs this.
    Unread(&'static str),
}

/// What a cell showed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// It works.
    Works,
    /// It was shown that it cannot be, and how.
    Cannot(String),
    /// Nothing was shown, and why not.
    Unverified(String),
}

/// A cell's master and replica, found.
struct Found {
    master: Program,
    replica: Program,
}

impl Found {
    fn new(w: &World, [master, replica]: [Option<Program>; 2]) -> Result<Self> {
        let mine = w.primacy()?;
        Ok(Self { master: master.unwrap_or_else(|| mine.clone()), replica: replica.unwrap_or(mine) })
    }
}

/// The scenarios; `everything`: all cells, else the day's choice.
pub(crate) fn all(everything: bool) -> Vec<Trial> {
    let mut all = vec![
        scenario("matrix::the_table_is_whole", LIMIT, || Ok(()), |_, ()| table::is_whole(&table::committed()?)),
        scenario("matrix::a_choice_meets_everyone", LIMIT, || Ok(()), |_, ()| (0..500).try_for_each(meets_everyone)),
    ];
    for (pair, column) in if everything || full() { cells() } else { choice(turn()) } {
        all.push(cell(pair, column));
    }
    all
}

fn cells() -> Vec<(Pair, Column)> {
    let columns = || WAYS.into_iter().chain(DATA);
    pairs().into_iter().flat_map(|pair| columns().map(move |column| (pair, column))).collect()
}

/// A number that is another one every day.
fn turn() -> usize {
    let seed = std::env::var("PRIMACY_SEED").ok().and_then(|text| text.parse().ok());
    let day = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs() / DAY);
    seed.unwrap_or_else(day) as usize
}

/// One way for each pair, each way once at least, and one kind of data for each of three pairs.
fn choice(turn: usize) -> Vec<(Pair, Column)> {
    let all = pairs();
    // Two channels are there between Primacy and these only.
    let two: Vec<Pair> = all.iter().copied().filter(|p| !p.iter().any(|s| s.name().starts_with("redis"))).collect();
    let second = two[turn % two.len()];
    let mut out = vec![(second, Column::TwoChannel)];
    let ways = WAYS.into_iter().filter(|way| *way != Column::TwoChannel).cycle().skip(turn % (WAYS.len() - 1));
    out.extend(all.iter().copied().filter(|pair| *pair != second).zip(ways));
    out.extend(DATA.into_iter().enumerate().map(|(i, column)| (all[(turn + 4 * i) % all.len()], column)));
    out
}

/// Whether a choice has each way and kind of data, and each server in each place.
fn meets_everyone(turn: usize) -> Result<()> {
    let chosen = choice(turn);
    let columns = WAYS.into_iter().chain(DATA).filter(|column| !chosen.iter().any(|(_, c)| c == column));
    let rows = pairs().into_iter().filter(|pair| !chosen.iter().any(|(p, _)| p == pair));
    let (columns, rows) = (columns.collect::<Vec<_>>(), rows.collect::<Vec<_>>());
    ensure!(columns.is_empty() && rows.is_empty(), "turn {turn} has none of {columns:?} {rows:?}");
    Ok(())
}

fn cell([master, replica]: Pair, column: Column) -> Trial {
    let name = format!("matrix::{}::{}::{}", master.name(), replica.name(), column.name());
    let needs = move || match (master.find(), replica.find()) {
        (Ok(m), Ok(r)) => Ok([m, r]),
        (Err(reason), _) | (_, Err(reason)) => {
            table::note([master, replica], column, Outcome::Unverified(reason.clone()));
            Err(reason)
        }
    };
    scenario(&name, LIMIT, needs, move |w, programs| {
        let found = Found::new(w, programs)?;
        let outcome = run(w, &found, column)?;
        w.note(&format!("{outcome:?}"));
        table::note([master, replica], column, outcome);
        Ok(())
    })
}

/// Whether a real server reads no snapshot of another one, which is newer or of the other family.
fn foreign(master: Kind, replica: Kind) -> bool {
    match (master, replica) {
        (Kind::Redis(a, _), Kind::Redis(b, _)) => a > b,
        (Kind::Valkey(..), Kind::Redis(..)) => true,
        _ => false,
    }
}

fn run(w: &World, found: &Found, column: Column) -> Result<Outcome> {
    // With a real server in Primacy's place no cell of such a pair is possible.
    if foreign(found.master.kind, found.replica.kind) {
        return cells::refused(w, &found.master, &found.replica);
    }
    let end = cells::end_of_chain(w, found)?;
    if column == Column::Chain && foreign(found.replica.kind, end.kind) {
        return cells::refused(w, &found.replica, &end);
    }
    let due = column.cannot(found.master.kind, found.replica.kind);
    let outcome = match column {
        Column::Disk | Column::Diskless => cells::full_resync(w, found, column),
        Column::TwoChannel => cells::two_channel(w, found),
        Column::Cut => cells::broken_link(w, found),
        Column::Replica => cells::replica_restarted(w, found),
        Column::Master => cells::master_restarted(w, found, due == Some(Why::Forgets)),
        Column::Chain => cells::chain(w, found),
        Column::Promotion => cells::promotion(w, found),
        Column::Streams | Column::Functions | Column::Fields => cells::carried(w, found, column, due),
    }?;
    let can = !matches!(outcome, Outcome::Cannot(_));
    ensure!(can == due.is_none(), "{outcome:?}, but it was taken for {due:?}");
    Ok(outcome)
}
