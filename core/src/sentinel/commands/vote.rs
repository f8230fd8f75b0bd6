//! What other sentinels ask: whether a master is down, and for a vote; and their hellos.

use alloc::vec::Vec;

use super::super::elect::Voted;
use super::super::hello;
use super::super::instance::{Address, GroupId, Vote};
use super::super::{Cx, Sentinel};
use crate::client::commands::NOT_AN_INTEGER;
use crate::client::{Blocked, Session};
use crate::ids::{ConnId, RunId};
use crate::resp::{Args, Reply, parse_i64};

/// A client whose question waits for a vote that is being written. There is one for each client, at most.
#[derive(Debug)]
pub(in super::super) struct Owed {
    pub(in super::super) conn: ConnId,
    ticket: u64,
    group: GroupId,
    down: bool,
}

impl Sentinel {
    /// `SENTINEL IS-MASTER-DOWN-BY-ADDR ip port epoch runid`.
    pub(super) fn is_master_down(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let (Some(port), Some(epoch)) = (parse_i64(args.at(3)), parse_i64(args.at(4))) else {
            return s.reply().error(NOT_AN_INTEGER);
        };
        let host = core::str::from_utf8(args.at(2)).unwrap_or_default();
        // A port that is none means no master; port 0 belongs to nobody.
        let addr = Address::new(host, u16::try_from(port).unwrap_or(0));
        // A candidate that cannot be one, or an epoch that cannot, is as if no vote was asked for.
        let candidate = RunId::parse(args.at(5)).ok();
        let (epoch, candidate) = match u64::try_from(epoch) {
            Ok(epoch) => (epoch, candidate),
            Err(_) => (0, None),
        };
        let judged = self.judgement(&addr, epoch, candidate, cx);
        match judged.vote {
            None => write(&mut s.reply(), judged.down, None),
            Some((_, Voted::Stands(vote))) => write(&mut s.reply(), judged.down, vote),
            Some((group, Voted::Writing(ticket))) => {
                // State before speech: nobody hears of a vote that a crash could undo.
                s.blocked = Some(Blocked::Saving);
                self.owed.push(Owed { conn: s.conn, ticket, group, down: judged.down });
            }
        }
    }

    /// A vote was written, or could not be: those who asked hear which one stands.
    pub(super) fn votes_written(&mut self, ticket: u64, cx: &mut Cx<'_>) {
        let answered: Vec<Owed> = self.owed.extract_if(.., |owed| owed.ticket == ticket).collect();
        for Owed { conn, group, down, .. } in answered {
            let vote = self.groups.get(&group).and_then(|g| g.vote);
            self.answer_late(conn, cx, |r| write(r, down, vote));
        }
    }

    /// `PUBLISH`: a sentinel takes hellos and nothing else.
    pub(super) fn cmd_publish(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        if args.at(1) != hello::CHANNEL.as_bytes() {
            return s.reply().error("ERR Only HELLO messages are accepted by Sentinel instances.");
        }
        self.heard_hello(args.at(2), cx);
        s.reply().int(1);
    }
}

fn write(r: &mut Reply<'_>, down: bool, vote: Option<Vote>) {
    r.array(3);
    r.int(i64::from(down));
    match vote {
        Some(vote) => r.bulk(vote.leader.as_bytes()),
        None => r.bulk(b"*"),
    }
    r.int(vote.map_or(0, |v| i64::try_from(v.epoch).unwrap_or(i64::MAX)));
}
