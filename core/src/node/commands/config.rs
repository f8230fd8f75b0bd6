//! CONFIG: directives, seen and changed while the server runs.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::start::{Change, is_address};
use super::super::{Cx, Node, What, turn};
use crate::client::{Access as _, Blocked, Connections as _, Dispatch as _, Session};
use crate::config::MasterAddress;
use crate::dataset::Dataset;
use crate::ids::{ConnId, OpId};
use crate::machine::{Action, Job, Outcome, Path};
use crate::resp::Args;

/// The largest configuration file that CONFIG REWRITE reads back, in bytes.
const FILE_MAX: usize = 16 * 1024 * 1024;

/// A CONFIG REWRITE under way: the old text is read, the new one written in its place.
#[derive(Debug)]
pub(in super::super) struct Rewrite {
    /// Who waits for it; nobody within a transaction.
    conn: Option<ConnId>,
    file: Path,
    reading: bool,
}

impl<D: Dataset> Node<D> {
    pub(in super::super) fn config_get(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let patterns: Vec<&[u8]> = args.from(2).iter().collect();
        self.note_master();
        let rows = self.config.get(&patterns);
        let mut r = s.reply();
        r.map(rows.len());
        for (name, value) in rows {
            r.bulk(name.as_bytes());
            r.bulk(value.as_bytes());
            if crate::secrets::is_directive(name.as_bytes()) {
                r.keep_secret();
            }
        }
    }

