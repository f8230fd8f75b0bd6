//! What a scrape answers, read as strictly as it is meant: an HTTP answer, and the text of metrics in it.

// Read by tests of crates with and without std.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, reason = "std is at home in tests")]

use std::borrow::ToOwned as _;
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::String;
use std::vec::Vec;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The number in its first line.
    pub status: u16,
    /// Its lines before the body.
    pub head: String,
    /// What it carries.
    pub body: String,
    /// Chunks of the body, if it came in some.
    pub chunks: usize,
}

/// Reads a whole answer: its length has to be right, or its last chunk there.
pub fn answer(raw: &[u8]) -> Result<Answer, String> {
    let text = std::str::from_utf8(raw).map_err(|e| format!("not UTF-8: {e}"))?;
    let (head, rest) = text.split_once("\r\n\r\n").ok_or_else(|| format!("no end of the head: {text:?}"))?;
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|l| l.get(..3)).and_then(|s| s.parse().ok());
    let status = status.ok_or_else(|| format!("no status: {head:?}"))?;
    let field = |name: &str| {
        head.lines().find_map(|l| l.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v))
    };
    if field("Connection") != Some("close") {
        return Err(format!("it does not say that it closes: {head:?}"));
    }
    let head = head.to_owned();
    if field("Transfer-Encoding") == Some("chunked") {
        let (mut body, mut rest, mut chunks) = (String::new(), rest, 0);
        loop {
            let (len, behind) = rest.split_once("\r\n").ok_or("a chunk without a length")?;
            let len = usize::from_str_radix(len, 16).map_err(|e| format!("length of a chunk {len:?}: {e}"))?;
            let chunk = behind.get(..len).ok_or("a chunk is cut off")?;
            rest = behind[len..].strip_prefix("\r\n").ok_or("no end of a chunk")?;
            body += chunk;
            if len == 0 {
                break;
            }
            chunks += 1;
        }
        if !rest.is_empty() {
            return Err(format!("bytes behind the last chunk: {rest:?}"));
        }
        return Ok(Answer { status, head, body, chunks });
    }
    if let Some(len) = field("Content-Length")
        && len.parse() != Ok(rest.len())
    {
        return Err(format!("{} bytes instead of {len}", rest.len()));
    }
    Ok(Answer { status, head, body: rest.to_owned(), chunks: 0 })
}

/// Labels of a row.
pub type Labels = BTreeMap<String, String>;

/// A family of rows.
#[derive(Debug)]
pub struct Family {
    /// The metric's name.
    pub name: String,
    /// Its type, as `# TYPE` says.
    pub kind: String,
    /// What `# HELP` says.
    pub help: String,
    /// Each row: its name, labels and value.
    pub rows: Vec<(String, Labels, f64)>,
}

/// All families of a text.
#[derive(Debug)]
pub struct Families(pub Vec<Family>);

impl Families {
    /// The names of all.
    pub fn names(&self) -> BTreeSet<String> {
        self.0.iter().map(|f| f.name.clone()).collect()
    }

    /// The value of the one row of this name that has these labels, whatever others it has.
    ///
    /// # Panics
    /// If there are several.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let rows = self.0.iter().flat_map(|f| &f.rows).filter(|(n, ..)| n == name);
        let has = |l: &Labels| labels.iter().all(|(k, v)| l.get(*k).is_some_and(|x| x == v));
        let mut found = rows.filter(|(_, l, _)| has(l)).map(|(.., value)| *value);
        let first = found.next()?;
        assert!(found.next().is_none(), "{name} {labels:?} is there more than once");
        Some(first)
    }
}

