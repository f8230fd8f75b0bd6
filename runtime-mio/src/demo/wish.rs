//! What the arguments of the demonstration ask for.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

/// What happens to the master.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    Kill,
    Freeze,
    Partition,
    Coordinated,
}

#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) fault: Fault,
    pub(crate) rounds: u64,
    pub(crate) keep: bool,
    /// `down-after-milliseconds`.
    pub(crate) down_after: Duration,
    pub(crate) server: Option<PathBuf>,
    pub(crate) sentinel: Option<PathBuf>,
}

impl Wish {
    /// `None` if only the help was asked for.
    pub(crate) fn parse(args: Vec<OsString>) -> Result<Option<Self>, lexopt::Error> {
        let down_after = Duration::from_secs(1);
        let mut wish = Self { fault: Fault::Kill, rounds: 1, keep: false, down_after, server: None, sentinel: None };
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Long("help") | Short('h') => return Ok(None),
                Long("keep") => wish.keep = true,
                Long("fault") => wish.fault = fault(&parser.value()?)?,
                Long("rounds") => wish.rounds = number(&mut parser, "--rounds", 1, 1000)?,
                Long("down-after") => {
                    wish.down_after = Duration::from_millis(number(&mut parser, "--down-after", 100, 60_000)?);
                }
                Long("server-program") => wish.server = Some(parser.value()?.into()),
                Long("sentinel-program") => wish.sentinel = Some(parser.value()?.into()),
                other => return Err(other.unexpected()),
            }
        }
        if wish.keep && wish.fault == Fault::Partition {
            return Err(
                "--keep cannot keep a group whose links this program carries: another --fault goes with it".into()
            );
        }
        Ok(Some(wish))
    }
}

fn fault(value: &OsString) -> Result<Fault, lexopt::Error> {
    match value.to_str() {
        Some("kill") => Ok(Fault::Kill),
        Some("freeze") => Ok(Fault::Freeze),
        Some("partition") => Ok(Fault::Partition),
        Some("coordinated") => Ok(Fault::Coordinated),
        _ => Err(format!("--fault takes kill, freeze, partition or coordinated, not '{}'", value.display()).into()),
    }
}

fn number(parser: &mut lexopt::Parser, name: &str, least: u64, most: u64) -> Result<u64, lexopt::Error> {
    let value = parser.value()?;
    match value.to_str().and_then(|v| v.parse().ok()) {
        Some(n) if (least..=most).contains(&n) => Ok(n),
        _ => Err(format!("{name} takes a number from {least} to {most}, not '{}'", value.display()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_checked() {
        let parse = |args: &[&str]| Wish::parse(args.iter().map(OsString::from).collect());
        let wish = parse(&["--fault", "freeze", "--keep", "--rounds=5"]).unwrap().unwrap();
        assert_eq!((wish.fault, wish.rounds, wish.keep), (Fault::Freeze, 5, true));
        assert!(parse(&["--help"]).unwrap().is_none());
        for bad in [
            &["--rounds", "0"][..],
            &["--fault", "fire"],
            &["--down-after", "99"],
            &["here"],
            &["--rounds"],
            &["--keep", "--fault", "partition"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
