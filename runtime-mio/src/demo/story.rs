//! One round: the fault, what the sentinels did about it and when, and what became of the writes.

use std::collections::BTreeSet;
use std::io;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::client::{Client, Reply};
use super::group::Group;
use super::watch::{Seen, Sight};
use super::wish::Fault;
use super::writer::{NAME, Writer, missing};

/// How long a failover may take, and how long until all is in order afterwards.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the servers are looked at.
const LOOK: Duration = Duration::from_millis(5);

/// What one round came to.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// From the fault to the first write on the new master.
    pub(crate) write: Duration,
    /// Acknowledged writes that the new master does not have.
    pub(crate) lost: usize,
}

/// A round under way.
struct Round<'a> {
    group: &'a mut Group,
    seen: &'a Receiver<Seen>,
    fault: Fault,
    /// The old master's place.
    old: usize,
    began: Instant,
    told: BTreeSet<String>,
    /// The new master's place, and when it took its first write.
    new: Option<(usize, Duration)>,
}

/// Plays one round and tells it as it happens.
pub(crate) fn round(
    group: &mut Group,
    fault: Fault,
    writer: &Writer,
    seen: &Receiver<Seen>,
    stop: &dyn Fn() -> bool,
) -> io::Result<Option<Outcome>> {
    let old = group.master()?;
    while seen.try_recv().is_ok() {} // What was before the fault is not of this round.
    println!("\n{} writes so far, each acknowledged by a replica (WAIT 1)", writer.taken());
    let mut round = Round { group, seen, fault, old, began: Instant::now(), told: BTreeSet::new(), new: None };
    round.strike()?;
    if !round.until(stop, "another master takes writes", |r| r.new.is_some())? {
        return Ok(None);
    }
    let Some((new, write)) = round.new else { return Ok(None) };
    let others: Vec<usize> = (0..round.group.servers.len()).filter(|n| *n != new && *n != old).collect();
    let follow = move |r: &Round<'_>| others.iter().all(|n| r.group.follows(*n, new));
    if !round.until(stop, "the other replicas follow it", follow)? {
        return Ok(None);
    }
    round.line(round.began.elapsed(), "all reconfigured: the others follow the new master and have its data");
    round.heal()?;
    if !round.until(stop, "the old master follows it", |r| r.group.follows(old, new))? {
        return Ok(None);
    }
    round.line(round.began.elapsed(), "the old master is back, as a replica");
    if !round.until(stop, "the sentinels agree", |r| r.group.is_watched(new))? {
        return Ok(None);
    }
    let lost = losses(round.group, new, writer)?;
    Ok(Some(Outcome { write, lost }))
}

