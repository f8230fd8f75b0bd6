//! The program `server`, started as a user starts it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::{NAME, PROGRAM};

/// A fresh folder for one test, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("primacy-program-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn run(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).stdin(Stdio::null()).output().unwrap()
}

/// A server in the foreground, ended with the test.
struct Server {
    child: Child,
    log: BufReader<std::process::ChildStdout>,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stdout.take().unwrap());
        Self { child, log }
    }

    /// The next line with `words` in it.
    fn line(&mut self, words: &str) -> String {
        let mut line = String::new();
        while self.log.read_line(&mut line).unwrap() > 0 {
            if line.contains(words) {
                return line;
            }
            line.clear();
        }
        panic!("the log ended without {words:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The answer to PING, once the server has looked for its snapshot.
fn ping(port: u16) -> String {
    loop {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(b"PING\r\n").unwrap();
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).unwrap();
        if &answer != b"-LOADIN" {
            return String::from_utf8_lossy(&answer).into_owned();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn help_and_versions_are_told() {
    for args in [&["--help"][..], &["server", "--help"], &["rdb", "--help"]] {
        let out = run(args);
        assert!(out.status.success() && String::from_utf8_lossy(&out.stdout).contains("Usage:"), "{args:?}");
    }
    let version = run(&["--version"]).stdout;
    assert!(version.starts_with(format!("{NAME} ").as_bytes()), "{}", String::from_utf8_lossy(&version));
    assert_eq!(run(&["no-such-command"]).status.code(), Some(2));
}

#[test]
fn a_wrong_configuration_is_told_with_its_place() {
    let folder = Folder::new("wrong");
    let file = folder.0.join("redis.conf");
    std::fs::write(&file, "# fine\nport abc\n").unwrap();
    let out = run(&["server", file.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1));
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(text.contains("FATAL CONFIG FILE ERROR") && text.contains("line 2"), "{text}");
    let out = run(&["server", "/no/such/file"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("can't open config file '/no/such/file'"));
}

#[test]
fn dumps_are_looked_into() {
    let folder = Folder::new("dump");
    let (sound, broken) = (folder.0.join("sound.rdb"), folder.0.join("broken.rdb"));
    // SET k 12 PXAT 4102444800000 behind SADD s 1 2 70000, and the checksum.
    let dump = b"REDIS0009\xfe\x00\xfb\x02\x01\x0b\x01s\x14\x04\x00\x00\x00\x03\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x70\x11\x01\x00\
        \xfc\x00\xd8\xc3\x2c\xbb\x03\x00\x00\x00\x01k\xc0\x0c\xff\xdf\x47\x21\x05\xc4\xca\xe4\x8e";
    std::fs::write(&sound, dump).unwrap();
    let mut flipped = dump.to_vec();
    flipped[35] ^= 1;
    std::fs::write(&broken, flipped).unwrap();
    let (sound, broken) = (sound.to_str().unwrap(), broken.to_str().unwrap());

    let out = run(&["rdb", sound, "--format", "jsonl"]);
    let expected = concat!(
        r#"{"db":0,"key":"s","type":"set","expire_at_ms":null,"value":["1","2","70000"]}"#,
        "\n",
        r#"{"db":0,"key":"k","type":"string","expire_at_ms":4102444800000,"value":"12"}"#,
        "\n",
    );
    assert_eq!((out.status.code(), String::from_utf8_lossy(&out.stdout).as_ref()), (Some(0), expected));
    assert!(out.stderr.is_empty(), "no progress where nobody looks");

    let out = run(&["rdb", broken, "--check"]);
    let words = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(1) && words.contains("wrong checksum at offset 53"), "{words}");
    assert!(out.stdout.is_empty());
    for args in [&["rdb"][..], &["rdb", sound, "--format", "xml"], &["rdb", "/no/such/file"]] {
        let out = run(args);
        assert!(out.status.code() == Some(2) && !out.stderr.is_empty(), "{args:?}");
    }

    // From standard input.
    let mut child = Command::new(PROGRAM)
        .args(["rdb", "-", "--check"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(dump).unwrap();
    let out = child.wait_with_output().unwrap();
    let line = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && line.starts_with("standard input: sound, 2 keys, 61 B, checksum right"), "{line}");
}

#[test]
fn a_server_serves_logs_and_ends_in_order() {
    let folder = Folder::new("serve");
    let (port, dir) = (free_port(), folder.0.to_str().unwrap());
    let name = folder.0.join("some-server");
    std::os::unix::fs::symlink(PROGRAM, &name).unwrap();
    // Under a name that ends in `-server`, with directives from standard input.
    let mut server = Server::start(Command::new(&name).args(["-", "--dir", dir, "--save", ""]));
    let mut stdin = server.child.stdin.take().unwrap();
    write!(stdin, "port {port}\nbind 127.0.0.1\npidfile node.pid\n").unwrap();
    drop(stdin);
    let ready = server.line("Ready to accept connections");
    let pid = server.child.id();
    assert!(ready.starts_with(&format!("{pid}:M ")) && ready.contains(" * Ready"), "{ready}");
    assert_eq!(ping(port), "+PONG\r\n");
    let pidfile = folder.0.join("node.pid");
    assert_eq!(std::fs::read_to_string(&pidfile).unwrap(), format!("{pid}\n"));

    let port_text = port.to_string();
    let second = run(&["server", "--port", &port_text, "--bind", "127.0.0.1", "--dir", dir, "--pidfile", "node.pid"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stdout).contains(&format!("Failed listening on port {port}")));
    assert!(pidfile.exists(), "a second server does not touch the first one's pid file");

    kill_process(Pid::from_child(&server.child), Signal::TERM).unwrap();
    server.line("bye bye");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert!(!pidfile.exists());
}

/// Ends a daemon, which is nobody's child, and waits until it is gone.
fn end_daemon(pidfile: &Path) {
    let pid = std::fs::read_to_string(pidfile).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
    while pidfile.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_daemon_is_up_when_its_starter_ends() {
    let folder = Folder::new("daemon");
    let (port, dir) = (free_port(), folder.0.to_str().unwrap());
    let port_text = port.to_string();
    let args = ["server", "--port", &port_text, "--bind", "127.0.0.1", "--dir", dir, "--save", ""];
    let more = ["--daemonize", "yes", "--pidfile", "d.pid", "--logfile", "d.log"];
    let out = run(&[&args[..], &more].concat());
    assert_eq!(out.status.code(), Some(0));
    assert!(out.stdout.is_empty() && out.stderr.is_empty(), "the starter prints nothing: {out:?}");
    assert_eq!(ping(port), "+PONG\r\n");
    let busy = run(&[&args[..], &more].concat());
    assert_eq!(busy.status.code(), Some(1), "a daemon that cannot listen is no success");
    end_daemon(&folder.0.join("d.pid"));
    assert!(std::fs::read_to_string(folder.0.join("d.log")).unwrap().contains("Ready to accept connections"));
}
