//! Jobs: what takes time on a host, and what comes of it.

use alloc::vec::Vec;
use core::time::Duration;

use super::agenda::Coming;
use super::process::{Host, Ready};
use super::{DiskTrouble, HostId, World, laws};
use crate::ids::OpId;
use crate::machine::{Job, JobError, JobErrorKind, Machine, Outcome, Path, Usage};
use crate::time::Instant;

/// A job that has no `Done` yet.
#[derive(Debug)]
pub(super) struct Running {
    /// What; `None` once it ended and its `Done` waits for the loop.
    job: Option<Job>,
    /// The answer, if it is known from the start.
    answer: Option<Outcome>,
    begins: Instant,
    ends: Instant,
    cancelled: bool,
}

/// The files that a job is about.
fn files(job: &Job) -> [Option<&Path>; 2] {
    match job {
        Job::Commit { file, to } => [Some(file), Some(to)],
        Job::Append { file, .. }
        | Job::Replace { file, .. }
        | Job::Remove { file }
        | Job::Stat { file }
        | Job::FindProgram { program: file }
        | Job::Read { file, .. } => [Some(file), None],
        _ => [None, None],
    }
}

/// Bytes that a job moves, and whether it syncs.
fn work(job: &Job) -> (u64, bool) {
    match job {
        Job::Append { bytes, sync, .. } => (bytes.iter().map(|b| b.len() as u64).sum(), *sync),
        Job::Replace { bytes, .. } => (bytes.len() as u64, true),
        Job::Commit { .. } => (0, true),
        Job::Read { len, .. } => (*len as u64, false),
        _ => (0, false),
    }
}

fn io_error(job: &Job, kind: JobErrorKind, why: &str) -> Outcome {
    let [file, _] = files(job);
    let message = alloc::format!("cannot do that with {}: {why}", file.map_or("it", |f| f));
    Outcome::Failed(JobError { kind, message: message.into() })
}

impl<M: Machine> World<M> {
    pub(super) fn run_job(&mut self, h: u32, op: OpId, job: Job) {
        let now = self.now;
        let mut answer = None;
        let takes = match &job {
            Job::Resolve { host } => {
                let (takes, outcome) = self.names.resolve(host, now, &self.net, &mut self.choices);
                answer = Some(outcome);
                takes
            }
            Job::Listen { .. } | Job::Usage | Job::LoadTls { .. } => 1,
            job => self.disk_time(h, job),
        };
        let Some(host) = self.hosts.get_mut(h as usize) else { return };
        // Jobs on one file are done in their order, others side by side.
        let free = files(&job).into_iter().flatten().filter_map(|f| host.files_free_at.get(f)).max();
        let begins = free.copied().unwrap_or(now).max(now);
        let ends = begins + Duration::from_micros(takes.max(1));
        for file in files(&job).into_iter().flatten() {
            host.files_free_at.insert(file.clone(), ends);
        }
        if let Job::Script { .. } = job {
            host.ready.push_back(Ready::Began(op));
        }
        host.jobs.insert(op, Running { job: Some(job), answer, begins, ends, cancelled: false });
        self.agenda.push(ends, Coming::Job { host: h, boot: host.boots, op });
    }

    fn disk_time(&mut self, h: u32, job: &Job) -> u64 {
        let (bytes, sync) = work(job);
        let disks = &self.disks;
        let mut takes = self.choices.between(disks.cached_us.0, disks.cached_us.1);
        if sync {
            takes += self.choices.between(disks.sync_us.0, disks.sync_us.1);
        }
        takes += bytes.saturating_mul(1_000_000).checked_div(disks.bandwidth).unwrap_or(0);
        match self.host(h).and_then(|host| host.disk_trouble(self.now)) {
            Some(DiskTrouble::Slow(factor)) => takes.saturating_mul(u64::from(factor)),
            _ => takes,
        }
    }

