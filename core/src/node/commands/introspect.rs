//! Commands that show the server to people and tools: COMMAND, MONITOR, SLOWLOG, LATENCY, LOLWUT.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::{Cx, Node};
use crate::client::{ReplyMode, Session};
use crate::dataset::{Dataset, Flags, Spec};
use crate::resp::{Args, Reply, parse_i64};

/// The names that COMMAND INFO gives to flags.
const FLAG_NAMES: [(Flags, &str); 15] = [
    (Flags::WRITE, "write"),
    (Flags::READONLY, "readonly"),
    (Flags::DENYOOM, "denyoom"),
    (Flags::ADMIN, "admin"),
    (Flags::PUBSUB, "pubsub"),
    (Flags::NOSCRIPT, "noscript"),
    (Flags::LOADING, "loading"),
    (Flags::STALE, "stale"),
    (Flags::SKIP_MONITOR, "skip_monitor"),
    (Flags::SKIP_SLOWLOG, "skip_slowlog"),
    (Flags::FAST, "fast"),
    (Flags::NO_AUTH, "no_auth"),
    (Flags::BLOCKING, "blocking"),
    (Flags::NO_MULTI, "no_multi"),
    (Flags::MOVABLE_KEYS, "movablekeys"),
];

fn categories(spec: &Spec) -> Vec<&'static str> {
    let f = spec.flags;
    let mut list = Vec::new();
    let group = match spec.group {
        "generic" => "@keyspace",
        "transactions" => "@transaction",
        "pubsub" => "@pubsub",
        "connection" => "@connection",
        "string" => "@string",
        _ => "@admin",
    };
    if group != "@admin" || f.has(Flags::ADMIN) {
        list.push(group);
    }
    if f.has(Flags::WRITE) {
        list.push("@write");
    }
    if f.has(Flags::READONLY) {
        list.push("@read");
    }
    if f.has(Flags::ADMIN) {
        list.push("@dangerous");
    }
    if f.has(Flags::BLOCKING) {
        list.push("@blocking");
    }
    list.push(if f.has(Flags::FAST) { "@fast" } else { "@slow" });
    list
}

