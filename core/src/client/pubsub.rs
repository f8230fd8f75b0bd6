//! Who listens to which channel and pattern.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::glob;
use crate::ids::ConnId;

/// What a subscription is by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A channel's exact name.
    Channel,
    /// A glob pattern.
    Pattern,
}

/// All subscriptions of a server. What one client may hold is bounded by its output limit and the query limits.
#[derive(Debug, Default)]
pub struct PubSub {
    channels: BTreeMap<Box<[u8]>, BTreeSet<ConnId>>,
    patterns: BTreeMap<Box<[u8]>, BTreeSet<ConnId>>,
}

impl PubSub {
    fn of(&mut self, kind: Kind) -> &mut BTreeMap<Box<[u8]>, BTreeSet<ConnId>> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
        }
    }

    /// Subscribes; false if it was subscribed already.
    pub fn subscribe(&mut self, conn: ConnId, kind: Kind, name: &[u8]) -> bool {
        self.of(kind).entry(name.into()).or_default().insert(conn)
    }

    /// Ends a subscription; false if there was none.
    pub fn unsubscribe(&mut self, conn: ConnId, kind: Kind, name: &[u8]) -> bool {
        let map = self.of(kind);
        let Some(set) = map.get_mut(name) else { return false };
        let was = set.remove(&conn);
        if set.is_empty() {
            map.remove(name);
        }
        was
    }

    /// Everybody whom a message on `channel` reaches, channel subscribers first, each pattern match with its pattern.
    pub fn receivers(&self, channel: &[u8]) -> Vec<(ConnId, Option<Box<[u8]>>)> {
        let direct = self.channels.get(channel).into_iter().flatten().map(|&c| (c, None));
        let by_pattern = self
            .patterns
            .iter()
            .filter(|(p, _)| glob::matches(p, channel))
            .flat_map(|(p, set)| set.iter().map(|&c| (c, Some(p.clone()))));
        direct.chain(by_pattern).collect()
    }

    /// Whether anybody listens to anything.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty()
    }

    /// Channels with a subscriber, those that match `pattern` if one is given.
    pub fn channels<'a>(&'a self, pattern: Option<&'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
        self.channels.keys().map(|c| &**c).filter(move |c| pattern.is_none_or(|p| glob::matches(p, c)))
    }

    /// How many channels have a subscriber.
    pub fn channel_count(&self) -> usize {
        self.channels.len()
    }

    /// Subscribers of a channel by its name.
    pub fn subscribers(&self, channel: &[u8]) -> usize {
        self.channels.get(channel).map_or(0, BTreeSet::len)
    }

    /// How many different patterns are subscribed to.
    pub fn pattern_count(&self) -> usize {
        self.patterns.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_and_patterns() {
        let (a, b) = (ConnId::accepted(1), ConnId::accepted(2));
        let mut p = PubSub::default();
        assert!(p.subscribe(a, Kind::Channel, b"news") && !p.subscribe(a, Kind::Channel, b"news"));
        assert!(p.subscribe(b, Kind::Pattern, b"n*"));
        assert_eq!(p.receivers(b"news"), [(a, None), (b, Some((*b"n*").into()))]);
        assert_eq!(p.receivers(b"x"), []);
        assert_eq!((p.subscribers(b"news"), p.pattern_count(), p.channel_count()), (1, 1, 1));
        assert!(p.unsubscribe(a, Kind::Channel, b"news") && !p.unsubscribe(a, Kind::Channel, b"news"));
        assert_eq!(p.channels(None).count(), 0);
    }
}
