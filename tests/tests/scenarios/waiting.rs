//! Clients that wait for keys: Primacy serves the same ones in the same order as Redis, and replicas of both
//! come to the same data.

use libtest_mimic::Trial;
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::resp::{Client, Value};
use primacy_tests::rng::Rng;
use primacy_tests::server::Server;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, scaled, wait};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

/// Clients of each server.
const CLIENTS: usize = 8;

/// Commands that may wait; one that waits does so until it is served.
const WAITS: &[&str] = &[
    "BLPOP $k 0",
    "BLPOP $k $k 0",
    "BRPOP $k $k $k 0",
    "BLMPOP 0 2 $k $k LEFT",
    "BLMPOP 0 1 $k RIGHT COUNT 2",
    "BLMOVE $k $k LEFT RIGHT 0",
    "BLMOVE $k $k RIGHT RIGHT 0",
    "BRPOPLPUSH $k $k 0",
    "BZPOPMIN $z 0",
    "BZPOPMAX $z $z 0",
    "BZMPOP 0 2 $z $z MIN COUNT 2",
    // In a transaction it does not.
    "MULTI; BLPOP $k 0; BZPOPMIN $z 0; EXEC",
];

/// Commands that serve those who wait, or might. None stores over a key of another type: that serves nobody in Redis, though it
/// is what they wait for.
const OTHERS: &[&str] = &[
    "RPUSH $k $v",
    "LPUSH $k $v $v",
    "RPUSH $k $v $v $v",
    "LINSERT $k BEFORE a b",
    "RPOPLPUSH $k $k",
    "LMOVE $k $k LEFT LEFT",
    "ZADD $z 1 $v",
    "ZADD $z 2 $v 3 $v",
    "ZINCRBY $z 1 $v",
    "RENAME $k $k",
    "COPY $k $k REPLACE",
    "DEL $k $z",
    "LPOP $k",
    "ZPOPMIN $z",
    "MULTI; RPUSH $k $v; DEL $k; EXEC",
    "MULTI; RPUSH $k $v; ZADD $z 1 $v; EXEC",
    "MULTI; RPUSH $k $v; RPUSH $k $v; ZADD $z 1 $v; EXEC",
    "MULTI; DEL $k; RPUSH $k $v; SET $k $v; EXEC",
    "SET $k $v",
    "ZADD $k 1 $v",
    "RPUSH $z $v",
];

pub(crate) fn all() -> Vec<Trial> {
    let needs = |valkey: Peer| move || Ok((valkey.find()?, Peer::Redis70.find()?));
    vec![
        scenario("waiting::served_as_valkey_9.0", LIMIT, needs(Peer::Valkey90), |w, p| served_alike(w, &p)),
        scenario("waiting::served_as_valkey_9.1", LIMIT, needs(Peer::Valkey91), |w, p| served_alike(w, &p)),
    ]
}

/// One server with its clients, and who of these waits.
struct Side {
    clients: Vec<Client>,
    control: Client,
    ids: Vec<i64>,
}

impl Side {
    fn new(server: &Server) -> Result<Self> {
        let mut clients = (0..CLIENTS).map(|_| server.client()).collect::<Result<Vec<_>>>()?;
        let mut ids = Vec::new();
        for c in &mut clients {
            let Value::Int(id) = c.run("CLIENT ID")? else { return Err("CLIENT ID is no number".into()) };
            ids.push(id);
        }
        Ok(Self { clients, control: server.client()?, ids })
    }

    /// Lets a client say these commands, and gives what all the clients heard then.
    fn step(&mut self, who: usize, lines: &str) -> Result<Vec<Vec<Value>>> {
        for line in lines.split("; ") {
            self.clients[who].push(&primacy_tests::resp::words(line));
        }
        self.clients[who].flush()?;
        self.heard()
    }

    fn heard(&mut self) -> Result<Vec<Vec<Value>>> {
        // What was said before is done before the first answer, and its answers are written before the second.
        self.control.run("PING")?;
        self.control.run("PING")?;
        self.clients.iter_mut().map(Client::arrived).collect()
    }
}

