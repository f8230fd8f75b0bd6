//! Host names: a few threads of their own, so that a slow name stalls neither files nor the next name.
//!
//! The system's resolver knows them; a program that is linked statically with glibc has none that works everywhere, and
//! brings its own (`names`).

#[cfg(any(test, all(target_env = "gnu", target_feature = "crt-static")))]
mod dns;
#[cfg(any(test, all(target_env = "gnu", target_feature = "crt-static")))]
mod names;

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use primacy_core::ids::OpId;
use primacy_core::machine::{JobError, JobErrorKind, Outcome};

use crate::{Completion, Deliver};

/// So many names are looked up at a time; more wait in line.
const THREADS: usize = 8;
/// A thread without work ends after so long.
const IDLE: Duration = Duration::from_secs(10);

#[derive(Default)]
struct State {
    queue: VecDeque<(OpId, Box<str>)>,
    threads: usize,
    idle: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks names up.
pub(crate) struct Resolver {
    shared: Arc<Shared>,
    deliver: Deliver,
}

impl core::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolver {
    pub(crate) fn new(deliver: Deliver) -> Self {
        Self { shared: Arc::default(), deliver }
    }

    pub(crate) fn lookup(&self, op: OpId, host: Box<str>) {
        let mut state = self.shared.lock();
        state.queue.push_back((op, host));
        if state.idle >= state.queue.len() || state.threads == THREADS {
            drop(state);
            self.shared.work.notify_one();
            return;
        }
        let (shared, deliver) = (Arc::clone(&self.shared), self.deliver.clone());
        match std::thread::Builder::new().name("resolver".into()).spawn(move || serve(&shared, &deliver)) {
            Ok(_) => state.threads += 1,
            Err(_) if state.threads > 0 => {} // The threads that run will come to it.
            Err(error) => {
                let orphans: Vec<_> = state.queue.drain(..).collect();
                drop(state);
                for (op, host) in orphans {
                    (self.deliver)(Completion::Done { op, result: failed(&host, &error) });
                }
            }
        }
    }
}

fn serve(shared: &Shared, deliver: &Deliver) {
    let mut state = shared.lock();
    loop {
        while let Some((op, host)) = state.queue.pop_front() {
            drop(state);
            deliver(Completion::Done { op, result: resolve(&host) });
            state = shared.lock();
        }
        state.idle += 1;
        let (woken, wait) = shared.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
        state = woken;
        state.idle -= 1;
        if wait.timed_out() && state.queue.is_empty() {
            state.threads -= 1;
            return;
        }
    }
}

fn resolve(host: &str) -> Outcome {
    match addresses_of(host) {
        Ok(found) => {
            let mut addresses: Vec<IpAddr> = Vec::new();
            for address in found {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            if addresses.is_empty() {
                return failed(host, &io::Error::other("the name has no address"));
            }
            Outcome::Resolved(addresses)
        }
        Err(error) => failed(host, &error),
    }
}

#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
fn addresses_of(host: &str) -> io::Result<Vec<IpAddr>> {
    names::Names::of_this_machine().lookup(host)
}

#[cfg(not(all(target_env = "gnu", target_feature = "crt-static")))]
fn addresses_of(host: &str) -> io::Result<Vec<IpAddr>> {
    use std::net::ToSocketAddrs;
    Ok((host, 0).to_socket_addrs()?.map(|a| a.ip()).collect())
}

fn failed(host: &str, error: &io::Error) -> Outcome {
    let message = format!("cannot resolve the host name {host:?}: {error}; check its spelling and the name service");
    Outcome::Failed(JobError { kind: JobErrorKind::NoSuchHost, message: message.into() })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn names_are_answered_each_once() {
        let (tx, rx) = channel();
        let tx = Mutex::new(tx);
        let resolver = Resolver::new(Arc::new(move |c| drop(tx.lock().unwrap().send(c))));
        for n in 0..30 {
            resolver.lookup(OpId::from_u64(n), "localhost".into());
        }
        resolver.lookup(OpId::from_u64(30), "bad name with blanks".into());
        let mut seen = [false; 31];
        for completion in rx.iter().take(31) {
            let Completion::Done { op, result } = completion else { panic!("{completion:?}") };
            let n = op.as_u64() as usize;
            assert!(!core::mem::replace(&mut seen[n], true), "{op:?} twice");
            match result {
                Outcome::Resolved(addresses) if n < 30 => assert!(addresses.iter().all(IpAddr::is_loopback)),
                Outcome::Failed(error) if n == 30 => assert_eq!(error.kind, JobErrorKind::NoSuchHost),
                other => panic!("{other:?}"),
            }
        }
    }
}
