//! A simulated world: any machines behind the one door, in virtual time, from one seed.
//!
//! A [`World`] has hosts, each a computer with addresses, a [`Disk`], its own clocks, and one process that is your
//! [`Machine`](crate::Machine). Everything undecided comes from [`Choices`]: a seed, or the bytes of a fuzzer. Time jumps to
//! whatever is next. The world plays every part of a runtime: it cuts reads and writes anywhere, delays, refuses and loses,
//! syncs files or loses what was not synced; [`Fault`]s make it worse, and are values that a campaign draws and a shrinker
//! leaves out. After every step the [`laws`] of the door are checked, and an [`Observer`] of yours may check more; a broken
//! one ends the run as a [`Violation`]. Two runs of a seed have the same [`World::trace_hash`].
//!
//! A machine of your own in a world of two hosts, one of which loses power:
//!
//! ```
//! use core::time::Duration;
//! use primacy_core::ids::{ConnId, OpId};
//! use primacy_core::machine::{Action, Actions, Chunks, Endpoint, Input, Job, Machine, SocketOptions};
//! use primacy_core::sim::{Choices, Fault, NetConfig, World};
//! use primacy_core::time::{Instant, Now};
//!
//! /// Listens, or (if it has somewhere to connect to) tries again every second and counts how often it was let in.
//! struct Door { to: Option<Endpoint>, next: Option<Instant>, conns: u64, entered: u32 }
//!
//! impl Machine for Door {
//!     type Call = ();
//!     type Event = ();
//!     fn handle(&mut self, now: Now, input: Input<'_, ()>, out: &mut Actions<()>) {
//!         match (input, self.to.clone()) {
//!             (Input::Tick, Some(to)) => {
//!                 self.conns += 1;
//!                 let (conn, options) = (ConnId::opened(self.conns), SocketOptions::default());
//!                 out.push(Action::Connect { conn, to, from: None, tls: false, options });
//!                 self.next = Some(now.mono + Duration::from_secs(1));
//!             }
//!             (Input::Tick, None) => {
//!                 let at = Endpoint::Tcp(([0, 0, 0, 0], 80).into());
//!                 out.push(Action::Start { op: OpId::from_u64(1), job: Job::Listen { at, backlog: 9, mode: None, tls: false } });
//!                 self.next = None;
//!             }
//!             (Input::Connected { .. }, _) => self.entered += 1,
//!             _ => {}
//!         }
//!     }
//!     fn deadline(&self) -> Option<Instant> { self.next }
//!     fn transmit(&mut self, _: ConnId, _: usize, _: &mut Chunks) {}
//! }
//!
//! let mut world = World::new(Choices::seeded(7), NetConfig::default());
//! let door = |to| Door { to, next: Some(Instant::ZERO), conns: 0, entered: 0 };
//! let house = world.add("house", vec![[10, 0, 0, 1].into()], Box::new(move |_| door(None)));
//! let to = Endpoint::Tcp(([10, 0, 0, 1], 80).into());
//! let guest = world.add("guest", vec![[10, 0, 0, 2].into()], Box::new(move |_| door(Some(to.clone()))));
//! world.start(house);
//! world.start(guest);
//! world.schedule(Instant::from_micros(3_500_000), Fault::Crash { host: house, down_for: Duration::from_millis(2_400) });
//! world.run_until(Instant::from_micros(10_500_000), &mut ())?;
//! let guest = world.machine(guest).ok_or("the guest is up")?;
//! assert!(guest.entered >= 8 && world.boots(house) == 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod agenda;
mod apply;
pub mod campaign;
mod carry;
mod choices;
mod clock;
mod config;
mod disk;
mod fault;
mod host;
mod jobs;
pub mod laws;
mod names;
mod net;
pub mod page;
mod process;
#[cfg(feature = "keyspace")]
pub mod replication;
#[cfg(feature = "keyspace")]
pub mod sentinel;
mod step;
pub mod story;
mod tell;
mod trace;
mod turn;
mod used;
mod world;

pub use choices::Choices;
pub use clock::EPOCH_MS;
pub use config::{DiskConfig, NetConfig};
pub use disk::Disk;
pub use fault::{DiskTrouble, Fault, NameTrouble};
pub use host::{Boot, BootInfo, HostId};
pub use names::Names;
pub use step::{Came, Observer, Seen, Step, Violation};
pub use world::{World, WorldStats};

#[cfg(test)]
mod tests;