    /// A job is done.
    pub(super) fn end_job(&mut self, h: u32, boot: u32, op: OpId) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(h as usize).filter(|host| host.boots == boot) else { return };
        let Some(running) = host.jobs.get_mut(&op) else { return };
        let Some(job) = running.job.take() else { return };
        let (answer, cancelled) = (running.answer.take(), running.cancelled);
        let outcome = match (&job, answer) {
            (Job::Listen { at, backlog, .. }, _) => match host.listen(op, at, *backlog) {
                Ok(bound) => {
                    if cancelled {
                        host.listeners.remove(&op); // It was given up before it was heard of.
                    }
                    Outcome::Listening(bound)
                }
                Err(error) => Outcome::Failed(error),
            },
            _ if cancelled => Outcome::Cancelled,
            (_, Some(answer)) => answer,
            (Job::Usage, None) => Outcome::Usage(Usage::default()),
            (Job::LoadTls { .. }, None) => Outcome::Loaded,
            (Job::Script { .. }, None) => Outcome::Exited { code: Some(0), signal: None },
            _ => host.do_file_job(&job, now),
        };
        host.files_free_at.retain(|_, at| *at > now);
        host.ready.push_back(Ready::Done(op, outcome));
        self.wake(h);
    }

    pub(super) fn cancel_job(&mut self, h: u32, op: OpId) {
        let now = self.now;
        self.stats.checks += 1;
        let Some(host) = self.hosts.get_mut(h as usize) else { return };
        let Some(running) = host.jobs.get_mut(&op) else {
            let text = alloc::format!("Cancel names {op:?}, which does not run");
            return self.violate(laws::JOB, Some(HostId(h)), text);
        };
        let outcome = match &running.job {
            // A lookup finds no one who waits; a program is killed.
            Some(Job::Resolve { .. }) => Outcome::Cancelled,
            Some(Job::Script { .. }) => Outcome::Exited { code: None, signal: Some(9) },
            Some(job) if files(job)[0].is_some() => {
                running.cancelled = running.begins > now && self.choices.chance(500);
                return;
            }
            _ => return,
        };
        running.job = None;
        host.ready.push_back(Ready::Done(op, outcome));
    }

    pub(super) fn unlisten(&mut self, h: u32, op: OpId) {
        self.stats.checks += 1;
        let Some(host) = self.hosts.get_mut(h as usize) else { return };
        if host.listeners.remove(&op).is_some() {
            return;
        }
        match host.jobs.get_mut(&op) {
            Some(running) if matches!(running.job, Some(Job::Listen { .. })) => running.cancelled = true,
            _ => {
                let text = alloc::format!("Unlisten names {op:?}, which is no listener that stands");
                self.violate(laws::JOB, Some(HostId(h)), text);
            }
        }
    }

    /// The process ends in the middle of its jobs: each that had begun is done, or a part of it, or nothing.
    pub(super) fn cut_jobs(&mut self, h: u32) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(h as usize) else { return };
        for job in host.outstanding(|r| r.begins <= now && !r.cancelled) {
            match job {
                Job::Append { file, at, bytes, .. } => {
                    let mut left = self.choices.below(work_len(&bytes) + 1) as usize;
                    let part = bytes.iter().map(|b| b.slice(..core::mem::take(&mut left).min(b.len()))).collect();
                    let part: Vec<_> = part;
                    // It may find the file in a state that it does not fit: then it did nothing.
                    let _ = host.disk.append(&file, at, &part, false);
                }
                job if self.choices.chance(500) => drop(host.do_file_job(&job, now)),
                _ => {}
            }
        }
    }

    /// The process ends by itself: what it began with files is finished.
    pub(super) fn finish_jobs(&mut self, h: u32) {
        let now = self.now;
        if let Some(host) = self.hosts.get_mut(h as usize) {
            for job in host.outstanding(|r| !r.cancelled) {
                drop(host.do_file_job(&job, now));
            }
        }
    }
}

fn work_len(bytes: &[bytes::Bytes]) -> u64 {
    bytes.iter().map(|b| b.len() as u64).sum()
}

impl<M: Machine> Host<M> {
    pub(super) fn disk_trouble(&self, now: Instant) -> Option<DiskTrouble> {
        self.troubles.disk.filter(|(_, until)| *until > now).map(|(trouble, _)| trouble)
    }

    /// Takes out the file jobs that are not done, in the order of their ends.
    fn outstanding(&mut self, which: impl Fn(&Running) -> bool) -> Vec<Job> {
        let mut list: Vec<(Instant, OpId)> =
            self.jobs.iter().filter(|(_, r)| which(r)).map(|(op, r)| (r.ends, *op)).collect();
        list.sort_unstable();
        let mut job = |op: &OpId| self.jobs.get_mut(op).and_then(|r| r.job.take());
        list.iter().filter_map(|(_, op)| job(op)).filter(|job| files(job)[0].is_some()).collect()
    }

    /// What comes of a file job that ends now.
    fn do_file_job(&mut self, job: &Job, now: Instant) -> Outcome {
        match (self.disk_trouble(now), job) {
            (Some(DiskTrouble::Broken), _) => {
                return io_error(job, JobErrorKind::Other, "Input/output error");
            }
            (Some(DiskTrouble::Full), Job::Append { file, at, .. }) => {
                if *at == 0 {
                    // Emptying a file takes no space.
                    let _ = self.disk.append(file, 0, &[], false);
                }
                return io_error(job, JobErrorKind::NoSpace, "no space left on the device");
            }
            (Some(DiskTrouble::Full), Job::Commit { .. } | Job::Replace { .. }) => {
                return io_error(job, JobErrorKind::NoSpace, "no space left on the device");
            }
            _ => {}
        }
        let done = match job {
            Job::Read { file, at, len } => self.disk.read(file, *at, *len).map(Outcome::Read),
            Job::Append { file, at, bytes, sync } => {
                self.disk.append(file, *at, bytes, *sync).map(|()| Outcome::Written)
            }
            Job::Commit { file, to } => self.disk.commit(file, to).map(|()| Outcome::Written),
            Job::Replace { file, bytes } => {
                self.disk.replace(file, bytes);
                Ok(Outcome::Written)
            }
            Job::Remove { file } => {
                self.disk.remove(file);
                Ok(Outcome::Written)
            }
            // Whatever is there can be run.
            Job::Stat { file } | Job::FindProgram { program: file } => Ok(Outcome::Stat(self.disk.stat(file))),
            _ => Ok(io_error(job, JobErrorKind::Other, "this world has nothing like it")),
        };
        done.unwrap_or_else(Outcome::Failed)
    }
}
