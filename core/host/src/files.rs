//! The file worker: one thread that carries out file jobs in the order they were started.
//!
//! A read that needs no disk is done at once instead ([`near`]) while the worker is idle.

mod near;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path as StdPath, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use primacy_core::ids::OpId;
use primacy_core::machine::{Job, JobError, JobErrorKind, Outcome, Path};
use rustix::fs::{Access, access};

use crate::{Completion, Deliver, job_error};
use near::Near;

/// Handles stay open between the pieces of one file for so long after the last one.
const IDLE: Duration = Duration::from_secs(2);
/// Permission bits of a new file, less the umask; Redis's snapshot files have the same.
const MODE: u32 = 0o644;

type Cancelled = Arc<Mutex<HashSet<OpId>>>;
/// The files that are being read.
type Handles = Arc<Mutex<HashMap<Path, Arc<File>>>>;

/// What is behind a lock is whole at any time, whoever panicked with it.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The runtime's side of the worker.
#[derive(Debug)]
pub(crate) struct Files {
    queue: Option<Sender<(OpId, Job)>>,
    thread: Option<JoinHandle<()>>,
    cancelled: Cancelled,
    near: Near,
}

impl Files {
    pub(crate) fn new(deliver: Deliver) -> io::Result<Self> {
        let (queue, jobs) = channel();
        let cancelled = Cancelled::default();
        let seen = Arc::clone(&cancelled);
        let desk = Desk::default();
        let near = Near::new(Arc::clone(&desk.reading));
        let work = move || serve(desk, &jobs, &seen, &deliver);
        let thread = std::thread::Builder::new().name("files".into()).spawn(work)?;
        Ok(Self { queue: Some(queue), thread: Some(thread), cancelled, near })
    }

    /// The outcome of a job that needs no disk. To be asked while no job is outstanding.
    pub(crate) fn at_once(&mut self, job: &Job) -> Option<Outcome> {
        match job {
            Job::Read { file, at, len } => self.near.read(file, *at, *len).map(Outcome::Read),
            _ => None,
        }
    }

    pub(crate) fn start(&self, op: OpId, job: Job) {
        if let Some(queue) = &self.queue {
            // The worker ends only after this sender is gone, so the send succeeds.
            let _ = queue.send((op, job));
        }
    }

    /// A job that the worker did not begin yet will be answered `Cancelled`; one that it did is finished.
    pub(crate) fn cancel(&self, op: OpId) {
        lock(&self.cancelled).insert(op);
    }

    pub(crate) fn shut_down(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // It ends when the queue is used up.
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.shut_down();
    }
}

