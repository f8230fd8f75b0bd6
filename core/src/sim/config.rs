//! How a world behaves while nothing is wrong.

use core::time::Duration;

/// The network's manners. Times are virtual µs; a range is drawn from anew each time, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetConfig {
    /// The way of a segment from host to host.
    pub latency_us: (u64, u64),
    /// The same within a host.
    pub loopback_us: (u64, u64),
    /// What one direction between two hosts carries, bytes a second; 0 for no bound.
    pub bandwidth: u64,
    /// What one direction of a connection holds between the machine that sent and the one that did not read yet, bytes:
    /// send buffer, way and receive buffer together. A reader that does not read stalls its sender here. At least 1.
    pub window: usize,
    /// How often, in 1000, a read or a write is cut at a random place.
    pub chop: u64,
    /// How often, in 1000, a machine is told something late about a connection that is closed already.
    pub late: u64,
    /// From one turn of a host's loop to its next, at least: what a turn costs.
    pub turn_us: u64,
    /// After an outage, how long until what was lost is sent again.
    pub retransmit_us: (u64, u64),
    /// A connection attempt that nobody answers ends after so long.
    pub connect_timeout: Duration,
    /// A connection whose bytes nobody acknowledges ends after so long.
    pub give_up: Duration,
    /// The resolver's answer.
    pub resolve_us: (u64, u64),
}

impl Default for NetConfig {
    /// A good network between machines in one place, as Linux runs it.
    fn default() -> Self {
        Self {
            latency_us: (100, 400),
            loopback_us: (5, 20),
            bandwidth: 1 << 30,
            window: 256 << 10,
            chop: 50,
            late: 20,
            turn_us: 5,
            retransmit_us: (1_000, 400_000),
            connect_timeout: Duration::from_secs(127),
            give_up: Duration::from_secs(924),
            resolve_us: (200, 3_000),
        }
    }
}

/// The disks' manners, as [`NetConfig`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskConfig {
    /// A job that stays in the page cache.
    pub cached_us: (u64, u64),
    /// A sync to the disk, on top.
    pub sync_us: (u64, u64),
    /// Bytes a second; 0 for no bound.
    pub bandwidth: u64,
}

impl Default for DiskConfig {
    /// A solid-state disk.
    fn default() -> Self {
        Self { cached_us: (10, 60), sync_us: (200, 4_000), bandwidth: 500 << 20 }
    }
}
