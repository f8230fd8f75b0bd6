use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// A fresh folder for one test, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("primacy-files-{}-{n}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> Path {
        self.0.join(name).to_str().unwrap().into()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn append(file: &Path, at: u64, pieces: &[&'static str]) -> Job {
    let bytes = pieces.iter().map(|p| Bytes::from_static(p.as_bytes())).collect();
    Job::Append { file: file.clone(), at, bytes, sync: false }
}

fn read(desk: &mut Desk, file: &Path, at: u64, len: usize) -> Bytes {
    match desk.carry_out(Job::Read { file: file.clone(), at, len }) {
        Ok(Outcome::Read(bytes)) => bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_written_in_pieces_takes_the_place_of_another() {
    let folder = Folder::new();
    let (temp, to) = (folder.path("temp.rdb"), folder.path("dump.rdb"));
    fs::write(&*to, "old").unwrap();
    let mut desk = Desk::default();
    desk.carry_out(append(&temp, 0, &["", "one ", "", "two "])).unwrap();
    desk.carry_out(append(&temp, 8, &["three"])).unwrap();
    assert_eq!(read(&mut desk, &to, 0, 100), "old");
    desk.carry_out(Job::Commit { file: temp.clone(), to: to.clone() }).unwrap();
    assert_eq!(read(&mut desk, &to, 0, 3), "one");
    assert_eq!(read(&mut desk, &to, 4, 100), "two three");
    assert!(matches!(desk.carry_out(Job::Stat { file: temp }), Ok(Outcome::Stat(None))));
    assert!(matches!(desk.carry_out(Job::Stat { file: to }), Ok(Outcome::Stat(Some(13)))));
    assert!(desk.writing.is_empty(), "a commit closes its file");
}

#[test]
fn a_program_is_what_may_be_run() {
    let folder = Folder::new();
    let (script, text, nothing) = (folder.path("script"), folder.path("text"), folder.path("nothing"));
    fs::write(&*script, "#!/bin/sh\n").unwrap();
    fs::write(&*text, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&*script, fs::Permissions::from_mode(0o755)).unwrap();
    let find = |program| Desk::default().carry_out(Job::FindProgram { program });
    assert!(matches!(find(script), Ok(Outcome::Stat(Some(10)))));
    for other in [text, nothing, "/".into()] {
        assert!(matches!(find(other), Ok(Outcome::Stat(None))));
    }
}

#[test]
fn appending_goes_on_after_the_handle_was_closed_and_refuses_a_wrong_place() {
    let folder = Folder::new();
    let file = folder.path("state");
    let mut desk = Desk::default();
    desk.carry_out(append(&file, 0, &["abc"])).unwrap();
    desk.close_all();
    desk.carry_out(append(&file, 3, &["def"])).unwrap();
    let error = desk.carry_out(append(&file, 4, &["x"])).unwrap_err();
    assert!(error.message.contains("6 bytes long"), "{error}");
    desk.carry_out(append(&file, 6, &["g"])).unwrap();
    assert_eq!(fs::read_to_string(&*file).unwrap(), "abcdefg");
    desk.carry_out(append(&file, 0, &["new"])).unwrap();
    assert_eq!(fs::read_to_string(&*file).unwrap(), "new");
}

#[test]
fn replace_keeps_permissions_and_leaves_nothing_beside() {
    let folder = Folder::new();
    let file = folder.path("redis.conf");
    fs::write(&*file, "port 1").unwrap();
    fs::set_permissions(&*file, fs::Permissions::from_mode(0o600)).unwrap();
    let mut desk = Desk::default();
    desk.carry_out(Job::Replace { file: file.clone(), bytes: Bytes::from_static(b"port 2") }).unwrap();
    assert_eq!(fs::read_to_string(&*file).unwrap(), "port 2");
    assert_eq!(fs::metadata(&*file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[test]
fn errors_name_the_file_and_what_to_do() {
    let folder = Folder::new();
    let file = folder.path("no/such/file");
    let mut desk = Desk::default();
    let jobs = [
        Job::Read { file: file.clone(), at: 0, len: 1 },
        append(&file, 0, &["x"]),
        Job::Commit { file: file.clone(), to: folder.path("b") },
        Job::Replace { file: file.clone(), bytes: Bytes::new() },
    ];
    for job in jobs {
        let error = desk.carry_out(job).unwrap_err();
        assert_eq!(error.kind, JobErrorKind::NotFound);
        assert!(error.message.contains("no/such/file") && error.message.contains("check that"), "{error}");
    }
    desk.carry_out(Job::Remove { file }).unwrap();
}

#[test]
fn jobs_finish_in_order_and_every_one_is_answered() {
    let folder = Folder::new();
    let file = folder.path("log");
    let (tx, done) = channel();
    let tx = Mutex::new(tx);
    let mut files = Files::new(Arc::new(move |c| tx.lock().unwrap().send(c).unwrap())).unwrap();
    for n in 0..200 {
        files.start(OpId::from_u64(n), append(&file, n, &["x"]));
    }
    files.start(OpId::from_u64(200), Job::Stat { file: file.clone() });
    files.cancel(OpId::from_u64(200));
    files.shut_down();
    let mut next = 0;
    for completion in &done {
        let Completion::Done { op, result } = completion else { panic!("{completion:?}") };
        assert_eq!(op, OpId::from_u64(next));
        match result {
            Outcome::Written if next < 200 => {}
            Outcome::Cancelled | Outcome::Stat(Some(200)) if next == 200 => {}
            other => panic!("{next}: {other:?}"),
        }
        next += 1;
    }
    assert_eq!(next, 201);
    assert_eq!(fs::metadata(&*file).unwrap().len(), 200);
}

#[test]
fn what_is_in_memory_is_read_without_the_worker() {
    let folder = Folder::new();
    let file = folder.path("dump.rdb");
    let content: Vec<u8> = (0..=255).cycle().take(2500).collect();
    fs::write(&*file, &content).unwrap();
    let mut desk = Desk::default();
    let mut near = Near::new(Arc::clone(&desk.reading));
    assert_eq!(near.read(&file, 1000, 1000), None, "nobody has opened it");
    assert_eq!(read(&mut desk, &file, 0, 1000), content[..1000]);
    assert_eq!(near.read(&file, 0, 1000), None, "it may have been replaced since");
    // A file system that cannot tell what is in memory leaves all to the worker.
    let Some(second) = near.read(&file, 1000, 1000) else { return };
    let last = near.read(&file, 2000, 1000).expect("it is in memory like the piece before");
    assert_eq!((&second[..], &last[..]), (&content[1000..2000], &content[2000..]), "a piece in use stays as it is");
    assert_eq!(near.read(&file, 2500, 1000), None, "the end is the worker's to tell");
    assert!(lock(&desk.reading).is_empty(), "the last piece closes the file");
}
