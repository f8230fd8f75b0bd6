//! No write that was acknowledged is lost when a Primacy master with two replicas of any kind ends: in an orderly way none at all, in
//! a crash none that `WAIT` said is on replicas. The link to one of the two stands still meanwhile, so that it has not what the other
//! has. (`failover` shows the same for `FAILOVER`.)

use libtest_mimic::Trial;
use primacy_tests::count::{Counted, Counter};
use primacy_tests::peers::Peer;
use primacy_tests::program::{Kind, Program};
use primacy_tests::proxy::Proxy;
use primacy_tests::rng::Rng;
use primacy_tests::server::Server;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, full, scaled, wait};
use std::sync::Arc;
use std::time::Duration;

/// Clients that count.
const COUNTERS: usize = 3;
/// Values of 64 KB that are on their way when the master is told to end.
const BALLAST: usize = 300;
const PATIENCE: Duration = Duration::from_secs(20);

/// How the master ends, and whom that leaves with every acknowledged write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// SIGTERM: it waits for its replicas. Each has all.
    Orderly,
    /// SIGKILL, while each write waits for one replica: the one that is ahead has all.
    CrashOfOne,
    /// SIGKILL, while each write waits for both replicas: each has all.
    CrashOfBoth,
}

impl End {
    /// For how many replicas a write waits.
    fn waits_for(self) -> usize {
        match self {
            Self::Orderly => 0,
            Self::CrashOfOne => 1,
            Self::CrashOfBoth => 2,
        }
    }
}

pub(crate) fn all() -> Vec<Trial> {
    let limit = Duration::from_secs(if full() { 1800 } else { 180 });
    [("orderly_end", End::Orderly), ("crash_with_wait_1", End::CrashOfOne), ("crash_with_wait_2", End::CrashOfBoth)]
        .map(|(name, end)| {
            let needs = || Ok([Peer::Redis70.find()?, Peer::Valkey91.find()?]);
            scenario(&format!("acknowledged::{name}"), limit, needs, move |w, [redis, valkey]| {
                let mine = w.primacy()?;
                let pairs = [[&mine, &redis], [&mine, &valkey], [&redis, &valkey]];
                let rounds = scaled(3, 200);
                let (mut acknowledged, mut behind) = (0, 0);
                for (n, pair) in pairs.into_iter().enumerate() {
                    let group = Group::new(w, pair)?;
                    let mut rng = Rng::new(w.seed ^ n as u64);
                    // All rounds, shared out among the pairs.
                    for round in (n..rounds).step_by(pairs.len()) {
                        let seen = group.round(end, &mut rng).map_err(|e| format!("round {round}: {e}"))?;
                        acknowledged += seen.acknowledged;
                        behind += usize::from(seen.behind);
                    }
                }
                w.note(&format!(
                    "{rounds} rounds, {acknowledged} acknowledged writes, none lost; {behind} times one was behind"
                ));
                // A replica may have all by chance, where the master is slower than the link is quick to stop.
                let most = if end == End::Orderly { behind == 0 } else { behind * 2 > rounds };
                ensure!(most, "in {behind} of {rounds} rounds one was behind: that is no test of it");
                Ok(())
            })
        })
        .into()
}

/// A master and two replicas, with links that can be stopped.
struct Group {
    m: Arc<Server>,
    replicas: [Arc<Server>; 2],
    links: [Proxy; 2],
}

/// What a round has shown.
struct Seen {
    /// How many writes were acknowledged.
    acknowledged: i64,
    /// Whether one of the replicas had less than the other.
    behind: bool,
}

impl Group {
    fn new(w: &World, [a, b]: [&Program; 2]) -> Result<Self> {
        let m = w.prepare("master", &w.primacy()?, &[])?;
        let replicas = [w.server(&format!("a-{}", a.name), a, &[])?, w.server(&format!("b-{}", b.name), b, &[])?];
        let links = [Proxy::to(m.port)?, Proxy::to(m.port)?];
        Ok(Self { m, replicas, links })
    }

