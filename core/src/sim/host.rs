//! A computer with one process on it: what a boot may look at, and how machines are made.

use alloc::boxed::Box;
use core::fmt;
use core::net::IpAddr;

use super::Disk;
use crate::rng::Seed;
use crate::time::Now;

/// A host: its place in the order of [`World::add`](super::World::add).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u32);

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "h{}", self.0)
    }
}

impl fmt::Debug for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a boot may look at.
#[derive(Debug)]
pub struct BootInfo<'a> {
    /// The host.
    pub host: HostId,
    /// Its name.
    pub name: &'a str,
    /// Its addresses.
    pub addrs: &'a [IpAddr],
    /// 0 for the first boot.
    pub boot: u32,
    /// For the machine's generator: another one for each boot.
    pub seed: Seed,
    /// The host's clocks.
    pub now: Now,
    /// Its files, as the last boot and the last power cut left them.
    pub disk: &'a Disk,
}

/// Makes the machine of a host, at each boot.
pub type Boot<M> = Box<dyn FnMut(&BootInfo<'_>) -> M>;
