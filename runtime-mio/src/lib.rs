//! Drives any [`Machine`](primacy_core::Machine) over mio: one thread, edge-triggered readiness, exact deadlines.
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
//! use primacy_host::{Clock, TurnMeter};
//! use primacy_mio::{Drive, Driver};
//!
//! let meter = TurnMeter::new(Clock::new());
//! let machine = node(Box::new(meter.clone()));
//! let mut driver = Driver::new(machine, &meter, |event| println!("{event}"))?;
//! driver.catch_signals()?;
//! std::process::exit(driver.run()?);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! What happens in a turn, and in which order: [`primacy_host::event_loop`].
#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "those lints keep `core` free of std; this crate lives on it"
)]

mod driver;
mod reactor;
mod timer;

pub use driver::Driver;
pub use primacy_host::{Drive, Handle};
