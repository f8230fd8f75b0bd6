//! MEMORY, and INFO's section about it: what is counted, by whom it is held.

use alloc::format;
use alloc::string::String;
use core::fmt::Write as _;

use super::super::{Cx, Node};
use crate::client::Session;
use crate::client::info::{Fields, nothing};
use crate::client::stats::human;
use crate::dataset::Dataset;
use crate::resp::{Args, Reply, parse_i64};

/// Below this MEMORY DOCTOR has nothing to look at.
const DOCTOR_FROM: u64 = 5 << 20;

/// Bytes by who holds them.
pub(in super::super) struct Held {
    /// All together; the most of that when somebody looked; and what it was with nothing in it.
    pub(in super::super) used: u64,
    pub(in super::super) peak: u64,
    startup: u64,
    /// What the process has of the machine's memory.
    rss: u64,
    /// What clients hold: input, replies, transactions.
    pub(in super::super) clients: u64,
    /// The replication log.
    pub(in super::super) log: u64,
    /// Snapshots on their way to replicas.
    pub(in super::super) snapshot: u64,
    functions: u64,
    pub(in super::super) dataset: u64,
    /// Values that changed while a snapshot had not reached them.
    pub(in super::super) handed_over: u64,
    /// What does not count for `maxmemory`.
    pub(in super::super) uncounted: u64,
}

impl Held {
    /// What is neither keys nor values.
    pub(in super::super) fn overhead(&self) -> u64 {
        self.startup + self.clients + self.log + self.snapshot + self.functions
    }

    /// What is there for keys and values.
    fn data(&self) -> u64 {
        self.used.saturating_sub(self.overhead())
    }

    fn data_percent(&self) -> f64 {
        self.data() as f64 * 100.0 / self.used.saturating_sub(self.startup).max(1) as f64
    }

    fn peak_percent(&self) -> f64 {
        self.used as f64 * 100.0 / self.peak.max(1) as f64
    }

    fn ratio(&self) -> f64 {
        self.rss as f64 / self.used.max(1) as f64
    }

    /// What the process has beside what is counted, bytes.
    fn beside(&self) -> i64 {
        self.rss as i64 - self.used as i64
    }
}

impl<D: Dataset> Node<D> {
    /// What is held now; `s` is the session taken out for the command.
    pub(in super::super) fn held(&self, s: Option<&Session>) -> Held {
        let clients = self.clients.sessions.iter().chain(s).map(Session::memory).sum::<usize>() as u64;
        let (log, snapshot) = self.source.memory();
        let (log, snapshot, dataset) = (log as u64, snapshot as u64, self.data.memory() as u64);
        let handed_over = self.data.snapshot_pending() as u64;
        let used = clients + log + snapshot + dataset + handed_over;
        Held {
            used,
            peak: self.stats.peak_memory.max(used),
            startup: self.stats.startup_memory,
            rss: self.clients.usage.last.rss,
            clients,
            log,
            snapshot,
            functions: self.data.functions().bytes as u64,
            dataset,
            handed_over,
            uncounted: used.saturating_sub(self.data.used() as u64),
        }
    }

    pub(super) fn memory_section(&mut self, f: &mut Fields, s: &Session) {
        let h = self.held(Some(s));
        self.stats.peak_memory = h.peak;
        let max = self.config.settings.maxmemory;
        f.section("Memory");
        f.put("used_memory", h.used);
        f.put("used_memory_human", human(h.used));
        f.put("used_memory_rss", h.rss);
        f.put("used_memory_rss_human", human(h.rss));
        f.put("used_memory_peak", h.peak);
        f.put("used_memory_peak_human", human(h.peak));
        f.put("used_memory_peak_perc", format_args!("{:.2}%", h.peak_percent()));
        f.put("used_memory_overhead", h.overhead());
        f.put("used_memory_startup", h.startup);
        f.put("used_memory_dataset", h.data());
        f.put("used_memory_dataset_perc", format_args!("{:.2}%", h.data_percent()));
        // The system's allocator tells nothing of itself: it counts as having given what was asked for.
        f.put("allocator_allocated", h.used);
        f.put("allocator_active", h.used);
        f.put("allocator_resident", h.rss);
        f.put("allocator_muzzy", 0);
        self.script_fields(f, h.functions);
        f.put("maxmemory", max);
        f.put("maxmemory_human", human(max));
        f.put("maxmemory_policy", self.config.settings.maxmemory_policy.word());
        f.put("allocator_frag_ratio", "1.00");
        f.put("allocator_frag_bytes", 0);
        f.put("allocator_rss_ratio", format_args!("{:.2}", h.ratio()));
        f.put("allocator_rss_bytes", h.beside());
        f.put("rss_overhead_ratio", "1.00");
        f.put("rss_overhead_bytes", 0);
        f.put("mem_fragmentation_ratio", format_args!("{:.2}", h.ratio()));
        f.put("mem_fragmentation_bytes", h.beside());
        f.put("mem_not_counted_for_evict", h.uncounted);
        f.put("mem_replication_backlog", h.log);
        f.put("mem_total_replication_buffers", h.log + h.snapshot);
        f.put("mem_replicas_repl_buffer", h.snapshot);
        f.put("mem_clients_slaves", 0);
        f.put("mem_clients_normal", h.clients);
        // A table grows by one bucket at a time; there is no cluster and no append-only file.
        nothing(f, &["mem_overhead_db_hashtable_rehashing", "mem_cluster_links", "mem_aof_buffer"]);
        f.put("mem_snapshot_handed_over", h.handed_over);
        f.put("mem_allocator", "system");
        f.put("active_defrag_running", 0);
        f.put("lazyfree_pending_objects", self.data.waiting_to_be_freed());
        f.put("lazyfreed_objects", self.data.counters().lazy_freed);
    }

