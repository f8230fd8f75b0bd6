//! Recordings as files: written by a thread of their own behind a bounded queue, so that the loop never waits.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use primacy_core::journal::{End, Full, Sink, end_block};

/// Bytes that may wait to be written. When the disk falls further behind, the recording ends; the node goes on.
pub const QUEUE_BYTES: u64 = 64 << 20;
/// The bound of a recording's file in bytes, if none is given.
pub const DEFAULT_MAX: u64 = 1 << 30;
/// Only its owner may read it: it holds all data.
const MODE: u32 = 0o600;
/// Empty buffers that are kept to be filled again.
const SPARE: usize = 4;

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

/// What a recording is written to.
trait Output: Write + Send + 'static {
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

impl Output for File {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)?;
        io::Seek::seek(self, io::SeekFrom::Start(len)).map(drop)
    }
}

/// Writes block after block until the queue is given up.
fn write(mut file: impl Output, blocks: &Receiver<Vec<u8>>, shared: &Shared, name: &str) {
    let (mut number, mut sound) = (0, 0);
    for mut block in blocks {
        let result = file.write_all(&block);
        shared.waiting.fetch_sub(block.len() as u64, Relaxed);
        if let Err(e) = result {
            log::warn!(
                target: "primacy",
                "Recording to {name} ends here: cannot write at offset {sound}: {e}. The server goes on."
            );
            // What is whole stays whole. There may be room for the end where there was none for the block.
            if file.truncate(sound).is_ok() {
                let _ = file.write_all(&end_block(number, &End::Failed));
            }
            return;
        }
        sound += block.len() as u64;
        number += 1;
        block.clear();
        let mut spare = lock(&shared.spare);
        if spare.len() < SPARE {
            spare.push(block);
        }
    }
    if let Some(why) = lock(&shared.cut).take() {
        let _ = file.write_all(&end_block(number, &why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A disk that takes blocks when it is let, and is full at some length.
    struct Disk {
        let_go: Receiver<()>,
        content: Arc<Mutex<Vec<u8>>>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.let_go.recv(); // An end lets all go.
            let mut content = self.content.lock().unwrap();
            let n = bytes.len().min(self.room - content.len());
            content.extend(&bytes[..n]);
            if n == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(n) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Output for Disk {
        fn truncate(&mut self, len: u64) -> io::Result<()> {
            self.content.lock().unwrap().truncate(len as usize);
            Ok(())
        }
    }

    fn disk(room: usize) -> (Disk, Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let (go, let_go) = channel();
        let content = Arc::default();
        (Disk { let_go, content: Arc::clone(&content), room }, go, content)
    }

    #[test]
    fn a_slow_disk_ends_the_recording_and_never_the_loop() {
        let (disk, go, content) = disk(1 << 30);
        let (mut sink, writer) = start(disk, "test".into(), 1000).unwrap();
        let mut taken = 0;
        while sink.block(vec![taken; 300]).is_ok() {
            taken += 1;
        }
        assert_eq!(taken, 3, "the bound of the queue");
        assert_eq!(sink.block(vec![9]), Err(Full));
        drop((sink, go));
        drop(writer);
        let content = content.lock().unwrap();
        assert_eq!(content[..900], [[0; 300], [1; 300], [2; 300]].concat());
        assert_eq!(content[900..], end_block(3, &End::Slow { waiting: 900 }));
    }

    #[test]
    fn a_full_disk_leaves_whole_blocks_and_an_end() {
        let (disk, go, content) = disk(1000);
        drop(go);
        let (mut sink, writer) = start(disk, "test".into(), 1 << 20).unwrap();
        for n in 0..4 {
            let _ = sink.block(vec![n; 300]);
        }
        drop(sink);
        drop(writer);
        let content = content.lock().unwrap();
        assert_eq!(content[..900], [[0; 300], [1; 300], [2; 300]].concat());
        assert_eq!(content[900..], end_block(3, &End::Failed));
    }

    #[test]
    fn a_file_is_its_owners_and_the_one_before_is_kept() {
        let folder = std::env::temp_dir().join(format!("primacy-record-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("r");
        for text in [b"first", b"again"] {
            let (mut sink, writer) = create(&path).unwrap();
            sink.block(text.to_vec()).unwrap();
            sink.end(b".".to_vec(), End::Dropped);
            drop((sink, writer));
        }
        assert_eq!(fs::read(&path).unwrap(), b"again.");
        assert_eq!(fs::read(folder.join("r.1")).unwrap(), b"first.");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_dir_all(folder).unwrap();
    }
}
