//! Bad bytes from clients and from masters: a clear error where the protocol has one, a closed connection, and nothing
//! else touched.

use libtest_mimic::Trial;
use primacy_tests::fake::{Act, FakeMaster, ID};
use primacy_tests::resp::{Client, Value, encode};
use primacy_tests::server::Server;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, fill, wait};
use std::net::UdpSocket;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(150);
const CLOSES: Duration = Duration::from_secs(10);

pub(crate) fn all() -> Vec<Trial> {
    vec![
        scenario("bad_input::frames", LIMIT, || Ok(()), |w, ()| frames(w)),
        scenario("bad_input::frames_in_random_pieces", LIMIT, || Ok(()), |w, ()| pieces(w)),
        scenario("bad_input::before_authentication", LIMIT, || Ok(()), |w, ()| unauthenticated(w)),
        scenario("bad_input::protected_mode", LIMIT, own_address, |w, address| protected(w, &address)),
        scenario("bad_input::replica_commands", LIMIT, || Ok(()), |w, ()| replica_commands(w)),
        scenario("bad_input::half_handshakes_of_a_master", LIMIT, || Ok(()), |w, ()| half_handshakes(w)),
        scenario("bad_input::broken_snapshots_of_a_master", LIMIT, || Ok(()), |w, ()| broken_snapshots(w)),
        scenario("bad_input::broken_stream_of_a_master", LIMIT, || Ok(()), |w, ()| broken_stream(w)),
        scenario("bad_input::broken_file_at_start", LIMIT, || Ok(()), |w, ()| broken_file(w)),
    ]
}

/// Sends bytes on a connection of their own, and wants this error and a closed connection.
fn refused(s: &Server, bytes: &[u8], error: &str) -> Result<()> {
    let mut c = s.client()?;
    // The peer may close before it read all of it.
    c.send_raw(bytes).ok();
    let head = bytes[..bytes.len().min(40)].escape_ascii().to_string();
    let said = c.expect_close(CLOSES).map_err(|e| format!("after \"{head}\": {e}"))?;
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(said.contains(error), "after \"{head}\": \"{said}\" instead of \"{error}\"");
    Ok(())
}

fn malformed() -> Vec<(Vec<u8>, &'static str)> {
    vec![
        (b"*abc\r\n".to_vec(), "-ERR Protocol error: invalid multibulk length"),
        (b"*99999999999\r\n".to_vec(), "-ERR Protocol error: invalid multibulk length"),
        (b"*9223372036854775808\r\n".to_vec(), "-ERR Protocol error: invalid multibulk length"),
        (b"*1\r\nxyz\r\n".to_vec(), "-ERR Protocol error: expected '$', got 'x'"),
        (b"*1\r\n$abc\r\n".to_vec(), "-ERR Protocol error: invalid bulk length"),
        (b"*1\r\n$-1\r\n".to_vec(), "-ERR Protocol error: invalid bulk length"),
        (b"*1\r\n$536870913\r\n".to_vec(), "-ERR Protocol error: invalid bulk length"),
        (b"*2\r\n$3\r\nGET\r\n$99999999999999999999\r\n".to_vec(), "-ERR Protocol error: invalid bulk length"),
        (b"SET k \"open\r\n".to_vec(), "-ERR Protocol error: unbalanced quotes in request"),
        (b"SET k \"a\"b\r\n".to_vec(), "-ERR Protocol error: unbalanced quotes in request"),
        (vec![b'x'; 70_000], "-ERR Protocol error: too big inline request"),
        ([b"*".to_vec(), vec![b'1'; 70_000]].concat(), "-ERR Protocol error: too big mbulk count string"),
        ([b"*1\r\n$".to_vec(), vec![b'1'; 70_000]].concat(), "-ERR Protocol error: too big bulk count string"),
    ]
}

