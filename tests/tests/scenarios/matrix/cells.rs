//! What is done in a cell of each column.

use super::data::{self, Known, Writing};
use super::{Column, Found, Outcome, Why, probe, table};
use crate::interop::{ids_equal, same_groups};
use primacy_tests::program::{Kind, Program};
use primacy_tests::proxy::Proxy;
use primacy_tests::rng::Rng;
use primacy_tests::server::Server;
use primacy_tests::world::World;
use primacy_tests::{Result, ensure, fill, wait};
use std::sync::Arc;
use std::time::Duration;

/// Bytes a second that stretch a full resync, so that it meets writes.
const SLOW: u64 = 8_000_000;
/// Nothing but writes moves the offset.
const QUIET: [&str; 2] = ["repl-ping-replica-period 3600", "repl-backlog-size 16mb"];
/// With it, an orderly end writes a snapshot.
const SAVES: &str = "save 3600 1";
const DISK: [&str; 2] = ["repl-diskless-sync no", "repl-diskless-load disabled"];
const DISKLESS: [&str; 2] = ["repl-diskless-sync yes", "repl-diskless-load swapdb"];
const PATIENCE: Duration = Duration::from_secs(30);

/// A master and a replica that is in sync, with a link that can be cut.
struct Group {
    m: Arc<Server>,
    r: Arc<Server>,
    link: Proxy,
    rng: Rng,
    known: Known,
}

impl Group {
    /// A full resync while the master is written to; then both are equal.
    fn join(w: &World, found: &Found, known: Known, lines: &[&str]) -> Result<Self> {
        let mut rng = w.rng();
        let m = w.server("master", &found.master, &lines_for(&found.master, lines))?;
        data::fill(&m, known, &mut rng)?;
        let link = Proxy::to(m.port)?;
        link.limit(SLOW);
        let before = wait::offset(&m)?;
        let writing = Writing::start(m.port, Rng::new(rng.bits()));
        let follow = format!("replicaof 127.0.0.1 {}", link.port);
        let r = w.server("replica", &found.replica, &[&lines_for(&found.replica, lines)[..], &[&follow]].concat())?;
        wait::link_up(&r)?;
        let moved = wait::offset(&m)? - before;
        link.limit(0);
        let written = writing.end()?;
        ensure!(moved > 0 && written > 0, "nothing was written while the replica came");
        table::saw(&m)?;
        table::saw(&r)?;
        let group = Self { m, r, link, rng, known };
        group.equal(&[])?;
        let (full, partial) = wait::served(&group.m)?;
        // With two channels the second half of it is a partial resync in Valkey.
        let halves = i64::from(lines.iter().any(|l| l.starts_with(probe::SWITCH)));
        ensure!(full == 1 && partial <= halves, "{full} full and {partial} partial resyncs, one full was due");
        Ok(group)
    }

    fn equal(&self, others: &[&Server]) -> Result<()> {
        equal(&[&[&*self.m, &*self.r], others].concat(), self.known)
    }

    /// Writes of all kinds that both sides know.
    fn write(&mut self, to: &Server) -> Result<()> {
        fill::writes(to.port, 500, &mut self.rng)?;
        if self.known.any_streams {
            fill::streams(to.port, 200, &mut self.rng)?;
        }
        Ok(())
    }

    fn see_the_cut(&self) -> Result<()> {
        wait::until(PATIENCE, "the replica sees that the link is down", || {
            Ok(self.r.client()?.info("replication", "master_link_status")? == "down")
        })
    }
}

/// A master, which comes first, and all others hold the same at the same offset of the same history.
fn equal(servers: &[&Server], known: Known) -> Result<()> {
    let (master, others) = (servers[0], &servers[1..]);
    wait::offsets_equal(servers)?;
    let mine = data::beside_the_digest(master, known)?;
    for s in others {
        let theirs = data::beside_the_digest(s, known)?;
        let wrong = mine.iter().zip(&theirs).find(|(a, b)| a != b);
        ensure!(mine == theirs, "{} and {} differ beside the digest: {wrong:?}", master.name, s.name);
        same_groups(master, s)?;
        ids_equal(master, s)?;
    }
    let valkey = |s: &&Server| matches!(s.program.kind, Kind::Valkey(..));
    let digests_agree = servers.iter().all(valkey) || !servers.iter().any(valkey);
    if !digests_agree {
        data::without_apart(&mut master.client()?)?;
    }
    wait::same(servers)?;
    if !digests_agree {
        data::apart(&mut master.client()?, known)?;
    }
    Ok(())
}