/// Reads a text of format 0.0.4: each family once, with HELP and TYPE before its rows, no row twice, and histograms whose
/// buckets add up.
pub fn families(text: &str) -> Result<Families, String> {
    if !text.ends_with('\n') {
        return Err("the last line has no end".into());
    }
    let (mut list, mut seen): (Vec<Family>, _) = (Vec::new(), BTreeSet::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or_else(|| format!("no help: {line}"))?;
            let kind = lines.next().and_then(|l| l.strip_prefix("# TYPE ")?.strip_prefix(name)?.strip_prefix(' '));
            let kind = kind.filter(|k| ["counter", "gauge", "histogram"].contains(k));
            let kind = kind.ok_or_else(|| format!("no TYPE behind: {line}"))?;
            if list.iter().any(|f| f.name == name) {
                return Err(format!("{name} is there twice"));
            }
            list.push(Family { name: name.into(), kind: kind.into(), help: help.into(), rows: Vec::new() });
            continue;
        }
        let family = list.last_mut().ok_or_else(|| format!("a row before any family: {line}"))?;
        let (name, labels, value) = row(line).ok_or_else(|| format!("no row: {line:?}"))?;
        let suffix = name.strip_prefix(&family.name).ok_or_else(|| format!("a row of another family: {line}"))?;
        let fits = if family.kind == "histogram" {
            ["_bucket", "_sum", "_count"].contains(&suffix)
        } else {
            suffix.is_empty()
        };
        if !fits || (family.kind != "gauge" && value < 0.0) {
            return Err(format!("no row of a {}: {line}", family.kind));
        }
        if !seen.insert((name.clone(), labels.clone())) {
            return Err(format!("twice: {line}"));
        }
        family.rows.push((name, labels, value));
    }
    for family in &list {
        if family.rows.is_empty() {
            return Err(format!("{} has no rows", family.name));
        }
        if family.kind == "histogram" {
            add_up(family)?;
        }
    }
    Ok(Families(list))
}

/// The buckets of each histogram grow, and the last one is all.
fn add_up(family: &Family) -> Result<(), String> {
    let mut open: BTreeMap<Labels, (f64, f64)> = BTreeMap::new();
    for (name, labels, value) in &family.rows {
        let mut of = labels.clone();
        let bound = of.remove("le").map(|le| if le == "+Inf" { Ok(f64::INFINITY) } else { le.parse::<f64>() });
        match bound {
            Some(Ok(bound)) => {
                let last = open.entry(of).or_insert((-1.0, 0.0));
                if bound <= last.0 || *value < last.1 {
                    return Err(format!("{name} {labels:?}: buckets do not grow"));
                }
                *last = (bound, *value);
            }
            Some(Err(e)) => return Err(format!("{name} {labels:?}: {e}")),
            None if name.ends_with("_count") && open.get(&of) != Some(&(f64::INFINITY, *value)) => {
                return Err(format!("{name} {labels:?}: not what the last bucket has"));
            }
            None => {}
        }
    }
    Ok(())
}

/// A row: name, labels, value.
fn row(line: &str) -> Option<(String, Labels, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let well_formed = |name: &str| {
        !name.starts_with(|c: char| c.is_ascii_digit()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, behind) = rest.split_once("=\"")?;
            let (mut value, mut chars) = (String::new(), behind.char_indices());
            let end = loop {
                match chars.next()? {
                    (at, '"') => break at,
                    (_, '\\') => value.push(match chars.next()?.1 {
                        'n' => '\n',
                        c @ ('\\' | '"') => c,
                        _ => return None,
                    }),
                    (_, c) => value.push(c),
                }
            };
            if !well_formed(label) || labels.insert(label.into(), value).is_some() {
                return None;
            }
            rest = &behind[end + 1..];
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => break,
            }
        }
        rest = rest.strip_prefix('}')?;
    }
    let value: f64 = rest.strip_prefix(' ')?.parse().ok()?;
    (well_formed(name) && !name.is_empty()).then(|| (name.into(), labels, value))
}

/// The names in the tables of `docs/metrics.md` below these headings.
pub fn documented(docs: &str, headings: &[&str]) -> BTreeSet<String> {
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in docs.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            inside = headings.contains(&heading);
        }
        if inside && let Some(name) = line.strip_prefix("| `").and_then(|l| l.split('`').next()) {
            names.insert(name.to_owned());
        }
    }
    names
}
