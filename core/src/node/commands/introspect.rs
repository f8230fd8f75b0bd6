//! Commands that show the server to people and tools: MONITOR, SLOWLOG, LATENCY, LOLWUT.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::{Cx, Node};
use crate::client::{ReplyMode, Session};
use crate::dataset::Dataset;
use crate::resp::{Args, parse_i64};

impl<D: Dataset> Node<D> {
    pub(in super::super) fn cmd_monitor(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        s.monitor = true;
        self.monitors.insert(s.conn);
        s.reply().ok();
    }

    /// Shows a command to all who monitor, before it runs.
    pub(in super::super) fn feed_monitors(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let ms = cx.now.unix_ms;
        let us = cx.now.mono.as_micros() % 1000;
        let mut line = format!("+{}.{:03}{us:03} [{} {}]", ms / 1000, ms % 1000, s.db, s.peer).into_bytes();
        for arg in args.iter() {
            line.push(b' ');
            quote(&mut line, arg);
        }
        line.extend_from_slice(b"\r\n");
        for &conn in &self.monitors {
            if conn == s.conn {
                s.outbox.append(&line);
            } else if let Some(m) = self.clients.sessions.get_mut(conn)
                && m.reply != ReplyMode::Off
            {
                m.outbox.append(&line);
                self.clients.stirred.insert(conn);
            }
        }
    }

    pub(in super::super) fn cmd_lolwut(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        let text = format!("Primacy ver. {}\nRedis ver. {}\n", crate::client::VERSION, crate::client::REDIS_VERSION);
        s.reply().verbatim(b"txt", text.as_bytes());
    }

    pub(in super::super) fn slowlog_get(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let count = match args.get(2).map(parse_i64) {
            None => 10,
            Some(Some(-1)) => usize::MAX,
            Some(Some(n)) if n >= 0 => n as usize,
            Some(_) => return s.reply().error("ERR count should be greater than or equal to -1"),
        };
        self.slowlog.write(&mut s.reply(), count);
    }

    pub(in super::super) fn slowlog_len(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        s.reply().int(self.slowlog.len() as i64);
    }

    pub(in super::super) fn slowlog_reset(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        self.slowlog.clear();
        s.reply().ok();
    }

    pub(in super::super) fn slowlog_help(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        super::help(
            &mut s.reply(),
            "SLOWLOG",
            &[
                "GET [<count>]",
                "    Show the last slow commands (10 unless told, -1 for all): number, time, microseconds, arguments, client.",
                "LEN",
                "    Count slow commands.",
                "RESET",
                "    Forget slow commands.",
            ],
        );
    }

    pub(in super::super) fn latency_latest(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        self.latency.write_latest(&mut s.reply());
    }

    pub(in super::super) fn latency_history(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        self.latency.write_history(&mut s.reply(), args.at(2));
    }

    pub(in super::super) fn latency_reset(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let n = self.latency.reset(args.from(2));
        s.reply().int(n as i64);
    }

    pub(in super::super) fn latency_graph(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        match self.latency.graph(args.at(2)) {
            Some(text) => s.reply().verbatim(b"txt", text.as_bytes()),
            None => {
                let name = String::from_utf8_lossy(args.at(2)).into_owned();
                s.reply().error_fmt(format_args!("ERR No samples available for event '{name}'"));
            }
        }
    }

    pub(in super::super) fn latency_doctor(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        let turns = self.clients.meter.turns();
        let text = self.latency.doctor(self.config.settings.latency_monitor_threshold, turns);
        s.reply().verbatim(b"txt", text.as_bytes());
    }

    pub(in super::super) fn latency_histogram(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let wanted: Vec<(usize, &'static str)> = if args.len() == 2 {
            self.clients.table.iter().enumerate().map(|(i, spec)| (i, spec.name)).collect()
        } else {
            args.from(2).iter().filter_map(|n| self.clients.table.find(n)).map(|f| (f.index, f.spec.name)).collect()
        };
        self.clients.stats.write_histograms(&mut s.reply(), &wanted);
    }

    pub(in super::super) fn latency_help(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        super::help(
            &mut s.reply(),
            "LATENCY",
            &[
                "DOCTOR",
                "    Explain slow moments.",
                "GRAPH <event>",
                "    Draw the history of an event.",
                "HISTOGRAM [<command> ...]",
                "    Show how long commands took.",
                "HISTORY <event>",
                "    Show the history of an event.",
                "LATEST",
                "    Show the last of each event.",
                "RESET [<event> ...]",
                "    Forget events.",
            ],
        );
    }
}

/// Appends `bytes` in double quotes, escaped as Redis does it for people.
fn quote(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for &b in bytes {
        match b {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', b]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            7 => out.extend_from_slice(b"\\a"),
            8 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(b),
            _ => out.extend_from_slice(format!("\\x{b:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}