fn frames(w: &World) -> Result<()> {
    let mut rng = w.rng();
    let s = w.server("server", &w.primacy()?, &[])?;
    fill::keys(s.port, 1_000, &mut rng)?;
    s.client()?.run("DEBUG SET-ACTIVE-EXPIRE 0")?;
    let before = wait::digest(&s)?;
    let mut other = s.client()?;
    for (bytes, error) in malformed() {
        refused(&s, &bytes, error)?;
        // What came before the bad bytes is still answered, once.
        let mut c = s.client()?;
        c.send_raw(&[b"PING\r\n".as_slice(), &bytes].concat()).ok();
        let said = c.expect_close(CLOSES)?;
        ensure!(said.starts_with(b"+PONG\r\n-ERR"), "PING and bad bytes: \"{}\"", said.escape_ascii());
        ensure!(other.run("PING")? == Value::Simple("PONG".into()), "another client is disturbed");
    }
    // Half a frame and gone; and nothing at all.
    for bytes in ["", "*", "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\nhalf", "PIN", "\r\n\r\n"] {
        s.client()?.send_raw(bytes.as_bytes())?;
    }
    // Empty frames are passed over.
    let mut c = s.client()?;
    c.send_raw(b"\r\n*0\r\n*-1\r\n   \r\nPING\r\n")?;
    ensure!(c.read()? == Value::Simple("PONG".into()), "empty frames before PING");
    wait::until(
        CLOSES,
        "the closed connections are gone",
        || Ok(other.info_num("clients", "connected_clients")? <= 2),
    )?;
    ensure!(wait::digest(&s)? == before, "the dataset changed");
    Ok(())
}

/// Any split of the bytes gives the same replies.
fn pieces(w: &World) -> Result<()> {
    let mut rng = w.rng();
    let s = w.server("server", &w.primacy()?, &[])?;
    let big = rng.bytes(200_000);
    let mut bytes = Vec::new();
    encode(&mut bytes, &[b"SET".as_slice(), b"k", &big]);
    bytes.extend_from_slice(b"STRLEN k\r\n");
    encode(&mut bytes, &["GETRANGE", "k", "0", "3"]);
    bytes.extend_from_slice(b"SET q \"a\\x00b\"\r\nSTRLEN q\r\n");
    for _ in 0..20 {
        let mut c = s.client()?;
        let mut at = 0;
        while at < bytes.len() {
            let most = *rng.pick(&[1, 2, 7, 100, 70_000]);
            // Byte by byte only where a frame's head can be cut: the long value would take for ever.
            let len = if (100..200_000).contains(&at) { 65_536.max(most) } else { 1 + rng.below(most) };
            let to = bytes.len().min(at + len as usize);
            c.send_raw(&bytes[at..to])?;
            at = to;
            if rng.one_in(4) {
                std::thread::sleep(Duration::from_micros(300));
            }
        }
        let got: Vec<String> = (0..5).map(|_| c.read().map(|v| format!("{v:?}"))).collect::<Result<_>>()?;
        let want =
            ["+OK".into(), ":200000".into(), format!("\"{}\"", big[..4].escape_ascii()), "+OK".into(), ":3".into()];
        ensure!(got == want, "in pieces: {got:?}");
    }
    Ok(())
}

fn unauthenticated(w: &World) -> Result<()> {
    let s = w.server("server", &w.primacy()?, &["requirepass secret"])?;
    refused(&s, b"*11\r\n", "-ERR Protocol error: unauthenticated multibulk length")?;
    refused(&s, b"*2\r\n$4\r\nAUTH\r\n$16385\r\n", "-ERR Protocol error: unauthenticated bulk length")?;
    let mut c = s.client()?;
    for line in [
        "GET k",
        "SET k v",
        "INFO",
        "CONFIG GET *",
        "PSYNC ? -1",
        "SYNC",
        "REPLCONF capa eof",
        "DEBUG SLEEP 0",
        "SHUTDOWN",
    ] {
        let reply = c.ask(&primacy_tests::resp::words(line))?;
        ensure!(reply == Value::Error("NOAUTH Authentication required.".into()), "{line}: {reply:?}");
    }
    let wrong = c.ask(&["AUTH", "wrong"])?;
    ensure!(wrong.text() == "WRONGPASS invalid username-password pair or user is disabled.", "AUTH wrong: {wrong:?}");
    let hello = c.ask(&["HELLO", "3"])?;
    ensure!(hello.text().starts_with("NOAUTH HELLO must be called"), "HELLO 3: {hello:?}");
    c.run("HELLO 3 AUTH default secret")?;
    c.run("SET k v")?;
    let many: Vec<String> = std::iter::once("DEL".to_owned()).chain((0..50).map(|i| i.to_string())).collect();
    ensure!(c.ask(&many)? == Value::Int(0), "the bounds stay after authentication");
    c.run("RESET")?;
    let reply = c.ask(&["GET", "k"])?;
    ensure!(reply.text().starts_with("NOAUTH"), "after RESET: {reply:?}");
    Ok(())
}

