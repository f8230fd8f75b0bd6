//! `handover`: whoever becomes the master since its master handed over has all that this one acknowledged.

use alloc::format;

use super::Broken;
use crate::sim::sentinel::actor::Actor;
use crate::sim::{HostId, World};

/// The name.
pub const NAME: &str = "handover";

/// `new` became the master by the asking of its master, one of `servers`: it has the same data. A master that crashed since
/// cannot be asked any more, and one that gave the failover up is none that handed over.
pub fn check(world: &World<Actor>, servers: impl Iterator<Item = HostId>, new: HostId) -> Result<(), Broken> {
    let Some(taker) = world.machine(new).and_then(Actor::as_node) else { return Ok(()) };
    let is_new = |host: &str| {
        let of_name = world.names().get(host).first().copied();
        host.parse().ok().or(of_name).is_some_and(|ip| world.addrs(new).contains(&ip))
    };
    for old in servers.filter(|h| *h != new) {
        let Some(giver) = world.machine(old).and_then(Actor::as_node) else { continue };
        if giver.hands_over_to().is_some_and(|(host, _)| is_new(host))
            && giver.data().digest_all() != taker.data().digest_all()
        {
            let (had, has) = (giver.position().1, taker.position().1);
            let text = format!("{old} handed over to {new} at offset {had}, which has other data, at offset {has}");
            return Err(Broken::new(NAME, text));
        }
    }
    Ok(())
}
