//! One round: the fault, what the sentinels did about it and when, and what became of the writes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
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

/// The steps that a summary speaks of, in their order.
const STEPS: [&str; 8] =
    ["sdown", "odown", "election", "elected", "promotion", "first write", "reconfigured", "old master back"];

/// What one round came to.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The steps that it had, each with the time since the fault.
    steps: Vec<(&'static str, Duration)>,
    /// Acknowledged writes, of this round and those before, that the new master does not have.
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
    steps: Vec<(&'static str, Duration)>,
    /// The new master's place, once it took a write.
    new: Option<usize>,
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
    let mut round =
        Round { group, seen, fault, old, began: Instant::now(), told: BTreeSet::new(), steps: Vec::new(), new: None };
    round.strike()?;
    if !round.until(stop, "another master takes writes", |r| r.new.is_some())? {
        return Ok(None);
    }
    let Some(new) = round.new else { return Ok(None) };
    let others: Vec<usize> = (0..round.group.servers.len()).filter(|n| *n != new && *n != old).collect();
    let follow = move |r: &Round<'_>| others.iter().all(|n| r.group.follows(*n, new));
    if !round.until(stop, "the other replicas follow it", follow)? {
        return Ok(None);
    }
    round.line(round.began.elapsed(), "reconfigured", "the other replica follows the new master and has its data");
    round.heal()?;
    if !round.until(stop, "the old master follows it", |r| r.group.follows(old, new))? {
        return Ok(None);
    }
    round.line(round.began.elapsed(), "old master back", "it follows the new master as a replica");
    if !round.until(stop, "the sentinels agree", |r| r.group.is_watched(new))? {
        return Ok(None);
    }
    let lost = losses(round.group, new, writer)?;
    Ok(Some(Outcome { steps: round.steps, lost }))
}

impl Round<'_> {
    fn line(&mut self, at: Duration, step: &'static str, text: &str) {
        println!("{:>7} ms  {}  {text}", at.as_millis(), bold(&format!("{step:<15}")));
        self.steps.push((step, at));
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
                "is cut off: nothing reaches it, nothing comes from it"
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
        self.line(Duration::ZERO, "fault", &format!("the master {at} {what}"));
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
        self.line(self.began.elapsed(), "healed", &format!("the old master {what}"));
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
                    self.new = Some(place);
                    self.line(
                        at,
                        "first write",
                        &format!("taken by the new master {by}, and acknowledged by a replica"),
                    );
                }
            }
            Sight::Event { sentinel, name, payload } => {
                let Some((step, text)) = meaning(*sentinel, name, payload) else { return };
                if self.told.insert(name.clone()) {
                    self.line(at, step, &text);
                }
            }
        }
    }
}

/// What the first event of its kind means for people; nothing for what is not part of the story.
fn meaning(sentinel: usize, name: &str, payload: &str) -> Option<(&'static str, String)> {
    let about_master = payload.starts_with("master ");
    Some(match name {
        "+sdown" if about_master => ("sdown", format!("sentinel-{sentinel} is the first to hold the master for down")),
        "+odown" => {
            let quorum = payload.rsplit("#quorum ").next().unwrap_or_default();
            let (have, need) = quorum.split_once('/').unwrap_or((quorum, "?"));
            ("odown", format!("sentinel-{sentinel} knows of {have} that hold it for down, {need} are needed"))
        }
        "+try-failover" => ("election", format!("sentinel-{sentinel} asks for votes")),
        "+elected-leader" => ("elected", format!("sentinel-{sentinel} leads the failover")),
        "+switch-master" => {
            let to: Vec<&str> = payload.split(' ').skip(3).collect();
            ("promotion", format!("the master is {} now", to.join(":")))
        }
        _ => return None,
    })
}

/// Says which writes are gone, and answers how many of them had been acknowledged.
fn losses(group: &Group, master: usize, writer: &Writer) -> io::Result<usize> {
    let (at, written) = (group.servers[master].at, writer.written());
    let lost = missing(at, &written.acknowledged)?;
    let all = written.acknowledged.len();
    if lost.is_empty() {
        println!("  nothing was lost: all {all} acknowledged writes are there");
    } else {
        println!(
            "  LOST: {} of {all} acknowledged writes (numbers {:?} ...): the replica that had acknowledged them was not promoted",
            lost.len(),
            &lost[..lost.len().min(3)],
        );
    }
    let unsure = written.unsure.len();
    if unsure > 0 {
        let there = unsure - missing(at, &written.unsure)?.len();
        let writes = if unsure == 1 { "write" } else { "writes" };
        println!("  {unsure} {writes} got no acknowledgement, and may be there or not: {there} of {unsure}");
    }
    Ok(lost.len())
}

/// Several rounds side by side: of each step the least, the median and the most.
pub(crate) fn summary(outcomes: &[Outcome]) -> String {
    let title = format!("{} rounds, ms after the fault", outcomes.len());
    let mut text = format!("{:<30}{:>8}{:>8}{:>8}\n", title, "least", "median", "most");
    for step in STEPS {
        let of = |o: &Outcome| o.steps.iter().find(|(name, _)| *name == step).map(|(_, at)| at.as_millis());
        let mut times: Vec<u128> = outcomes.iter().filter_map(of).collect();
        times.sort_unstable();
        if let (Some(&least), Some(&most)) = (times.first(), times.last()) {
            // Of an even number it lies between the two in the middle.
            let median = u128::midpoint(times[(times.len() - 1) / 2], times[times.len() / 2]);
            let _ = writeln!(text, "  {step:<28}{least:>8}{median:>8}{most:>8}");
        }
    }
    let lost = outcomes.last().map_or(0, |o| o.lost);
    let _ = writeln!(text, "{lost} acknowledged writes were lost");
    text
}

/// Stands out on a terminal.
fn bold(text: &str) -> String {
    if io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        return format!("\x1b[1m{text}\x1b[0m");
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_story_is_told() {
        let told = |name, payload| meaning(2, name, payload);
        let sdown = told("+sdown", "master mymaster 127.0.0.1 1").unwrap();
        assert_eq!(sdown, ("sdown", "sentinel-2 is the first to hold the master for down".into()));
        assert_eq!(told("+sdown", "slave 127.0.0.1:2 127.0.0.1 2 @ mymaster 127.0.0.1 1"), None);
        let odown = told("+odown", "master mymaster 127.0.0.1 1 #quorum 3/2").unwrap().1;
        assert_eq!(odown, "sentinel-2 knows of 3 that hold it for down, 2 are needed");
        assert!(told("+switch-master", "mymaster 127.0.0.1 1 127.0.0.1 2").unwrap().1.contains("127.0.0.1:2 now"));
        assert_eq!(told("+slave", "slave x"), None);
    }

    #[test]
    fn a_summary_has_the_median_of_each_step() {
        let round = |sdown, write| Outcome {
            steps: vec![("sdown", Duration::from_millis(sdown)), ("first write", Duration::from_millis(write))],
            lost: 0,
        };
        let text = summary(&[round(300, 31), round(100, 33), round(200, 32)]);
        let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["sdown", "100", "200", "300"]);
        assert_eq!(lines[2], ["first", "write", "31", "32", "33"]);
        assert_eq!(lines.len(), 4, "{text}");
        let two = summary(&[round(100, 1), round(300, 4)]);
        assert!(two.lines().nth(1).unwrap().ends_with("100     200     300"), "{two}");
    }
}