impl Round<'_> {
    fn line(&self, at: Duration, text: &str) {
        println!("{:>7} ms  {text}", at.as_millis());
    }

    fn strike(&mut self) -> io::Result<()> {
        let at = self.group.servers[self.old].at;
        let master = &mut self.group.servers[self.old]; // `Group::master` found it there.
        let what = match self.fault {
            Fault::Kill => {
                master.kill();
                "is killed (kill -9)"
            }
            Fault::Freeze => {
                master.freeze();
                "is frozen (SIGSTOP)"
            }
            Fault::Partition => {
                master.link.iter().for_each(super::proxy::Proxy::cut);
                "is cut off from all others: nothing reaches it, nothing comes from it"
            }
            Fault::Coordinated => {
                let sentinel = self.group.sentinels[0].at; // There are always three.
                let reply = Client::connect(sentinel)?.command(&["SENTINEL", "FAILOVER", NAME, "COORDINATED"])?;
                if let Reply::Error(e) = reply {
                    return Err(io::Error::other(format!("SENTINEL FAILOVER {NAME} COORDINATED: {e}")));
                }
                "is asked to hand over (SENTINEL FAILOVER … COORDINATED)"
            }
        };
        self.line(Duration::ZERO, &format!("fault: the master {at} {what}"));
        Ok(())
    }

    fn heal(&mut self) -> io::Result<()> {
        let old = &mut self.group.servers[self.old];
        let what = match self.fault {
            Fault::Kill => {
                old.start_again()?;
                "is started again"
            }
            Fault::Freeze => {
                old.thaw();
                "goes on (SIGCONT)"
            }
            Fault::Partition => {
                old.link.iter().for_each(super::proxy::Proxy::heal);
                "is reached again"
            }
            Fault::Coordinated => return Ok(()),
        };
        self.line(self.began.elapsed(), &format!("healed: the old master {what}"));
        Ok(())
    }

    /// Tells what is seen until this is so; `false` if the demonstration is to stop.
    fn until(&mut self, stop: &dyn Fn() -> bool, what: &str, so: impl Fn(&Self) -> bool) -> io::Result<bool> {
        let waits = Instant::now();
        loop {
            if let Ok(seen) = self.seen.recv_timeout(LOOK) {
                self.tell(&seen);
                while let Ok(seen) = self.seen.try_recv() {
                    self.tell(&seen);
                }
            }
            if stop() {
                return Ok(false);
            }
            if so(self) {
                return Ok(true);
            }
            if waits.elapsed() > PATIENCE {
                let (s, folder) = (PATIENCE.as_secs(), self.group.folder.display());
                return Err(io::Error::other(format!("{what}: not within {s} s; the logs are in {folder}")));
            }
        }
    }

    fn tell(&mut self, seen: &Seen) {
        let at = seen.at.saturating_duration_since(self.began);
        match &seen.sight {
            Sight::Took(by) => {
                let place = self.group.servers.iter().position(|s| s.at == *by);
                if let Some(place) = place.filter(|p| *p != self.old && self.new.is_none()) {
                    self.new = Some((place, at));
                    self.line(at, &format!("first write taken by the new master {by}"));
                }
            }
            Sight::Event { sentinel, name, payload } => {
                let Some(text) = meaning(*sentinel, name, payload) else { return };
                if self.told.insert(name.clone()) {
                    self.line(at, &text);
                }
            }
        }
    }
}

/// What the first event of its kind means for people; nothing for what is not part of the story.
fn meaning(sentinel: usize, name: &str, payload: &str) -> Option<String> {
    let master = payload.starts_with("master ");
    Some(match name {
        "+sdown" if master => format!("sdown: sentinel-{sentinel} holds the master for down, the first to do so"),
        "+odown" => {
            let quorum = payload.rsplit("#quorum ").next().unwrap_or_default();
            format!("odown: sentinel-{sentinel} has the word of enough others ({quorum})")
        }
        "+try-failover" => format!("election: sentinel-{sentinel} asks for votes"),
        "+elected-leader" => format!("election: sentinel-{sentinel} is elected"),
        "+switch-master" => {
            let to: Vec<&str> = payload.split(' ').skip(3).collect();
            format!("promotion: the master is {} now", to.join(":"))
        }
        _ => return None,
    })
}

/// Says which writes are gone, and answers how many of them had been acknowledged.
fn losses(group: &Group, master: usize, writer: &Writer) -> io::Result<usize> {
    let (at, written) = (group.servers[master].at, writer.written());
    let lost = missing(at, &written.acknowledged)?;
    let unsure = missing(at, &written.unsure)?.len();
    if lost.is_empty() {
        println!("  nothing was lost: all {} acknowledged writes are there", written.acknowledged.len());
    } else {
        println!(
            "  LOST: {} of {} acknowledged writes ({:?} ...): the replica that had acknowledged them was not promoted",
            lost.len(),
            written.acknowledged.len(),
            &lost[..lost.len().min(3)],
        );
    }
    if !written.unsure.is_empty() {
        println!(
            "  of {} writes that nobody acknowledged, {} are there",
            written.unsure.len(),
            written.unsure.len() - unsure
        );
    }
    Ok(lost.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_story_is_told() {
        let told = |name, payload| meaning(2, name, payload);
        assert!(told("+sdown", "master mymaster 127.0.0.1 1").unwrap().contains("sentinel-2"));
        assert_eq!(told("+sdown", "slave 127.0.0.1:2 127.0.0.1 2 @ mymaster 127.0.0.1 1"), None);
        assert!(told("+odown", "master mymaster 127.0.0.1 1 #quorum 2/2").unwrap().contains("(2/2)"));
        assert!(told("+switch-master", "mymaster 127.0.0.1 1 127.0.0.1 2").unwrap().contains("127.0.0.1:2 now"));
        assert_eq!(told("+slave", "slave x"), None);
    }
}
