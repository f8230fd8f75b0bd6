//! The real servers and clients beside the one under test, as `tests/fetch-peers.sh` lays them out.

use crate::program::Program;
use std::path::PathBuf;

/// A real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Debian's redis-server (7.0 on Debian 12), from the path.
    Redis70,
    /// Redis 6.2.
    Redis62,
    /// Valkey 9.1.
    Valkey91,
    /// Valkey 9.0.
    Valkey90,
}

/// All of them.
pub const ALL: [Peer; 4] = [Peer::Redis70, Peer::Redis62, Peer::Valkey91, Peer::Valkey90];

/// What to do about a missing peer.
const ADVICE: &str = "run tests/fetch-peers.sh";

impl Peer {
    /// Its name in test names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis70 => "redis-7.0",
            Self::Redis62 => "redis-6.2",
            Self::Valkey91 => "valkey-9.1",
            Self::Valkey90 => "valkey-9.0",
        }
    }

    /// The program, or why it is not there.
    pub fn find(self) -> Result<Program, String> {
        let path = match self {
            Self::Redis70 => on_path("redis-server")?,
            Self::Redis62 => folder().join("redis-6.2/redis-server"),
            Self::Valkey91 => folder().join("valkey-9.1/valkey-server"),
            Self::Valkey90 => folder().join("valkey-9.0/valkey-server"),
        };
        if !path.is_file() {
            return Err(format!("{} is not there: {ADVICE}", path.display()));
        }
        Program::at(&path).map_err(|e| e.to_string())
    }
}

/// The folder that `tests/fetch-peers.sh` fills: `PRIMACY_PEERS`, else `primacy-peers` in the user's cache.
#[must_use]
pub fn folder() -> PathBuf {
    if let Some(dir) = std::env::var_os("PRIMACY_PEERS") {
        return dir.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    cache.unwrap_or_else(std::env::temp_dir).join("primacy-peers")
}

/// A program on the path, or why not.
pub fn on_path(name: &str) -> Result<PathBuf, String> {
    std::env::var_os("PATH")
        .and_then(|paths| std::env::split_paths(&paths).map(|p| p.join(name)).find(|p| p.is_file()))
        .ok_or_else(|| format!("no {name} on the path: {ADVICE}"))
}

/// The Python that has redis-py, or why not.
pub fn python() -> Result<PathBuf, String> {
    let path = folder().join("venv/bin/python");
    if path.exists() { Ok(path) } else { Err(format!("{} is not there: {ADVICE}", path.display())) }
}

/// Node.js and the folder of modules that has ioredis, or why not.
pub fn ioredis() -> Result<(PathBuf, PathBuf), String> {
    let modules = folder().join("ioredis/node_modules");
    if !modules.join("ioredis/package.json").is_file() {
        return Err(format!("{} has no ioredis: {ADVICE}", modules.display()));
    }
    let own = folder().join("node/bin/node");
    let node = if own.is_file() { own } else { on_path("node")? };
    Ok((node, modules))
}

/// Prometheus's promtool, or why not.
pub fn promtool() -> Result<PathBuf, String> {
    let own = folder().join("promtool");
    if own.is_file() { Ok(own) } else { on_path("promtool") }
}

/// Debian's own redis.conf, or why not.
pub fn debian_conf() -> Result<PathBuf, String> {
    debian("redis.conf")
}

/// Debian's own sentinel.conf, or why not.
pub fn debian_sentinel_conf() -> Result<PathBuf, String> {
    debian("sentinel.conf")
}

fn debian(name: &str) -> Result<PathBuf, String> {
    // A copy comes first: a sentinel that runs here has rewritten its own.
    let candidates = [folder().join(name), PathBuf::from("/etc/redis").join(name)];
    let readable = candidates.into_iter().find(|p| std::fs::read(p).is_ok());
    readable.ok_or_else(|| format!("no readable {name} of Debian: {ADVICE}"))
}
