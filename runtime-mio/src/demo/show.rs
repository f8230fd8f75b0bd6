//! One line per node: rewritten in place on a terminal, plain lines elsewhere.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr};

/// What a node said of itself.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) name: String,
    pub(crate) at: SocketAddr,
    pub(crate) role: &'static str,
    /// It answers, and a replica's link stands.
    pub(crate) up: bool,
    pub(crate) offset: u64,
    /// Bytes behind the master at about the same moment.
    pub(crate) lag: u64,
    pub(crate) keys: u64,
    pub(crate) replicas: u64,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            name: String::new(),
            at: (Ipv4Addr::LOCALHOST, 0).into(),
            role: "?",
            up: false,
            offset: 0,
            lag: 0,
            keys: 0,
            replicas: 0,
        }
    }
}

impl Status {
    fn line(&self) -> String {
        let rest = match (self.role, self.up) {
            ("master", _) => format!("{} replicas", self.replicas),
            ("replica", true) => format!("lag {} bytes", self.lag),
            ("replica", false) => "link down".into(),
            _ => "no answer".into(),
        };
        format!(
            "{:<11} {:<21} role {:<8} offset {:>12}  keys {:>8}  {rest}",
            self.name,
            self.at.to_string(),
            self.role,
            self.offset,
            self.keys
        )
    }
}

/// Where the lines go.
#[derive(Debug)]
pub(crate) struct Screen {
    terminal: bool,
    /// Lines of the last picture, which the next one is painted over.
    painted: usize,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stdout().is_terminal(), painted: 0 }
    }

    pub(crate) fn show(&mut self, nodes: &[Status], written: u64) {
        let mut picture = String::new();
        if self.terminal && self.painted > 0 {
            let _ = write!(picture, "\x1b[{}A", self.painted);
        }
        let clear = if self.terminal { "\x1b[K" } else { "" };
        for node in nodes {
            let _ = writeln!(picture, "{}{clear}", node.line());
        }
        let _ = writeln!(picture, "{written} writes{clear}");
        self.painted = nodes.len() + 1;
        print!("{picture}");
        let _ = std::io::stdout().flush(); // Nobody looks any more: then nobody misses it.
    }

    /// A line that stays.
    pub(crate) fn note(&mut self, text: &str) {
        println!("-- {text}");
        self.painted = 0;
    }
}