/// An address of this machine that is not loopback.
fn own_address() -> Result<String, String> {
    let socket = UdpSocket::bind("0.0.0.0:0").map_err(|e| e.to_string())?;
    // A datagram socket sends nothing when it connects: this only asks the routing table.
    socket.connect("192.0.2.1:9").map_err(|e| format!("this machine has no address but loopback: {e}"))?;
    let address = socket.local_addr().map_err(|e| e.to_string())?.ip();
    if address.is_loopback() || address.is_unspecified() {
        return Err("this machine has no address but loopback".into());
    }
    Ok(address.to_string())
}

fn protected(w: &World, address: &str) -> Result<()> {
    let s = w.server("server", &w.primacy()?, &[&format!("bind 127.0.0.1 {address}"), "protected-mode yes"])?;
    let mut c = Client::connect_to(address, s.port)?;
    let said = c.expect_close(CLOSES)?;
    ensure!(said.starts_with(b"-DENIED "), "from outside: \"{}\"", said.escape_ascii());
    ensure!(s.client()?.text("PING")? == "PONG", "from inside");
    s.client()?.run("CONFIG SET protected-mode no")?;
    ensure!(Client::connect_to(address, s.port)?.text("PING")? == "PONG", "protected-mode no");
    s.client()?.run("CONFIG SET protected-mode yes requirepass secret")?;
    let reply = Client::connect_to(address, s.port)?.ask(&["PING"])?;
    ensure!(reply.text().starts_with("NOAUTH"), "with a password: {reply:?}");
    Ok(())
}

/// What a replica, or somebody who plays one, may get wrong.
fn replica_commands(w: &World) -> Result<()> {
    let mut rng = w.rng();
    let s = w.server("server", &w.primacy()?, &[])?;
    fill::keys(s.port, 300, &mut rng)?;
    s.client()?.run("DEBUG SET-ACTIVE-EXPIRE 0")?;
    let before = wait::digest(&s)?;
    let mut other = s.client()?;
    for line in [
        "PSYNC",
        "PSYNC a",
        "PSYNC ? abc",
        "REPLCONF listening-port",
        "REPLCONF listening-port abc",
        "REPLCONF nosuch 1",
        "SYNC x",
    ] {
        let reply = s.client()?.ask(&primacy_tests::resp::words(line))?;
        ensure!(reply.is_error(), "{line}: {reply:?}");
    }
    // Asks for a place nobody has been at: a full resync. And goes away in the middle of it.
    for line in [
        "PSYNC ? -1",
        "PSYNC 0000000000000000000000000000000000000000 5",
        &format!("PSYNC {ID} 9223372036854775807"),
        "PSYNC x 1",
    ] {
        let mut c = s.client()?;
        c.run("REPLCONF capa eof capa psync2")?;
        let reply = c.ask(&primacy_tests::resp::words(line))?;
        ensure!(reply.text().starts_with("FULLRESYNC "), "{line}: {reply:?}");
    }
    let id = other.info("replication", "master_replid")?;
    for offset in ["9223372036854775807", "-7", "0"] {
        let mut c = s.client()?;
        let reply = c.ask(&["PSYNC", &id, offset])?;
        ensure!(reply.text().starts_with("FULLRESYNC ") || reply.is_error(), "PSYNC {offset}: {reply:?}");
    }
    // A replica that sends nonsense once it follows.
    let mut c = s.client()?;
    c.ask(&["PSYNC", "?", "-1"])?;
    c.send_raw(b"*1\r\n$abc\r\n")?;
    c.expect_close(CLOSES)?;
    wait::until(CLOSES, "nobody follows any more", || Ok(other.info_num("replication", "connected_slaves")? == 0))?;
    ensure!(wait::digest(&s)? == before, "the dataset changed");
    Ok(())
}

/// A replica that holds data and follows a fake master.
struct Victim {
    server: std::sync::Arc<Server>,
    master: FakeMaster,
    digest: String,
}

fn victim(w: &World, lines: &[&str]) -> Result<Victim> {
    let mut rng = w.rng();
    let server = w.server("replica", &w.primacy()?, &[&["repl-timeout 3"], lines].concat())?;
    fill::keys(server.port, 2_000, &mut rng)?;
    let mut c = server.client()?;
    c.run("DEBUG SET-ACTIVE-EXPIRE 0")?;
    let digest = wait::digest(&server)?;
    let master = FakeMaster::start(Act::CloseAfter(0))?;
    c.run(&format!("REPLICAOF 127.0.0.1 {}", master.port))?;
    Ok(Victim { server, master, digest })
}

