//! Where clients and other sentinels reach this one.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::event::What;
use super::{Cx, Sentinel};
use crate::client::wanted;
use crate::ids::OpId;
use crate::machine::{Action, Endpoint, Job, JobErrorKind, Outcome};

/// A listener, asked for or standing.
#[derive(Debug)]
pub(super) struct Listener {
    op: OpId,
    /// Where it was asked for, then where it stands.
    pub(super) at: Endpoint,
    optional: bool,
    pub(super) standing: bool,
}

/// All listeners.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    pub(super) list: Vec<Listener>,
    failed: bool,
    concluded: bool,
}

impl Sentinel {
    /// Asks for the listeners of the configuration.
    pub(super) fn listen(&mut self, cx: &mut Cx<'_>) {
        for w in wanted(&self.config.settings) {
            let (op, backlog) = (self.ids.op(), self.config.settings.tcp_backlog);
            cx.out.push(Action::Start { op, job: Job::Listen { at: w.at.clone(), backlog, mode: w.mode } });
            self.listeners.list.push(Listener { op, at: w.at, optional: w.optional, standing: false });
        }
        self.listening(cx);
    }

    /// A listener stands or does not; anything else is handed back.
    pub(super) fn listen_done(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_>) -> Option<Outcome> {
        let Some(i) = self.listeners.list.iter().position(|l| l.op == op) else { return Some(result) };
        match result {
            Outcome::Listening(at) => {
                let listener = &mut self.listeners.list[i];
                (listener.standing, listener.at) = (true, at.clone());
                self.tell_alone(What::Listening(at), cx);
            }
            other => {
                let listener = self.listeners.list.remove(i);
                let (kind, why): (_, Box<str>) = match other {
                    Outcome::Failed(e) => (Some(e.kind), e.message),
                    other => (None, alloc::format!("unexpected outcome {other:?}").into()),
                };
                let skipped = listener.optional && kind == Some(JobErrorKind::NotAvailable);
                self.listeners.failed |= !skipped;
                self.tell_alone(What::NotListening { at: listener.at, why, skipped }, cx);
            }
        }
        self.listening(cx);
        None
    }

    /// Once every answer is there: a sentinel that nobody can reach where it was to be ends.
    fn listening(&mut self, cx: &mut Cx<'_>) {
        let l = &mut self.listeners;
        if l.concluded || l.list.iter().any(|l| !l.standing) {
            return;
        }
        l.concluded = true;
        if l.failed || l.list.is_empty() {
            cx.out.push(Action::Exit { code: 1 });
        }
    }
}
