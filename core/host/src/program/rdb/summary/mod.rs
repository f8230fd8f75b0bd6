//! `--format summary`: how much of what a snapshot holds.

mod table;
mod top;

use core::fmt::{self, Write};
use std::collections::{BTreeMap, BTreeSet};

use primacy_core::rdb::{Entry, Item, aux};

use super::format::{Ended, Format, Type};
use super::out::Out;
use super::units::{count, size};
use crate::logging::Stamp;
use table::Table;
use top::{Big, SHOWN, Top};

/// Databases that are told apart; keys of further ones are counted together.
const DATABASES: usize = 1024;

/// Counts keys.
#[derive(Debug, Default)]
pub(super) struct Summary {
    origin: Origin,
    /// By database, those beyond [`DATABASES`] as `None`, and type.
    groups: BTreeMap<(Option<u64>, Type), Sum>,
    databases: BTreeSet<u64>,
    stored: BTreeMap<u8, (&'static str, u64)>,
    by_bytes: Top,
    by_elements: Top,
    expiries: Expiries,
    empty: u64,
    functions: u64,
    modules: BTreeMap<[u8; 9], u64>,
    now: Now,
    /// Whether the end had a checksum.
    checksum: bool,
}

/// Keys and their bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    keys: u64,
    bytes: u64,
    elements: u64,
}

/// What the snapshot says of where it is from.
#[derive(Debug, Default)]
struct Origin {
    format: String,
    server: String,
    written: Option<u64>,
    used_memory: Option<u64>,
}

#[derive(Debug, Default)]
struct Expiries {
    with: u64,
    without: u64,
    earliest: Option<i64>,
    latest: Option<i64>,
    /// Keys with an idle time.
    idle: u64,
    /// Keys with an access frequency.
    frequency: u64,
}

/// The key under way.
#[derive(Debug, Default)]
struct Now {
    db: u64,
    key: Vec<u8>,
    cut: bool,
    typ: Option<Type>,
    expire_at_ms: Option<i64>,
    idle: bool,
    frequency: bool,
    stored: (u8, &'static str),
}

impl Format for Summary {
    fn item(&mut self, item: &Item<'_>, _: &mut Out<'_>) {
        match item {
            Item::Header { magic, version } => self.origin.format = format!("{magic} {version}"),
            Item::Aux { name, value } => self.origin.aux(name, value),
            Item::Function(_) => self.functions += 1,
            Item::ModuleAux { module, .. } => *self.modules.entry(module.name()).or_default() += 1,
            Item::Entry(entry) => self.now.begin(entry),
            Item::End { checksum } => self.checksum = *checksum,
            _ => {}
        }
    }

    fn stored_as(&mut self, number: u8, name: &'static str) {
        self.now.stored = (number, name);
    }

    fn ended(&mut self, key: Ended) {
        let (number, name) = self.now.stored;
        self.stored.entry(number).or_insert((name, 0)).1 += 1;
        let Some(typ) = self.now.typ else { return };
        let sum = self.sum(typ);
        sum.keys += 1;
        sum.bytes += key.bytes;
        sum.elements += key.elements;
        let now = &self.now;
        self.by_bytes.offer(key.bytes, now.db, typ.name(), || now.text());
        self.by_elements.offer(key.elements, now.db, typ.name(), || now.text());
        self.expiries.add(now);
    }

    fn finish(&mut self, empty: u64, out: &mut Out<'_>) -> Vec<String> {
        self.empty = empty;
        let mut text = String::new();
        // A string takes whatever is written to it.
        let _ = self.tell(&mut text);
        out.put(text.as_bytes());
        Vec::new()
    }
}

impl Summary {
    fn sum(&mut self, typ: Type) -> &mut Sum {
        let db = self.now.db;
        if self.databases.len() < DATABASES {
            self.databases.insert(db);
        }
        let key = (self.databases.contains(&db).then_some(db), typ);
        self.groups.entry(key).or_default()
    }

    fn tell(&self, text: &mut String) -> fmt::Result {
        self.origin.tell(text, self.checksum)?;
        self.tell_groups(text);
        self.tell_stored(text);
        tell_top(text, "Biggest keys, by bytes in the snapshot", self.by_bytes.list(), size)?;
        tell_top(text, "Biggest keys, by elements", self.by_elements.list(), count)?;
        self.expiries.tell(text)?;
        let mut more = Vec::new();
        if self.functions > 0 {
            more.push(format!("{} function libraries", self.functions));
        }
        for (module, n) in &self.modules {
            more.push(format!("data of module {}: {n}", String::from_utf8_lossy(module)));
        }
        if self.empty > 0 {
            more.push(format!("{} collections without an element, which servers leave out", self.empty));
        }
        if !more.is_empty() {
            writeln!(text, "\nBesides: {}", more.join(", "))?;
        }
        Ok(())
    }