fn serve(mut desk: Desk, jobs: &Receiver<(OpId, Job)>, cancelled: &Cancelled, deliver: &Deliver) {
    loop {
        let (op, job) = match jobs.recv_timeout(IDLE) {
            Ok(next) => next,
            Err(RecvTimeoutError::Timeout) => {
                desk.close_all();
                // Without handles to close there is nothing to wake up for.
                match jobs.recv() {
                    Ok(next) => next,
                    Err(_) => return,
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let dropped = lock(cancelled).remove(&op);
        let result = if dropped { Outcome::Cancelled } else { desk.carry_out(job).unwrap_or_else(Outcome::Failed) };
        // A cancel that came while it ran finds nothing to cancel any more.
        lock(cancelled).remove(&op);
        deliver(Completion::Done { op, result });
    }
}

/// A file that is being written, and its length.
#[derive(Debug)]
struct Writing {
    file: File,
    len: u64,
}

/// The open handles.
#[derive(Debug, Default)]
struct Desk {
    reading: Handles,
    writing: HashMap<Path, Writing>,
}

impl Desk {
    fn carry_out(&mut self, job: Job) -> Result<Outcome, JobError> {
        match job {
            Job::Read { file, at, len } => self.read(&file, at, len).map(Outcome::Read),
            Job::Append { file, at, bytes, sync } => self.append(&file, at, &bytes, sync).map(|()| Outcome::Written),
            Job::Commit { file, to } => self.commit(&file, &to).map(|()| Outcome::Written),
            Job::Replace { file, bytes } => self.replace(&file, &bytes).map(|()| Outcome::Written),
            Job::Remove { file } => self.remove(&file).map(|()| Outcome::Written),
            Job::Stat { file } => stat(&file).map(Outcome::Stat),
            Job::FindProgram { program } if is_program(StdPath::new(&*program)) => stat(&program).map(Outcome::Stat),
            Job::FindProgram { .. } => Ok(Outcome::Stat(None)),
            other => Err(JobError {
                kind: JobErrorKind::Other,
                message: format!("the file worker was given a job that is not about a file: {other:?}").into(),
            }),
        }
    }

    fn close_all(&mut self) {
        lock(&self.reading).clear();
        self.writing.clear();
    }

    fn close(&mut self, file: &Path) {
        lock(&self.reading).remove(file);
        self.writing.remove(file);
    }

    /// Reading from the start opens the file anew: it may have been replaced since.
    fn read(&mut self, path: &Path, at: u64, len: usize) -> Result<Bytes, JobError> {
        let fail = |e: &io::Error| job_error(format_args!("read {path} at offset {at}"), e);
        let open = lock(&self.reading).get(path).filter(|_| at > 0).cloned();
        let file = match open {
            Some(file) => file,
            None => {
                let file = Arc::new(File::open(&**path).map_err(|e| fail(&e))?);
                lock(&self.reading).insert(path.clone(), Arc::clone(&file));
                file
            }
        };
        let bytes = read_piece(&file, at, len).map_err(|e| fail(&e))?;
        if bytes.len() < len {
            lock(&self.reading).remove(path);
        }
        Ok(bytes)
    }

    fn append(&mut self, path: &Path, at: u64, bytes: &[Bytes], sync: bool) -> Result<(), JobError> {
        let fail = |e: &io::Error| job_error(format_args!("write {path} at offset {at}"), e);
        self.open_for_append(path, at)?;
        let Some(writing) = self.writing.get_mut(path) else { return Ok(()) };
        if let Err(e) = write_pieces(&mut writing.file, bytes) {
            // Half a piece is cut off again, so that the same piece may be tried again at the same place.
            let _ = writing.file.set_len(at);
            self.writing.remove(path);
            return Err(fail(&e));
        }
        writing.len += bytes.iter().map(|b| b.len() as u64).sum::<u64>();
        if sync {
            writing.file.sync_data().map_err(|e| fail(&e))?;
            if at == 0 {
                // A new file is on the disk only when its folder is.
                sync_folder(path)?;
            }
        }
        Ok(())
    }

    fn open_for_append(&mut self, path: &Path, at: u64) -> Result<(), JobError> {
        if at == 0 {
            lock(&self.reading).remove(path);
            let file = File::options().write(true).create(true).truncate(true).mode(MODE).open(&**path);
            let file = file.map_err(|e| job_error(format_args!("create {path}"), &e))?;
            self.writing.insert(path.clone(), Writing { file, len: 0 });
            return Ok(());
        }
        if !self.writing.contains_key(path) {
            let fail = |e: &io::Error| job_error(format_args!("open {path} to append to it"), e);
            let mut file = File::options().write(true).open(&**path).map_err(|e| fail(&e))?;
            let len = file.seek(SeekFrom::End(0)).map_err(|e| fail(&e))?;
            self.writing.insert(path.clone(), Writing { file, len });
        }
        match self.writing.get(path) {
            Some(writing) if writing.len != at => {
                let message = format!(
                    "cannot append to {path} at offset {at}: the file is {} bytes long; does another process write to it?",
                    writing.len
                );
                self.writing.remove(path);
                Err(JobError { kind: JobErrorKind::Other, message: message.into() })
            }
            _ => Ok(()),
        }
    }

    fn commit(&mut self, path: &Path, to: &Path) -> Result<(), JobError> {
        let file = match self.writing.remove(path) {
            Some(writing) => writing.file,
            // Any handle of the file will do: fsync writes what the file holds, whoever wrote it.
            None => File::open(&**path).map_err(|e| job_error(format_args!("open {path} to sync it"), &e))?,
        };
        self.close(path);
        self.close(to);
        file.sync_all().map_err(|e| job_error(format_args!("sync {path} to the disk"), &e))?;
        fs::rename(&**path, &**to).map_err(|e| job_error(format_args!("rename {path} to {to}"), &e))?;
        sync_folder(to)?;
        if folder(path) != folder(to) {
            sync_folder(path)?;
        }
        Ok(())
    }

    fn replace(&mut self, path: &Path, bytes: &[u8]) -> Result<(), JobError> {
        self.close(path);
        let beside = PathBuf::from(format!("{path}.{}.tmp", std::process::id()));
        let done = write_beside(&beside, path, bytes)
            .map_err(|e| job_error(format_args!("write {}", beside.display()), &e))
            .and_then(|()| {
                fs::rename(&beside, &**path)
                    .map_err(|e| job_error(format_args!("rename {} to {path}", beside.display()), &e))
            });
        if done.is_err() {
            let _ = fs::remove_file(&beside);
        }
        done.and_then(|()| sync_folder(path))
    }

    fn remove(&mut self, path: &Path) -> Result<(), JobError> {
        self.close(path);
        match fs::remove_file(&**path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(job_error(format_args!("remove {path}"), &e)),
            _ => Ok(()),
        }
    }
}

fn read_piece(mut file: &File, at: u64, len: usize) -> io::Result<Bytes> {
    let left = file.metadata()?.len().saturating_sub(at);
    let mut piece = Vec::with_capacity(usize::try_from(left).unwrap_or(usize::MAX).min(len));
    file.seek(SeekFrom::Start(at))?;
    file.take(len as u64).read_to_end(&mut piece)?;
    Ok(piece.into())
}

fn write_pieces(file: &mut File, bytes: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = bytes.iter().map(|b| IoSlice::new(b)).collect();
    let mut rest = &mut slices[..];
    IoSlice::advance_slices(&mut rest, 0); // Drops leading empty pieces.
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => IoSlice::advance_slices(&mut rest, n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn write_beside(beside: &StdPath, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(true).mode(MODE).open(beside)?;
    if let Ok(old) = fs::metadata(&**path) {
        // A configuration file that only its owner may read stays so.
        file.set_permissions(fs::Permissions::from_mode(old.permissions().mode() & 0o777))?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

fn stat(path: &Path) -> Result<Option<u64>, JobError> {
    match fs::metadata(&**path) {
        Ok(data) => Ok(Some(data.len())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(job_error(format_args!("look at {path}"), &e)),
    }
}

/// Whether this process may run a file.
pub(crate) fn is_program(path: &StdPath) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

/// The folder that a file lies in.
fn folder(path: &Path) -> &StdPath {
    match StdPath::new(&**path).parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => StdPath::new("."),
    }
}

fn sync_folder(path: &Path) -> Result<(), JobError> {
    let folder = folder(path);
    match File::open(folder).and_then(|f| f.sync_all()) {
        // Some file systems cannot sync a folder and say so.
        Err(e) if e.kind() != io::ErrorKind::InvalidInput => {
            Err(job_error(format_args!("sync the folder {} to the disk", folder.display()), &e))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
