//! `docs/replication-matrix.md`: what the cells showed, as a table.

use super::{Column, DATA, Outcome, Pair, WAYS, pairs};
use primacy_tests::program::{Kind, over_mio, under_test};
use primacy_tests::resp::find_info;
use primacy_tests::server::Server;
use primacy_tests::{Result, ensure, full};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What a run has shown so far.
struct Shown {
    outcomes: Vec<(Pair, Column, Outcome)>,
    /// Each server's name with its exact version.
    versions: BTreeMap<String, String>,
}

static SHOWN: Mutex<Shown> = Mutex::new(Shown { outcomes: Vec::new(), versions: BTreeMap::new() });

/// Notes what a cell showed.
pub(super) fn note(pair: Pair, column: Column, outcome: Outcome) {
    if let Ok(mut shown) = SHOWN.lock() {
        shown.outcomes.push((pair, column, outcome));
    }
}

/// Notes the version of a running server.
pub(super) fn saw(s: &Server) -> Result<()> {
    let info = s.client()?.text("INFO server")?;
    let field = match s.program.kind {
        Kind::Primacy => "primacy_version",
        Kind::Redis(..) => "redis_version",
        Kind::Valkey(..) => "valkey_version",
    };
    let version = find_info(&info, field).ok_or_else(|| format!("{}: INFO server has no {field}", s.name))?;
    SHOWN.lock().map_err(|_| "lock")?.versions.insert(s.program.name.clone(), version);
    Ok(())
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/replication-matrix.md")
}

/// Writes the table, if this run was asked for the full numbers and has an outcome for each cell of Primacy over mio.
pub(crate) fn write() {
    let mine = under_test().is_ok_and(|p| p.is_primacy()) && over_mio();
    let Ok(shown) = SHOWN.lock() else { return };
    if !full() || !mine || shown.outcomes.len() < pairs().len() * (WAYS.len() + DATA.len()) {
        return;
    }
    match std::fs::write(file(), text(&shown)) {
        Ok(()) => eprintln!("wrote {}", file().display()),
        Err(e) => eprintln!("{}: {e}", file().display()),
    }
}

/// The committed table.
pub(super) fn committed() -> Result<String> {
    std::fs::read_to_string(file()).map_err(|e| format!("{}: {e}", file().display()).into())
}

fn text(shown: &Shown) -> String {
    let versions: Vec<String> = shown.versions.iter().map(|(name, version)| format!("{name} ({version})")).collect();
    let mut out = format!(
        "# The matrix of replication\n\n\
         Written by `PRIMACY_FULL=1 PRIMACY_RUNTIME=mio tests/run.sh matrix::`, which tries every cell with real programs. \
         Seen: {}.\n\n\
         A ✓ says: the replica came by a resync of that kind (asserted from the master's `INFO`), and then held the same data at \
         the same offset under the same replication id. `cannot` says that it was seen not to work, and how that shows; \
         `unverified`, that nothing was shown.\n\n## Ways\n\nThe master is written to while the replica comes.\n",
        versions.join(", ")
    );
    table(&mut out, shown, &WAYS);
    out += "\nA chain goes on to a server of the master's kind behind a Primacy, and to a Primacy behind a real server. At a \
            promotion the replica becomes the master, and the old master follows it by a partial resync.\n\n\
            ## Data that a full resync carries\n\n\
            Strings, lists, sets, hashes, sorted sets, bitmaps, HyperLogLogs, places, and streams of which nothing was deleted \
            and whose groups have read all or nothing go between all of them, and are in each cell above. These do not:\n";
    table(&mut out, shown, &DATA);
    out += "\nBehind the resync, the stream carries fields that expire from Primacy to Valkey too.\n";
    out
}

fn head(columns: &[Column]) -> String {
    let titles: Vec<&str> = columns.iter().map(|c| c.title()).collect();
    format!("| master → replica | {} |", titles.join(" | "))
}

fn name([master, replica]: Pair) -> String {
    format!("{} → {}", master.name(), replica.name())
}

fn table(out: &mut String, shown: &Shown, columns: &[Column]) {
    let _ = write!(out, "\n{}\n|{}\n", head(columns), "---|".repeat(columns.len() + 1));
    for pair in pairs() {
        let _ = write!(out, "| {} |", name(pair));
        for column in columns {
            let found = shown.outcomes.iter().rfind(|(p, c, _)| *p == pair && c == column);
            // Writing to a text cannot fail.
            let _ = match found.map(|(.., outcome)| outcome) {
                Some(Outcome::Works) => write!(out, " ✓ |"),
                Some(Outcome::Cannot(why)) => write!(out, " cannot: {why} |"),
                Some(Outcome::Unverified(why)) => write!(out, " unverified: {why} |"),
                None => write!(out, " unverified |"),
            };
        }
        out.push('\n');
    }
}

/// Whether a text has every row and column that is known here, and nothing but outcomes in its cells.
pub(super) fn is_whole(text: &str) -> Result<()> {
    for columns in [&WAYS[..], &DATA] {
        let head = head(columns);
        let mut lines = text.lines().skip_while(|line| *line != head);
        ensure!(lines.next().is_some(), "the table has no head \"{head}\": write it anew");
        let rows: Vec<Vec<&str>> = lines
            .skip(1)
            .take_while(|line| line.starts_with('|'))
            .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
            .collect();
        let names: Vec<String> = pairs().into_iter().map(name).collect();
        ensure!(rows.iter().map(|row| row[0]).eq(&names), "the rows are not {names:?}: write the table anew");
        for row in rows {
            ensure!(row.len() == columns.len() + 1, "a row has {} cells: {row:?}", row.len());
            let fine = |c: &&str| *c == "✓" || c.starts_with("cannot: ") || c.starts_with("unverified");
            ensure!(row[1..].iter().all(fine), "a cell that is no outcome: {row:?}");
        }
    }
    Ok(())
}
