//! The command table against that of redis-server 7.0: which commands there are, and what `COMMAND INFO` says of them.

use libtest_mimic::Trial;
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::resp::{Client, Value, words};
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

/// The differences that are accepted, and why.
const ACCEPTED: &str = include_str!("../../command-differences.txt");

pub(crate) fn all() -> Vec<Trial> {
    let needs = || Peer::Redis70.find();
    vec![
        scenario("commands::table", LIMIT, needs, |w, redis| table(w, &redis)),
        scenario("commands::getkeys", LIMIT, needs, |w, redis| getkeys(w, &redis)),
        scenario("commands::docs", LIMIT, needs, |w, redis| docs(w, &redis)),
    ]
}

/// The lines of the file: what they are about, and what they say.
#[derive(Default)]
struct Accepted {
    missing: BTreeSet<String>,
    extra: BTreeSet<String>,
    differs: BTreeSet<(String, String)>,
}

fn accepted() -> Result<Accepted> {
    let mut all = Accepted::default();
    for line in ACCEPTED.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (what, why) = line.split_once(" : ").ok_or(format!("no reason: {line}"))?;
        ensure!(!why.trim().is_empty(), "no reason: {line}");
        let words: Vec<String> = what.split(' ').map(String::from).collect();
        let fresh = match &words[..] {
            [kind, names @ ..] if kind == "missing" => names.iter().all(|name| all.missing.insert(name.clone())),
            [kind, names @ ..] if kind == "extra" => names.iter().all(|name| all.extra.insert(name.clone())),
            [kind, name, field] if kind == "differs" => all.differs.insert((name.clone(), field.clone())),
            _ => return Err(format!("not understood: {line}").into()),
        };
        ensure!(fresh, "twice: {line}");
    }
    Ok(all)
}

/// The fields of `COMMAND INFO` by their names; prose is left out.
fn fields(row: &[Value]) -> Vec<(&'static str, String)> {
    let names = ["arity", "flags", "first", "last", "step", "categories", "tips"];
    let mut all: Vec<(&str, String)> =
        names.into_iter().zip(row.iter().skip(1)).map(|(name, value)| (name, format!("{value:?}"))).collect();
    let groups = row.get(8).map(Value::items).unwrap_or_default();
    let plain = |group: &Value| {
        let pairs = group.items().chunks(2).filter(|pair| pair[0].text() != "notes");
        pairs.map(|pair| format!("{pair:?}")).collect::<Vec<_>>()
    };
    all.push(("keys", format!("{:?}", groups.iter().map(plain).collect::<Vec<_>>())));
    all
}