/// What was served since `before` is one resync of that kind.
fn one(master: &Server, before: (i64, i64), due: (i64, i64)) -> Result<()> {
    let now = wait::served(master)?;
    let served = (now.0 - before.0, now.1 - before.1);
    ensure!(served == due, "{}: (full, partial) resyncs are {served:?}, {due:?} were due", master.name);
    Ok(())
}

/// The lines that a program knows.
fn lines_for<'a>(program: &Program, lines: &[&'a str]) -> Vec<&'a str> {
    let redis = matches!(program.kind, Kind::Redis(..));
    QUIET.into_iter().chain(lines.iter().copied()).filter(|l| !(redis && l.starts_with(probe::SWITCH))).collect()
}

fn known(found: &Found) -> Known {
    Known::by(&found.master, &[&found.replica])
}

pub(super) fn full_resync(w: &World, found: &Found, column: Column) -> Result<Outcome> {
    let lines = if column == Column::Disk { DISK } else { DISKLESS };
    let mut group = Group::join(w, found, known(found), &lines)?;
    let m = Arc::clone(&group.m);
    let by_disk = m.logged(&["SYNC with target: disk"]) > 0;
    ensure!(by_disk == (column == Column::Disk), "the snapshot went by another way: by disk is {by_disk}");
    group.write(&m)?;
    group.equal(&[])?;
    Ok(Outcome::Works)
}

pub(super) fn two_channel(w: &World, found: &Found) -> Result<Outcome> {
    let switch = format!("{} yes", probe::SWITCH);
    let group = Group::join(w, found, known(found), &["repl-diskless-sync yes", &switch])?;
    let channels = group.link.connections();
    for s in [&group.m, &group.r] {
        if !probe::has_switch(s)? {
            ensure!(channels == 1, "{channels} connections, though {} has no second channel", s.name);
            return Ok(Outcome::Cannot(format!("{} has no second channel, one is used", s.program.name)));
        }
    }
    let (m, r) = (&found.master, &found.replica);
    let lacking = if m.is_primacy() && !probe::answered_by(w, m)? {
        "as master"
    } else if r.is_primacy() && !probe::offered_by(w, r)? {
        "as replica"
    } else {
        ensure!(channels == 2, "{channels} connections, two were due");
        return Ok(Outcome::Works);
    };
    ensure!(channels == 1, "{channels} connections, though Primacy knows one channel {lacking}");
    Ok(Outcome::Unverified(format!("Primacy has no second channel {lacking} yet, one is used")))
}

pub(super) fn broken_link(w: &World, found: &Found) -> Result<Outcome> {
    let mut group = Group::join(w, found, known(found), &[])?;
    let m = Arc::clone(&group.m);
    let redis = |p: &Program| matches!(p.kind, Kind::Redis(..));
    if !group.known.fields && !redis(&found.master) && !redis(&found.replica) {
        // No snapshot carries them between these two; the stream does.
        group.known.fields = true;
        data::apart(&mut m.client()?, group.known)?;
    }
    let before = wait::served(&m)?;
    group.link.cut();
    group.see_the_cut()?;
    group.write(&m)?;
    group.link.heal();
    wait::link_up(&group.r)?;
    group.equal(&[])?;
    one(&m, before, (0, 1))?;
    Ok(Outcome::Works)
}

pub(super) fn replica_restarted(w: &World, found: &Found) -> Result<Outcome> {
    let mut group = Group::join(w, found, known(found), &[SAVES])?;
    let (m, r) = (Arc::clone(&group.m), Arc::clone(&group.r));
    let before = wait::served(&m)?;
    r.terminate()?;
    group.write(&m)?;
    let writing = Writing::start(m.port, Rng::new(group.rng.bits()));
    r.start()?;
    wait::link_up(&r)?;
    writing.end()?;
    group.equal(&[])?;
    one(&m, before, (0, 1))?;
    Ok(Outcome::Works)
}

pub(super) fn master_restarted(w: &World, found: &Found, forgets: bool) -> Result<Outcome> {
    let mut group = Group::join(w, found, known(found), &[SAVES])?;
    let m = Arc::clone(&group.m);
    group.write(&m)?;
    m.terminate()?;
    m.start()?;
    group.see_the_cut().ok();
    wait::link_up(&group.r)?;
    wait::until(PATIENCE, "the replica is back", || Ok(wait::served(&m)? != (0, 0)))?;
    group.write(&m)?;
    group.equal(&[])?;
    one(&m, (0, 0), if forgets { (1, 0) } else { (0, 1) })?;
    if forgets {
        return Ok(Outcome::Cannot(format!("{} begins a new history, the resync is full", m.program.name)));
    }
    Ok(Outcome::Works)
}