    pub(in super::super) fn config_set(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let args = args.from(2);
        if !args.len().is_multiple_of(2) {
            return s.reply().error("ERR wrong number of arguments for 'config|set' command");
        }
        let pairs: Vec<(&[u8], &[u8])> = (0..args.len() / 2).map(|i| (args.at(2 * i), args.at(2 * i + 1))).collect();
        let before = self.config.clone();
        match self.config.set_from(&pairs, s.is_local()) {
            Ok(changed) => {
                let mut names = pairs.iter().map(|(n, _)| String::from_utf8_lossy(n));
                let of_tls = |n: &str| n.starts_with("tls-") && self.config.settings.uses_tls();
                let waits = |n: &str| changed.contains(&n) && (is_address(n) || of_tls(n));
                if let Some(name) = names.find(|n| waits(&n.to_ascii_lowercase())) {
                    let change = Change { conn: s.conn, argument: (*name).into(), changed, before };
                    return self.config_late(s, change, cx);
                }
                self.configured(&changed, cx);
                // Said again it holds again, whatever ACL SETUSER made of it.
                if pairs.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"requirepass")) {
                    self.require_password();
                }
                s.reply().ok();
            }
            Err(e) => s.reply().error_fmt(format_args!("{e}")),
        }
    }

    /// A CONFIG SET of listeners or certificates: answered when the system has said whether they can be had.
    fn config_late(&mut self, s: &mut Session, change: Change, cx: &mut Cx<'_>) {
        let refusal = if self.unit.is_some() {
            "listeners and certificates cannot change within a transaction"
        } else if self.listeners.is_busy() || self.certificates.is_busy() {
            "listeners or certificates are changing already; try again"
        } else if self.config.settings.uses_tls() && change.changed.iter().any(|n| n.starts_with("tls-")) {
            self.change_certificates(change, cx);
            s.blocked = Some(Blocked::Saving);
            return;
        } else {
            self.configured(&change.changed, cx);
            match self.listen_anew(change, cx) {
                Some(_) => s.reply().ok(),
                None => s.blocked = Some(Blocked::Saving),
            }
            return;
        };
        self.config = change.before;
        let name = change.argument;
        let mut r = s.reply();
        r.error_fmt(format_args!("ERR CONFIG SET failed (possibly related to argument '{name}') - {refusal}"));
    }

    /// Brings the parts in line with directives that changed; the listeners aside.
    pub(in super::super) fn configured(&mut self, changed: &[&'static str], cx: &mut Cx<'_>) {
        self.source.configure(super::super::start::source_config(&self.config.settings), &mut turn!(self, cx));
        self.configure_link(cx);
        self.data.configure(&self.config.settings);
        self.choose_events();
        for &name in changed {
            match name {
                "save" => self.arm_save_rules(cx),
                n if n.starts_with("maxmemory") => {
                    self.evicting = true;
                    self.want_resume(cx);
                }
                "key-load-delay" => self.end_load_pause(cx),
                "replica-resync-guard" => self.guard_switched(cx),
                "timeout" => self.arm_idle(cx),
                "requirepass" => self.require_password(),
                "loglevel" => self.event(cx, What::LogLevel(self.config.settings.loglevel)),
                _ => {}
            }
        }
    }

    /// The default user has the password of the configuration.
    fn require_password(&mut self) {
        let password = self.config.settings.requirepass.as_bytes();
        self.clients.users.require_password(&self.clients.commands, password);
    }

    pub(in super::super) fn config_resetstat(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        self.clients.stats.reset();
        self.stats.reset();
        self.data.reset_counters();
        self.source.reset_counters();
        self.clients.meter.reset();
        s.reply().ok();
    }

    pub(in super::super) fn config_rewrite(&mut self, s: &mut Session, _: Args<'_>, cx: &mut Cx<'_>) {
        if self.clients.about.config_file.is_empty() {
            return s.reply().error("ERR The server is running without a config file");
        }
        let op = self.ids.op();
        let file: Path = (*self.clients.about.config_file).into();
        cx.out.push(Action::Start { op, job: Job::Read { file: file.clone(), at: 0, len: FILE_MAX } });
        // Sentinels say it between MULTI and EXEC, which cannot wait: there it is answered once it has begun, and what
        // becomes of it is in the log.
        let conn = self.unit.is_none().then_some(s.conn);
        self.rewrites.push_back((op, Rewrite { conn, file, reading: true }));
        match conn {
            Some(_) => s.blocked = Some(Blocked::Saving),
            None => s.reply().ok(),
        }
    }

    /// `replicaof` is whom the node follows now, whatever it was started with: a master that comes back after a failover
    /// must not follow the one that it replaced.
    fn note_master(&mut self) {
        let master = self.upstream.as_ref().map(|u| MasterAddress { host: String::from(&*u.host), port: u.port });
        self.config.settings.replicaof = master;
    }

    /// The next step of a CONFIG REWRITE; the outcome back if it is not one's.
    pub(in super::super) fn rewrite_done(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_>) -> Option<Outcome> {
        let Some(at) = self.rewrites.iter().position(|(o, _)| *o == op) else { return Some(result) };
        let (_, mut rewrite) = self.rewrites.remove(at)?;
        let outcome = match result {
            Outcome::Read(old) if rewrite.reading => {
                self.note_master();
                match self.user_lines() {
                    Ok(lines) => self.config.settings.users = lines,
                    Err(why) => return self.end_rewrite(&rewrite, Err(why.into()), cx),
                }
                let text = self.config.rewrite(&String::from_utf8_lossy(&old));
                let op = self.ids.op();
                rewrite.reading = false;
                cx.out.push(Action::Start { op, job: Job::Replace { file: rewrite.file.clone(), bytes: text.into() } });
                self.rewrites.push_back((op, rewrite));
                return None;
            }
            Outcome::Written => Ok(()),
            Outcome::Failed(e) => Err(e.message),
            other => Err(alloc::format!("unexpected outcome {other:?}").into()),
        };
        self.end_rewrite(&rewrite, outcome, cx)
    }

    /// Tells the client and the log what came of it.
    fn end_rewrite(&mut self, rewrite: &Rewrite, outcome: Result<(), Box<str>>, cx: &mut Cx<'_>) -> Option<Outcome> {
        if let Some(mut s) = rewrite.conn.and_then(|conn| self.clients.sessions.take(conn)) {
            s.late(|r| match &outcome {
                Ok(()) => r.ok(),
                Err(why) => r.error_fmt(format_args!("ERR Rewriting config file: {why}")),
            });
            self.unblock(&mut s);
            self.finish(s, cx);
        }
        self.event(cx, What::ConfigRewritten(outcome));
        None
    }

    pub(in super::super) fn config_help(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        super::help(
            &mut s.reply(),
            "CONFIG",
            &[
                "GET <pattern> [<pattern> ...]",
                "    Show directives whose names match.",
                "SET <directive> <value> [<directive> <value> ...]",
                "    Change directives, all or none.",
                "RESETSTAT",
                "    Begin the statistics anew.",
                "REWRITE",
                "    Write the configuration to its file.",
            ],
        );
    }
}