type Rows = BTreeMap<String, Vec<(&'static str, String)>>;

fn collect(rows: &[Value], into: &mut Rows) {
    for row in rows {
        let row = row.items();
        into.insert(row[0].text(), fields(row));
        collect(row[9].items(), into);
    }
}

/// The whole table, and whether COMMAND LIST and COMMAND COUNT agree with it.
fn rows(client: &mut Client) -> Result<Rows> {
    let mut all = Rows::new();
    let answer = client.ask(&words("COMMAND"))?;
    collect(answer.items(), &mut all);
    let list = client.ask(&words("COMMAND LIST"))?;
    let names: BTreeSet<String> = list.items().iter().map(Value::text).collect();
    ensure!(names == all.keys().cloned().collect(), "COMMAND LIST and COMMAND differ: {names:?}");
    let count = client.ask(&words("COMMAND COUNT"))?;
    ensure!(count == Value::Int(answer.items().len() as i64), "COMMAND COUNT: {count:?}");
    Ok(all)
}

fn both(w: &World, redis: &Program) -> Result<[Client; 2]> {
    let (a, b) = (w.server("primacy", &w.primacy()?, &[])?, w.server("redis", redis, &[])?);
    Ok([a.client()?, b.client()?])
}

fn table(w: &World, redis: &Program) -> Result<()> {
    let accepted = accepted()?;
    let [mut mine, mut theirs] = both(w, redis)?;
    let (mine, theirs) = (rows(&mut mine)?, rows(&mut theirs)?);
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for name in theirs.keys().filter(|name| !mine.contains_key(*name)) {
        let container = name.split('|').next().unwrap_or_default();
        match [name.as_str(), container].into_iter().find(|name| accepted.missing.contains(*name)) {
            Some(line) => drop(used.insert(line.to_string())),
            None => wrong.push(format!("missing: {name}")),
        }
    }
    for name in accepted.missing.iter().filter(|name| !used.contains(*name)) {
        wrong.push(format!("named as missing and is none: {name}"));
    }
    let extra: BTreeSet<String> = mine.keys().filter(|name| !theirs.contains_key(*name)).cloned().collect();
    wrong.extend(extra.difference(&accepted.extra).map(|name| format!("unknown to Redis 7.0: {name}")));
    wrong.extend(accepted.extra.difference(&extra).map(|name| format!("named as extra and is not: {name}")));
    let mut differs = BTreeSet::new();
    for (name, ours) in &mine {
        let Some(row) = theirs.get(name) else { continue };
        for ((field, a), (_, b)) in ours.iter().zip(row).filter(|(a, b)| a != b) {
            let key = (name.clone(), (*field).to_string());
            if !accepted.differs.contains(&key) {
                wrong.push(format!("{name} {field}:\n    Primacy:      {a}\n    redis-server: {b}"));
            }
            differs.insert(key);
        }
    }
    wrong.extend(accepted.differs.difference(&differs).map(|key| format!("named as different and is not: {key:?}")));
    ensure!(mine.len() > 200, "only {} commands", mine.len());
    ensure!(wrong.is_empty(), "{} differences:\n  {}", wrong.len(), wrong.join("\n  "));
    Ok(())
}

/// Commands whose keys are asked for, with all that may come between and behind them.
const CALLS: &[&str] = &[
    "get a",
    "GET",
    "nosuch a",
    "ping a",
    "set a b",
    "set a b nx get",
    "mset a 1 b 2",
    "msetnx a 1 b 2",
    "del a b c",
    "object encoding a",
    "object help",
    "object what a",
    "bitfield a get u8 0",
    "bitfield a get u8 0 incrby u8 0 1",
    "bitop and d a b",
    "copy a b",
    "rename a b",
    "pfcount a b",
    "pfmerge a b c",
    "pfdebug getreg a",
    "sort a",
    "sort a by w_* get g_* store b",
    "sort a store b store c",
    "sort a limit 0 store b",
    "sort a get store",
    "sort_ro a by w_*",
    "georadius a 1 2 3 m",
    "georadius a 1 2 3 m store x",
    "georadius a 1 2 3 m storedist y asc store x",
    "georadius a 1 2 3 m store",
    "georadiusbymember a m 3 m STORE x",
    "geosearchstore d a frommember m byradius 1 m",
    "zunionstore d 2 a b",
    "zunionstore d 3 a b",
    "zunion 2 a b",
    "zunion 0 a",
    "zunion x a",
    "zintercard 2 a b limit 1",
    "lmpop 2 a b left",
    "zmpop 1 a min",
    "lmove a b left right",
    "sintercard 1 a",
    "sunionstore d a b",
    "smove a b c",
    "eval x 2 a b",
    "eval x 0 a",
    "eval x 3 a b",
    "eval x -1 a",
    "evalsha_ro x 1 a",
    "fcall x 1 a",
    "function load x y",
    "script exists a b",
    "config get a",
    "publish a b",
    "subscribe a b",
    "watch a b",
    "restore a 0 x",
    "restore-asking a 0 x",
    "getex a ex 1",
    "lcs a b",
    "command getkeys a b",
];

fn getkeys(w: &World, redis: &Program) -> Result<()> {
    let [mut mine, mut theirs] = both(w, redis)?;
    let mut wrong = Vec::new();
    for call in CALLS {
        for ask in ["COMMAND GETKEYS", "COMMAND GETKEYSANDFLAGS"] {
            let args = words(&format!("{ask} {call}"));
            let (a, b) = (mine.ask(&args)?, theirs.ask(&args)?);
            if a != b {
                wrong.push(format!("{ask} {call}\n    Primacy:      {a:?}\n    redis-server: {b:?}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{} differences:\n  {}", wrong.len(), wrong.join("\n  "));
    Ok(())
}

/// Names, groups and first versions; the sentences are each server's own.
fn described(docs: &[Value], into: &mut BTreeMap<String, (String, String)>) {
    for pair in docs.chunks(2) {
        let (name, about) = (pair[0].text(), pair[1].items());
        let field = |wanted: &str| about.chunks(2).find(|pair| pair[0].text() == wanted).map(|pair| &pair[1]);
        let text = |wanted| field(wanted).map(Value::text).unwrap_or_default();
        into.insert(name, (text("group"), text("since")));
        described(field("subcommands").map(Value::items).unwrap_or_default(), into);
    }
}

fn docs(w: &World, redis: &Program) -> Result<()> {
    let mut all = Vec::new();
    for mut client in both(w, redis)? {
        let mut docs = BTreeMap::new();
        described(client.ask(&words("COMMAND DOCS"))?.items(), &mut docs);
        all.push(docs);
    }
    let (mine, theirs) = (&all[0], &all[1]);
    let wrong: Vec<String> = mine
        .iter()
        .filter_map(|(name, ours)| Some((name, ours, theirs.get(name)?)))
        .filter(|(_, ours, theirs)| ours != theirs)
        .map(|(name, ours, theirs)| format!("{name}: Primacy {ours:?}, redis-server {theirs:?}"))
        .collect();
    ensure!(
        mine.contains_key("function|load") && mine.contains_key("object|encoding"),
        "subcommands are not described"
    );
    ensure!(wrong.is_empty(), "{} differences:\n  {}", wrong.len(), wrong.join("\n  "));
    Ok(())
}