/// The end of the chain is of the master's kind behind Primacy, and Primacy behind a real server.
pub(super) fn end_of_chain(w: &World, found: &Found) -> Result<Program> {
    if found.replica.is_primacy() { Ok(found.master.clone()) } else { w.primacy() }
}

pub(super) fn chain(w: &World, found: &Found) -> Result<Outcome> {
    let end = end_of_chain(w, found)?;
    let known = known(found).and(Known::by(&found.replica, &[&end]));
    let mut group = Group::join(w, found, known, &[])?;
    let (m, r) = (Arc::clone(&group.m), Arc::clone(&group.r));
    let writing = Writing::start(m.port, Rng::new(group.rng.bits()));
    let s = w.server("end", &end, &[&QUIET[..], &[&format!("replicaof 127.0.0.1 {}", r.port)]].concat())?;
    wait::link_up(&s)?;
    writing.end()?;
    group.equal(&[&s])?;
    one(&r, (0, 0), (1, 0))?;
    let before = wait::served(&m)?;
    group.link.cut();
    group.see_the_cut()?;
    group.write(&m)?;
    group.link.heal();
    wait::link_up(&r)?;
    group.equal(&[&s])?;
    one(&m, before, (0, 1))?;
    let full = wait::served(&r)?.0;
    ensure!(full == 1, "{full} full resyncs at the end of the chain");
    Ok(Outcome::Works)
}

pub(super) fn promotion(w: &World, found: &Found) -> Result<Outcome> {
    let mut group = Group::join(w, found, known(found), &[])?;
    let (m, r) = (Arc::clone(&group.m), Arc::clone(&group.r));
    // What expires at the old master now would be a history of its own.
    m.client()?.run("DEBUG SET-ACTIVE-EXPIRE 0")?;
    wait::offsets_equal(&[&m, &r])?;
    let before = wait::served(&r)?;
    r.client()?.run("REPLICAOF NO ONE")?;
    let writing = Writing::start(r.port, Rng::new(group.rng.bits()));
    m.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", r.port))?;
    wait::link_up(&m)?;
    writing.end()?;
    group.write(&r)?;
    equal(&[&r, &m], group.known)?;
    one(&r, before, (0, 1))?;
    Ok(Outcome::Works)
}

/// A full resync of nothing but data of one kind.
pub(super) fn carried(w: &World, found: &Found, column: Column, due: Option<Why>) -> Result<Outcome> {
    let mut rng = w.rng();
    let m = w.server("master", &found.master, &lines_for(&found.master, &DISK))?;
    table::saw(&m)?;
    match (data::only(&m, column, &mut rng), due) {
        (Err(e), Some(Why::Unknown)) if e.to_string().to_lowercase().contains("unknown command") => {
            return Ok(Outcome::Cannot(format!("{} has none", m.program.name)));
        }
        (filled, _) => filled?,
    }
    let follow = format!("replicaof 127.0.0.1 {}", m.port);
    let r = w.server("replica", &found.replica, &[&lines_for(&found.replica, &DISK)[..], &[&follow]].concat())?;
    table::saw(&r)?;
    if let Some(Why::Unread(phrase)) = due {
        wait::until(PATIENCE, &format!("the replica says \"{phrase}\""), || Ok(r.logged(&[phrase]) > 0))?;
        let up = r.client()?.info("replication", "master_link_status")? == "up";
        ensure!(!up && r.client()?.text("DBSIZE")? == "0", "the replica has the snapshot that it refused");
        return Ok(Outcome::Cannot(format!("{}: \"{phrase}\"", r.program.name)));
    }
    wait::link_up(&r)?;
    let known = Known { any_streams: false, functions: column == Column::Functions, fields: column == Column::Fields };
    equal(&[&m, &r], known)?;
    if column == Column::Streams {
        let pending = same_groups(&m, &r)?;
        ensure!(pending > 0, "nothing is pending: the data is no test of it");
    }
    Ok(Outcome::Works)
}

/// A replica that reads no snapshot of this master.
pub(super) fn refused(w: &World, master: &Program, replica: &Program) -> Result<Outcome> {
    let m = w.server("master", master, &QUIET)?;
    let follow = format!("replicaof 127.0.0.1 {}", m.port);
    let r = w.server("replica", replica, &[&QUIET[..], &[&follow]].concat())?;
    let phrases = ["Can't handle RDB format version", "Wrong signature trying to load DB"];
    wait::until(PATIENCE, "the replica refuses the snapshot", || Ok(r.logged(&phrases) > 0))?;
    Ok(Outcome::Cannot(format!("{} reads no snapshot of {}", replica.name, master.name)))
}
