//! `server --record` and `replay`: under load, with a replica, through both kinds of end, and with a damaged file.

use libtest_mimic::Trial;
use primacy_core::ids::ConnId;
use primacy_core::journal::{End, Full, Header, Item, Reader, Readings, Recorder, Sink};
use primacy_core::machine::{Actions, Chunks, Input, Machine};
use primacy_core::node::{Call, Event};
use primacy_core::time::{Instant, Now};
use primacy_tests::peers::on_path;
use primacy_tests::program::Program;
use primacy_tests::server::Server;
use primacy_tests::world::{Needs, World, scenario};
use primacy_tests::{Result, ensure, program, wait};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn all() -> Vec<Trial> {
    vec![
        scenario("record::replays_a_benchmark", LIMIT, needs, |w, file| benchmark(w, &file)),
        scenario("record::ends_at_its_bound", LIMIT, needs, |w, file| bound(w, &file)),
        scenario("record::holds_no_passwords", LIMIT, needs, |w, _| passwords(w)),
    ]
}

/// redis-benchmark, and a server under test that can record.
fn needs() -> Needs<PathBuf> {
    let known = program::under_test().map_err(|e| e.to_string())?;
    if !known.is_primacy() {
        return Err("the server under test is not Primacy".into());
    }
    on_path("redis-benchmark")
}

/// The server under test with `--record FILE` and what comes with it.
fn recording(w: &World, name: &str, more: &[&str]) -> Result<(Program, PathBuf)> {
    let (mut program, file) = (w.primacy()?, w.folder.join(format!("{name}.rec")));
    program.words.extend(["--record".into(), file.to_string_lossy().into_owned()]);
    program.words.extend(more.iter().map(|&m| m.to_owned()));
    Ok((program, file))
}

fn load(benchmark: &Path, s: &Server, tests: &str, more: &[&str]) -> Result<()> {
    let port = s.port.to_string();
    let usual = ["-p", &port, "-t", tests, "-P", "16", "-n", "20000", "-r", "1000", "--csv"];
    let out = Command::new(benchmark).args(usual).args(more).output()?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success() && !text.to_ascii_lowercase().contains("err"), "redis-benchmark: {text}");
    Ok(())
}

/// The exit code of `replay`, and all that it says.
fn replay(w: &World, file: &Path, more: &[&str]) -> Result<(Option<i32>, String)> {
    let out = Command::new(&w.primacy()?.words[0]).arg("replay").arg(file).args(more).output()?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    Ok((out.status.code(), text))
}

/// The number in front of a word.
fn number_before(text: &str, word: &str) -> Option<u64> {
    text.split_once(word)?.0.rsplit(' ').next()?.parse().ok()
}

