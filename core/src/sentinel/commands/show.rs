//! SENTINEL's subcommands that show what is known, and change nothing.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::super::{Cx, Sentinel};
use crate::client::Session;
use crate::resp::Args;

impl Sentinel {
    pub(super) fn masters(&mut self, s: &mut Session, _: Args<'_>, cx: &mut Cx<'_>) {
        let mut r = s.reply();
        r.array(self.groups.len());
        for group in self.groups.values() {
            self.master_map(group, cx.now.mono).write(&mut r);
        }
    }

    pub(super) fn master(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let Some(group) = self.named(s, args).and_then(|id| self.groups.get(&id)) else { return };
        self.master_map(group, cx.now.mono).write(&mut s.reply());
    }

    pub(super) fn replicas(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let Some(group) = self.named(s, args).and_then(|id| self.groups.get(&id)) else { return };
        let announced = || group.replicas.iter().filter(|(_, r)| r.announced);
        let mut r = s.reply();
        r.array(announced().count());
        for (&n, replica) in announced() {
            self.replica_map(group, n, replica, cx.now.mono).write(&mut r);
        }
    }

    pub(super) fn sentinels(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let Some(group) = self.named(s, args).and_then(|id| self.groups.get(&id)) else { return };
        let mut r = s.reply();
        r.array(group.peers.len());
        for (&n, peer) in &group.peers {
            self.peer_map(group, n, peer, cx.now.mono).write(&mut r);
        }
    }

    pub(super) fn get_master_addr(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let group = core::str::from_utf8(args.at(2)).ok().and_then(|name| self.group(name));
        let mut r = s.reply();
        let Some(group) = group else { return r.null_array() };
        let (host, port) = self.master_addr(group);
        r.array(2);
        r.bulk(host.as_bytes());
        r.bulk_int(i64::from(port));
    }

    pub(super) fn myid(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        s.reply().bulk(self.my_id.as_bytes());
    }

    pub(super) fn ckquorum(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let Some(group) = self.named(s, args).and_then(|id| self.groups.get(&id)) else { return };
        match self.quorum_verdict(group) {
            Ok(text) => s.reply().simple(&text),
            Err(text) => s.reply().error(&text),
        }
    }

    pub(super) fn pending_scripts(&mut self, s: &mut Session, _: Args<'_>, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        let mut r = s.reply();
        r.array(self.scripts.queue.len());
        for script in &self.scripts.queue {
            let running = script.op.is_some();
            r.map(5);
            r.bulk(b"argv");
            r.array(script.argv.len());
            script.argv.iter().for_each(|a| r.bulk(a.as_bytes()));
            r.bulk(b"flags");
            r.bulk(if running { b"running" } else { b"scheduled" });
            r.bulk(b"pid");
            r.bulk(script.pid.unwrap_or(0).to_string().as_bytes());
            let (name, time) =
                if running { ("run-time", now.since(script.at)) } else { ("run-delay", script.at.since(now)) };
            r.bulk(name.as_bytes());
            r.bulk(time.as_millis().to_string().as_bytes());
            r.bulk(b"retry-num");
            r.bulk(script.tries.to_string().as_bytes());
        }
    }

    pub(super) fn info_cache(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let named = |name: &[u8]| core::str::from_utf8(name).ok().and_then(|name| self.names.get(name)).copied();
        let mut ids: Vec<_> = args.from(2).iter().filter_map(named).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut r = s.reply();
        r.array(ids.len() * 2);
        for group in ids.iter().filter_map(|id| self.groups.get(id)) {
            r.bulk(group.name().as_bytes());
            r.array(1 + group.replicas.len());
            for server in core::iter::once(&group.master).chain(group.replicas.values().map(|r| &r.server)) {
                r.array(2);
                r.int(server.info_at.map_or(0, |at| cx.now.mono.since(at).as_millis() as i64));
                match &server.info {
                    Some(info) => r.bulk_shared(core::slice::from_ref(info)),
                    None => r.null(),
                }
            }
        }
    }
}