impl<D: Dataset> Node<D> {
    fn subcommands_of(&self, spec: &Spec) -> Vec<&'static Spec> {
        let prefix = format!("{}|", spec.name);
        self.table.iter().filter(|s| s.name.starts_with(&prefix)).collect()
    }

    fn write_command_info(&self, r: &mut Reply<'_>, spec: &Spec) {
        let flags: Vec<&str> = FLAG_NAMES.iter().filter(|(f, _)| spec.flags.has(*f)).map(|(_, n)| *n).collect();
        r.array(10);
        r.bulk(spec.name.as_bytes());
        r.int(i64::from(spec.arity));
        r.set(flags.len());
        flags.iter().for_each(|f| r.simple(f));
        r.int(i64::from(spec.keys.first));
        r.int(i64::from(spec.keys.last));
        r.int(i64::from(spec.keys.step));
        let categories = categories(spec);
        r.set(categories.len());
        categories.iter().for_each(|c| r.simple(c));
        r.array(0);
        r.array(0);
        let subs = self.subcommands_of(spec);
        r.array(subs.len());
        subs.iter().for_each(|s| self.write_command_info(r, s));
    }

    fn write_command_docs(&self, r: &mut Reply<'_>, spec: &Spec) {
        r.bulk(spec.name.as_bytes());
        let subs = self.subcommands_of(spec);
        r.map(3 + usize::from(!subs.is_empty()));
        r.bulk(b"summary");
        r.bulk(spec.summary.as_bytes());
        r.bulk(b"since");
        r.bulk(spec.since.as_bytes());
        r.bulk(b"group");
        r.bulk(spec.group.as_bytes());
        if !subs.is_empty() {
            r.bulk(b"subcommands");
            r.map(subs.len());
            subs.iter().for_each(|s| self.write_command_docs(r, s));
        }
    }

    fn top_commands(&self) -> Vec<&'static Spec> {
        self.table.iter().filter(|s| !s.name.contains('|')).collect()
    }

    pub(in super::super) fn cmd_command(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        let all = self.top_commands();
        let mut r = s.reply();
        r.array(all.len());
        all.iter().for_each(|spec| self.write_command_info(&mut r, spec));
    }

    pub(in super::super) fn command_count(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        let n = self.top_commands().len();
        s.reply().int(n as i64);
    }

    pub(in super::super) fn command_info(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        if args.len() == 2 {
            return self.cmd_command(s, args, cx);
        }
        let mut r = s.reply();
        r.array(args.len() - 2);
        for name in args.from(2).iter() {
            match self.table.find(name) {
                Some(found) => self.write_command_info(&mut r, found.spec),
                None => r.null_array(),
            }
        }
    }

    pub(in super::super) fn command_docs(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let specs: Vec<&Spec> = if args.len() == 2 {
            self.top_commands()
        } else {
            args.from(2).iter().filter_map(|n| self.table.find(n)).map(|f| f.spec).collect()
        };
        let mut r = s.reply();
        r.map(specs.len());
        specs.iter().for_each(|spec| self.write_command_docs(&mut r, spec));
    }

    pub(in super::super) fn command_list(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let mut names: Vec<&str> = self.table.iter().map(|spec| spec.name).collect();
        if args.len() > 2 {
            if args.len() != 5 || !args.is(2, "FILTERBY") {
                return s.reply().error(super::SYNTAX);
            }
            let value = args.at(4);
            if args.is(3, "PATTERN") {
                names.retain(|n| crate::glob::matches(value, n.as_bytes()));
            } else if args.is(3, "ACLCAT") {
                let wanted = String::from_utf8_lossy(value).to_lowercase();
                names.retain(|n| {
                    self.table
                        .find(n.as_bytes())
                        .is_some_and(|f| categories(f.spec).iter().any(|c| c.trim_start_matches('@') == wanted))
                });
            } else if args.is(3, "MODULE") {
                names.clear();
            } else {
                return s.reply().error(super::SYNTAX);
            }
        }
        let mut r = s.reply();
        r.array(names.len());
        names.iter().for_each(|n| r.bulk(n.as_bytes()));
    }

    pub(in super::super) fn command_getkeys(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let command = args.from(2);
        let Some(found) = self.table.find(command.at(0)) else {
            return s.reply().error("ERR Invalid command specified");
        };
        let least = usize::from(found.spec.arity.unsigned_abs());
        if (found.spec.arity >= 0 && command.len() != least) || command.len() < least {
            return s.reply().error("ERR Invalid number of arguments specified for command");
        }
        let k = found.spec.keys;
        if k.first <= 0 || k.step <= 0 {
            return s.reply().error("ERR The command has no key arguments");
        }
        let last = if k.last < 0 { command.len() as i64 + i64::from(k.last) } else { i64::from(k.last) };
        let keys: Vec<&[u8]> =
            (i64::from(k.first)..=last).step_by(k.step as usize).map(|i| command.at(i as usize)).collect();
        let mut r = s.reply();
        r.array(keys.len());
        keys.iter().for_each(|key| r.bulk(key));
    }

    pub(in super::super) fn command_help(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        super::help(
            &mut s.reply(),
            "COMMAND",
            &[
                "(no subcommand)",
                "    Show all commands.",
                "COUNT",
                "    Count the commands.",
                "DOCS [<command-name> [...]]",
                "    Describe commands.",
                "GETKEYS <full-command>",
                "    Show the keys of a command.",
                "INFO [<command-name> [...]]",
                "    Show the properties of commands.",
                "LIST [FILTERBY (MODULE|ACLCAT|PATTERN) <value>]",
                "    List the names of commands.",
            ],
        );
    }

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
            } else if let Some(m) = self.sessions.get_mut(conn)
                && m.reply != ReplyMode::Off
            {
                m.outbox.append(&line);
                self.stirred.insert(conn);
            }
        }
    }

    pub(in super::super) fn cmd_lolwut(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        let text = format!(
            "Primacy ver. {}\nRedis ver. {}\n",
            super::super::about::VERSION,
            super::super::about::REDIS_VERSION
        );
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
        let turns = self.meter.turns();
        let text = self.latency.doctor(self.config.settings.latency_monitor_threshold, turns);
        s.reply().verbatim(b"txt", text.as_bytes());
    }

    pub(in super::super) fn latency_histogram(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let wanted: Vec<(usize, &'static str)> = if args.len() == 2 {
            self.table.iter().enumerate().map(|(i, spec)| (i, spec.name)).collect()
        } else {
            args.from(2).iter().filter_map(|n| self.table.find(n)).map(|f| (f.index, f.spec.name)).collect()
        };
        self.stats.write_histograms(&mut s.reply(), &wanted);
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
pub(super) fn quote(out: &mut Vec<u8>, bytes: &[u8]) {
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
