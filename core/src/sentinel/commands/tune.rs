//! SENTINEL CONFIG, DEBUG and SIMULATE-FAILURE: the sentinel itself.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::super::event::What;
use super::super::links::LinkId;
use super::super::simulate::Crash;
use super::super::timing::KNOBS;
use super::super::{Cx, Sentinel};
use crate::client::Session;
use crate::resp::{Args, parse_u64};
use crate::secrets::is_directive;

/// What `SIMULATE-FAILURE` knows.
const CRASHES: [(&str, Crash); 2] =
    [("crash-after-election", Crash::AfterElection), ("crash-after-promotion", Crash::AfterPromotion)];

/// The longest time that `SENTINEL DEBUG` takes, in ms: a year.
const KNOB_MAX_MS: u64 = 366 * 24 * 3600 * 1000;

impl Sentinel {
    pub(super) fn config(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let words: Vec<&[u8]> = args.from(3).iter().collect();
        if args.is(2, "GET") {
            let found = self.config.global.get(self.config.settings.loglevel, &words);
            let mut r = s.reply();
            r.map(found.len());
            for (name, value) in found {
                r.bulk(name.as_bytes());
                r.bulk(value.as_bytes());
                if is_directive(name.as_bytes()) {
                    r.keep_secret();
                }
            }
        } else if args.is(2, "SET") && words.len().is_multiple_of(2) {
            let peers_before = self.peer_credentials();
            let config = &mut self.config;
            match config.global.set(&mut config.settings.loglevel, &words) {
                Err(error) => return s.reply().error(&error.to_string()),
                Ok(changed) if changed.contains(&"loglevel") => {
                    self.tell_alone(What::LogLevel(self.config.settings.loglevel), cx);
                }
                Ok(_) => {}
            }
            if self.peer_credentials() != peers_before {
                self.call_peers_anew(cx);
            }
            self.saved(s, cx);
        } else {
            s.reply().error(
                "ERR Only SENTINEL CONFIG GET <param> [<param> <param> ...] / SET <param> <value> [<param> <value> ...] are \
                 supported.",
            );
        }
    }

    /// The connections to other sentinels are made anew, to log in there by what is said now.
    fn call_peers_anew(&mut self, cx: &mut Cx<'_>) {
        let is_peer = |id: &LinkId| self.links.get(*id).is_some_and(|l| !l.is_server());
        let peers: Vec<LinkId> = self.links.ids().filter(is_peer).collect();
        for id in peers {
            if let Some(addr) = self.links.get(id).map(|l| l.addr.clone()) {
                self.move_link(id, &addr, cx);
            }
        }
    }

    /// `SENTINEL DEBUG [name milliseconds ...]`: all of it, or nothing.
    pub(super) fn debug(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let mut timing = self.timing.clone();
        if args.len() == 2 {
            let mut r = s.reply();
            r.map(KNOBS.len());
            for knob in &KNOBS {
                r.bulk(knob.name.as_bytes());
                r.bulk((knob.of)(&mut timing).as_millis().to_string().as_bytes());
            }
            return;
        }
        let words: Vec<&[u8]> = args.from(2).iter().collect();
        for pair in words.chunks(2) {
            let name = String::from_utf8_lossy(pair.first().copied().unwrap_or_default()).into_owned();
            let knob = KNOBS.iter().find(|k| k.name.eq_ignore_ascii_case(&name));
            let (Some(knob), [_, value]) = (knob, pair) else {
                let name = name.escape_debug();
                return s
                    .reply()
                    .error_fmt(format_args!("ERR Unknown option or number of arguments for SENTINEL DEBUG '{name}'"));
            };
            let Some(ms) = parse_u64(value).filter(|ms| (1..=KNOB_MAX_MS).contains(ms)) else {
                let value = String::from_utf8_lossy(value).into_owned();
                let (value, name) = (value.escape_debug(), name.escape_debug());
                return s.reply().error_fmt(format_args!("ERR Invalid argument '{value}' for SENTINEL DEBUG '{name}'"));
            };
            *(knob.of)(&mut timing) = Duration::from_millis(ms);
        }
        self.timing = timing;
        for id in self.links.ids().collect::<Vec<_>>() {
            self.tune_link(id);
            self.arm_down(id, cx);
        }
        s.reply().ok();
    }

    /// `SENTINEL SIMULATE-FAILURE [crash-after-election] [crash-after-promotion] [help]`.
    pub(super) fn simulate_failure(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let mut crashes = 0;
        for i in 2..args.len() {
            if args.is(i, "help") {
                let mut r = s.reply();
                r.array(CRASHES.len());
                CRASHES.iter().for_each(|(name, _)| r.bulk(name.as_bytes()));
                return;
            }
            let Some((_, crash)) = CRASHES.iter().find(|(name, _)| args.is(i, name)) else {
                return s.reply().error("ERR Unknown failure simulation specified");
            };
            crashes |= crash.bit();
        }
        self.crashes = crashes;
        s.reply().ok();
    }
}
