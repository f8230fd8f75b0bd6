//! INFO beside real servers: every field that they have, but for a list with reasons.

use libtest_mimic::Trial;
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::resp::Value;
use primacy_tests::server::Server;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// Fields of Redis 7.0 that are not here, each with the reason.
const REDIS_ALONE: &[(&str, &str)] = &[
    ("cpu.used_cpu_sys_main_thread", "what a turn of the loop takes is in the section primacy"),
    ("cpu.used_cpu_user_main_thread", "the same"),
    ("memory.total_system_memory", "a machine is told of its process, and not of the computer"),
    ("memory.total_system_memory_human", "the same"),
    ("server.atomicvar_api", "of another language"),
    ("server.gcc_version", "of another language"),
    ("stats.dump_payload_sanitizations", "every payload is checked, always"),
];

/// Fields of Valkey 9.1 that are not here, beside those.
const VALKEY_ALONE: &[(&str, &str)] = &[
    ("cpu.used_active_time_main_thread", "what a turn of the loop takes is in the section primacy"),
    ("memory.mem_cluster_slot_export", "there is no cluster"),
    ("memory.mem_cluster_slot_import", "the same"),
    ("modules.module", "the module is Valkey's own interpreter"),
    ("persistence.slot_migration_fork_in_progress", "there is no cluster"),
    ("scripting engines.engine_0", "there is no interpreter"),
    ("scripting engines.engines_count", "the same"),
    ("scripting engines.engines_total_memory_overhead", "the same"),
    ("scripting engines.engines_total_used_memory", "the same"),
    ("server.availability_zone", "a directive of Valkey that nothing here heeds"),
    ("server.clients_hz", "nothing ticks"),
    ("server.server_mode", "by this field clients know a Valkey"),
    ("server.server_name", "the same"),
    ("server.valkey_release_stage", "the same"),
    ("server.valkey_version", "the same"),
    ("stats.acl_access_denied_db", "rules have no databases in Redis"),
    ("stats.expired_keys_with_volatile_items_stale_perc", "fields expire with their hashes, in one cycle"),
    (
        "stats.instantaneous_eventloop_cycles_per_sec",
        "totals alone are kept of turns: the section primacy has their average",
    ),
    ("stats.instantaneous_eventloop_duration_usec", "the same"),
    ("stats.io_threaded_accept_processed", "there is one thread"),
    ("stats.io_threaded_freed_objects", "the same"),
    ("stats.io_threaded_poll_processed", "the same"),
    ("stats.io_threaded_total_prefetch_batches", "the same"),
    ("stats.io_threaded_total_prefetch_entries", "the same"),
    ("stats.total_net_cluster_slot_export_bytes", "there is no cluster"),
    ("stats.total_net_cluster_slot_import_bytes", "the same"),
    ("tls.tls_ca_cert_expires_in_seconds", "a machine sees no certificates"),
    ("tls.tls_ca_cert_serial", "the same"),
    ("tls.tls_client_cert_expires_in_seconds", "the same"),
    ("tls.tls_client_cert_serial", "the same"),
    ("tls.tls_server_cert_expires_in_seconds", "the same"),
    ("tls.tls_server_cert_serial", "the same"),
];

pub(crate) fn all() -> Vec<Trial> {
    let mut all = Vec::new();
    for peer in [Peer::Redis70, Peer::Valkey91] {
        let name = format!("info::fields::{}", peer.name());
        all.push(scenario(&name, LIMIT, move || peer.find(), move |w, found| fields(w, &found, peer)));
        let name = format!("info::memory::{}", peer.name());
        all.push(scenario(&name, LIMIT, move || peer.find(), move |w, found| memory(w, &found)));
        let name = format!("info::client_list::{}", peer.name());
        all.push(scenario(&name, LIMIT, move || peer.find(), move |w, found| client_list(w, &found)));
    }
    all.push(scenario("info::latencystats", LIMIT, || Ok(()), |w, ()| latencystats(w)));
    all
}

/// A server that has done something of everything.
fn used(w: &World, name: &str, program: &Program) -> Result<Arc<Server>> {
    let server = w.server(name, program, &["min-replicas-to-write 0"])?;
    let mut c = server.client()?;
    for line in
        ["SET a 1", "GET a", "GET none", "INCR a", "LPUSH l a b c", "SET e x EX 1000", "PUBLISH c m", "DEL none"]
    {
        c.run(line)?;
    }
    c.ask(&["NOSUCH"])?;
    Ok(server)
}

/// `section.field` of everything that INFO shows, in its order.
fn everything(server: &Server) -> Result<BTreeSet<String>> {
    let text = server.client()?.text("INFO everything")?;
    let mut section = String::new();
    let mut all = BTreeSet::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("# ") {
            section = title.trim().to_lowercase();
        } else if let Some((name, _)) = line.split_once(':') {
            all.insert(format!("{section}.{name}"));
        }
    }
    Ok(all)
}

fn fields(w: &World, peer: &Program, which: Peer) -> Result<()> {
    let (mut known, both): (BTreeSet<&str>, _) =
        (REDIS_ALONE.iter().map(|(name, _)| *name).collect(), REDIS_ALONE.len());
    let (other, ours) = (used(w, "peer", peer)?, used(w, "primacy", &w.primacy()?)?);
    let (theirs, ours) = (everything(&other)?, everything(&ours)?);
    if which == Peer::Valkey91 {
        known.extend(VALKEY_ALONE.iter().map(|(name, _)| *name));
        ensure!(known.len() == both + VALKEY_ALONE.len(), "a field is in both lists");
    }
    // What a client of the test says of itself is counted by subcommands there.
    let alone: Vec<&String> =
        theirs.difference(&ours).filter(|f| !known.contains(f.as_str()) && !f.contains('|')).collect();
    ensure!(alone.is_empty(), "fields that only {} has: {alone:?}", which.name());
    let had: Vec<&&str> = known.iter().filter(|f| ours.contains(**f)).collect();
    ensure!(had.is_empty(), "listed as missing, and there: {had:?}");
    if which == Peer::Redis70 {
        let gone: Vec<&&str> = known.iter().filter(|f| !theirs.contains(**f)).collect();
        ensure!(gone.is_empty(), "listed as missing, and {} has none: {gone:?}", which.name());
    }
    Ok(())
}

