//! The files of docs/deploy: all that they say is known to the program, so that they cannot rot.

use libtest_mimic::Trial;
use primacy_core::config::Config;
use primacy_core::config::sentinel::Loader;
use primacy_tests::peers::on_path;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);
const UNITS: [&str; 2] = ["primacy.service", "primacy-sentinel@.service"];

pub(crate) fn all() -> Vec<Trial> {
    vec![
        scenario("deploy::units_say_what_is_known", LIMIT, || Ok(()), |_, ()| units()),
        scenario("deploy::systemd_takes_the_units", LIMIT, || on_path("systemd-analyze"), |w, tool| systemd(w, &tool)),
        scenario("deploy::the_image_says_what_is_known", LIMIT, || Ok(()), |_, ()| image()),
        scenario("deploy::the_stateful_sets_say_what_is_known", LIMIT, || Ok(()), |_, ()| stateful_sets()),
        scenario("deploy::the_page_says_what_is_known", LIMIT, || Ok(()), |_, ()| page()),
    ]
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/deploy")
}

fn read(name: &str) -> Result<String> {
    Ok(std::fs::read_to_string(folder().join(name)).map_err(|e| format!("docs/deploy/{name}: {e}"))?)
}

/// Files by their name, without the folder.
type Files = BTreeMap<String, String>;

/// Whether the program would take these words behind its name. The configuration file comes from `files`; one that is not
/// there is the user's own.
fn known(words: &[String], files: &Files) -> Result<()> {
    let (command, rest) = words.split_first().ok_or("no words")?;
    let (file, args) = match rest.split_first() {
        Some((first, args)) if !first.starts_with("--") => (Some(first), args),
        _ => (None, rest),
    };
    let text = file.and_then(|f| files.get(base(f)));
    takes(command, text.map_or("", String::as_str), args, files).map_err(|e| format!("{words:?}: {e}").into())
}