impl Victim {
    /// The master does this until the replica has come back to it once more.
    fn suffer(&self, what: &str, act: Act) -> Result<()> {
        self.master.act(act)?;
        wait::until(Duration::from_secs(20), &format!("{what}: the replica tries again"), || {
            ensure!(self.server.ended()?.is_none(), "{what}: the replica ended");
            Ok(self.master.connections() >= 2)
        })?;
        wait::until(Duration::from_secs(5), what, || {
            let now = wait::digest(&self.server)?;
            ensure!(now == self.digest, "{what}: the dataset changed");
            Ok(true)
        })?;
        let status = self.server.client()?.info("replication", "master_link_status")?;
        ensure!(status == "down", "{what}: the link counts as up");
        Ok(())
    }
}

fn full_resync(framing: &str, body: &[u8]) -> Vec<u8> {
    [format!("+FULLRESYNC {ID} 1000\r\n").as_bytes(), framing.as_bytes(), body].concat()
}

fn half_handshakes(w: &World) -> Result<()> {
    let v = victim(w, &[])?;
    for n in 0..4 {
        v.suffer(&format!("closed after {n} answers"), Act::CloseAfter(n))?;
    }
    let endless = vec![b'+'; 100_000];
    let replies: [(&str, &[u8]); 9] = [
        ("an error to PING", b"-ERR unhappy\r\n"),
        ("no RESP at all", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        ("a wrong type", b":42\r\n"),
        ("an endless line", &endless),
        ("a huge bulk", b"$99999999999999999999\r\n"),
        ("a huge array", b"*2147483647\r\n"),
        ("binary", b"\x16\x03\x01\x00\xff\xff\xff\r\n"),
        ("empty lines, then nothing", b"\n\n\n\r\n"),
        ("silence", b""),
    ];
    for (what, bytes) in replies {
        v.suffer(what, Act::Greet(bytes.to_vec()))?;
    }
    let long = vec![b'f'; 100_000];
    let mut answers: Vec<(&str, Vec<u8>)> = vec![
        ("no offset", b"+FULLRESYNC\r\n".to_vec()),
        ("a short id", b"+FULLRESYNC abc 12\r\n".to_vec()),
        ("an error", b"-ERR no such thing\r\n".to_vec()),
        ("an endless id", [b"+FULLRESYNC ".to_vec(), long].concat()),
        ("a CONTINUE that was not asked for", format!("+CONTINUE {ID}\r\n").into_bytes()),
        ("no bulk after it", full_resync("*3\r\n", b"")),
        ("a bulk of a negative length", full_resync("$-5\r\n", b"")),
        ("a bulk without a length", full_resync("$abc\r\n", b"")),
    ];
    // Redis takes this for offset 0, throws its data away and ends at the bad snapshot.
    if v.server.program.is_primacy() {
        answers.push(("an offset that is none", format!("+FULLRESYNC {ID} abc\r\n$3\r\nabc").into_bytes()));
    }
    for (what, bytes) in answers {
        v.suffer(what, Act::Sync(bytes))?;
    }
    Ok(())
}

fn broken_snapshots(w: &World) -> Result<()> {
    let v = victim(w, &["repl-diskless-load disabled"])?;
    let maker = w.server("maker", &w.primacy()?, &["rdbcompression no"])?;
    fill::keys(maker.port, 3_000, &mut w.rng())?;
    maker.client()?.run("SAVE")?;
    let good = std::fs::read(maker.snapshot())?;
    let whole = |body: &[u8]| full_resync(&format!("${}\r\n", good.len()), body);
    let mark = "0123456789012345678901234567890123456789";
    let half = &good[..good.len() / 2];
    v.suffer("a file cut in the middle", Act::Sync(whole(half)))?;
    v.suffer("a stream cut in the middle", Act::Sync(full_resync(&format!("$EOF:{mark}\r\n"), half)))?;
    v.suffer("a file that stops coming", Act::SyncAndHold(whole(half)))?;
    v.suffer("a stream that stops coming", Act::SyncAndHold(full_resync(&format!("$EOF:{mark}\r\n"), half)))?;
    // From here on Redis itself loses the old data, or ends: the promise is Primacy's own.
    if !v.server.program.is_primacy() {
        return Ok(());
    }
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] ^= byte;
        whole(&bytes)
    };
    v.suffer("another magic", Act::SyncAndHold(changed(0, 0x20)))?;
    v.suffer("a version of the future", Act::SyncAndHold(changed(5, 0x09)))?;
    v.suffer("a wrong checksum", Act::SyncAndHold(changed(good.len() - 3, 0x55)))?;
    let mut rng = w.rng();
    for _ in 0..10 {
        let at = 20 + rng.below(good.len() as u64 - 40) as usize;
        v.suffer(&format!("byte {at} changed"), Act::SyncAndHold(changed(at, 1 << rng.below(8))))?;
    }
    let mut short = good[..good.len() - 2_000].to_vec();
    short.resize(good.len(), 0xEE);
    v.suffer("rubbish at the end", Act::SyncAndHold(whole(&short)))?;
    v.suffer("an empty file", Act::SyncAndHold(full_resync("$0\r\n", b"")))?;
    v.suffer("a huge length and little behind it", Act::Sync(full_resync("$9223372036854775807\r\n", half)))?;
    // And the whole one is taken.
    v.master.act(Act::SyncAndHold(whole(&good)))?;
    wait::until(Duration::from_secs(20), "the sound snapshot is taken", || {
        Ok(v.server.client()?.info("replication", "master_link_status")? == "up")
    })
}

