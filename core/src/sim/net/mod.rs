//! The network: ordered pipes between hosts, and what can be wrong with them.

mod conn;
mod connect;
mod cut;
mod flow;
mod link;
mod listen;

pub(super) use conn::{At, Conns, State};
pub(super) use link::Links;
pub(super) use listen::Listener;