fn fill_in(template: &str, rng: &mut Rng) -> String {
    let word = |w: &str| match w.trim_end_matches(';') {
        "$k" => w.replace("$k", &format!("k{}", rng.below(4))),
        "$z" => w.replace("$z", &format!("z{}", rng.below(3))),
        "$v" => w.replace("$v", &format!("v{}", rng.below(9))),
        _ => w.to_owned(),
    };
    template.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Compared with 7.2's heirs: since 7.2 a command that waits is executed again as a whole, so that it may be served from
/// another of its keys or fail by it, while 7.0 looks at the one key that changed.
fn served_alike(w: &World, (valkey, redis): &(Program, Program)) -> Result<()> {
    let mut rng = w.rng();
    let mine = w.server("primacy", &w.primacy()?, &[])?;
    let real = w.server("valkey", valkey, &[])?;
    let follows = |server: &Server| format!("replicaof 127.0.0.1 {}", server.port);
    let replicas = [
        w.server("redis-behind-primacy", redis, &[&follows(&mine)])?,
        w.server("primacy-behind-valkey", &w.primacy()?, &[&follows(&real)])?,
    ];
    replicas.iter().try_for_each(|r| wait::link_up(r))?;
    let mut sides = [Side::new(&mine)?, Side::new(&real)?];
    let mut waiting = [false; CLIENTS];
    let (mut waited, mut served) = (0, 0);
    for _ in 0..scaled(10_000, 100_000) {
        let free: Vec<usize> = (0..CLIENTS).filter(|i| !waiting[*i]).collect();
        // One always stays free to serve the others.
        let mut who = *rng.pick(&free);
        let list = if free.len() > 1 && rng.one_in(2) { WAITS } else { OTHERS };
        let template = *rng.pick(list);
        let mut line = fill_in(template, &mut rng);
        if rng.one_in(20) {
            line = line.replace("k0", "z0");
        }
        if rng.one_in(40)
            && let Some(i) = waiting.iter().position(|w| *w)
        {
            line = format!("CLIENT UNBLOCK # {}", *rng.pick(&["TIMEOUT", "ERROR"]));
            who = free[0];
            let said = sides.each_mut().map(|side| {
                let own = line.replace('#', &side.ids[i].to_string());
                side.step(who, &own)
            });
            compare(&line, &said)?;
            waiting[i] = false;
            continue;
        }
        let [a, b] = &mut sides;
        let said = [a.step(who, &line), b.step(who, &line)];
        compare(&line, &said)?;
        let [Ok(heard), _] = said else { continue };
        waiting[who] = heard[who].is_empty();
        waited += usize::from(waiting[who]);
        for i in (0..CLIENTS).filter(|i| *i != who && !heard[*i].is_empty()) {
            ensure!(waiting[i], "client {i} heard something after '{line}' and did not wait");
            waiting[i] = false;
            served += 1;
        }
    }
    w.note(&format!("{waited} waited, {served} were served by others"));
    ensure!(served > 200, "only {served} were served: the mix of commands has changed");
    let (a, b) = (wait::same(&[&mine, &replicas[0]])?, wait::same(&[&real, &replicas[1]])?);
    ensure!(a == b, "Primacy and Valkey hold different data:\n{}", wait::differences(&mine, &real)?);
    Ok(())
}

fn compare(line: &str, said: &[Result<Vec<Vec<Value>>>; 2]) -> Result<()> {
    let show = |r: &Result<Vec<Vec<Value>>>| match r {
        Ok(all) => format!("{all:?}"),
        Err(e) => format!("failed: {e}"),
    };
    let (a, b) = (show(&said[0]), show(&said[1]));
    ensure!(a == b, "after '{line}'\n  Primacy:      {a}\n  Valkey:       {b}");
    ensure!(said[0].is_ok(), "after '{line}': {a}");
    Ok(())
}