    /// Libraries are kept, and nothing is ever run: no interpreter has memory.
    fn script_fields(&self, f: &mut Fields, bytes: u64) {
        let had = self.data.functions();
        nothing(f, &["used_memory_lua", "used_memory_vm_eval"]);
        f.put("used_memory_lua_human", human(0));
        nothing(f, &["used_memory_scripts_eval", "number_of_cached_scripts"]);
        f.put("number_of_functions", had.functions);
        f.put("number_of_libraries", had.libraries);
        nothing(f, &["used_memory_vm_functions", "used_memory_vm_total"]);
        f.put("used_memory_vm_total_human", human(0));
        f.put("used_memory_functions", bytes);
        f.put("used_memory_scripts", bytes);
        f.put("used_memory_scripts_human", human(bytes));
    }

    pub(in super::super) fn memory_usage(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        // Every value's size is known: samples are not needed.
        let samples = match args.len() {
            3 => Some(0),
            5 if args.is(3, "samples") => match parse_i64(args.at(4)) {
                Some(n) => Some(n).filter(|n| *n >= 0),
                None => return s.reply().error(super::NOT_AN_INTEGER),
            },
            _ => None,
        };
        if samples.is_none() {
            return s.reply().error(super::SYNTAX);
        }
        match self.data.memory_of(s.db, args.at(2)) {
            Some(bytes) => s.reply().int(bytes as i64),
            None => s.reply().null(),
        }
    }

    pub(in super::super) fn memory_stats(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        let h = self.held(Some(s));
        self.stats.peak_memory = h.peak;
        let dbs: alloc::vec::Vec<(u32, u64)> =
            (0..self.data.databases()).map(|db| (db, self.data.stats(db).keys)).filter(|(_, keys)| *keys > 0).collect();
        let keys: u64 = dbs.iter().map(|(_, keys)| keys).sum();
        let tables: alloc::vec::Vec<(u32, usize)> = dbs.iter().map(|&(db, _)| (db, self.data.overhead(db))).collect();
        let r = &mut s.reply();
        r.map(27 + tables.len());
        number(r, "peak.allocated", h.peak);
        number(r, "total.allocated", h.used);
        number(r, "startup.allocated", h.startup);
        number(r, "replication.backlog", h.log);
        number(r, "clients.slaves", 0);
        number(r, "clients.normal", h.clients);
        number(r, "cluster.links", 0);
        number(r, "aof.buffer", 0);
        number(r, "lua.caches", 0);
        number(r, "functions.caches", h.functions);
        for (db, bytes) in &tables {
            r.bulk(format!("db.{db}").as_bytes());
            r.map(2);
            number(r, "overhead.hashtable.main", *bytes as u64);
            // The time is kept with the key.
            number(r, "overhead.hashtable.expires", 0);
        }
        number(r, "overhead.total", h.overhead());
        number(r, "keys.count", keys);
        number(r, "keys.bytes-per-key", h.used.saturating_sub(h.startup) / keys.max(1));
        number(r, "dataset.bytes", h.data());
        share(r, "dataset.percentage", h.data_percent());
        share(r, "peak.percentage", h.peak_percent());
        number(r, "allocator.allocated", h.used);
        number(r, "allocator.active", h.used);
        number(r, "allocator.resident", h.rss);
        share(r, "allocator-fragmentation.ratio", 1.0);
        number(r, "allocator-fragmentation.bytes", 0);
        share(r, "allocator-rss.ratio", h.ratio());
        signed(r, "allocator-rss.bytes", h.beside());
        share(r, "rss-overhead.ratio", 1.0);
        number(r, "rss-overhead.bytes", 0);
        // 27 with these two.
        share(r, "fragmentation", h.ratio());
        signed(r, "fragmentation.bytes", h.beside());
    }

