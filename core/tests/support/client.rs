//! What a test does with a world: it speaks as a client, and looks.

use primacy_core::ids::{ConnId, OpId};
use primacy_core::machine::{Endpoint, Input};
use primacy_core::node::What;
use primacy_core::resp::{Command, Replies, ReplyLimits, Value};

use super::host::{Client, Coming, Conn, Make, Peer, Who, World};

impl<D: Make> World<D> {
    pub fn client(&mut self, node: usize) -> Who {
        self.client_from(node, "127.0.0.1:50000")
    }

    pub fn client_from(&mut self, node: usize, from: &str) -> Who {
        let listener = self.hosts[node].listeners.keys().next().copied().unwrap_or(OpId::from_u64(0));
        let who = self.begin_client(node, from, listener);
        self.run();
        who
    }

    /// A client that comes to this port.
    pub fn client_at(&mut self, node: usize, port: u16) -> Who {
        let mut listeners = self.hosts[node].listeners.iter();
        let listener = *listeners.find(|(_, at)| at.port() == port).expect("nobody listens there").0;
        let who = self.begin_client(node, "127.0.0.1:50001", listener);
        self.run();
        who
    }

    /// A client whose connection is on its way.
    fn begin_client(&mut self, node: usize, from: &str, listener: OpId) -> Who {
        let k = self.clients.len();
        let h = &mut self.hosts[node];
        h.accepted += 1;
        let conn = ConnId::accepted(h.accepted);
        let peer = Peer::Client(k);
        h.conns.insert(
            conn,
            Conn { peer, up: false, read: true, write: false, inbox: vec![], ended: false, eof_told: false },
        );
        h.coming.push_back(Coming::Accepted(conn, listener, Endpoint::Tcp(from.parse().unwrap())));
        let parser = Replies::new(ReplyLimits::default());
        self.clients.push(Client { node, conn, bytes: vec![], parser, closed: false, window: usize::MAX });
        Who(k)
    }

    /// How many more bytes a client takes.
    pub fn window(&mut self, who: Who, bytes: usize) {
        self.clients[who.0].window = bytes;
    }

    /// Puts bytes on their way.
    pub fn say(&mut self, who: Who, bytes: &[u8]) {
        let c = &self.clients[who.0];
        if let Some(conn) = self.hosts[c.node].conns.get_mut(&c.conn) {
            conn.inbox.extend_from_slice(bytes);
        }
    }

    /// Puts commands on their way, a line each, words split at spaces.
    pub fn send(&mut self, who: Who, lines: &str) {
        for line in lines.lines() {
            let words: Vec<&str> = line.trim().split(' ').collect();
            let frame = Command::new(&words).frame().clone();
            self.say(who, &frame);
        }
    }

    /// Says no more, and still listens.
    pub fn half_close(&mut self, who: Who) {
        let Client { node, conn, .. } = self.clients[who.0];
        self.feed(node, Input::Eof { conn });
        self.run();
    }

    pub fn hang_up(&mut self, who: Who) {
        let c = &self.clients[who.0];
        if let Some(conn) = self.hosts[c.node].conns.get_mut(&c.conn) {
            conn.ended = true;
            conn.peer = Peer::Gone;
        }
        self.run();
    }

    /// The answers that came since the last call.
    pub fn values(&mut self, who: Who) -> Vec<Value> {
        let c = &mut self.clients[who.0];
        let bytes = core::mem::take(&mut c.bytes);
        let mut input = &bytes[..];
        let mut list = vec![];
        while let Some(v) = c.parser.next(&mut input).expect("answers are RESP") {
            list.push(v);
        }
        list
    }

    /// The raw bytes of the answers.
    pub fn raw(&mut self, who: Who) -> Vec<u8> {
        core::mem::take(&mut self.clients[who.0].bytes)
    }

    /// The same as text, joined by ` | `.
    pub fn heard(&mut self, who: Who) -> String {
        self.values(who)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" | ")
            .replace("\\'", "'")
            .replace("\\\"", "\"")
    }

    /// Says commands, a line each, and gives the answers as text.
    pub fn ask(&mut self, who: Who, lines: &str) -> String {
        self.send(who, lines);
        self.run();
        self.heard(who)
    }

    pub fn closed(&self, who: Who) -> bool {
        self.clients[who.0].closed
    }

    /// A field of INFO of a node.
    pub fn info(&mut self, i: usize, field: &str) -> String {
        let c = self.client(i);
        self.send(c, "INFO");
        self.run();
        let text = self.values(c).into_iter().find_map(Value::into_bytes).unwrap_or_default();
        let text = String::from_utf8(text).unwrap();
        self.hang_up(c);
        text.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':')).unwrap_or("-").to_string()
    }

    /// Whether a node has no connection to a master.
    pub fn linkless(&self, i: usize) -> bool {
        !self.hosts[i].conns.keys().any(|c| c.is_opened())
    }

    pub fn digest(&mut self, i: usize) -> String {
        let c = self.client(i);
        let digest = self.ask(c, "DEBUG DIGEST");
        self.hang_up(c);
        digest
    }

    /// How many events of a node a test looks for.
    pub fn count(&self, i: usize, which: impl Fn(&What) -> bool) -> usize {
        self.hosts[i].events.iter().filter(|e| which(&e.what)).count()
    }

    /// How many lines of a node's log have this text.
    pub fn logged(&self, i: usize, text: &str) -> usize {
        self.hosts[i].events.iter().filter(|e| e.to_string().contains(text)).count()
    }

    /// The whole log of a node, for messages.
    pub fn log(&self, i: usize) -> String {
        self.hosts[i].events.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }
}
