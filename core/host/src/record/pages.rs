//! A recording's file, written in large aligned pieces that pass the page cache.
//!
//! Copying into fresh pages of the cache is most of what a recording costs, and nobody reads them soon. So blocks are
//! gathered in one aligned buffer, and a full buffer goes to the disk directly (`O_DIRECT`), where the file system can
//! do that. Whatever is not a full buffer (a quiet node, the end) goes through the cache, and so does all while the disk
//! is behind: the cache takes bursts that a disk does not.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes that are gathered for one write. Smaller ones cost more of the processor for each byte.
pub(super) const BUFFER: usize = 1 << 20;
/// What file systems want of the place in memory and in the file, at most: a page.
const ALIGN: usize = 4096;

/// What a recording is written to.
pub(super) trait Output: Send + 'static {
    /// Writes some of `bytes` at this offset; how many.
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<usize>;
    /// Cuts the file off at this length.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    /// Whether writes pass the page cache from now on; whether it can be as it was asked for.
    fn pass_cache(&mut self, on: bool) -> bool;
}

impl Output for File {
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, at)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn pass_cache(&mut self, on: bool) -> bool {
        use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
        let set = |mut flags: OFlags| {
            flags.set(OFlags::DIRECT, on);
            fcntl_setfl(&*self, flags)
        };
        fcntl_getfl(&*self).and_then(set).is_ok()
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn pass_cache(&mut self, on: bool) -> bool {
        !on
    }
}

/// Gathers blocks and writes them.
pub(super) struct Pages<O> {
    output: O,
    /// Room for the buffer, which begins at `start` so that it is aligned.
    room: Vec<u8>,
    start: usize,
    /// Bytes in the buffer,
    len: usize,
    /// and how many of them are in the file.
    saved: usize,
    /// Where in the file the buffer begins: a multiple of its size.
    at: u64,
    /// Where blocks end that are not wholly in the file.
    ends: VecDeque<u64>,
    /// Bytes of the file that are whole blocks,
    sound: u64,
    /// and how many blocks these are.
    blocks: u32,
    /// Whether writes pass the cache now,
    passing: bool,
    /// and whether they ever can.
    may_pass: bool,
}

impl<O: Output> Pages<O> {
    pub(super) fn new(output: O) -> Self {
        let room = vec![0; BUFFER + ALIGN];
        // It may say that it does not know; then the write fails, and goes through the cache.
        let start = room.as_ptr().align_offset(ALIGN).min(ALIGN);
        Self {
            output,
            room,
            start,
            len: 0,
            saved: 0,
            at: 0,
            ends: VecDeque::new(),
            sound: 0,
            blocks: 0,
            passing: false,
            may_pass: true,
        }
    }

    /// Bytes that are not in the file yet.
    pub(super) fn held(&self) -> usize {
        self.len - self.saved
    }

    /// Bytes of the file that are whole blocks.
    pub(super) fn sound(&self) -> u64 {
        self.sound
    }

    /// Takes a block; writes full buffers, past the page cache if `pass`.
    pub(super) fn add(&mut self, mut block: &[u8], pass: bool) -> io::Result<()> {
        self.ends.push_back(self.at + self.len as u64 + block.len() as u64);
        while !block.is_empty() {
            let (now, later) = block.split_at(block.len().min(BUFFER - self.len));
            let free = self.start + self.len;
            self.room[free..free + now.len()].copy_from_slice(now);
            self.len += now.len();
            block = later;
            if self.len == BUFFER {
                // One that is in the file in part has its pages in the cache; so there it stays.
                self.save(pass && self.saved == 0)?;
                self.at += BUFFER as u64;
                (self.len, self.saved) = (0, 0);
            }
        }
        Ok(())
    }

    /// Writes all that is held.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.save(false)
    }

    /// Behind a failure: leaves the blocks that are whole and puts a last one behind them, made for its number. There
    /// may be room for the end where there was none for a block.
    pub(super) fn end_at_sound(&mut self, last: impl FnOnce(u32) -> Vec<u8>) {
        self.pass(false);
        if self.output.truncate(self.sound).is_ok() {
            let _ = self.output.write_at(&last(self.blocks), self.sound); // It failed before, and that was told.
        }
    }

    /// Blocks so far, held ones too.
    pub(super) fn count(&self) -> u32 {
        self.blocks.wrapping_add(self.ends.len() as u32)
    }

    fn save(&mut self, pass: bool) -> io::Result<()> {
        self.pass(pass);
        while self.saved < self.len {
            let bytes = &self.room[self.start + self.saved..self.start + self.len];
            match self.output.write_at(bytes, self.at + self.saved as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.saved += n;
                    self.settle();
                    if self.saved < self.len {
                        self.pass(false); // What is left is not aligned any more, or there is a reason to be told.
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // Not every file system that takes the flag takes the write. Through the cache it may, or says why not.
                Err(_) if self.passing => {
                    self.may_pass = false;
                    self.pass(false);
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Notes which blocks are in the file now.
    fn settle(&mut self) {
        let reached = self.at + self.saved as u64;
        while let Some(end) = self.ends.front().filter(|end| **end <= reached) {
            self.sound = *end;
            self.blocks = self.blocks.wrapping_add(1);
            self.ends.pop_front();
        }
    }

    fn pass(&mut self, on: bool) {
        let on = on && self.may_pass;
        if on != self.passing {
            let done = self.output.pass_cache(on);
            self.may_pass &= done;
            self.passing = on && done;
        }
    }
}
