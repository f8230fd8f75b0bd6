use std::os::unix::fs::PermissionsExt;

use quickcheck::quickcheck;

use super::pages::BUFFER;
use super::*;

/// A disk that takes writes when it is let, is full at some length, and is strict about writes that pass the cache.
struct Disk {
    let_go: Receiver<()>,
    wrote: Sender<()>,
    content: Arc<Mutex<Vec<u8>>>,
    room: usize,
    /// The most it takes in one go.
    most: usize,
    /// What it does when it is asked to pass the cache.
    passes: Passes,
    passing: bool,
    /// Bytes that passed the cache.
    passed: Arc<AtomicU64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Passes {
    Never,
    /// Takes the flag and no write.
    OnlySays,
    Yes,
}

impl Output for Disk {
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<usize> {
        let _ = self.let_go.recv(); // An end lets all go.
        if self.passing {
            let aligned = [bytes.as_ptr().addr(), bytes.len(), at as usize].iter().all(|n| n.is_multiple_of(4096));
            assert!(aligned, "{} bytes at {at}", bytes.len());
            if self.passes == Passes::OnlySays {
                return Err(io::ErrorKind::InvalidInput.into());
            }
        }
        let mut content = self.content.lock().unwrap();
        assert_eq!(content.len() as u64, at, "in order");
        let n = bytes.len().min(self.room - content.len()).min(self.most);
        content.extend(&bytes[..n]);
        if self.passing {
            self.passed.fetch_add(n as u64, Relaxed);
        }
        let _ = self.wrote.send(()); // Most tests do not listen.
        if n == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(n) }
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.content.lock().unwrap().truncate(len as usize);
        Ok(())
    }

    fn pass_cache(&mut self, on: bool) -> bool {
        if on && self.passes == Passes::Never {
            return false;
        }
        self.passing = on;
        true
    }
}

/// A disk, what lets it go, what tells that it wrote, and what is on it.
type Made = (Disk, Sender<()>, Receiver<()>, Arc<Mutex<Vec<u8>>>);

fn disk(room: usize, passes: Passes) -> Made {
    let ((go, let_go), (wrote, told)) = (channel(), channel());
    let (content, passed) = (Arc::default(), Arc::default());
    let disk = Disk { let_go, wrote, content: Arc::clone(&content), room, most: room, passes, passing: false, passed };
    (disk, go, told, content)
}

#[test]
fn a_slow_disk_ends_the_recording_and_never_the_loop() {
    let (disk, go, _told, content) = disk(1 << 30, Passes::Yes);
    let most = 3 * BUFFER as u64 + 5;
    let (mut sink, writer) = start(disk, "test".into(), most).unwrap();
    let mut taken = 0;
    while sink.block(vec![taken; BUFFER]).is_ok() {
        taken += 1;
    }
    assert_eq!(taken, 3, "the bound of the queue");
    assert_eq!(sink.block(vec![9]), Err(Full));
    drop((sink, go));
    drop(writer);
    let content = content.lock().unwrap();
    assert!(content[..3 * BUFFER] == [vec![0; BUFFER], vec![1; BUFFER], vec![2; BUFFER]].concat());
    assert_eq!(content[3 * BUFFER..], end_block(3, &End::Slow { waiting: 3 * BUFFER as u64 }));
}

#[test]
fn a_full_disk_leaves_whole_blocks_and_an_end() {
    // The disk is full in the middle of a write of many blocks, at the end and in full buffers; and of one large block.
    for (room, size, whole) in [(1000, 300, 3), (2 * BUFFER + 4096, 300_000, 7), (BUFFER + 9, 3 * BUFFER, 0)] {
        let (disk, go, _told, content) = disk(room, Passes::Yes);
        drop(go);
        let (mut sink, writer) = start(disk, "test".into(), 1 << 30).unwrap();
        for n in 0..20 {
            let _ = sink.block(vec![n; size]);
        }
        drop(sink);
        drop(writer);
        let content = content.lock().unwrap();
        for n in 0..whole {
            assert!(content[n * size..][..size].iter().all(|b| *b == n as u8), "block {n} of {size} bytes");
        }
        assert_eq!(content[whole * size..], end_block(whole as u32, &End::Failed));
    }
}

#[test]
fn a_block_alone_is_soon_in_the_file() {
    let (disk, go, told, content) = disk(1 << 30, Passes::Yes);
    drop(go);
    let (mut sink, writer) = start(disk, "test".into(), 1 << 20).unwrap();
    for n in 1..=2 {
        sink.block(vec![n; 300]).unwrap();
        told.recv().unwrap(); // For ever, if it waited for more to come.
        assert_eq!(content.lock().unwrap().len(), 300 * usize::from(n));
    }
    drop((sink, writer));
}

quickcheck! {
    fn any_blocks_make_the_same_file(sizes: Vec<u16>, most: u32, passes: u8, flushes: Vec<bool>) -> bool {
        let passes = [Passes::Never, Passes::OnlySays, Passes::Yes][usize::from(passes % 3)];
        let (mut disk, go, _told, content) = disk(1 << 30, passes);
        drop(go);
        disk.most = most as usize % (2 * BUFFER) + 4096;
        let passed = Arc::clone(&disk.passed);
        let (short, mut flushed) = (disk.most < BUFFER, false);
        let (mut pages, mut all) = (Pages::new(disk), Vec::new());
        for (n, size) in sizes.iter().enumerate() {
            let block = vec![n as u8; usize::from(*size) * 5];
            pages.add(&block, true).unwrap();
            all.extend(block);
            if flushes.get(n) == Some(&true) {
                pages.flush().unwrap();
                flushed = true;
                assert_eq!((pages.held(), pages.sound()), (0, all.len() as u64));
            }
        }
        pages.flush().unwrap();
        let passed = passed.load(Relaxed) as usize;
        let expected = if passes == Passes::Yes { all.len() / BUFFER * BUFFER } else { 0 };
        pages.count() as usize == sizes.len()
            && *content.lock().unwrap() == all
            && (passed == expected || passed < expected && (short || flushed))
    }
}

#[test]
fn a_file_is_its_owners_and_the_one_before_is_kept() {
    let folder = std::env::temp_dir().join(format!("primacy-record-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("r");
    for text in [b"first", b"again"] {
        let (mut sink, writer) = create(&path).unwrap();
        // Enough for writes that pass the cache, if the file system can.
        (0..20).for_each(|_| drop(sink.block(text.repeat(50_001)).unwrap()));
        sink.end(b".".to_vec(), End::Dropped);
        drop((sink, writer));
    }
    assert!(fs::read(&path).unwrap() == [b"again".repeat(1_000_020), b".".to_vec()].concat());
    assert!(fs::read(folder.join("r.1")).unwrap() == [b"first".repeat(1_000_020), b".".to_vec()].concat());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::remove_dir_all(folder).unwrap();
}
