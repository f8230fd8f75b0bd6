//! What a server and a sentinel share towards their clients: sessions, outboxes and their limits, the command table,
//! and pub/sub.

mod limits;
mod pubsub;
mod session;
mod sessions;
mod table;

pub use limits::{OutputLimit, OverLimit, SoftClock};
pub use pubsub::{Kind, PubSub};
pub use session::{Blocked, CloseWhen, ReplyMode, Session, Transaction};
pub use sessions::Sessions;
pub use table::{Lookup, Table};
