//! Loads certificates beside the loop, and keeps them as fresh as their files are.

use std::fmt::Display;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use primacy_core::ids::OpId;
use primacy_core::machine::{Endpoint, JobError, JobErrorKind, Outcome};
use primacy_core::tls::Tls;

use super::Session;
use super::load::{Configs, load};
use super::stamps::Stamps;
use crate::{Completion, Deliver};

/// How often files are looked at. Changes are taken up once they stand still for as long.
const LOOK: Duration = Duration::from_secs(1);

/// The certificates in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificates(Arc<Mutex<Option<Configs>>>);

impl Certificates {
    /// A session for a connection that a peer opened; `None` while there are no certificates.
    pub(crate) fn accept(&self) -> Option<Session> {
        let configs = self.get()?;
        Session::accept(&configs.server).inspect_err(complain).ok()
    }

    /// A session for a connection that we open.
    pub(crate) fn connect(&self, to: &Endpoint) -> Option<Session> {
        let configs = self.get()?;
        Session::connect(&configs.client, to).inspect_err(complain).ok()
    }

    fn get(&self) -> Option<Configs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, configs: Configs) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(configs);
    }
}

fn complain(e: &rustls::Error) {
    log::warn!(target: "primacy", "A TLS session cannot be begun: {e}");
}

type Order = (OpId, Box<Tls>);

/// Starts a thread with the first certificates, which ends with this.
pub(crate) struct Keeper {
    certificates: Certificates,
    orders: Option<Sender<Order>>,
    deliver: Deliver,
}

impl core::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl Keeper {
    /// Nothing loaded. What comes of loads goes to `deliver`.
    pub(crate) fn new(deliver: Deliver) -> Self {
        Self { certificates: Certificates::default(), orders: None, deliver }
    }

    /// What is in force, now and later.
    pub(crate) fn certificates(&self) -> Certificates {
        self.certificates.clone()
    }

    /// Begins to load; an error is the answer already.
    pub(crate) fn load(&mut self, op: OpId, tls: Box<Tls>) -> Result<(), Outcome> {
        if self.orders.is_none() {
            let (orders, taken) = mpsc::channel();
            let work = Work { certificates: self.certificates.clone(), deliver: self.deliver.clone(), kept: None };
            let begun = thread::Builder::new().name("tls-files".into()).spawn(move || work.run(&taken));
            begun.map_err(|e| failed(&format_args!("a thread for TLS files: {e}")))?;
            self.orders = Some(orders);
        }
        let sent = self.orders.as_ref().is_some_and(|orders| orders.send((op, tls)).is_ok());
        if sent { Ok(()) } else { Err(failed(&"the thread for TLS files is gone")) }
    }
}

fn failed(why: &dyn Display) -> Outcome {
    Outcome::Failed(JobError { kind: JobErrorKind::Other, message: why.to_string().into() })
}

/// The thread.
struct Work {
    certificates: Certificates,
    deliver: Deliver,
    /// What was loaded last.
    kept: Option<Kept>,
}

struct Kept {
    tls: Box<Tls>,
    /// The files as they were loaded, or found to be unusable.
    known: Stamps,
    /// As they were at the last look.
    seen: Stamps,
}

impl Work {
    fn run(mut self, orders: &Receiver<Order>) {
        loop {
            match orders.recv_timeout(LOOK) {
                Ok((op, tls)) => {
                    let result = self.load(tls);
                    (self.deliver)(Completion::Done { op, result });
                }
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn load(&mut self, tls: Box<Tls>) -> Outcome {
        // What changes while it is read shows at the next look.
        let known = Stamps::of(&tls);
        match load(&tls) {
            Ok(configs) => {
                self.certificates.set(configs);
                self.kept = Some(Kept { tls, seen: known.clone(), known });
                Outcome::Loaded
            }
            Err(e) => failed(&e),
        }
    }

    fn look(&mut self) {
        let Some(kept) = &mut self.kept else { return };
        let now = Stamps::of(&kept.tls);
        let still = core::mem::replace(&mut kept.seen, now.clone()) == now;
        if now == kept.known || !still {
            return;
        }
        kept.known = now;
        match load(&kept.tls) {
            Ok(configs) => {
                self.certificates.set(configs);
                log::info!(target: "primacy", "TLS files changed: new connections take the new certificates");
            }
            Err(e) => log::warn!(
                target: "primacy",
                "TLS files changed and cannot be used: {e}. The certificates from before stay in force"
            ),
        }
    }
}
