//! A [`Story`] as one HTML page that needs nothing else: it loads nothing, so it works offline and from a file.
//!
//! The story is one block of JSON in it. Whatever bytes a peer sent and whatever a log line says, nothing in that
//! block can end it or run: messages are Base64, and text is escaped down to characters that mean nothing to HTML
//! (`string`). A policy in the page's head forbids it any request, should that fail one day.
//!
//! What follows the `#` of its address says what is seen, so that a link shows a moment: `t=12.345` the time in seconds,
//! `m=12` a message or `e=7` another event by its number, `z=12,12.5` the range that is shown, `conn=3` one connection,
//! `lanes=0,2` some lanes, `hide=ack,log` kinds that are not shown, `q=text` a search.

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt::Write;

use super::story::{BandKind, Fate, LaneId, LaneKind, Mark, MarkKind, Story};
use crate::machine::Level;
use crate::time::Instant;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
/// The parts of the one script, in the order in which they need each other.
const SCRIPT: [&str; 6] = [
    include_str!("page/decode.js"),
    include_str!("page/model.js"),
    include_str!("page/draw.js"),
    include_str!("page/view.js"),
    include_str!("page/panel.js"),
    include_str!("page/main.js"),
];

/// The whole page. Its size is that of the story's texts and four thirds of its messages' bytes, and about 80 KB.
pub fn render(story: &Story) -> String {
    let bytes: usize = story.messages().map(|(_, m)| 64 + m.head.len() / 3 * 4).sum();
    let mut page = String::with_capacity(bytes + 128 * 1024);
    // One pass over the template: what is put in is never looked at again, whatever it contains.
    let mut rest = PAGE;
    while let Some((before, after)) = rest.split_once("<!--") {
        page.push_str(before);
        let Some((slot, after)) = after.split_once("-->") else { break };
        match slot {
            "title" => text(&mut page, story.title()),
            "style" => page.push_str(STYLE),
            "story" => json(&mut page, story),
            "script" => SCRIPT.iter().for_each(|part| page.push_str(part)),
            _ => {}
        }
        rest = after;
    }
    page.push_str(rest);
    page
}

/// The story as JSON. `page/model.js` reads it; the two change together.
fn json(out: &mut String, story: &Story) {
    out.push_str("{\"title\":");
    string(out, story.title());
    out.push_str(",\"command\":");
    string(out, story.command());
    put(out, format_args!(",\"end\":{},", micros(story.end())));
    list(out, "facts", story.facts(), |out, (name, value)| {
        out.push('[');
        string(out, name);
        out.push(',');
        string(out, value);
        out.push(']');
    });
    list(out, "lanes", story.lanes(), |out, lane| {
        out.push('[');
        string(out, &lane.name);
        put(out, format_args!(",\"{}\"]", lane_kind(lane.kind)));
    });
    messages(out, story);
    list(out, "bands", story.bands(), |out, band| {
        put(out, format_args!("[{},\"{}\",{},", band.lane.index(), band_kind(band.kind), micros(band.from)));
        time_or(out, band.to, "null");
        out.push(',');
        string(out, &band.text);
        out.push(']');
    });
    list(out, "marks", story.marks().chain(story.lines()), mark);
    let left = story.left_out();
    put(
        out,
        format_args!(
            "\"left\":{{\"messages\":{},\"bytes\":{},\"bands\":{},\"marks\":{},\"lines\":{}}}}}",
            left.messages, left.bytes, left.bands, left.marks, left.lines
        ),
    );
}

/// Each as `[from, to, connection, sent, fate, when, length, head]`; the number of the first is `first`.
fn messages(out: &mut String, story: &Story) {
    // Small numbers read better, and a script's numbers hold no 64 bits.
    let mut conns = BTreeMap::new();
    put(out, format_args!("\"first\":{},", story.messages().next().map_or(0, |(serial, _)| serial)));
    list(out, "messages", story.messages(), |out, (_, m)| {
        let next = conns.len() + 1;
        let conn = *conns.entry(m.conn).or_insert(next);
        let (fate, at) = match m.fate {
            Fate::OnTheWay => (0, story.end()),
            Fate::Arrived(at) => (1, at),
            Fate::Lost(at) => (2, at),
        };
        let (from, to, sent, at) = (m.from.index(), m.to.index(), micros(m.sent), micros(at.max(m.sent)));
        put(out, format_args!("[{from},{to},{conn},{sent},{fate},{at},{},\"", m.len));
        base64(out, &m.head);
        out.push_str("\"]");
    });
}

/// `[kind, level, at, until, lane, other, text]`; until is null for what has no duration, -1 for what never ended.
fn mark(out: &mut String, mark: &Mark) {
    put(out, format_args!("[\"{}\",{},{},", mark_kind(mark.kind), level(mark.level), micros(mark.at)));
    time_or(out, mark.until, if mark.lasts { "-1" } else { "null" });
    let lane = |lane: Option<LaneId>| lane.map_or(-1, |l| l.index() as i64);
    put(out, format_args!(",{},{},", lane(mark.lane), lane(mark.other)));
    string(out, &mark.text);
    out.push(']');
}

/// `"name":[..],` with one item a line, so that a person finds their way in the source of a page.
fn list<T>(out: &mut String, name: &str, items: impl IntoIterator<Item = T>, mut one: impl FnMut(&mut String, T)) {
    put(out, format_args!("\"{name}\":["));
    for (n, item) in items.into_iter().enumerate() {
        out.push_str(if n == 0 { "\n" } else { ",\n" });
        one(out, item);
    }
    out.push_str("],\n");
}

fn put(out: &mut String, what: core::fmt::Arguments<'_>) {
    // A String takes whatever is written to it.
    let _ = out.write_fmt(what);
}

fn time_or(out: &mut String, at: Option<Instant>, none: &str) {
    match at {
        Some(at) => put(out, format_args!("{}", micros(at))),
        None => out.push_str(none),
    }
}

/// Microseconds, at most what a script's numbers hold exactly (285 years).
fn micros(at: Instant) -> u64 {
    at.as_micros().min((1 << 53) - 1)
}

const fn lane_kind(kind: LaneKind) -> &'static str {
    match kind {
        LaneKind::Node => "node",
        LaneKind::Sentinel => "sentinel",
        LaneKind::Client => "client",
        LaneKind::Peer => "peer",
    }
}

const fn band_kind(kind: BandKind) -> &'static str {
    match kind {
        BandKind::Role => "role",
        BandKind::Epoch => "epoch",
        BandKind::Link => "link",
        BandKind::Process => "process",
    }
}

const fn mark_kind(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Fault => "fault",
        MarkKind::Violation => "violation",
        MarkKind::Note => "note",
        MarkKind::Log => "log",
        MarkKind::Input => "input",
    }
}

const fn level(level: Level) -> u8 {
    match level {
        Level::Debug => 0,
        Level::Verbose => 1,
        Level::Notice => 2,
        Level::Warning => 3,
    }
}

/// A JSON string that is inert in HTML: what HTML or an old script parser gives a meaning to, and all that is no
/// printable character, is a `\u` escape.
fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '<'
            | '>'
            | '&'
            | '\''
            | '\u{0}'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}' => {
                put(out, format_args!("\\u{:04x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Text for the body of an HTML element.
fn text(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

fn base64(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let at = |n: usize| chunk.get(n).map_or(0, |b| u32::from(*b));
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..4 {
            // Six bits are below 64.
            let digit = DIGITS[(word >> (18 - 6 * n) & 63) as usize];
            out.push(if n <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
}

#[cfg(test)]
mod tests;
