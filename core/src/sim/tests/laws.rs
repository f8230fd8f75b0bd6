//! Each law fires on a machine that breaks exactly this one.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::machines::{PORT, address, echo, ip, ms};
use crate::ids::{ConnId, OpId};
use crate::machine::{Action, Actions, Chunks, Endpoint, Input, Job, Machine, SocketOptions};
use crate::sim::{BootInfo, Choices, NetConfig, Violation, World, laws};
use crate::time::{Instant, Now};

/// How a [`Wrong`] machine is wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
enum How {
    Not,
    StaleDeadline,
    ActsOnClosed,
    ActsOnUnknown,
    UsesConnTwice,
    EvenConn,
    UsesOpTwice,
    CancelsNothing,
    UnlistensNothing,
    RepeatsInterest,
    WantsToWriteNothing,
    ShowsTooMuch,
    KeepsBytesBack,
    TransmitMoves,
    IgnoresSent,
    Yields,
    Ticks,
}

/// A client of an echo server that sends a counting stream for ever.
struct Wrong {
    how: How,
    ticked: Option<Instant>,
    conn: Option<ConnId>,
    sent: u64,
}

const CONN: ConnId = ConnId::opened(1);

impl Wrong {
    fn connect(conn: ConnId, out: &mut Actions<()>) {
        let options = SocketOptions::default();
        out.push(Action::Connect { conn, to: address(1), from: None, tls: false, options });
    }

    fn connected(&mut self, conn: ConnId, out: &mut Actions<()>) {
        self.conn = Some(conn);
        let op = OpId::from_u64(77);
        match self.how {
            How::KeepsBytesBack => {}
            How::RepeatsInterest => out.push(Action::Interest { conn, read: true, write: false }),
            How::ActsOnClosed => out.push(Action::Close { conn }),
            How::ActsOnUnknown => out.push(Action::Close { conn: ConnId::accepted(3) }),
            How::CancelsNothing => out.push(Action::Cancel { op }),
            How::UnlistensNothing => out.push(Action::Unlisten { op }),
            How::UsesConnTwice => Self::connect(conn, out),
            How::EvenConn => Self::connect(ConnId::accepted(9), out),
            How::Yields => out.push(Action::Yield),
            How::UsesOpTwice => {
                out.push(Action::Start { op, job: Job::Usage });
                out.push(Action::Start { op, job: Job::Usage });
            }
            _ => out.push(Action::Interest { conn, read: true, write: true }),
        }
        if self.how == How::ActsOnClosed {
            out.push(Action::Interest { conn, read: false, write: false });
        }
    }
}

impl Machine for Wrong {
    type Call = Endpoint;
    type Event = ();