/// The number behind a word.
fn number_after(text: &str, word: &str) -> Option<u64> {
    let rest = text.split_once(word)?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn benchmark(w: &World, file: &Path) -> Result<()> {
    let ((m, master_file), (r, replica_file)) = (recording(w, "master", &[])?, recording(w, "replica", &[])?);
    let m = w.server("master", &m, &[])?;
    let r = w.server("replica", &r, &[&format!("replicaof 127.0.0.1 {}", m.port)])?;
    wait::link_up(&r)?;
    load(file, &m, "set,get,incr,mset", &[])?;
    wait::offsets_equal(&[&m, &r])?;
    r.kill();
    let status = m.terminate()?;
    ensure!(status.success(), "SIGTERM ended with {status}");
    for (file, end, least) in [(&master_file, "exit code 0", 1000), (&replica_file, "", 100)] {
        let mode = std::fs::metadata(file)?.permissions().mode() & 0o777;
        ensure!(mode == 0o600, "the mode of {} is {mode:o}", file.display());
        let (code, text) = replay(w, file, &[])?;
        ensure!(code == Some(0) && text.contains("the same actions") && text.contains(end), "{code:?}: {text}");
        let inputs = number_before(&text, " inputs over").ok_or_else(|| format!("no number of inputs in: {text}"))?;
        ensure!(inputs > least, "{inputs} inputs: {text}");
    }
    page(w, &master_file)?;
    damaged(w, &master_file)?;
    cut_off(w, &master_file)?;
    another_seed(w, &master_file)
}

fn page(w: &World, file: &Path) -> Result<()> {
    let page = w.folder.join("page.html");
    let (code, text) = replay(w, file, &["--until", "500", "--html", &page.to_string_lossy()])?;
    ensure!(code == Some(0), "--html: {code:?}: {text}");
    let html = std::fs::read_to_string(&page)?;
    for word in ["<!doctype html>", "\"replica :", "\"client :", "Ready to accept connections"] {
        ensure!(html.to_ascii_lowercase().contains(&word.to_ascii_lowercase()), "the page lacks {word}");
    }
    let mode = std::fs::metadata(&page)?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "the mode of the page is {mode:o}");
    // From a later input on: smaller, without what was before, and with what is in both.
    let later = w.folder.join("later.html");
    let arguments = ["--from", "400", "--until", "500", "--html", &later.to_string_lossy()];
    let (code, text) = replay(w, file, &arguments)?;
    ensure!(code == Some(0), "--html with --from: {code:?}: {text}");
    let part = std::fs::read_to_string(&later)?;
    ensure!(
        part.contains("--from 400") && part.contains("\"client :"),
        "the page from input 400 on lacks its title or lanes"
    );
    ensure!(!part.contains("Ready to accept connections"), "the page from input 400 on tells of what was before");
    ensure!(part.len() < html.len(), "{} bytes from input 400 on, {} from the first", part.len(), html.len());
    let before = std::fs::metadata(file)?.len();
    let (code, text) = replay(w, file, &["--html", &file.to_string_lossy()])?;
    ensure!(code == Some(2) && std::fs::metadata(file)?.len() == before, "a page over the recording: {code:?}: {text}");
    Ok(())
}

fn damaged(w: &World, file: &Path) -> Result<()> {
    let (mut bytes, copy) = (std::fs::read(file)?, w.folder.join("damaged.rec"));
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&copy, &bytes)?;
    let (code, text) = replay(w, &copy, &[])?;
    ensure!(code == Some(2), "a flipped byte: {code:?}: {text}");
    let offset = number_after(&text, "offset ").ok_or_else(|| format!("a flipped byte: no offset in: {text}"))?;
    ensure!(offset as usize <= middle, "the byte at {middle} was flipped: {text}");
    let inputs = number_before(&text, " inputs before").ok_or_else(|| format!("no number of inputs in: {text}"))?;
    ensure!(inputs > 0, "nothing before the damage was replayed: {text}");
    Ok(())
}

fn cut_off(w: &World, file: &Path) -> Result<()> {
    let (bytes, copy) = (std::fs::read(file)?, w.folder.join("cut.rec"));
    let middle = bytes.len() / 2;
    std::fs::write(&copy, &bytes[..middle])?;
    let (code, text) = replay(w, &copy, &[])?;
    ensure!(code == Some(0) && text.contains("the same actions"), "half a recording: {code:?}: {text}");
    let offset = number_after(&text, "offset ").ok_or_else(|| format!("half a recording: no offset in: {text}"))?;
    ensure!(offset as usize <= middle, "it was cut at {middle}: {text}");
    Ok(())
}

/// The same inputs for a node of another seed, every checksum right.
fn another_seed(w: &World, file: &Path) -> Result<()> {
    let (bytes, copy) = (std::fs::read(file)?, w.folder.join("other.rec"));
    let mut reader = Reader::<Call>::new();
    reader.feed(&bytes);
    let Some(Item::Header(mut header)) = reader.next()? else { return Err("no header".into()) };
    header.seed[0] ^= 1;
    // The header keeps its length, so that the blocks behind it stay what they are.
    let mut other = first_block(&header)?;
    let rest = bytes.get(other.len()..).ok_or("the recording is too short")?;
    other.extend_from_slice(rest);
    std::fs::write(&copy, &other)?;
    let (code, text) = replay(w, &copy, &[])?;
    ensure!(code == Some(1), "another seed: {code:?}: {text}");
    let input = number_after(&text, "DIFFERS at input ").ok_or_else(|| format!("no number of an input in: {text}"))?;
    ensure!(input > 0 && text.contains("other ") && text.contains("offset "), "{text}");
    ensure!(text.contains(&format!("{} inputs before it are the same", input - 1)), "{text}");
    Ok(())
}

