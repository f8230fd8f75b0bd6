//! The node, by the rules it keeps: each test is named after one, most run over both datasets.

extern crate alloc;

#[macro_use]
#[path = "support/mod.rs"]
mod support;

#[path = "node/acl.rs"]
mod acl;
#[path = "node/blocking.rs"]
mod blocking;
#[path = "node/bytes.rs"]
mod bytes;
#[path = "node/clients.rs"]
mod clients;
#[path = "node/edges.rs"]
mod edges;
#[path = "node/failover.rs"]
mod failover;
#[path = "node/limits.rs"]
mod limits;
#[path = "node/listeners.rs"]
mod listeners;
#[path = "node/memory.rs"]
mod memory;
#[path = "node/metrics.rs"]
mod metrics;
#[path = "node/pubsub.rs"]
mod pubsub;
#[path = "node/replication.rs"]
mod replication;
#[path = "node/resync.rs"]
mod resync;
#[path = "node/saving.rs"]
mod saving;
#[path = "node/spool.rs"]
mod spool;
#[path = "node/stream.rs"]
mod stream;
#[path = "node/tls.rs"]
mod tls;
#[path = "node/transactions.rs"]
mod transactions;
