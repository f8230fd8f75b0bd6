//! What a server and a sentinel share towards their clients: connections, sessions, outboxes and their limits, the way
//! from bytes to commands, the command table and the commands that both serve, pub/sub, and what is counted of it all.
//!
//! A machine that serves clients keeps a `Clients` and implements `Server`, which says what is different about it.

mod about;
mod access;
mod clients;
pub(crate) mod commands;
mod connections;
mod dispatch;
mod event;
pub(crate) mod info;
mod latency;
mod limits;
mod listen;
mod pubsub;
pub(crate) mod scrape;
mod server;
mod session;
mod sessions;
pub(crate) mod stats;
mod table;

pub use about::About;
pub(crate) use about::{REDIS_VERSION, VERSION};
pub(crate) use access::{Access, listens_unduly};
pub(crate) use clients::Clients;
pub(crate) use connections::Connections;
pub(crate) use dispatch::{Dispatch, paused, subscribed, unauthenticated};
pub use event::Event;
pub use limits::{OutputLimit, OverLimit, SoftClock};
#[cfg(feature = "node")]
pub(crate) use listen::{Gone, Wanted};
pub(crate) use listen::{Serves, listener_line, tls_configured, wanted};
pub use pubsub::{Kind, PubSub};
#[cfg(feature = "node")]
pub(crate) use server::Refusal;
pub(crate) use server::{Cx, Found, Handler, Server, Timer};
pub use session::{Blocked, CloseWhen, ReplyMode, Session, Transaction};
pub use sessions::Sessions;
pub use table::{Lookup, Table};
