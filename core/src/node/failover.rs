//! FAILOVER: a master hands over to one of its replicas, and no write that it acknowledged is lost.
//!
//! Writers wait until the replica has everything. Then this node is a replica of it, and asks it by PSYNC's FAILOVER to be
//! the master; once it is, those who waited are told that they are at a replica. A handover that does not come about leaves
//! the master what it was.

use alloc::boxed::Box;
use core::time::Duration;

use super::{Cx, Key, Node, What};
use crate::client::Dispatch as _;
use crate::dataset::Dataset;

/// A failover that somebody asked for.
#[derive(Debug)]
pub(super) struct Failover {
    /// Who is to take over; `None`: whoever has everything first.
    target: Option<(Box<str>, u16)>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Until the replica has everything.
    Waiting {
        /// The end of the history; known when the input that asked ends, since a transaction may go on behind FAILOVER.
        offset: Option<u64>,
        /// At the end of its patience it takes over all the same.
        force: bool,
    },
    /// Until it says that it is the master.
    Handing,
}

impl Failover {
    /// As INFO shows it.
    pub(super) fn state(failover: Option<&Self>) -> &'static str {
        match failover.map(|f| &f.stage) {
            None => "no-failover",
            Some(Stage::Waiting { .. }) => "waiting-for-sync",
            Some(Stage::Handing) => "failover-in-progress",
        }
    }

    /// Whether this node follows the one that is to take over.
    pub(super) fn is_handing(&self) -> bool {
        matches!(self.stage, Stage::Handing)
    }
}

impl<D: Dataset> Node<D> {
    /// Whom this node, a master until now, has asked to be the master, or asks until it is.
    pub fn hands_over_to(&self) -> Option<(&str, u16)> {
        let failover = self.failover.as_ref().filter(|f| f.is_handing())?;
        failover.target.as_ref().map(|(host, port)| (&**host, *port))
    }

    /// Begins to wait for `target`, or for the first replica that has everything; for `patience` at most, if it is given.
    pub(super) fn begin_failover(
        &mut self,
        target: Option<(Box<str>, u16)>,
        patience: Option<Duration>,
        force: bool,
        cx: &mut Cx<'_>,
    ) {
        self.event(cx, What::FailoverAsked { to: target.clone() });
        self.failover = Some(Failover { target, stage: Stage::Waiting { offset: None, force } });
        self.clients.holds_writes = true;
        if let Some(patience) = patience {
            self.timers.set(Key::Failover, cx.now.mono + patience);
        }
    }

    /// Hands over if the replica has everything. Called at the end of every input.
    pub(super) fn failover_step(&mut self, cx: &mut Cx<'_>) {
        let Some(Failover { target, stage: Stage::Waiting { offset, .. } }) = &mut self.failover else { return };
        let end = *offset.get_or_insert_with(|| {
            self.want_acks = true;
            self.source.offset()
        });
        let wanted = target.as_ref().map(|(host, port)| (&**host, *port));
        if let Some((host, port)) = self.source.successor(end, wanted) {
            self.event(cx, What::FailoverSynced { host: host.clone(), port });
            self.hand_over_to(&host, port, cx);
        }
    }

    /// The patience with the replica is at its end.
    pub(super) fn failover_late(&mut self, cx: &mut Cx<'_>) {
        match &self.failover {
            Some(Failover { target: Some((host, port)), stage: Stage::Waiting { force: true, .. } }) => {
                let (host, port) = (host.clone(), *port);
                self.event(cx, What::FailoverForced { host: host.clone(), port });
                self.hand_over_to(&host, port, cx);
            }
            Some(_) => self.abort_failover("Replica never caught up before timeout", cx),
            None => {}
        }
    }

    /// From here on this node is a replica, of one that does not know yet that it is to be the master.
    fn hand_over_to(&mut self, host: &str, port: u16, cx: &mut Cx<'_>) {
        self.timers.clear(Key::Failover);
        self.failover = Some(Failover { target: Some((host.into(), port)), stage: Stage::Handing });
        self.follow(host, port, "FAILOVER", cx);
    }

    /// It is the master: those whose writes were held back hear that they are at a replica.
    pub(super) fn handed_over(&mut self, cx: &mut Cx<'_>) {
        if let Some(Failover { target: Some((host, port)), .. }) = self.failover.take() {
            self.event(cx, What::FailoverDone { host, port });
        }
        self.let_writes_go(cx);
    }

    /// The failover is off: this node is the master that it was, and goes on with the writes that were held back.
    pub(super) fn abort_failover(&mut self, why: &str, cx: &mut Cx<'_>) {
        let Some(failover) = self.failover.take() else { return };
        self.timers.clear(Key::Failover);
        let handing = failover.is_handing();
        self.event(cx, What::FailoverAborted { to: failover.target, why: why.into() });
        if handing {
            self.promote(cx);
        }
        self.let_writes_go(cx);
    }

    fn let_writes_go(&mut self, cx: &mut Cx<'_>) {
        self.clients.holds_writes = false;
        self.release_held(cx);
    }
}
