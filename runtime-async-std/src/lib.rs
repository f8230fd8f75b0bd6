//! Drives any [`Machine`](primacy_core::Machine) as a task of async-std (or smol).
//!
//! ```no_run
//! # fn node(_: Box<dyn primacy_core::machine::Meter>) -> Echo { Echo }
//! # struct Echo;
//! # impl primacy_core::Machine for Echo {
//! #     type Call = (); type Event = String;
//! #     fn handle(&mut self, _: primacy_core::Now, _: primacy_core::Input<'_, ()>, _: &mut primacy_core::Actions<String>) {}
//! #     fn deadline(&self) -> Option<primacy_core::Instant> { None }
//! #     fn transmit(&mut self, _: primacy_core::ids::ConnId, _: usize, _: &mut primacy_core::Chunks) {}
//! # }
//! # fn spawn(_: impl Future<Output = std::io::Result<i32>> + Send + 'static) {}
//! use primacy_async_std::Driver;
//! use primacy_host::{Clock, TurnMeter};
//!
//! let meter = TurnMeter::new(Clock::new());
//! let machine = node(Box::new(meter.clone()));
//! let mut driver = Driver::new(machine, &meter, |event| println!("{event}"))?;
//! let handle = driver.handle();
//! spawn(async move { driver.drive().await }); // `async_std::task::spawn`, or any other executor's
//! handle.shutdown();
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # One task
//!
//! The driver is one future. It owns the machine and all sockets, reads into one buffer and feeds the machine in place, as
//! every driver does ([`primacy_host::event_loop`]). A connection has no task and no channel of its own, which would cost
//! it a copy and two passes of the scheduler per request, but two wakers: what the reactor calls when the socket has
//! something to read, or room. They note the socket's token and wake the one task, whose turn handles all that called.
//!
//! A connection whose reads are off is not read, and not asked about: its bytes stay with the kernel, and its peer feels
//! it. What waits in the driver is bounded by what the machine itself holds.
#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "those lints keep `core` free of std; this crate lives on it"
)]

mod bell;
mod driver;
mod reactor;
mod rt;
mod troubles;

pub use driver::Driver;
pub use primacy_host::{Drive, Handle};