/// What a recording with this header begins with.
fn first_block(header: &Header) -> Result<Vec<u8>> {
    let kept = Arc::new(Mutex::new(Vec::new()));
    drop(Recorder::new(Idle, header, Readings::new(), None, Box::new(First(Arc::clone(&kept))), u64::MAX));
    let block = kept.lock().map_err(|_| "lock")?.clone();
    Ok(block)
}

struct First(Arc<Mutex<Vec<u8>>>);

impl Sink for First {
    fn block(&mut self, block: Vec<u8>) -> Result<Vec<u8>, Full> {
        self.0.lock().map_err(|_| Full)?.extend_from_slice(&block);
        Ok(Vec::new())
    }

    fn end(&mut self, _: Vec<u8>, _: End) {}
}

/// A machine that is told nothing.
struct Idle;

impl Machine for Idle {
    type Call = Call;
    type Event = Event;
    fn handle(&mut self, _: Now, _: Input<'_, Call>, _: &mut Actions<Event>) {}
    fn deadline(&self) -> Option<Instant> {
        None
    }
    fn transmit(&mut self, _: ConnId, _: usize, _: &mut Chunks) {}
}

/// The recording ends where it must, says so, and is sound; the node goes on.
fn bound(w: &World, file: &Path) -> Result<()> {
    let (program, path) = recording(w, "bound", &["--record-max", "1mb"])?;
    let s = w.server("server", &program, &[])?;
    load(file, &s, "set", &["-d", "300"])?;
    wait::until(Duration::from_secs(10), "the log says that the recording ended", || {
        Ok(s.logged(&["ends here: the recording reached its bound of 1048576 bytes"]) == 1)
    })?;
    ensure!(s.client()?.text("PING")? == "PONG", "the node does not go on");
    load(file, &s, "set", &[])?;
    let len = std::fs::metadata(&path)?.len();
    ensure!((900_000..=1 << 20).contains(&len), "the recording has {len} bytes");
    let (code, text) = replay(w, &path, &[])?;
    ensure!(code == Some(0) && text.contains("reached its bound"), "{code:?}: {text}");
    Ok(())
}

/// Passwords of every kind, none of which is in the recording, and a replay that decides about each as the server did.
fn passwords(w: &World) -> Result<()> {
    let (program, path) = recording(w, "masked", &[])?;
    let s = w.server("server", &program, &["user bob on >bob-secret ~* +@all", "masterauth link-secret"])?;
    let mut c = s.client()?;
    let said = [
        (&["AUTH", "bob", "wrong-secret"][..], "WRONGPASS"),
        (&["AUTH", "bob", "bob-secret"], "OK"),
        (&["ACL", "SETUSER", "ann", "on", ">ann-secret", "+@all"], "OK"),
        (&["CONFIG", "SET", "masterauth", "other-secret"], "OK"),
        (&["CONFIG", "GET", "masterauth"], ""),
        (&["ACL", "LIST"], ""),
        (&["CONFIG", "REWRITE"], "OK"),
        (&["AUTH", "ann", "ann-secret"], "OK"),
        (&["CONFIG", "SET", "requirepass", "last-secret"], "OK"),
        (&["AUTH", "last-secret"], "OK"),
        (&["SHUTDOWN", "NOSAVE"], ""),
    ];
    for (words, expected) in said {
        let answer = c.ask(words);
        if !expected.is_empty() {
            let answer = answer?.text();
            ensure!(answer.contains(expected), "{words:?}: {answer}");
        }
    }
    let status = s.wait_end(LIMIT)?;
    ensure!(status.success(), "SHUTDOWN ended with {status}");
    let bytes = std::fs::read(&path)?;
    ensure!(!bytes.windows(7).any(|part| part == b"-secret"), "a password is in the recording");
    let (code, text) = replay(w, &path, &["--print"])?;
    ensure!(code == Some(0) && text.contains("the same actions"), "{code:?}: {text}");
    ensure!(!text.contains("-secret"), "a password is shown: {text}");
    Ok(())
}