    fn tell_groups(&self, text: &mut String) {
        let mut table = Table::new(&["db", "type", "keys", "bytes", "", "elements"]);
        let mut all = Sum::default();
        for ((db, typ), sum) in &self.groups {
            let db = db.map_or("others".into(), |db| db.to_string());
            table.row([db, typ.name().into(), count(sum.keys), count(sum.bytes), size(sum.bytes), elements(*sum)]);
            all.keys += sum.keys;
            all.bytes += sum.bytes;
            all.elements += sum.elements;
        }
        table.row(["all".into(), String::new(), count(all.keys), count(all.bytes), size(all.bytes), elements(all)]);
        text.push('\n');
        *text += &table.text();
    }

    fn tell_stored(&self, text: &mut String) {
        if self.stored.is_empty() {
            return;
        }
        let mut table = Table::new(&["keys", "stored as"]);
        let mut list: Vec<_> = self.stored.values().collect();
        list.sort_by_key(|(_, n)| core::cmp::Reverse(*n));
        list.into_iter().for_each(|(name, n)| table.row([count(*n), (*name).into()]));
        text.push('\n');
        *text += &table.text();
    }
}

impl Now {
    fn begin(&mut self, entry: &Entry<'_>) {
        let cut = entry.key.get(..SHOWN);
        self.key.clear();
        self.key.extend_from_slice(cut.unwrap_or(entry.key));
        self.cut = entry.key.len() > SHOWN;
        self.db = entry.db;
        self.typ = Type::of(&entry.value);
        self.expire_at_ms = entry.expire_at_ms;
        (self.idle, self.frequency) = (entry.idle_s.is_some(), entry.freq.is_some());
    }

    fn text(&self) -> String {
        let key = match core::str::from_utf8(&self.key) {
            Ok(text) => text.escape_debug().to_string(),
            Err(_) => self.key.escape_ascii().to_string(),
        };
        format!("{key}{}", if self.cut { "…" } else { "" })
    }
}

impl Origin {
    fn aux(&mut self, name: &[u8], value: &[u8]) {
        let number = || core::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        if name.eq_ignore_ascii_case(aux::REDIS_VER) || name.eq_ignore_ascii_case(b"valkey-ver") {
            let server = if name.eq_ignore_ascii_case(aux::REDIS_VER) { "Redis" } else { "Valkey" };
            self.server = format!("{server} {}", value.get(..32).unwrap_or(value).escape_ascii());
        } else if name.eq_ignore_ascii_case(aux::CTIME) {
            self.written = number();
        } else if name.eq_ignore_ascii_case(aux::USED_MEM) {
            self.used_memory = number();
        }
    }

    fn tell(&self, text: &mut String, checksum: bool) -> fmt::Result {
        write!(text, "Format {}", self.format)?;
        if !self.server.is_empty() {
            write!(text, ", written by {}", self.server)?;
        }
        if let Some(s) = self.written {
            write!(text, " on {}", Stamp(s.saturating_mul(1000)))?;
        }
        if let Some(bytes) = self.used_memory {
            write!(text, ", {} of memory in use there", size(bytes))?;
        }
        writeln!(text, "; {}", if checksum { "the checksum is right" } else { "without a checksum" })
    }
}

impl Expiries {
    fn add(&mut self, now: &Now) {
        self.idle += u64::from(now.idle);
        self.frequency += u64::from(now.frequency);
        let Some(at) = now.expire_at_ms else {
            self.without += 1;
            return;
        };
        self.with += 1;
        self.earliest = Some(self.earliest.map_or(at, |known| known.min(at)));
        self.latest = Some(self.latest.map_or(at, |known| known.max(at)));
    }

    fn tell(&self, text: &mut String) -> fmt::Result {
        write!(text, "\nExpiry: {} keys with, {} without", count(self.with), count(self.without))?;
        if let (Some(earliest), Some(latest)) = (self.earliest, self.latest) {
            write!(text, "; the earliest {}, the latest {}", moment(earliest), moment(latest))?;
        }
        writeln!(text)?;
        if self.idle > 0 {
            writeln!(text, "Idle times: {} keys", count(self.idle))?;
        }
        if self.frequency > 0 {
            writeln!(text, "Access frequencies: {} keys", count(self.frequency))?;
        }
        Ok(())
    }
}

/// A time as a date, UTC, if it is one.
fn moment(ms: i64) -> String {
    match u64::try_from(ms) {
        // The year 9999 ends before.
        Ok(ms) if ms < 253_402_300_800_000 => Stamp(ms).to_string(),
        _ => format!("{ms} ms"),
    }
}

fn elements(sum: Sum) -> String {
    if sum.elements == 0 { String::new() } else { count(sum.elements) }
}

fn tell_top(text: &mut String, title: &str, list: &[Big], unit: fn(u64) -> String) -> fmt::Result {
    if list.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["", "db", "type", "key"]);
    for big in list {
        table.row([unit(big.size), big.db.to_string(), big.kind.into(), big.key.clone()]);
    }
    write!(text, "\n{title}\n{}", table.body())
}
