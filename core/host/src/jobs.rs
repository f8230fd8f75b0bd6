//! Starts jobs on their workers and keeps the book of them: exactly one `Done` for every start.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::mpsc::Sender;

use primacy_core::ids::OpId;
use primacy_core::machine::{Job, Outcome};

use crate::Deliver;
use crate::files::Files;
use crate::resolve::Resolver;
use crate::script::{self, Note};
use crate::tls::{Certificates, Keeper};
use crate::usage::usage;

/// What became of a job that was to be started.
#[derive(Debug)]
pub enum Started {
    /// A worker has it; its [`Completion::Done`](crate::Completion::Done) comes through the inbox.
    Running,
    /// It is done already: feed this as its `Done`.
    Done(Outcome),
    /// It is the runtime's own (a listener).
    Yours(Job),
}

/// Where an outstanding job runs.
#[derive(Debug)]
enum Place {
    File,
    Resolver,
    Script(Sender<Note>),
    Tls,
}

/// The workers: one thread for files, a few for names, two per script, one for certificates once there are any.
#[derive(Debug)]
pub struct Jobs {
    outstanding: HashMap<OpId, Place>,
    /// How many of them are the file worker's.
    in_files: usize,
    files: Files,
    resolver: Resolver,
    tls: Keeper,
    deliver: Worker,
}

/// A [`Deliver`] that can be printed.
struct Worker(Deliver);

impl core::fmt::Debug for Worker {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Deliver")
    }
}

impl Jobs {
    /// Starts the file worker; completions go to `deliver`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(deliver: Deliver) -> io::Result<Self> {
        Ok(Self {
            outstanding: HashMap::new(),
            in_files: 0,
            files: Files::new(deliver.clone())?,
            resolver: Resolver::new(deliver.clone()),
            tls: Keeper::new(deliver.clone()),
            deliver: Worker(deliver),
        })
    }

    /// The certificates in force, now and later.
    pub(crate) fn certificates(&self) -> Certificates {
        self.tls.certificates()
    }

    /// Starts a job.
    pub fn start(&mut self, op: OpId, job: Job) -> Started {
        let place = match job {
            Job::Listen { .. } => return Started::Yours(job),
            Job::Usage => return Started::Done(Outcome::Usage(usage())),
            Job::LoadTls { tls } => match self.tls.load(op, tls) {
                Ok(()) => Place::Tls,
                Err(outcome) => return Started::Done(outcome),
            },
            Job::Resolve { host } => {
                if let Ok(literal) = host.parse::<IpAddr>() {
                    return Started::Done(Outcome::Resolved(vec![literal]));
                }
                self.resolver.lookup(op, host);
                Place::Resolver
            }
            Job::Script { program, args, timeout } => {
                match script::run(op, &program, args, timeout, self.deliver.0.clone()) {
                    Ok(notes) => Place::Script(notes),
                    Err(error) => return Started::Done(Outcome::Failed(error)),
                }
            }
            file => {
                if self.in_files == 0
                    && let Some(outcome) = self.files.at_once(&file)
                {
                    return Started::Done(outcome);
                }
                self.files.start(op, file);
                self.in_files += 1;
                Place::File
            }
        };
        self.outstanding.insert(op, place);
        Started::Running
    }

    /// The machine no longer wants a result. `Some` is to be fed as its `Done` now; else it comes through the inbox:
    /// a file job that runs already is finished, a script is killed.
    pub fn cancel(&mut self, op: OpId) -> Option<Outcome> {
        match self.outstanding.get(&op)? {
            Place::File => self.files.cancel(op),
            // It is too short to be broken off.
            Place::Tls => {}
            Place::Script(notes) => drop(notes.send(Note::Cancel)),
            Place::Resolver => {
                // The lookup cannot be broken off; its answer will find no one who waits.
                self.outstanding.remove(&op);
                return Some(Outcome::Cancelled);
            }
        }
        None
    }

    /// Whether a `Done` from the inbox is still waited for; to be asked once, before it is fed.
    pub fn finish(&mut self, op: OpId) -> bool {
        let place = self.outstanding.remove(&op);
        self.in_files -= usize::from(matches!(place, Some(Place::File)));
        place.is_some()
    }

    /// Waits until every file job that was started is done, and ends the file worker. Scripts and lookups are left to
    /// themselves.
    pub fn shut_down(&mut self) {
        self.files.shut_down();
    }
}
