//! A host's files: what the page cache shows, what is on the disk, and what a power cut leaves.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;

use super::choices::Choices;
use crate::machine::{JobError, JobErrorKind, Path};

/// What of a file's content is on the disk.
#[derive(Debug)]
enum Durable {
    /// So many bytes from its start: the rest is in the page cache alone.
    Prefix(usize),
    /// Other content: the file was emptied since, and that was not synced.
    Old(Vec<u8>),
}

#[derive(Debug)]
struct File {
    data: Vec<u8>,
    durable: Durable,
}

impl File {
    fn synced(data: Vec<u8>) -> Self {
        Self { durable: Durable::Prefix(data.len()), data }
    }

    fn sync(&mut self) {
        self.durable = Durable::Prefix(self.data.len());
    }

    fn truncate(&mut self) {
        let data = core::mem::take(&mut self.data);
        if let Durable::Prefix(len) = self.durable {
            let mut old = data;
            old.truncate(len);
            self.durable = if len == 0 { Durable::Prefix(0) } else { Durable::Old(old) };
        }
    }

    /// What a power cut leaves, and how many bytes it took.
    fn cut(&mut self, choices: &mut Choices) -> u64 {
        let had = self.data.len();
        let surely = match &self.durable {
            Durable::Prefix(len) => *len,
            Durable::Old(_) => 0,
        };
        // Torn anywhere behind what is sure; the usual is that nothing of it got lost.
        let lost = choices.below((had - surely) as u64 + 1) as usize;
        if let Durable::Old(old) = &mut self.durable
            && lost == had
            && choices.chance(500)
        {
            // Not even that it was emptied reached the disk.
            self.data = core::mem::take(old);
        } else {
            self.data.truncate(had - lost);
        }
        self.sync();
        lost as u64
    }
}

/// The number of a file, whatever its name.
type Node = u64;

/// All files of one host.
///
/// What a power cut leaves follows the rules of a journalling file system: bytes that were synced stay, of those behind them any
/// suffix may be gone, for each file by itself; a name that was made or removed since its folder was synced may be there or
/// not; a rename is whole or did not happen.
#[derive(Debug, Default)]
pub struct Disk {
    files: BTreeMap<Node, File>,
    /// Names as the processes see them.
    names: BTreeMap<Path, Node>,
    /// Names that differ on the disk: what is there instead.
    stale: BTreeMap<Path, Option<Node>>,
    next: Node,
    lost: u64,
}

/// The folder part of a path.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn error(kind: JobErrorKind, message: alloc::string::String) -> JobError {
    JobError { kind, message: message.into() }
}

impl Disk {
    /// A file's content, as a process would read it.
    pub fn get(&self, file: &str) -> Option<&[u8]> {
        self.names.get(file).and_then(|n| self.files.get(n)).map(|f| &f.data[..])
    }

