//! Which programs play the servers: the one under test, and the real ones beside it.

use crate::Result;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What a program is, as far as its configuration file must differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The server under test is Primacy itself.
    Primacy,
    /// A Redis of this major and minor version.
    Redis(u8, u8),
    /// A Valkey of this major and minor version.
    Valkey(u8, u8),
}

/// A server program: the words that start it. A configuration file comes after them.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name in test names and messages, e.g. `redis-7.0`.
    pub name: String,
    /// The words that start it.
    pub words: Vec<String>,
    /// What it is.
    pub kind: Kind,
}

impl Program {
    /// A real server at a path; a failure with the reason if it cannot be started or says something unknown.
    pub fn at(path: &Path) -> Result<Self> {
        let out =
            Command::new(path).arg("--version").output().map_err(|e| format!("{} --version: {e}", path.display()))?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let version = text.split(" v=").nth(1).and_then(|t| t.split_whitespace().next()).unwrap_or_default();
        let mut parts = version.split('.').map(|p| p.parse::<u8>().unwrap_or_default());
        let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let words = vec![path.to_string_lossy().into_owned()];
        match text.split_whitespace().next() {
            Some("Redis") => {
                Ok(Self { name: format!("redis-{major}.{minor}"), words, kind: Kind::Redis(major, minor) })
            }
            Some("Valkey") => {
                Ok(Self { name: format!("valkey-{major}.{minor}"), words, kind: Kind::Valkey(major, minor) })
            }
            _ => Err(format!("{} --version says \"{}\"", path.display(), text.trim()).into()),
        }
    }

    /// Whether it is Primacy itself, and so must keep the promises that Redis does not give.
    #[must_use]
    pub fn is_primacy(&self) -> bool {
        self.kind == Kind::Primacy
    }

    /// Whether `DEBUG` has to be allowed in the configuration.
    #[must_use]
    pub fn guards_debug(&self) -> bool {
        !matches!(self.kind, Kind::Redis(major, _) if major < 7)
    }

    /// The command that starts it, without a configuration file.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut c = Command::new(&self.words[0]);
        c.args(&self.words[1..]);
        c
    }
}

static UNDER_TEST: OnceLock<Result<Program, String>> = OnceLock::new();

/// The runtimes that Primacy's server comes over: what `PRIMACY_RUNTIME` calls them, their package, their program.
const RUNTIMES: [(&str, &str, &str); 2] =
    [("mio", "primacy-mio", "primacy"), ("async-std", "primacy-async-std", "primacy-async-std")];

/// The server under test: what `PRIMACY_SERVER` says, else `primacy server` (over the runtime that `PRIMACY_RUNTIME`
/// says), built now in this executable's profile (so it is never an old one).
pub fn under_test() -> Result<Program> {
    Ok(UNDER_TEST.get_or_init(|| find_under_test().map_err(|e| e.to_string())).clone()?)
}

fn find_under_test() -> Result<Program> {
    if let Ok(text) = std::env::var("PRIMACY_SERVER") {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let Some(first) = words.first() else { return Err("PRIMACY_SERVER is empty".into()) };
        let known = if words.len() == 1 { Program::at(Path::new(first)).ok() } else { None };
        let kind = known.map_or(Kind::Primacy, |p| p.kind);
        return Ok(Program { name: "primacy".into(), words, kind });
    }
    let file = build()?;
    Ok(Program {
        name: "primacy".into(),
        words: vec![file.to_string_lossy().into_owned(), "server".into()],
        kind: Kind::Primacy,
    })
}

/// Where cargo puts what is built as this test is.
fn folder() -> Result<PathBuf> {
    // target/<profile folder>/deps/<this executable>
    let me = std::env::current_exe()?;
    Ok(me.parent().and_then(Path::parent).ok_or("the test executable lies in no target folder")?.into())
}

/// An example of core's, built as `tests/run.sh` has built it with the unit tests.
///
/// # Errors
/// It cannot be built.
pub fn example(name: &str) -> Result<PathBuf> {
    let folder = folder()?;
    let target = folder.parent().ok_or("no target folder")?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace folder")?;
    let out = Command::new(cargo)
        // The packages and features decide what is built: others would build core anew.
        .args(["build", "--quiet", "--workspace", "--exclude", "primacy-tests", "--examples"])
        .args([
            "--features",
            "primacy-core/sim,primacy-core/fuzz,primacy-host/fuzz,primacy-mio/tls,primacy-async-std/tls",
            "--target-dir",
        ])
        .arg(target)
        .current_dir(root)
        .output()?;
    if !out.status.success() {
        return Err(format!("the examples could not be built:\n{}", String::from_utf8_lossy(&out.stderr)).into());
    }
    Ok(target.join("debug/examples").join(name))
}

/// Whether the runtime under test is mio, the one that is taken where nothing is said.
#[must_use]
pub fn over_mio() -> bool {
    std::env::var("PRIMACY_RUNTIME").map_or(true, |runtime| runtime == "mio")
}

/// Builds the program of the runtime under test and gives its path.
fn build() -> Result<PathBuf> {
    let runtime = std::env::var("PRIMACY_RUNTIME").unwrap_or_else(|_| "mio".into());
    let Some((_, package, program)) = RUNTIMES.iter().find(|(name, ..)| *name == runtime) else {
        let known = RUNTIMES.map(|(name, ..)| name).join(" and ");
        return Err(format!("PRIMACY_RUNTIME={runtime}: there is no such runtime; {known} are").into());
    };
    let folder = folder()?;
    let target = folder.parent().ok_or("no target folder")?;
    let profile = match folder.file_name().and_then(|n| n.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace folder")?;
    let out = Command::new(cargo)
        .args(["build", "--quiet", "--package", package, "--bin", program, "--features", "tls", "--profile", profile])
        .arg("--target-dir")
        .arg(target)
        .current_dir(root)
        .output()?;
    if !out.status.success() {
        return Err(format!("`{program}` could not be built:\n{}", String::from_utf8_lossy(&out.stderr)).into());
    }
    Ok(folder.join(program))
}
