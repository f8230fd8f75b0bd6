//! `epochs-grow`: what a sentinel's disk says of epochs never goes back.

use alloc::collections::BTreeMap;
use alloc::format;

use super::Broken;

/// The name.
pub const NAME: &str = "epochs-grow";

/// The highest epochs that each sentinel was seen with, over all its processes.
#[derive(Debug, Default)]
pub struct Epochs {
    current: BTreeMap<usize, u64>,
    config: BTreeMap<(usize, usize), u64>,
}

impl Epochs {
    /// A sentinel that knows its masters has this current epoch.
    pub fn see_current(&mut self, sentinel: usize, epoch: u64) -> Result<(), Broken> {
        let had = self.current.entry(sentinel).or_default();
        if epoch < *had {
            let text = format!("sentinel {sentinel} is in epoch {epoch}, and was in {had}");
            return Err(Broken::new(NAME, text));
        }
        *had = epoch;
        Ok(())
    }

    /// A sentinel has this configuration of a master.
    pub fn see_config(&mut self, sentinel: usize, master: usize, epoch: u64) -> Result<(), Broken> {
        let had = self.config.entry((sentinel, master)).or_default();
        if epoch < *had {
            let text = format!("sentinel {sentinel} has master {master}'s configuration {epoch}, and had {had}");
            return Err(Broken::new(NAME, text));
        }
        *had = epoch;
        Ok(())
    }

    /// A sentinel got an old disk: what it had before does not count.
    pub fn forget(&mut self, sentinel: usize) {
        self.current.remove(&sentinel);
        self.config.retain(|(s, _), _| *s != sentinel);
    }
}