    fn handle(&mut self, now: Now, input: Input<'_, Endpoint>, out: &mut Actions<()>) {
        match input {
            Input::Tick => {
                if self.ticked.is_none() {
                    Self::connect(CONN, out);
                }
                self.ticked = Some(now.mono);
            }
            Input::Connected { conn, .. } => self.connected(conn, out),
            Input::Sent { len, .. } if self.how != How::IgnoresSent => self.sent += len as u64,
            Input::Resume => out.push(Action::Yield),
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.ticked {
            None => Some(Instant::ZERO),
            Some(at) if self.how == How::StaleDeadline => Some(at),
            Some(at) if self.how == How::Ticks => Some(at + Duration::from_micros(1)),
            Some(_) => None,
        }
    }

    fn transmit(&mut self, _: ConnId, budget: usize, out: &mut Chunks) {
        let wanted = match self.how {
            How::WantsToWriteNothing | How::Yields => return,
            How::ShowsTooMuch => budget + 1,
            _ => budget.min(100),
        };
        let bytes: Vec<u8> = (0..wanted as u64).map(|i| (self.sent + i) as u8).collect();
        if self.how == How::TransmitMoves {
            self.sent += bytes.len() as u64;
        }
        out.push(Bytes::from(bytes));
    }
}

/// What a world with such a machine says.
fn verdict(how: How) -> Result<(), Violation> {
    enum Either {
        Server(super::machines::Small),
        Wrong(Wrong),
    }
    impl Machine for Either {
        type Call = Endpoint;
        type Event = ();
        fn handle(&mut self, now: Now, input: Input<'_, Endpoint>, out: &mut Actions<()>) {
            match self {
                Self::Server(m) => m.handle(now, input, out),
                Self::Wrong(m) => m.handle(now, input, out),
            }
        }
        fn deadline(&self) -> Option<Instant> {
            match self {
                Self::Server(m) => m.deadline(),
                Self::Wrong(m) => m.deadline(),
            }
        }
        fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
            match self {
                Self::Server(m) => m.transmit(conn, budget, out),
                Self::Wrong(m) => m.transmit(conn, budget, out),
            }
        }
    }
    let net = NetConfig { chop: 500, window: 1_000, ..NetConfig::default() };
    let mut world: World<Either> = World::new(Choices::seeded(1), net);
    let server = world.add("server", Vec::from([ip(1)]), Box::new(|_| Either::Server(echo())));
    let wrong = move |_: &BootInfo<'_>| Either::Wrong(Wrong { how, ticked: None, conn: None, sent: 0 });
    let client = world.add("wrong", Vec::from([ip(2)]), Box::new(wrong));
    world.start(server);
    world.run_until(ms(1), &mut ())?;
    world.start(client);
    world.run_until(ms(1_200), &mut ())
}

#[test]
fn every_law_fires_on_the_machine_that_breaks_it() {
    assert_eq!(verdict(How::Not), Ok(()));
    let cases = [
        (How::StaleDeadline, laws::DEADLINE),
        (How::ActsOnClosed, laws::CLOSED),
        (How::ActsOnUnknown, laws::CLOSED),
        (How::UsesConnTwice, laws::ID),
        (How::EvenConn, laws::ID),
        (How::UsesOpTwice, laws::ID),
        (How::CancelsNothing, laws::JOB),
        (How::UnlistensNothing, laws::JOB),
        (How::RepeatsInterest, laws::INTEREST),
        (How::WantsToWriteNothing, laws::TRANSMIT),
        (How::ShowsTooMuch, laws::TRANSMIT),
        (How::KeepsBytesBack, laws::TRANSMIT),
        (How::TransmitMoves, laws::CURSOR),
        (How::IgnoresSent, laws::CURSOR),
        (How::Yields, laws::SPIN),
        (How::Ticks, laws::SPIN),
    ];
    for (how, law) in cases {
        let violation = verdict(how).expect_err(&alloc::format!("{how:?} breaks {law}"));
        assert_eq!((violation.name, violation.host.map(|h| h.0)), (law, Some(1)), "{how:?}: {violation}");
    }
    assert!(laws::LAWS.iter().all(|law| cases.iter().any(|(_, l)| l == law)), "a law without its machine");
    let _ = PORT;
}

/// Appends one byte to a file, once.
pub(super) struct Quiet(bool);

impl Quiet {
    pub(super) fn appending() -> Self {
        Self(false)
    }
}

impl Machine for Quiet {
    type Call = ();
    type Event = ();

    fn handle(&mut self, _: Now, input: Input<'_, ()>, out: &mut Actions<()>) {
        if matches!(input, Input::Tick) && !core::mem::replace(&mut self.0, true) {
            let bytes = Vec::from([Bytes::from_static(b"x")]);
            let job = Job::Append { file: "f".into(), at: 0, bytes, sync: false };
            out.push(Action::Start { op: OpId::from_u64(1), job });
        }
    }

    fn deadline(&self) -> Option<Instant> {
        if self.0 { None } else { Some(Instant::ZERO) }
    }

    fn transmit(&mut self, _: ConnId, _: usize, _: &mut Chunks) {}
}
