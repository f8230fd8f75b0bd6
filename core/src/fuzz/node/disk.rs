//! Files, names and addresses of a node.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::machine::{Job, JobError, JobErrorKind, Outcome, Usage};

/// What is on the disk.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// Files that a write failed on: what was started behind it has no place to go.
    torn: BTreeSet<String>,
}

/// The file that a job is about: jobs on one file end in the order they were started.
pub(super) fn file_of(job: &Job) -> Option<&str> {
    match job {
        Job::Read { file, .. }
        | Job::Append { file, .. }
        | Job::Commit { file, .. }
        | Job::Replace { file, .. }
        | Job::Remove { file }
        | Job::Stat { file } => Some(file),
        _ => None,
    }
}

fn failed(kind: JobErrorKind, message: &str) -> Outcome {
    Outcome::Failed(JobError { kind, message: message.into() })
}

impl Disk {
    pub(super) fn job(&mut self, job: &Job, ok: bool) -> Outcome {
        if !ok {
            self.torn.extend(file_of(job).map(String::from));
            return failed(JobErrorKind::NoSpace, "no space left on the device");
        }
        let none = || failed(JobErrorKind::NotFound, "no such file");
        match job {
            Job::Listen { at, .. } => Outcome::Listening(at.clone()),
            Job::Resolve { host } => match host.parse::<IpAddr>() {
                Ok(ip) => Outcome::Resolved([ip].into()),
                Err(_) => failed(JobErrorKind::NoSuchHost, "no such name"),
            },
            Job::Read { file, at, len } => match self.files.get(&**file) {
                Some(bytes) => {
                    let from = bytes.len().min(*at as usize);
                    Outcome::Read(bytes[from..bytes.len().min(from.saturating_add(*len))].to_vec().into())
                }
                None => none(),
            },
            Job::Append { file, at, bytes, .. } => {
                let content = self.files.entry(String::from(&**file)).or_default();
                if *at == 0 {
                    content.clear();
                    self.torn.remove(&**file);
                }
                if *at != content.len() as u64 {
                    assert!(self.torn.contains(&**file), "an append at {at} of {} bytes of {file}", content.len());
                    return failed(JobErrorKind::Other, "the file is shorter");
                }
                content.extend(bytes.concat());
                Outcome::Written
            }
            Job::Commit { file, to } => match self.files.remove(&**file) {
                Some(content) => {
                    self.files.insert(String::from(&**to), content);
                    Outcome::Written
                }
                None => none(),
            },
            Job::Replace { file, bytes } => {
                self.files.insert(String::from(&**file), bytes.to_vec());
                Outcome::Written
            }
            Job::Remove { file } => {
                self.files.remove(&**file);
                Outcome::Written
            }
            Job::Stat { file } => Outcome::Stat(self.files.get(&**file).map(|f| f.len() as u64)),
            Job::Usage => Outcome::Usage(Usage::default()),
            Job::LoadTls { .. } => Outcome::Loaded,
            Job::FindProgram { .. } => Outcome::Stat(None),
            Job::Script { .. } => failed(JobErrorKind::Other, "no programs here"),
        }
    }
}
