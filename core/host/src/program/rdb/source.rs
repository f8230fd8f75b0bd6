//! The dump's bytes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// How much is read at once, bytes.
const BLOCK: usize = 256 << 10;

/// A file or standard input, read in blocks.
pub(super) struct Source {
    from: Box<dyn Read>,
    block: Vec<u8>,
    /// Length of the file, if it is one, bytes.
    pub(super) len: Option<u64>,
    /// Read so far, bytes.
    pub(super) read: u64,
}

impl Source {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Self::new(Box::new(file), about.is_file().then_some(about.len())))
    }

    pub(super) fn stdin() -> Self {
        Self::new(Box::new(io::stdin().lock()), None)
    }

    pub(super) fn new(from: Box<dyn Read>, len: Option<u64>) -> Self {
        Self { from, block: vec![0; BLOCK], len, read: 0 }
    }

    /// The next bytes; none at the end.
    pub(super) fn next(&mut self) -> io::Result<&[u8]> {
        loop {
            match self.from.read(&mut self.block) {
                Ok(n) => {
                    self.read += n as u64;
                    return Ok(&self.block[..n]);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}
