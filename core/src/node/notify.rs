//! `notify-keyspace-events`: what happened to keys, as messages to subscribers.

use alloc::format;

use super::Node;
use crate::config::Notify;
use crate::dataset::{Classes, Dataset, KeyEvent};

impl<D: Dataset> Node<D> {
    /// From now on the events are gathered that the directive names.
    pub(super) fn choose_events(&mut self) {
        self.effects.told = Classes::of(self.config.settings.notify_keyspace_events);
    }

    /// Publishes the events of the command that ran, in their order. They are not propagated: replicas have their own. A
    /// client that hears of its own command does so behind the reply.
    #[inline]
    pub(super) fn publish_events(&mut self) {
        if self.effects.has_events() {
            self.publish_events_now();
        }
    }

    #[cold]
    fn publish_events_now(&mut self) {
        let chosen = self.config.settings.notify_keyspace_events;
        let events = self.effects.take_events();
        if self.clients.pubsub.is_empty() {
            return;
        }
        for KeyEvent { event, db, key } in events {
            if chosen.has(Notify::KEYSPACE) {
                let channel = [format!("__keyspace@{db}__:").as_bytes(), &key].concat();
                self.clients.publish(None, &channel, event.as_bytes());
            }
            if chosen.has(Notify::KEYEVENT) {
                self.clients.publish(None, format!("__keyevent@{db}__:{event}").as_bytes(), &key);
            }
        }
    }
}
