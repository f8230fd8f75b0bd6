//! Where clients and other sentinels reach this one.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::event::What;
use super::{Cx, Sentinel};
use crate::client::{Serves, tls_configured, wanted};
use crate::ids::OpId;
use crate::machine::{Action, Endpoint, Job, JobErrorKind, Level, Outcome};

/// A listener, asked for or standing.
#[derive(Debug)]
pub(super) struct Listener {
    op: OpId,
    pub(super) serves: Serves,
    /// Where it was asked for, then where it stands.
    pub(super) at: Endpoint,
    pub(super) tls: bool,
    optional: bool,
    pub(super) standing: bool,
}

/// All listeners.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    pub(super) list: Vec<Listener>,
    failed: bool,
    concluded: bool,
    /// The load of certificates that the start waits for.
    certificates: Option<OpId>,
}

impl Listeners {
    /// Whether who comes by this one asks for metrics.
    pub(super) fn serves_scrapers(&self, op: OpId) -> bool {
        self.list.iter().any(|l| l.op == op && l.serves == Serves::Scrapers)
    }
}

impl Sentinel {
    /// Asks for the certificates of encrypted connections, if there are to be any: the start goes on behind them.
    pub(super) fn load_certificates(&mut self, cx: &mut Cx<'_>) -> bool {
        if !self.config.settings.uses_tls() {
            return false;
        }
        let (op, tls) = (self.ids.op(), Box::new(self.config.settings.tls()));
        cx.out.push(Action::Start { op, job: Job::LoadTls { tls } });
        self.listeners.certificates = Some(op);
        true
    }

    /// Certificates are in force or cannot be; anything else is handed back.
    pub(super) fn certificates_done(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_>) -> Option<Outcome> {
        if self.listeners.certificates.take_if(|o| *o == op).is_none() {
            return Some(result);
        }
        let why: Box<str> = match result {
            Outcome::Loaded => {
                let idle: Vec<_> = self.config.settings.idle_tls_directives().collect();
                self.note(Level::Notice, &tls_configured(&idle), cx);
                self.open_store(cx);
                return None;
            }
            Outcome::Failed(e) => e.message,
            other => alloc::format!("unexpected outcome {other:?}").into(),
        };
        self.note(Level::Warning, &alloc::format!("Failed to configure TLS: {why}"), cx);
        cx.out.push(Action::Exit { code: 1 });
        None
    }

    /// Asks for the listeners of the configuration.
    pub(super) fn listen(&mut self, cx: &mut Cx<'_>) {
        for w in wanted(&self.config.settings) {
            let (op, backlog) = (self.ids.op(), self.config.settings.tcp_backlog);
            cx.out.push(Action::Start { op, job: Job::Listen { at: w.at.clone(), backlog, mode: w.mode, tls: w.tls } });
            let (serves, at, tls, optional) = (w.serves, w.at, w.tls, w.optional);
            self.listeners.list.push(Listener { op, serves, at, tls, optional, standing: false });
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
        if l.failed || !l.list.iter().any(|l| l.serves == Serves::Clients) {
            cx.out.push(Action::Exit { code: 1 });
        }
    }
}
