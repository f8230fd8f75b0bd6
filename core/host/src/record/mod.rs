//! Recordings as files: written by a thread of their own behind a bounded queue, so that the loop never waits.

mod pages;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use primacy_core::journal::{End, Full, Sink, end_block};

use self::pages::{Output, Pages};

/// Bytes that may wait to be written. When the disk falls further behind, the recording ends; the node goes on.
pub const QUEUE_BYTES: u64 = 64 << 20;
/// The bound of a recording's file in bytes, if none is given.
pub const DEFAULT_MAX: u64 = 1 << 30;
/// Only its owner may read it: it holds passwords.
const MODE: u32 = 0o600;
/// A block is in the file so long after it came, if what came with it does not fill a write before.
const HOLD: Duration = Duration::from_millis(100);
/// With more than so many bytes in the queue the disk is behind, and the page cache has to take them.
const BEHIND: u64 = QUEUE_BYTES / 4;
/// Empty buffers that are kept to be filled again.
const SPARE: usize = 8;

/// What the loop and the writer share.
#[derive(Default)]
struct Shared {
    /// Bytes in the queue.
    waiting: AtomicU64,
    /// Why the queue was given up before its end.
    cut: Mutex<Option<End>>,
    spare: Mutex<Vec<Vec<u8>>>,
}

/// The loop's side: a sink for a [`Recorder`](primacy_core::journal::Recorder).
pub struct FileSink {
    queue: Option<Sender<Vec<u8>>>,
    shared: Arc<Shared>,
    name: String,
    most: u64,
}

/// Waits, when it is dropped, until everything that was recorded is in the file. Drop the recorder first.
pub struct Writer(Option<JoinHandle<()>>);

impl core::fmt::Debug for FileSink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FileSink").field("name", &self.name).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Writer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Writer")
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join(); // It ends when the queue is used up.
        }
    }
}

/// Creates the file of a recording, readable by its owner only. One that is there already is kept as `FILE.1`, in the
/// place of an older one: neither is a recording overwritten, nor a restart held up.
///
/// # Errors
/// When the file cannot be created or the old one not renamed, or the system gives no thread.
pub fn create(path: &Path) -> io::Result<(FileSink, Writer)> {
    if path.exists() {
        let mut old = path.as_os_str().to_owned();
        old.push(".1");
        fs::rename(path, PathBuf::from(old))?;
    }
    let file = File::options().write(true).create_new(true).mode(MODE).open(path)?;
    start(file, path.display().to_string(), QUEUE_BYTES)
}

fn start(file: impl Output, name: String, most: u64) -> io::Result<(FileSink, Writer)> {
    let (queue, blocks) = channel();
    let shared = Arc::new(Shared::default());
    let (seen, named) = (Arc::clone(&shared), name.clone());
    let thread =
        std::thread::Builder::new().name("recording".into()).spawn(move || write(file, &blocks, &seen, &named))?;
    Ok((FileSink { queue: Some(queue), shared, name, most }, Writer(Some(thread))))
}

impl Sink for FileSink {
    fn block(&mut self, block: Vec<u8>) -> Result<Vec<u8>, Full> {
        let len = block.len() as u64;
        let waiting = self.shared.waiting.load(Relaxed);
        if waiting + len > self.most && waiting > 0 {
            return self.cut(End::Slow { waiting });
        }
        self.shared.waiting.fetch_add(len, Relaxed);
        match self.queue.as_ref().map(|q| q.send(block)) {
            Some(Ok(())) => Ok(lock(&self.shared.spare).pop().unwrap_or_default()),
            // The writer ended, and has said why.
            _ => Err(Full),
        }
    }

    fn end(&mut self, block: Vec<u8>, why: End) {
        if let Some(queue) = self.queue.take() {
            let _ = queue.send(block);
        }
        if !why.is_whole() {
            log::warn!(target: "primacy", "Recording to {} ends here: {why}. The server goes on.", self.name);
        }
    }
}

impl FileSink {
    fn cut(&mut self, why: End) -> Result<Vec<u8>, Full> {
        *lock(&self.shared.cut) = Some(why);
        self.queue = None;
        log::warn!(target: "primacy", "Recording to {} ends here: {why}. The server goes on.", self.name);
        Err(Full)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes block after block until the queue is given up.
fn write(output: impl Output, blocks: &Receiver<Vec<u8>>, shared: &Shared, name: &str) {
    let mut pages = Pages::new(output);
    if let Err(e) = write_all(&mut pages, blocks, shared) {
        let sound = pages.sound();
        log::warn!(
            target: "primacy",
            "Recording to {name} ends here: cannot write behind offset {sound}: {e}. The server goes on."
        );
        pages.end_at_sound(|number| end_block(number, &End::Failed));
    }
}

/// The blocks of the queue until it is given up; then why it was, if it was cut.
fn write_all(pages: &mut Pages<impl Output>, blocks: &Receiver<Vec<u8>>, shared: &Shared) -> io::Result<()> {
    let mut due: Option<Instant> = None;
    loop {
        let next = match due {
            None => blocks.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => blocks.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        match next {
            Ok(mut block) => {
                let result = pages.add(&block, shared.waiting.load(Relaxed) <= BEHIND);
                shared.waiting.fetch_sub(block.len() as u64, Relaxed);
                result?;
                block.clear();
                let mut spare = lock(&shared.spare);
                if spare.len() < SPARE {
                    spare.push(block);
                }
            }
            Err(RecvTimeoutError::Timeout) => pages.flush()?,
            Err(RecvTimeoutError::Disconnected) => break,
        }
        due = (pages.held() > 0).then(|| due.unwrap_or_else(|| Instant::now() + HOLD));
    }
    if let Some(why) = lock(&shared.cut).take() {
        pages.add(&end_block(pages.count(), &why), false)?;
    }
    pages.flush()
}

#[cfg(test)]
mod tests;