/// A stream that cannot be applied stops the replica loudly, and changes nothing more.
fn broken_stream(w: &World) -> Result<()> {
    let v = victim(w, &[])?;
    let maker = w.server("maker", &w.primacy()?, &[])?;
    maker.client()?.run("SET a 1")?;
    maker.client()?.run("SAVE")?;
    let file = std::fs::read(maker.snapshot())?;
    let head = full_resync(&format!("${}\r\n", file.len()), &file);
    let mut stream = head.clone();
    encode(&mut stream, &["SELECT", "0"]);
    encode(&mut stream, &["SET", "b", "2"]);
    stream.extend_from_slice(b"*1\r\n$abc\r\n");
    encode(&mut stream, &["SET", "c", "3"]);
    v.master.act(Act::SyncOnce(stream))?;
    wait::until(Duration::from_secs(20), "the replica leaves a broken stream", || Ok(v.master.connections() >= 2))?;
    let mut c = v.server.client()?;
    let got = c.run("MGET a b c")?;
    let want = Value::Array(vec![Value::Bulk(b"1".to_vec()), Value::Bulk(b"2".to_vec()), Value::Nil]);
    ensure!(got == want, "after a broken stream: {got:?}");
    if !v.server.program.is_primacy() {
        return Ok(());
    }
    // Redis goes on after a command it cannot apply; a silent hole is what Primacy never leaves.
    for bad in ["NOSUCHCOMMAND x", "INCR text"] {
        let mut stream = head.clone();
        encode(&mut stream, &["SELECT", "0"]);
        encode(&mut stream, &["SET", "text", "abc"]);
        encode(&mut stream, &primacy_tests::resp::words(bad));
        encode(&mut stream, &["SET", "c", "3"]);
        v.master.act(Act::SyncOnce(stream))?;
        wait::until(Duration::from_secs(20), &format!("{bad}: the replica stops loudly"), || {
            let word = bad.split(' ').next().unwrap_or_default().to_lowercase();
            let said = v.server.log().to_lowercase().lines().any(|l| l.contains("critical") && l.contains(&word));
            Ok(said && v.server.client()?.run("EXISTS c")? == Value::Int(0))
        })?;
    }
    Ok(())
}

/// A file that cannot be read is a refusal to start, not an empty dataset.
fn broken_file(w: &World) -> Result<()> {
    let s = w.server("server", &w.primacy()?, &[])?;
    fill::keys(s.port, 2_000, &mut w.rng())?;
    s.client()?.run("SAVE")?;
    s.kill();
    let good = std::fs::read(s.snapshot())?;
    let mut flipped = good.clone();
    let at = good.len() - 4;
    flipped[at] ^= 0xff;
    for (what, bytes) in
        [("cut", &good[..good.len() / 2]), ("a wrong checksum", &flipped[..]), ("rubbish", b"rubbish".as_slice())]
    {
        std::fs::write(s.snapshot(), bytes)?;
        s.launch()?;
        let status = s.wait_end(Duration::from_secs(10)).map_err(|e| format!("{what}: {e}"))?;
        ensure!(!status.success(), "{what}: ended with {status}");
        ensure!(std::fs::read(s.snapshot())? == bytes, "{what}: the file was changed");
    }
    std::fs::write(s.snapshot(), &good)?;
    s.start()
}
