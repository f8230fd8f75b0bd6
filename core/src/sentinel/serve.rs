//! What is a sentinel's own in serving clients.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::event::What;
use super::{Cx, Key, Sentinel};
use crate::client::scrape::Page;
use crate::client::{self, Clients, Dispatch as _, Found, Handler, Server, Serves, Session, listener_line};
use crate::config::Settings;
use crate::ids::Ids;
use crate::resp::Args;
use crate::rng::Rng;
use crate::timers::Timers;

impl Server for Sentinel {
    type Run = Handler<Self>;
    type Key = Key;

    fn clients(&self) -> &Clients<Handler<Self>> {
        &self.clients
    }

    fn clients_mut(&mut self) -> &mut Clients<Handler<Self>> {
        &mut self.clients
    }

    fn timers(&mut self) -> &mut Timers<Key> {
        &mut self.timers
    }

    fn ids(&mut self) -> &mut Ids {
        &mut self.ids
    }

    fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    fn users_ready(&mut self, cx: &mut Cx<'_>) {
        if !self.load_certificates(cx) {
            self.open_store(cx);
        }
    }

    fn settings(&self) -> &Settings {
        &self.config.settings
    }

    fn mode(&self) -> (&'static str, Option<&'static str>) {
        ("sentinel", None)
    }

    fn run_id(&self) -> String {
        self.my_id.to_string()
    }

    fn port(&self) -> u16 {
        let mut standing = self.listeners.list.iter().filter(|l| l.standing && l.serves == Serves::Clients);
        standing.find_map(|l| l.at.tcp()).map_or(self.config.settings.port, |a| a.port())
    }

    fn listening(&self) -> Vec<Box<str>> {
        self.listeners.list.iter().filter(|l| l.standing).map(|l| listener_line(&l.at, l.tls, l.serves)).collect()
    }

    fn section(&mut self, n: usize, page: &mut Page<'_>) -> bool {
        self.write_section(n, page)
    }

    fn healthy(&self) -> Result<(), &'static str> {
        if self.ending { Err("the sentinel is shutting down") } else { Ok(()) }
    }

    fn ready(&self) -> Result<(), String> {
        self.is_ready()
    }

    fn tell(&mut self, event: client::Event, cx: &mut Cx<'_>) {
        self.tell_alone(What::Client(event), cx);
    }

    fn run(&mut self, s: &mut Session, found: &Found<Handler<Self>>, args: Args<'_>, cx: &mut Cx<'_>) -> bool {
        self.run_handler(found.run, s, args, cx)
    }

    fn left(&mut self, s: &Session, _: &mut Cx<'_>) {
        self.owed.retain(|owed| owed.conn != s.conn);
    }
}
