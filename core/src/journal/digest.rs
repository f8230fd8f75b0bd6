//! A digest of what a machine wanted done: cheap enough to be taken of every action of a busy node.

use core::fmt::{self, Write as _};
use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::secrets::without_secrets;
use super::sum::{Mix, Sum};
use crate::machine::{Action, Endpoint, Job, LogLine, SocketOptions};
use crate::tls::Tls;

/// A running digest over all actions since the recording began: a difference shows at the very input, and at every
/// later one. Numbers are taken as numbers, nothing is formatted but events.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digest(Mix);

impl Digest {
    pub(super) const fn new() -> Self {
        Self(Mix::new(0))
    }

    /// What a record holds of it.
    pub(super) fn value(self) -> u32 {
        self.0.value() as u32
    }

    pub(super) fn action<E: LogLine>(&mut self, action: &Action<E>) {
        match action {
            Action::Connect { conn, to, from, tls, options } => {
                self.words(&[1, conn.as_u64(), u64::from(*tls)]);
                self.endpoint(to);
                self.ip(*from);
                self.options(*options);
            }
            Action::Close { conn } => self.words(&[2, conn.as_u64()]),
            Action::Interest { conn, read, write } => {
                self.words(&[3 | u64::from(*read) << 8 | u64::from(*write) << 9, conn.as_u64()]);
            }
            Action::Options { conn, options } => {
                self.words(&[4, conn.as_u64()]);
                self.options(*options);
            }
            Action::Start { op, job } => {
                self.words(&[5, op.as_u64()]);
                self.job(job);
            }
            Action::Cancel { op } => self.words(&[6, op.as_u64()]),
            Action::Unlisten { op } => self.words(&[7, op.as_u64()]),
            Action::Yield => self.0.word(8),
            Action::Sleep(time) => self.words(&[9, time.as_micros() as u64]),
            Action::Event(event) => {
                self.words(&[10, event.level() as u64, u64::from(u32::from(event.role()))]);
                let mut text = Text(Sum::new());
                // Only a broken `Display` refuses; then what came so far counts.
                let _ = write!(text, "{event}");
                self.0.word(text.0.value());
            }
            Action::Exit { code } => self.words(&[11, *code as u64]),
        }
    }

    fn words(&mut self, words: &[u64]) {
        words.iter().for_each(|w| self.0.word(*w));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.word(Sum::of(bytes));
    }

    /// Pieces count as what they are together: where they are cut depends on when they were shown.
    fn pieces(&mut self, pieces: &[Bytes]) {
        let mut sum = Sum::new();
        pieces.iter().for_each(|p| sum.update(p));
        self.0.word(sum.value());
    }

    fn options(&mut self, o: SocketOptions) {
        self.words(&[u64::from(o.nodelay), o.keepalive_s.into()]);
    }

    fn ip(&mut self, ip: Option<IpAddr>) {
        match ip {
            None => self.0.word(0),
            Some(IpAddr::V4(a)) => self.words(&[4, a.to_bits().into()]),
            Some(IpAddr::V6(a)) => self.words(&[6, (a.to_bits() >> 64) as u64, a.to_bits() as u64]),
        }
    }

    fn endpoint(&mut self, at: &Endpoint) {
        match at {
            Endpoint::Tcp(a) => {
                self.ip(Some(a.ip()));
                self.0.word(a.port().into());
                if let SocketAddr::V6(a) = a {
                    self.words(&[a.flowinfo().into(), a.scope_id().into()]);
                }
            }
            Endpoint::Unix(path) => {
                self.0.word(1);
                self.bytes(path.as_bytes());
            }
        }
    }

    fn job(&mut self, job: &Job) {
        match job {
            Job::Listen { at, backlog, mode, tls } => {
                // Of a time when there was no TLS: a plain one counts as ever.
                self.words(&[if *tls { 13 } else { 1 }, (*backlog).into(), mode.map_or(u64::MAX, u64::from)]);
                self.endpoint(at);
            }
            Job::Resolve { host } => self.named(2, host),
            Job::Read { file, at, len } => {
                self.named(3, file);
                self.words(&[*at, *len as u64]);
            }
            Job::Append { file, at, bytes, sync } => {
                self.named(4, file);
                self.words(&[*at, u64::from(*sync)]);
                self.pieces(bytes);
            }
            Job::Commit { file, to } => {
                self.named(5, file);
                self.bytes(to.as_bytes());
            }
            Job::Replace { file, bytes } => {
                self.named(6, file);
                // Passwords are tokens in a replay.
                self.bytes(&without_secrets(bytes));
            }
            Job::Remove { file } => self.named(7, file),
            Job::Stat { file } => self.named(8, file),
            Job::Script { program, args, timeout } => {
                self.named(9, program);
                self.words(&[args.len() as u64, timeout.as_micros() as u64]);
                args.iter().for_each(|a| self.bytes(a.as_bytes()));
            }
            Job::Usage => self.0.word(10),
            Job::FindProgram { program } => self.named(11, program),
            Job::LoadTls { tls } => self.tls(tls),
        }
    }

    fn tls(&mut self, tls: &Tls) {
        let rules = [tls.auth_clients as u64, tls.protocols.tls12.into(), tls.protocols.tls13.into(), tls.links.into()];
        self.named(12, &tls.cert_file);
        self.words(&rules);
        let files = [&tls.key_file, &tls.client_cert_file, &tls.client_key_file, &tls.ca_cert_file, &tls.ca_cert_dir];
        files.iter().for_each(|text| self.bytes(text.as_bytes()));
        // Passwords are tokens in a replay.
        self.words(&[tls.key_file_pass.len() as u64, tls.client_key_file_pass.len() as u64]);
    }

    fn named(&mut self, what: u64, name: &str) {
        self.0.word(what);
        self.bytes(name.as_bytes());
    }
}

/// Takes text without keeping it.
struct Text(Sum);

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}
