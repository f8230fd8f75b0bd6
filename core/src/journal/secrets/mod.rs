//! No recording holds a password: what stands in its place.
//!
//! The recorder replaces each password, before it writes anything, by a token of the same length, and each SHA-256 of one by
//! another number of 32 bytes, both made under a key that is thrown away with the recorder. The same secret is always
//! replaced by the same, another one by another. What a token's hash is shall be, the recording says beside the token
//! ([`Machine::learn_password`]), so that the replayed machine, who knows tokens alone, decides as the recorded one did.
//!
//! What a machine says of its secrets is not held against the replay: [`Chunks::keep_secret`] for what it sends, and in
//! files that it writes the secrets alone.
//!
//! [`Machine::learn_password`]: crate::Machine::learn_password
//! [`Chunks::keep_secret`]: crate::machine::Chunks::keep_secret

mod mask;
mod scan;
mod text;

#[cfg(test)]
mod tests;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::ids::{ConnId, OpId};
use crate::machine::{Action, Input, Job, Outcome, Path};
use crate::rng::Seed;
use mask::Mask;
use scan::{Names, Scan};

pub(super) use mask::Learned;
pub(super) use scan::Fed;
pub(super) use text::without_secrets;

/// What kind of text a file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Configuration,
    Users,
}

/// Keeps the secrets of one machine out of its recording.
#[derive(Debug)]
pub struct Secrets {
    mask: Mask,
    names: Names,
    files: Vec<(Path, Form)>,
    /// Reads of these files that are under way.
    reads: BTreeMap<OpId, Form>,
    /// Connections that sent something, by their number.
    scans: BTreeMap<ConnId, Scan>,
}

impl Secrets {
    /// Tokens are made under `key`: a random one that nothing else is made from and that is kept nowhere.
    pub fn new(key: Seed) -> Self {
        Self {
            mask: Mask::new(key),
            names: Names::default(),
            files: Vec::new(),
            reads: BTreeMap::new(),
            scans: BTreeMap::new(),
        }
    }

    /// The machine reads its configuration from this file.
    pub fn configuration_file(&mut self, file: &str) {
        self.files.push((file.into(), Form::Configuration));
    }

    /// The machine reads its users from this file (`aclfile`).
    pub fn users_file(&mut self, file: &str) {
        self.files.push((file.into(), Form::Users));
    }

    /// Clients call `command` by this name (`rename-command`).
    pub fn renamed(&mut self, command: &str, name: &str) {
        self.names.rename(command, name);
    }

    /// A configuration without its secrets.
    pub(super) fn configuration(&mut self, text: &str) -> String {
        String::from_utf8_lossy(&text::configuration(text.as_bytes(), &mut self.mask)).into_owned()
    }

    /// What the machine hears, and what is recorded, of bytes that came in. Those of a command with a secret that is not
    /// whole are held back from both.
    pub(super) fn received(&mut self, conn: ConnId, bytes: &[u8]) -> Fed {
        if conn.is_opened() {
            return Fed::AS_IT_CAME; // Masters and other servers tell us no secrets.
        }
        self.scans.entry(conn).or_default().feed(bytes, &self.names, &mut self.mask)
    }

    /// What was held back of a connection that says no more.
    pub(super) fn rest(&mut self, conn: ConnId) -> Option<Fed> {
        self.scans.remove(&conn)?.rest()
    }

    /// All that is held back.
    pub(super) fn held(&self) -> impl Iterator<Item = (ConnId, &[u8])> {
        self.scans.iter().map(|(conn, scan)| (*conn, scan.held())).filter(|(_, held)| !held.is_empty())
    }

    /// What is recorded of the end of a job, if not the end itself.
    pub(super) fn done<C>(&mut self, input: &Input<'_, C>) -> Option<Input<'static, C>> {
        let Input::Done { op, result } = input else { return None };
        let form = self.reads.remove(op)?;
        let Outcome::Read(bytes) = result else { return None };
        let text = match form {
            Form::Configuration => text::configuration(bytes, &mut self.mask),
            Form::Users => text::users(bytes, &mut self.mask),
        };
        Some(Input::Done { op: *op, result: Outcome::Read(Bytes::from(text)) })
    }

    /// Looks at what the machine wants done.
    pub(super) fn action<E>(&mut self, action: &Action<E>) {
        match action {
            Action::Start { op, job: Job::Read { file, .. } } => {
                if let Some((_, form)) = self.files.iter().find(|(f, _)| f == file) {
                    self.reads.insert(*op, *form);
                }
            }
            Action::Close { conn } => {
                self.scans.remove(conn);
            }
            _ => {}
        }
    }

    /// Tokens that were used since the last call, with their hashes.
    pub(super) fn learned(&mut self) -> impl Iterator<Item = Learned> + '_ {
        self.mask.learned.drain(..)
    }
}
