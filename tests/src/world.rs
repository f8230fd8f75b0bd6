//! One scenario: a scratch folder, its servers, its seed, a limit in time.

use crate::program::{self, Program};
use crate::rng::Rng;
use crate::server::Server;
use crate::{Error, Result};
use libtest_mimic::{Completion, Failed, Trial};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

/// How many lines of each log a failure shows.
const TAIL: usize = 25;

/// What a scenario works in.
pub struct World {
    /// The scenario's name.
    pub name: String,
    /// The seed of everything random in it.
    pub seed: u64,
    /// The scratch folder.
    pub folder: PathBuf,
    servers: Mutex<Vec<Arc<Server>>>,
}

impl World {
    fn new(name: &str) -> Result<Self> {
        let seed = match std::env::var("PRIMACY_SEED") {
            Ok(text) => text.parse().map_err(|_| format!("PRIMACY_SEED is not a number: {text}"))?,
            Err(_) => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos() as u64 % 1_000_000_007,
        };
        let plain: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
        let folder = std::env::temp_dir().join(format!("primacy-{}-{plain}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self { name: name.to_owned(), seed, folder, servers: Mutex::new(Vec::new()) })
    }

    /// A generator with the scenario's seed.
    #[must_use]
    pub fn rng(&self) -> Rng {
        Rng::new(self.seed)
    }

    /// The server under test.
    pub fn primacy(&self) -> Result<Program> {
        program::under_test()
    }

    /// A server that is not started yet.
    pub fn prepare(&self, name: &str, program: &Program, lines: &[&str]) -> Result<Arc<Server>> {
        let lines: Vec<String> = lines.iter().map(|&l| l.to_owned()).collect();
        let server = Arc::new(Server::prepare(&self.folder, name, program, &lines)?);
        self.servers.lock().map_err(|_| "lock")?.push(Arc::clone(&server));
        Ok(server)
    }

    /// A server that answers.
    pub fn server(&self, name: &str, program: &Program, lines: &[&str]) -> Result<Arc<Server>> {
        let server = self.prepare(name, program, lines)?;
        server.start()?;
        Ok(server)
    }

    /// Says something about the run.
    pub fn note(&self, text: &str) {
        eprintln!("    {}: {text}", self.name);
    }

    fn stop(&self) {
        for s in self.servers.lock().map(|s| s.clone()).unwrap_or_default() {
            s.kill();
        }
    }

    fn report(&self, error: &str) -> String {
        let mut text = format!("{error}\nseed: PRIMACY_SEED={}\nkept: {}\n", self.seed, self.folder.display());
        for s in self.servers.lock().map(|s| s.clone()).unwrap_or_default() {
            if s.log_file().exists() {
                text += &tail(&s.name, &s.log_file());
            }
        }
        text
    }
}

fn tail(name: &str, file: &Path) -> String {
    let log = std::fs::read(file).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let from = lines.len().saturating_sub(TAIL);
    format!("--- the end of the log of {name}\n{}\n", lines[from..].join("\n"))
}

/// What a scenario needs and whether it is there: the reason why not.
pub type Needs<T> = Result<T, String>;

/// A scenario as a test. `needs` is looked for first: without it the scenario counts as ignored, with the reason.
pub fn scenario<T, N, F>(name: &str, limit: Duration, needs: N, run: F) -> Trial
where
    T: Send + 'static,
    N: FnOnce() -> Needs<T> + Send + 'static,
    F: FnOnce(&World, T) -> Result<()> + Send + 'static,
{
    let title = name.to_owned();
    Trial::ignorable_test(name, move || {
        let found = match needs() {
            Ok(found) => found,
            Err(reason) => {
                eprintln!("    SKIP {title}: {reason}");
                return Ok(Completion::ignored_with(reason));
            }
        };
        // The first look at it builds it, for minutes on a busy machine: no scenario's own time.
        crate::program::under_test().map_err(|e| Failed::from(e.to_string()))?;
        let world = Arc::new(World::new(&title).map_err(|e| Failed::from(e.to_string()))?);
        let begun = Instant::now();
        match bounded(&world, limit, found, run) {
            Ok(()) => {
                world.note(&format!("passed in {:.1} s", begun.elapsed().as_secs_f32()));
                if std::env::var_os("PRIMACY_KEEP").is_none() {
                    std::fs::remove_dir_all(&world.folder).ok();
                }
                Ok(Completion::Completed)
            }
            Err(error) => Err(Failed::from(world.report(&error.to_string()))),
        }
    })
}

fn bounded<T, F>(world: &Arc<World>, limit: Duration, found: T, run: F) -> Result<()>
where
    T: Send + 'static,
    F: FnOnce(&World, T) -> Result<()> + Send + 'static,
{
    let (done, wait) = channel();
    let inner = Arc::clone(world);
    let thread = std::thread::spawn(move || {
        let result = run(&inner, found);
        done.send(()).ok();
        result
    });
    let late = matches!(wait.recv_timeout(limit), Err(RecvTimeoutError::Timeout));
    // Without its servers a late scenario fails at its next look at one of them.
    world.stop();
    if late && matches!(wait.recv_timeout(Duration::from_secs(40)), Err(RecvTimeoutError::Timeout)) {
        return Err(format!("not done within {limit:?}, and stuck outside its servers").into());
    }
    let result = thread.join().unwrap_or_else(|panic| Err(text_of(&*panic)));
    match result {
        Err(error) if late => Err(format!("not done within {limit:?}; then: {error}").into()),
        other => other,
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&s| s.to_owned())).unwrap_or_else(|| "panic".into()).into()
}