    /// From an empty master over its end to its successor.
    fn round(&self, end: End, rng: &mut Rng) -> Result<Seen> {
        self.m.start()?;
        for (r, link) in self.replicas.iter().zip(&self.links) {
            link.heal();
            r.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", link.port))?;
        }
        self.replicas.iter().try_for_each(|r| wait::link_up(r))?;
        let ports = [self.m.port, self.replicas[0].port, self.replicas[1].port];
        let counters: Vec<Counter> =
            (0..COUNTERS).map(|n| Counter::start(format!("counter:{n}"), &ports, end.waits_for())).collect();
        wait::until(PATIENCE, "each counts", || Ok(counters.iter().all(|c| c.so_far().1 > 0)))?;
        std::thread::sleep(Duration::from_millis(rng.below(150)));
        self.end(end, &self.links[rng.below(2) as usize], rng)?;
        let (new, behind) = self.after_the_end(end, &counters, rng)?;
        let (new, other) = (&self.replicas[new], &self.replicas[1 - new]);
        let ahead = wait::offset(new)? >= wait::offset(other)?;
        let before = wait::served(new)?.0;
        new.client()?.run("REPLICAOF NO ONE")?;
        let so_far: i64 = counters.iter().map(|c| c.so_far().1).sum();
        other.client()?.run(&format!("REPLICAOF 127.0.0.1 {}", new.port))?;
        wait::link_up(other)?;
        if end.waits_for() < 2 {
            wait::until(PATIENCE, "the clients go on", || {
                Ok(counters.iter().map(|c| c.so_far().1).sum::<i64>() > so_far)
            })?;
        }
        let ended: Vec<Counted> = counters.into_iter().map(Counter::end).collect::<Result<_>>()?;
        wait::same(&[new, other])?;
        let mut c = new.client()?;
        ended.iter().try_for_each(|counted| counted.check(&mut c))?;
        let full = wait::served(new)?.0 - before;
        ensure!(full == 0 || !ahead, "{full} full resyncs, though the new master was ahead");
        Ok(Seen { acknowledged: ended.iter().map(|counted| counted.acknowledged).sum(), behind })
    }

    /// The link to one replica stands still; then the master ends.
    fn end(&self, end: End, slow: &Proxy, rng: &mut Rng) -> Result<()> {
        if end != End::Orderly {
            // Its acknowledgements pass on, so that clients which wait for it, too, write once more.
            slow.hold_back();
            std::thread::sleep(Duration::from_millis(20 + rng.below(50)));
            self.m.kill();
            // What was on its way is lost.
            slow.cut();
            return Ok(());
        }
        slow.stall();
        // More than the sockets take: without waiting for the replica the master would end before it is sent.
        let mut c = self.m.client()?;
        for i in 0..BALLAST {
            c.ask(&[b"SET".to_vec(), format!("ballast:{i}").into_bytes(), rng.bytes(64 << 10)])?;
        }
        std::thread::sleep(Duration::from_millis(20));
        std::thread::scope(|scope| {
            let ending = scope.spawn(|| self.m.terminate());
            std::thread::sleep(Duration::from_millis(50 + rng.below(200)));
            slow.heal();
            let status = ending.join().map_err(|_| "panic")??;
            ensure!(status.success(), "the master ends with {status}");
            Ok(())
        })
    }

    /// Looks at the replicas of a master that is gone; which of them is promoted, and whether one is behind the other.
    fn after_the_end(&self, end: End, counters: &[Counter], rng: &mut Rng) -> Result<(usize, bool)> {
        // A link that is down has given all that came over it.
        for r in &self.replicas {
            wait::until(PATIENCE, "the replica sees the end", || {
                Ok(r.client()?.info("replication", "master_link_status")? == "down")
            })?;
        }
        let offsets = [wait::offset(&self.replicas[0])?, wait::offset(&self.replicas[1])?];
        let ahead = usize::from(offsets[1] > offsets[0]);
        let any = rng.below(2) as usize;
        // Whoever is ahead of its new master needs a full resync, and Redis 7.0 reads no snapshot of Valkey's.
        let kind = |i: usize| self.replicas[i].program.kind;
        let foreign = matches!((kind(any), kind(1 - any)), (Kind::Valkey(..), Kind::Redis(..)));
        let chosen = if end == End::CrashOfOne || foreign { ahead } else { any };
        for (i, r) in self.replicas.iter().enumerate().filter(|(i, _)| end != End::CrashOfOne || *i == chosen) {
            let mut c = r.client()?;
            for (key, acknowledged) in counters.iter().map(Counter::so_far) {
                let value: i64 = c.text(&format!("GET {key}"))?.parse().unwrap_or_default();
                ensure!(
                    value >= acknowledged,
                    "{} has {key} at {value}, {acknowledged} were acknowledged; offsets {offsets:?}, replica {i}",
                    r.name
                );
            }
        }
        Ok((chosen, offsets[0] != offsets[1]))
    }
}