/// The names in the flat or true map of a reply.
fn names(value: &Value) -> BTreeSet<String> {
    value.items().iter().step_by(2).map(Value::text).collect()
}

fn memory(w: &World, peer: &Program) -> Result<()> {
    let (other, ours) = (used(w, "peer", peer)?, used(w, "primacy", &w.primacy()?)?);
    let (mut a, mut b) = (other.client()?, ours.client()?);
    // What Redis 7.0 has; Valkey has some more.
    let listed = ["db.", "cluster.slot", "allocator.muzzy", "replicas.repl", "overhead.db.", "db.dict"];
    let wanted = |set: BTreeSet<String>| -> BTreeSet<String> {
        set.into_iter().filter(|n| !listed.iter().any(|l| n.starts_with(l))).collect()
    };
    let (theirs, mine) = (wanted(names(&a.ask(&["MEMORY", "STATS"])?)), wanted(names(&b.ask(&["MEMORY", "STATS"])?)));
    ensure!(theirs == mine, "MEMORY STATS: {theirs:?} there, {mine:?} here");
    for words in [
        &["MEMORY", "USAGE", "none"][..],
        &["MEMORY", "USAGE", "a", "SAMPLES", "-1"],
        &["MEMORY", "USAGE", "a", "SAMPLES", "x"],
        &["MEMORY", "USAGE", "a", "SAMPLES"],
        &["MEMORY", "USAGE", "a", "FOO", "1"],
        &["MEMORY", "USAGE"],
        &["MEMORY", "NONE"],
        &["MEMORY", "PURGE"],
        &["MEMORY", "PURGE", "x"],
        &["MEMORY"],
        &["LATENCY", "HISTORY", "none"],
        &["LATENCY", "GRAPH", "none"],
        &["LATENCY", "RESET"],
        &["LATENCY", "LATEST"],
        &["LATENCY", "HISTOGRAM", "none"],
        &["LATENCY", "NONE"],
        &["SLOWLOG", "GET", "-2"],
        &["SLOWLOG", "GET", "x"],
        &["SLOWLOG", "GET", "0"],
        &["SLOWLOG", "RESET"],
        &["SLOWLOG", "LEN"],
        &["SLOWLOG", "NONE"],
    ] {
        let (theirs, mine) = (a.ask(words)?, b.ask(words)?);
        ensure!(theirs == mine, "{words:?}: {theirs:?} there, {mine:?} here");
    }
    for key in ["a", "l", "e"] {
        let bytes = b.ask(&["MEMORY", "USAGE", key, "SAMPLES", "0"])?;
        ensure!(matches!(bytes, Value::Int(1..1000)), "{key} takes {bytes:?}");
    }
    let (doctor, none) = (b.ask(&["MEMORY", "DOCTOR"])?.text(), b.ask(&["MEMORY", "MALLOC-STATS"])?.text());
    ensure!(doctor.contains("too little") && none.contains("not supported"), "{doctor} {none}");
    Ok(())
}

/// Every field of a client's line that is there is here, in its order.
fn client_list(w: &World, peer: &Program) -> Result<()> {
    let fields = |server: &Server| -> Result<Vec<String>> {
        let line = server.client()?.text("CLIENT INFO")?;
        Ok(line.split_whitespace().filter_map(|f| Some(f.split_once('=')?.0.to_owned())).collect())
    };
    let (other, ours) = (used(w, "peer", peer)?, used(w, "primacy", &w.primacy()?)?);
    let (theirs, mine) = (fields(&other)?, fields(&ours)?);
    // What a client can do is Valkey's redirection, which is not had here.
    let wanted: Vec<&String> = theirs.iter().filter(|f| *f != "capa").collect();
    let had: Vec<&String> = mine.iter().filter(|f| theirs.contains(f)).collect();
    ensure!(wanted == had, "a client is {wanted:?} there, {had:?} here");
    Ok(())
}

fn latencystats(w: &World) -> Result<()> {
    let server = used(w, "primacy", &w.primacy()?)?;
    let mut c = server.client()?;
    let line = |c: &mut primacy_tests::resp::Client| c.info("latencystats", "latency_percentiles_usec_get");
    let figures = line(&mut c)?;
    ensure!(
        figures.starts_with("p50=") && figures.contains(",p99=") && figures.contains(",p99.9="),
        "GET took {figures}"
    );
    c.ask(&["CONFIG", "SET", "latency-tracking-info-percentiles", "100 50"])?;
    let figures = line(&mut c)?;
    let read = |name: &str| -> Result<f64> {
        let of =
            figures.split(',').find_map(|f| f.strip_prefix(name)).ok_or_else(|| format!("no {name} in {figures}"))?;
        Ok(of.parse()?)
    };
    ensure!(read("p100=")? >= read("p50=")?, "the slowest GET is faster than half of them: {figures}");
    c.run("CONFIG SET latency-tracking no")?;
    ensure!(!c.text("INFO latencystats")?.contains("percentiles"), "shown, though nothing is tracked");
    Ok(())
}