    /// Every name in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(|p| &**p)
    }

    /// How many bytes of a file a power cut surely leaves: 0 while even its name is not on the disk.
    pub fn durable_len(&self, file: &str) -> usize {
        match self.names.get(file).and_then(|n| self.files.get(n)) {
            Some(f) if !self.stale.contains_key(file) => match &f.durable {
                Durable::Prefix(len) => *len,
                Durable::Old(_) => 0,
            },
            _ => 0,
        }
    }

    /// Puts a file there, durably, as whoever sets up the host does.
    pub fn put(&mut self, file: &str, content: Vec<u8>) {
        let node = self.fresh(File::synced(content));
        self.bind(&file.into(), Some(node));
        self.stale.remove(file);
        self.sweep();
    }

    /// Takes a file away, durably.
    pub fn delete(&mut self, file: &str) {
        self.names.remove(file);
        self.stale.remove(file);
        self.sweep();
    }

    /// Changes a file's bytes in place, durably, as a bad disk does; false if it is not there.
    pub fn damage(&mut self, file: &str, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let Some(f) = self.names.get(file).and_then(|n| self.files.get_mut(n)) else { return false };
        change(&mut f.data);
        f.sync();
        true
    }

    /// How many bytes power cuts took so far.
    pub fn lost_bytes(&self) -> u64 {
        self.lost
    }

    fn fresh(&mut self, file: File) -> Node {
        self.next += 1;
        self.files.insert(self.next, file);
        self.next
    }

    /// Makes `name` lead to `node`, in the page cache.
    fn bind(&mut self, name: &Path, node: Option<Node>) {
        let old = match node {
            Some(node) => self.names.insert(name.clone(), node),
            None => self.names.remove(name),
        };
        if old != node {
            // What the disk has is what there was at the last sync, however often it changed since.
            let on_disk = *self.stale.entry(name.clone()).or_insert(old);
            if on_disk == node {
                self.stale.remove(name);
            }
        }
    }

    /// Forgets files without a name, on the disk or off it.
    fn sweep(&mut self) {
        let (names, stale) = (&self.names, &self.stale);
        self.files.retain(|n, _| names.values().any(|m| m == n) || stale.values().any(|m| *m == Some(*n)));
    }

    fn sync_folder(&mut self, folder_name: &str) {
        self.stale.retain(|name, _| folder(name) != folder_name);
        self.sweep();
    }

    fn node(&self, file: &Path) -> Result<Node, JobError> {
        self.names
            .get(file)
            .copied()
            .ok_or_else(|| error(JobErrorKind::NotFound, alloc::format!("cannot open {file}: no such file")))
    }

    pub(super) fn read(&self, file: &Path, at: u64, len: usize) -> Result<Bytes, JobError> {
        let node = self.node(file)?;
        let data = self.files.get(&node).map_or(&[][..], |f| &f.data);
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(data.len());
        let to = from.saturating_add(len).min(data.len());
        Ok(Bytes::copy_from_slice(&data[from..to]))
    }

    pub(super) fn stat(&self, file: &str) -> Option<u64> {
        self.get(file).map(|data| data.len() as u64)
    }

    pub(super) fn append(&mut self, file: &Path, at: u64, bytes: &[Bytes], sync: bool) -> Result<(), JobError> {
        let node = match self.names.get(file) {
            Some(node) => *node,
            None if at == 0 => {
                let node = self.fresh(File::synced(Vec::new()));
                self.bind(file, Some(node));
                node
            }
            None => self.node(file)?,
        };
        let Some(f) = self.files.get_mut(&node) else { return Ok(()) };
        if at == 0 {
            f.truncate();
        }
        if at != f.data.len() as u64 {
            let text =
                alloc::format!("cannot append to {file} at offset {at}: the file is {} bytes long", f.data.len());
            return Err(error(JobErrorKind::Other, text));
        }
        for piece in bytes {
            f.data.extend_from_slice(piece);
        }
        if sync {
            f.sync();
            if at == 0 {
                self.sync_folder(folder(file));
            }
        }
        Ok(())
    }

    pub(super) fn commit(&mut self, file: &Path, to: &Path) -> Result<(), JobError> {
        let node = self.node(file)?;
        if let Some(f) = self.files.get_mut(&node) {
            f.sync();
        }
        if file != to {
            self.bind(to, Some(node));
            self.bind(file, None);
        }
        self.sync_folder(folder(to));
        self.sync_folder(folder(file));
        Ok(())
    }

    pub(super) fn replace(&mut self, file: &Path, bytes: &Bytes) {
        let node = self.fresh(File::synced(bytes.to_vec()));
        self.bind(file, Some(node));
        self.sync_folder(folder(file));
    }

    pub(super) fn remove(&mut self, file: &Path) {
        self.bind(file, None);
    }

    /// The power fails.
    pub(super) fn power_cut(&mut self, choices: &mut Choices) {
        let stale = core::mem::take(&mut self.stale);
        for (name, on_disk) in stale {
            if choices.chance(500) {
                match on_disk {
                    Some(node) => self.names.insert(name, node),
                    None => self.names.remove(&name),
                };
            }
        }
        self.sweep();
        for file in self.files.values_mut() {
            self.lost += file.cut(choices);
        }
    }
}

#[cfg(test)]
mod tests;
