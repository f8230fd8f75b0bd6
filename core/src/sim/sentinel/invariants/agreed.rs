//! `agreed`: once all is healed there is one master, all replicas follow it, all sentinels agree, and clients write there.

use alloc::format;
use alloc::string::String;

use super::Broken;
use crate::replication::LinkState;
use crate::sentinel::{Group, State};
use crate::sim::sentinel::actor::Actor;
use crate::sim::sentinel::swarm::{Setup, master_name};
use crate::sim::{HostId, World};
use crate::time::Instant;

/// The name.
pub const NAME: &str = "agreed";

/// A violation: it did not come about in time.
pub fn broken(why: &str, since: Instant, now: Instant) -> Broken {
    Broken::new(NAME, format!("{:?} after all was healed: {}", now - since, why))
}

/// Whether all is as it should be; if not, in what not.
pub fn check(setup: &Setup, world: &World<Actor>) -> Result<(), String> {
    for master in 0..setup.scenario.masters {
        let name = master_name(master);
        let (mut address, mut epoch) = (None, None);
        for i in 0..setup.scenario.sentinels {
            let group = group_of(setup, world, i, &name)?;
            sentinel(setup, i, group)?;
            let at = (group.master.addr.shown(false), group.master.addr.port);
            if *address.get_or_insert_with(|| at.clone()) != at {
                return Err(format!("sentinel {i} has {name} at {at:?}, another at {address:?}"));
            }
            if *epoch.get_or_insert(group.config_epoch) != group.config_epoch {
                return Err(format!(
                    "sentinel {i} has configuration {} of {name}, another {epoch:?}",
                    group.config_epoch
                ));
            }
        }
        let Some((host, _)) = address else { return Err(format!("nobody watches {name}")) };
        servers(setup, world, master, &host)?;
    }
    Ok(())
}

/// What a sentinel knows of a master.
fn group_of<'w>(setup: &Setup, world: &'w World<Actor>, i: usize, name: &str) -> Result<&'w Group, String> {
    let sentinel = world.machine(setup.sentinel(i)).and_then(Actor::as_sentinel);
    let sentinel = sentinel.ok_or_else(|| format!("sentinel {i} is not running"))?;
    sentinel.group(name).ok_or_else(|| format!("sentinel {i} does not know {name}"))
}

/// Whether a sentinel sees nothing wrong.
fn sentinel(setup: &Setup, i: usize, group: &Group) -> Result<(), String> {
    let name = group.name();
    if let Some(down) = &group.master.down {
        return Err(format!("sentinel {i} sees {name} down: {}", down.why));
    }
    if group.failover.state != State::None {
        return Err(format!("sentinel {i} is in a failover of {name}: {}", group.failover.state.word()));
    }
    let others = setup.scenario.sentinels - 1;
    if group.peers.len() != others {
        return Err(format!("sentinel {i} knows {} other sentinels of {name}, not {others}", group.peers.len()));
    }
    if let Some((_, peer)) = group.peers.iter().find(|(_, p)| p.down.is_some()) {
        return Err(format!("sentinel {i} sees the sentinel at {} down", peer.addr));
    }
    Ok(())
}

/// Whether the servers of a master are one master, which is at `host`, and replicas of it.
fn servers(setup: &Setup, world: &World<Actor>, master: usize, host: &str) -> Result<(), String> {
    for i in master * setup.nodes..(master + 1) * setup.nodes {
        let id = HostId(i as u32);
        let is_it = world.addrs(id).iter().any(|ip| format!("{ip}") == *host);
        let follows = match world.machine(id) {
            Some(Actor::Node(node, _)) => match node.upstream() {
                Some(up) if up.state() != LinkState::Connected => {
                    return Err(format!("the link of {id} to its master is '{}'", up.state().as_str()));
                }
                Some(up) => Some(up.target().map_or(String::new(), |t| String::from(&*t.host))),
                None => None,
            },
            Some(Actor::Stand(stand)) => stand.follows().map(|(host, _)| host.into()),
            _ => return Err(format!("{id} is not running")),
        };
        let follows = follows.map(|to| world.names().get(&to).first().map_or(to, |ip| format!("{ip}")));
        match (is_it, follows) {
            (true, Some(to)) => return Err(format!("{id} is to be the master and follows {to}")),
            (false, None) => return Err(format!("{id} is a master too")),
            (false, Some(to)) if to != host => return Err(format!("{id} follows {to}, and the master is {host}")),
            _ => {}
        }
    }
    Ok(())
}