    pub(in super::super) fn memory_doctor(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        let h = self.held(Some(s));
        self.stats.peak_memory = h.peak;
        let replicas = self.source.replica_count();
        let text = diagnosis(&h, self.clients.sessions.iter().count() as u64 + 1, replicas as u64);
        s.reply().verbatim(b"txt", text.as_bytes());
    }

    pub(in super::super) fn memory_malloc_stats(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        s.reply().bulk(b"Stats not supported for the current allocator");
    }

    pub(in super::super) fn memory_purge(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        // The system's allocator gives back by itself what it can.
        s.reply().ok();
    }

    pub(in super::super) fn memory_help(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        super::help(
            &mut s.reply(),
            "MEMORY",
            &[
                "DOCTOR",
                "    Explain what memory is used for, if that is unusual.",
                "MALLOC-STATS",
                "    Show what the allocator tells of itself: nothing here.",
                "PURGE",
                "    Give unused memory back to the system, as far as that does not happen by itself.",
                "STATS",
                "    Show who holds how much.",
                "USAGE <key> [SAMPLES <count>]",
                "    Show the bytes of a key and its value. Nothing is sampled: the whole value counts.",
            ],
        );
    }
}

fn number(r: &mut Reply<'_>, name: &str, n: u64) {
    signed(r, name, i64::try_from(n).unwrap_or(i64::MAX));
}

fn signed(r: &mut Reply<'_>, name: &str, n: i64) {
    r.bulk(name.as_bytes());
    r.int(n);
}

fn share(r: &mut Reply<'_>, name: &str, d: f64) {
    r.bulk(name.as_bytes());
    r.double(d);
}

/// What is unusual in how memory is used, one line each.
fn diagnosis(h: &Held, clients: u64, replicas: u64) -> String {
    if h.used < DOCTOR_FROM {
        return format!("Only {} are in use: too little to tell anything.\n", human(h.used));
    }
    let mut text = String::new();
    if h.peak > h.used + h.used / 2 {
        let _ = writeln!(
            text,
            "Peak: once {} were in use, and {} are now. The system may still have the difference with this process, so that \
             the fragmentation ratio looks bad.",
            human(h.peak),
            human(h.used)
        );
    }
    if h.ratio() > 1.4 && h.beside() > (10 << 20) {
        let _ =
            writeln!(text, "Fragmentation: the process has {}, {:.2} times what is counted.", human(h.rss), h.ratio());
    }
    if h.clients / clients.max(1) > 200 << 10 {
        let each = human(h.clients / clients.max(1));
        let _ = writeln!(
            text,
            "Clients: {each} for each on average. Some send faster than they read, or send large commands."
        );
    }
    if h.snapshot / replicas.max(1) > 10 << 20 {
        let each = human(h.snapshot / replicas.max(1));
        let _ = writeln!(text, "Replicas: {each} of snapshots wait for each on average. Some are slow to take theirs.");
    }
    if text.is_empty() { "Nothing unusual was found.\n".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doctor_names_what_is_unusual_and_nothing_else() {
        let mb = |n: u64| n << 20;
        let usual = || Held {
            used: mb(100),
            peak: mb(110),
            startup: 0,
            rss: mb(120),
            clients: 10_000,
            log: mb(1),
            snapshot: 0,
            functions: 0,
            dataset: 0,
            handed_over: 0,
            uncounted: 0,
        };
        let told = |h: &Held| diagnosis(h, 10, 1);
        assert_eq!(told(&usual()), "Nothing unusual was found.\n");
        assert!(told(&Held { used: 1000, ..usual() }).contains("too little"));
        for (held, word) in [
            (Held { peak: mb(200), ..usual() }, "Peak:"),
            (Held { rss: mb(200), ..usual() }, "Fragmentation:"),
            (Held { clients: mb(5), ..usual() }, "Clients:"),
            (Held { snapshot: mb(20), ..usual() }, "Replicas:"),
        ] {
            let text = told(&held);
            assert!(text.starts_with(word) && text.lines().count() == 1, "{text}");
        }
    }
}
