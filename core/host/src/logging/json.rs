//! A log line as one JSON object (`log-format json`).

use core::fmt::Write as _;

use super::civil;

/// One line, without its end: when (RFC 3339, UTC), how grave, who speaks, the kind of event if it has a name, the text.
pub(super) fn line(pid: u32, role: char, unix_ms: u64, level: log::Level, kind: &str, text: &str) -> String {
    let (ms, s) = (unix_ms % 1000, unix_ms / 1000);
    let (day, month, year) = civil(s / 86_400);
    let (hour, minute, second) = (s / 3600 % 24, s / 60 % 60, s % 60);
    let mut line = format!(
        "{{\"ts\":\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z\",\"level\":\"{}\",\
         \"role\":\"{}\",\"pid\":{pid}",
        word(level),
        speaker(role),
    );
    if !kind.is_empty() {
        line.push_str(",\"event\":");
        quote(&mut line, kind);
    }
    line.push_str(",\"text\":");
    quote(&mut line, text.trim_end());
    line.push('}');
    line
}

/// The level in Redis's words.
fn word(level: log::Level) -> &'static str {
    match level {
        log::Level::Trace => "debug",
        log::Level::Debug => "verbose",
        log::Level::Info => "notice",
        log::Level::Warn | log::Level::Error => "warning",
    }
}

fn speaker(role: char) -> &'static str {
    match role {
        'S' => "replica",
        'X' => "sentinel",
        'C' => "child",
        _ => "master",
    }
}

/// Appends a JSON string. Control characters, those above ASCII too, come out as their number: a terminal obeys no peer.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Separators of lines that are no control characters, but end a line for JavaScript and for some editors.
            c if c.is_control() || c == '\u{2028}' || c == '\u{2029}' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_objects() {
        assert_eq!(
            line(42, 'S', 1_700_000_000_042, log::Level::Info, "full-resync", "Full resync from master: a:1\n"),
            r#"{"ts":"2023-11-14T22:13:20.042Z","level":"notice","role":"replica","pid":42,"event":"full-resync","text":"Full resync from master: a:1"}"#
        );
        assert_eq!(
            line(1, 'M', 0, log::Level::Warn, "", "a\"b\\c\nd\x1b[0m\u{85}\u{2028}é\u{fffd}\0"),
            "{\"ts\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warning\",\"role\":\"master\",\"pid\":1,\
             \"text\":\"a\\\"b\\\\c\\nd\\u001b[0m\\u0085\\u2028é\u{fffd}\\u0000\"}"
        );
    }
}