fn base(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// Whether a configuration and arguments are taken, included files being among `files`.
fn takes(command: &str, text: &str, args: &[String], files: &Files) -> Result<()> {
    let mut include =
        |name: &str| files.get(base(name)).cloned().ok_or_else(|| format!("{name} is none of the files here"));
    match command {
        "server" => {
            let mut config = Config::new();
            config.load("the file", text, &mut include)?;
            config.apply_args(args)?;
        }
        "sentinel" => {
            let mut loader = Loader::new();
            loader.text("the file", text, &mut include)?;
            loader.args(args)?;
            loader.finish(&mut |_| true)?;
        }
        other => return Err(format!("{other} is no command of the program").into()),
    }
    Ok(())
}

fn units() -> Result<()> {
    for name in UNITS {
        let text = read(name)?;
        let starts: Vec<_> = text.lines().filter_map(|l| l.strip_prefix("ExecStart=")).collect();
        ensure!(starts.len() == 1, "{name}: {} lines of ExecStart", starts.len());
        let words: Vec<String> =
            starts[0].split_whitespace().map(|w| w.trim_matches('"').replace("%i", "26379")).collect();
        ensure!(words[0] == "/usr/local/bin/primacy", "{name} starts {}", words[0]);
        known(&words[1..], &Files::new()).map_err(|e| format!("{name}: {e}"))?;
        ensure!(text.contains("Type=exec\n"), "{name}: the program does not notify systemd, so that its type is exec");
    }
    Ok(())
}

/// systemd's own check, with a program that is there.
fn systemd(w: &World, tool: &Path) -> Result<()> {
    let program = std::fs::canonicalize(std::env::current_exe()?)?;
    for name in UNITS {
        let unit = w.folder.join(name.replace('@', "@26379"));
        let text = read(name)?.replace("/usr/local/bin/primacy", &program.to_string_lossy());
        std::fs::write(&unit, text)?;
        let out = Command::new(tool).arg("verify").arg("--man=no").arg(&unit).output()?;
        let said = String::from_utf8_lossy(&out.stderr).into_owned() + &String::from_utf8_lossy(&out.stdout);
        ensure!(out.status.success() && !said.contains(name), "{name}: {}: {said}", out.status);
    }
    Ok(())
}

/// The words of a list in brackets, each in quotes.
fn list(text: &str) -> Result<Vec<String>> {
    let inner =
        text.trim().strip_prefix('[').and_then(|t| t.strip_suffix(']')).ok_or_else(|| format!("no list: {text}"))?;
    Ok(inner.split('"').skip(1).step_by(2).map(str::to_owned).collect())
}

fn image() -> Result<()> {
    let text = read("Dockerfile")?;
    let of = |what: &str| -> Result<Vec<String>> {
        list(text.lines().find_map(|l| l.strip_prefix(what)).ok_or_else(|| format!("no {what}"))?)
    };
    ensure!(of("ENTRYPOINT")? == ["/primacy"], "the image starts {:?}", of("ENTRYPOINT")?);
    known(&of("CMD")?, &Files::new())
}

/// The texts of a YAML file that stand as `NAME.conf: |`.
fn texts(yaml: &str) -> Files {
    let indent = |l: &str| l.len() - l.trim_start().len();
    let (mut files, mut lines) = (Files::new(), yaml.lines().peekable());
    while let Some(line) = lines.next() {
        let Some(name) = line.trim().strip_suffix(": |") else { continue };
        let mut text = String::new();
        while let Some(inner) = lines.next_if(|l| l.trim().is_empty() || indent(l) > indent(line)) {
            text += inner.trim();
            text.push('\n');
        }
        // Two files of one name are one more reason to read both.
        files.entry(name.to_owned()).or_default().push_str(&text);
    }
    files
}

fn stateful_sets() -> Result<()> {
    let yaml = read("statefulset.yaml")?;
    let mut files = texts(&yaml);
    ensure!(files.len() >= 5, "only these configurations were found: {:?}", files.keys());
    for ordinal in 0..3 {
        let text = files.get(&format!("primacy-{ordinal}.conf")).ok_or("a node has no configuration")?;
        takes("server", text, &[], &files).map_err(|e| format!("primacy-{ordinal}: {e}"))?;
    }
    // The set's own and the password's have one name, and the first includes the second.
    let all = files.remove("sentinel.conf").ok_or("no sentinel.conf")?;
    let own: Vec<_> = all.lines().filter(|l| !l.starts_with("include ")).collect();
    takes("sentinel", &own.join("\n"), &[], &files).map_err(|e| format!("sentinel.conf: {e}"))?;
    let starts: Vec<_> = yaml.lines().filter_map(|l| l.trim().strip_prefix("args: ")).collect();
    ensure!(starts.len() == 2, "{} lists of arguments", starts.len());
    for start in starts {
        let words: Vec<_> = list(start)?.iter().map(|w| w.replace("$(POD_NAME)", "primacy-0")).collect();
        known(&words, &files)?;
    }
    let probes: Vec<_> = yaml.lines().filter_map(|l| l.trim().strip_prefix("httpGet: ")).collect();
    let sound = ["{ path: /healthz, port: metrics }", "{ path: /readyz, port: metrics }"];
    ensure!(probes.len() == 6 && probes.iter().all(|p| sound.contains(p)), "probes: {probes:?}");
    let ports = yaml.matches("{ name: metrics, containerPort: 9121 }").count();
    let served = yaml.lines().filter(|l| l.trim() == "metrics-port 9121").count();
    ensure!(ports == 2 && served == 2, "{ports} ports of metrics, {served} configurations with one");
    let number = |key: &str| -> Result<u64> {
        let of = yaml.lines().filter_map(|l| l.trim().strip_prefix(key)).filter_map(|v| v.trim().parse::<u64>().ok());
        of.max().ok_or_else(|| format!("no {key}").into())
    };
    let (grace, timeout) = (number("terminationGracePeriodSeconds:")?, number("shutdown-timeout ")?);
    ensure!(grace > timeout, "a pod has {grace} s to end, and waits {timeout} s for its replicas");
    Ok(())
}

/// The configurations of the page, which are in blocks that are called so.
fn page() -> Result<()> {
    let text = read("README.md")?;
    let mut seen = 0;
    for (kind, command) in [("```primacy.conf\n", "server"), ("```sentinel.conf\n", "sentinel")] {
        for block in text.split(kind).skip(1) {
            let conf = block.split("```").next().unwrap_or_default();
            takes(command, conf, &[], &Files::new()).map_err(|e| format!("docs/deploy/README.md: {e}"))?;
            seen += 1;
        }
    }
    ensure!(seen >= 2, "{seen} configurations on the page");
    Ok(())
}
