//! The certificates of encrypted connections: when they are loaded, and what waits for them.

use alloc::boxed::Box;

use super::start::Change;
use super::{Cx, Node, What};
use crate::dataset::Dataset;
use crate::ids::OpId;
use crate::machine::{Action, Job, Outcome};

/// What loaded certificates are for.
#[derive(Debug)]
enum Purpose {
    /// The start: listeners and data come behind them.
    Start,
    /// A `CONFIG SET`, which is answered behind them.
    Change(Box<Change>),
    /// Those of before, after a `CONFIG SET` that failed at something else.
    Restore,
}

/// The load that is under way.
#[derive(Debug, Default)]
pub(super) struct Certificates(Option<(OpId, Purpose)>);

impl Certificates {
    /// Whether an answer of the system is outstanding.
    pub(super) fn is_busy(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the start waits for them.
    pub(super) fn is_starting(&self) -> bool {
        matches!(self.0, Some((_, Purpose::Start)))
    }
}

impl<D: Dataset> Node<D> {
    /// The start with encrypted connections.
    pub(super) fn load_first_certificates(&mut self, cx: &mut Cx<'_>) {
        self.load_certificates(Purpose::Start, cx);
    }

    /// A `CONFIG SET` of what TLS depends on.
    pub(super) fn change_certificates(&mut self, change: Change, cx: &mut Cx<'_>) {
        self.load_certificates(Purpose::Change(Box::new(change)), cx);
    }

    /// The settings are those from before: so shall the certificates be.
    pub(super) fn restore_certificates(&mut self, cx: &mut Cx<'_>) {
        if self.config.settings.uses_tls() {
            self.load_certificates(Purpose::Restore, cx);
        }
    }

    fn load_certificates(&mut self, purpose: Purpose, cx: &mut Cx<'_>) {
        let (op, tls) = (self.ids.op(), Box::new(self.config.settings.tls()));
        cx.out.push(Action::Start { op, job: Job::LoadTls { tls } });
        self.certificates.0 = Some((op, purpose));
    }

    /// Certificates are in force or cannot be; the outcome back if it is of another job.
    pub(super) fn certificates_done(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_>) -> Option<Outcome> {
        let Some((_, purpose)) = self.certificates.0.take_if(|(o, _)| *o == op) else { return Some(result) };
        let loaded = match result {
            Outcome::Loaded => Ok(()),
            Outcome::Failed(e) => Err(e.message),
            other => Err(alloc::format!("unexpected outcome {other:?}").into()),
        };
        let what = match &loaded {
            Ok(()) => What::TlsConfigured { idle: self.config.settings.idle_tls_directives().collect() },
            Err(why) => What::TlsFailed { why: why.clone() },
        };
        self.event(cx, what);
        match (purpose, loaded) {
            (Purpose::Start, Ok(())) => self.start_listening(cx),
            (Purpose::Start, Err(_)) => cx.out.push(Action::Exit { code: 1 }),
            (Purpose::Change(change), Ok(())) => self.certificates_changed(*change, cx),
            (Purpose::Change(change), Err(why)) => {
                self.config.restore(&change.before, &change.changed);
                self.answer_change(&change, Err(&why), cx);
            }
            (Purpose::Restore, _) => {}
        }
        None
    }

    /// The rest of a `CONFIG SET` behind its certificates.
    fn certificates_changed(&mut self, change: Change, cx: &mut Cx<'_>) {
        self.configured(&change.changed, cx);
        if change.moves_listeners() {
            if let Some((change, done)) = self.listen_anew(change, cx) {
                self.answer_listeners(&change, done, cx);
            }
        } else {
            self.answer_change(&change, Ok(()), cx);
        }
    }
}
