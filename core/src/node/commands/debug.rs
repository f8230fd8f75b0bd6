//! DEBUG: handles for tests.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use super::super::save::{Why, Wish};
use super::super::{Cx, Node, What, turn};
use crate::blocks::Blocks;
use crate::client::{Blocked, Dispatch as _, Session};
use crate::dataset::Dataset;
use crate::machine::Action;
use crate::resp::{Args, Command, parse_u64};

/// The most keys that DEBUG POPULATE makes, and the most bytes of each.
const POPULATE_MAX: u64 = 1 << 28;

/// The longest that DEBUG SLEEP stops the loop, seconds.
const SLEEP_MAX_S: f64 = 3600.0;

impl<D: Dataset> Node<D> {
    pub(in super::super) fn debug_digest(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        let digest = self.data.digest();
        s.reply().simple(&hex(&digest));
    }

    pub(in super::super) fn debug_digest_value(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let db = s.db;
        let mut r = s.reply();
        r.array(args.len() - 2);
        for key in args.from(2).iter() {
            r.simple(&hex(&self.data.digest_value(db, key)));
        }
    }

    pub(in super::super) fn debug_sleep(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let seconds = core::str::from_utf8(args.at(2)).ok().and_then(|t| t.parse::<f64>().ok()).unwrap_or(0.0);
        if seconds > 0.0 {
            cx.out.push(Action::Sleep(Duration::from_secs_f64(seconds.min(SLEEP_MAX_S))));
        }
        s.reply().ok();
    }

    pub(in super::super) fn debug_set_active_expire(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        self.active_expire = args.at(2) != b"0";
        self.arm_expiry(cx);
        s.reply().ok();
    }

    pub(in super::super) fn debug_change_repl_id(&mut self, s: &mut Session, _: Args<'_>, cx: &mut Cx<'_>) {
        let new = crate::replication::ReplId::random(&mut self.rng);
        self.source.change_id(new, &mut turn!(self, cx));
        s.reply().ok();
    }

    pub(in super::super) fn debug_log(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let text = String::from_utf8_lossy(args.at(2)).chars().filter(|c| !c.is_control()).collect();
        self.event(cx, What::Debug(text));
        s.reply().ok();
    }

    pub(in super::super) fn debug_object(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        // The dataset knows how it stores a key by OBJECT ENCODING; this shows it in DEBUG's form.
        let mut outbox = Blocks::new();
        core::mem::swap(&mut outbox, &mut s.outbox);
        let ask = Command::new(&[&b"OBJECT"[..], b"ENCODING", args.at(2)]);
        if let Ok(found) = self.find_known(ask.args()) {
            self.call(s, &found, ask.args(), cx);
        }
        core::mem::swap(&mut outbox, &mut s.outbox);
        let mut chunks = crate::machine::Chunks::new();
        outbox.read(outbox.start(), 256, &mut chunks);
        let answer = String::from_utf8_lossy(&chunks.concat()).into_owned();
        let mut lines = answer.lines();
        match (lines.next(), lines.next()) {
            (Some(head), Some(encoding)) if head.starts_with('$') => s.reply().simple(&format!(
                "Value at:0x0 refcount:1 encoding:{encoding} serializedlength:0 lru:0 lru_seconds_idle:0"
            )),
            _ => s.reply().error("ERR no such key"),
        }
    }

    /// Makes keys by SET, so that replicas get them too, as they do not from Redis.
    pub(in super::super) fn debug_populate(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let number = |i: usize| parse_u64(args.get(i)?).filter(|n| *n <= POPULATE_MAX);
        let (count, size) = match (number(2), args.len()) {
            (Some(count), 3 | 4) => (count, 0),
            (Some(count), 5) if number(4).is_some() => (count, number(4).unwrap_or_default() as usize),
            (_, 3..=5) => return s.reply().error("ERR value is out of range, must be positive"),
            _ => return s.reply().error("ERR DEBUG POPULATE takes a count, a prefix and a size"),
        };
        if !self.is_master() && self.config.settings.replica_read_only {
            return s.reply().error("READONLY You can't write against a read only replica.");
        }
        let prefix = args.get(3).unwrap_or(b"key");
        let outbox = core::mem::take(&mut s.outbox);
        for i in 0..count {
            let key = [prefix, format!(":{i}").as_bytes()].concat();
            let mut value = format!("value:{i}").into_bytes();
            if size > 0 {
                value.resize(size, 0);
            }
            let set = Command::new(&[&b"SET"[..], &key, &value, b"NX"]);
            let made = self.find_known(set.args()).is_ok_and(|found| {
                self.call(s, &found, set.args(), cx);
                s.outbox.byte_at(s.outbox.start()) != Some(b'-')
            });
            s.outbox = Blocks::new();
            if !made {
                s.outbox = outbox;
                return s.reply().error("ERR DEBUG POPULATE wants a dataset with SET and its option NX");
            }
        }
        s.outbox = outbox;
        s.reply().ok();
    }

    pub(in super::super) fn debug_reload(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let mut save = true;
        for i in 2..args.len() {
            match () {
                () if args.is(i, "NOSAVE") => save = false,
                () if args.is(i, "NOFLUSH") || args.is(i, "MERGE") => {
                    return s.reply().error("ERR DEBUG RELOAD takes NOSAVE here; NOFLUSH and MERGE are not offered");
                }
                () => return s.reply().error("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."),
            }
        }
        if self.load.is_some() || self.upstream.as_ref().is_some_and(|u| u.is_syncing()) {
            return s.reply().error("ERR a dataset is being loaded already");
        }
        if save && self.request_save(Why::Reload(s.conn), cx) == Wish::Busy {
            return s.reply().error("ERR Background save already in progress");
        }
        s.blocked = Some(Blocked::Saving);
        self.pause_link(true, cx);
        if !save {
            self.reload(s.conn, cx);
        }
    }

    pub(in super::super) fn debug_unsupported(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let name = String::from_utf8_lossy(args.at(1)).to_uppercase();
        s.reply().error_fmt(format_args!("ERR DEBUG {name} is not had here"));
    }

    pub(in super::super) fn debug_help(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        super::help(
            &mut s.reply(),
            "DEBUG",
            &[
                "CHANGE-REPL-ID",
                "    Take a new replication id.",
                "DIGEST",
                "    Show a digest of all data.",
                "LOG <message>",
                "    Write a line to the log.",
                "OBJECT <key>",
                "    Show how a key is stored.",
                "POPULATE <count> [<prefix>] [<size>]",
                "    Make strings <prefix>:0 and so on, where there are none; replicas get them too.",
                "RELOAD [NOSAVE]",
                "    Save, empty and load the dataset.",
                "SET-ACTIVE-EXPIRE (0|1)",
                "    Turn the expiry cycle off or on.",
                "SLEEP <seconds>",
                "    Stop the server for a while.",
            ],
        );
    }
}

fn hex(digest: &[u8; 20]) -> String {
    digest.iter().fold(String::new(), |text, b| text + &format!("{b:02x}"))
}
