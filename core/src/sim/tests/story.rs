//! What a world tells.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::machines::*;
use crate::machine::{Action, Actions, Chunks, Input, Level, LogLine, Machine};
use crate::sim::story::{BandKind, Fate, LaneKind, Limits, MarkKind, Story};
use crate::sim::{Choices, Fault, HostId, NetConfig, World};
use crate::time::{Instant, Now};

/// A small machine that says something at each connection.
struct Talker(Small);

#[derive(Debug)]
struct Said;

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("somebody is there")
    }
}

impl LogLine for Said {
    fn level(&self) -> Level {
        Level::Notice
    }

    fn role(&self) -> char {
        'M'
    }
}

impl Machine for Talker {
    type Call = crate::machine::Endpoint;
    type Event = Said;

    fn handle(&mut self, now: Now, input: Input<'_, Self::Call>, out: &mut Actions<Said>) {
        let comes = matches!(input, Input::Accepted { .. });
        let mut small = Actions::new();
        self.0.handle(now, input, &mut small);
        for action in small.drain() {
            match action {
                Action::Event(()) => {}
                Action::Close { conn } => out.push(Action::Close { conn }),
                Action::Interest { conn, read, write } => out.push(Action::Interest { conn, read, write }),
                Action::Start { op, job } => out.push(Action::Start { op, job }),
                Action::Exit { code } => out.push(Action::Exit { code }),
                Action::Connect { conn, to, from, tls, options } => {
                    out.push(Action::Connect { conn, to, from, tls, options });
                }
                _ => {}
            }
        }
        if comes {
            out.push(Action::Event(Said));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.0.deadline()
    }

    fn transmit(&mut self, conn: crate::ids::ConnId, budget: usize, out: &mut Chunks) {
        self.0.transmit(conn, budget, out);
    }
}

fn told(tell: bool) -> (World<Talker>, Option<Story>) {
    let mut world = World::new(Choices::seeded(3), NetConfig { late: 0, ..NetConfig::default() });
    world.add("server", Vec::from([ip(1)]), alloc::boxed::Box::new(|_| Talker(echo())));
    world.add("client", Vec::from([ip(2)]), alloc::boxed::Box::new(|_| Talker(client(1, 50))));
    if tell {
        let kind = |h: HostId| if h == SERVER { LaneKind::Node } else { LaneKind::Client };
        world.tell(Story::new("t", "c", Limits::default()), kind);
    }
    world.start(SERVER);
    world.start(CLIENT);
    world.schedule(ms(100), Fault::Crash { host: SERVER, down_for: Duration::from_millis(100) });
    world.schedule(ms(400), Fault::Pause { host: CLIENT, lasts: Duration::from_millis(30) });
    world.run_until(ms(1_000), &mut ()).unwrap();
    let story = world.story();
    (world, story)
}

#[test]
fn a_story_has_everything_that_was_sent_and_what_became_of_it() {
    let (world, story) = told(true);
    let story = story.unwrap();
    assert_eq!(
        story.lanes().iter().map(|l| (&*l.name, l.kind)).collect::<Vec<_>>(),
        [("server", LaneKind::Node), ("client", LaneKind::Client)]
    );
    let messages: Vec<_> = story.messages().map(|(_, m)| m).collect();
    let arrived: usize = messages.iter().filter(|m| matches!(m.fate, Fate::Arrived(_))).map(|m| m.len).sum();
    let open: usize = messages.iter().filter(|m| m.fate == Fate::OnTheWay).map(|m| m.len).sum();
    let bytes = world.stats().bytes as usize;
    assert!(arrived <= bytes && bytes <= arrived + open, "{arrived} arrived, {open} are on the way, {bytes} were read");
    assert!(messages.iter().all(|m| m.head.len() == m.len), "they are short");
    assert!(messages.iter().any(|m| matches!(m.fate, Fate::Lost(_))), "the crash cost some");
    let faults: Vec<_> = story.marks().filter(|m| m.kind == MarkKind::Fault).collect();
    assert_eq!((&*faults[0].text, faults[0].until), ("crash h0 for 100ms", Some(ms(200))));
    let lines = story.lines().filter(|m| m.kind == MarkKind::Log && m.text == "somebody is there").count();
    assert_eq!(lines, 2);
    let bands: Vec<_> =
        story.bands().filter(|b| b.kind == BandKind::Process).map(|b| (&*b.text, b.from, b.to)).collect();
    assert!(bands.contains(&("down", ms(100), Some(ms(200)))), "{bands:?}");
    assert!(bands.contains(&("paused", ms(400), Some(ms(430)))), "{bands:?}");
}

#[test]
fn telling_changes_nothing() {
    assert_eq!(told(true).0.trace_hash(), told(false).0.trace_hash());
}
