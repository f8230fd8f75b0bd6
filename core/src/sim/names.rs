//! The name service: names, their addresses, and what is wrong with them.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::NameTrouble;
use super::choices::Choices;
use super::config::NetConfig;
use crate::machine::{JobError, JobErrorKind, Outcome};
use crate::time::Instant;

#[derive(Debug, Default)]
struct Entry {
    addrs: Vec<IpAddr>,
    trouble: Option<(NameTrouble, Instant)>,
}

/// All names of a world. Every host has its own; more can be set.
#[derive(Debug, Default)]
pub struct Names {
    entries: BTreeMap<Arc<str>, Entry>,
}

impl Names {
    /// Gives a name these addresses, in the resolver's order; none takes it away.
    pub fn set(&mut self, name: &str, addrs: Vec<IpAddr>) {
        self.entries.entry(name.into()).or_default().addrs = addrs;
    }

    /// The addresses of a name, whatever is wrong with it.
    pub fn get(&self, name: &str) -> &[IpAddr] {
        self.entries.get(name).map_or(&[], |e| &e.addrs)
    }

    pub(super) fn trouble(&mut self, name: &Arc<str>, trouble: NameTrouble, until: Instant) {
        self.entries.entry(name.clone()).or_default().trouble = Some((trouble, until));
    }

    pub(super) fn heal(&mut self) {
        for entry in self.entries.values_mut() {
            entry.trouble = None;
        }
    }

    /// The answer to a lookup that begins now, and how long it takes, µs.
    pub(super) fn resolve(
        &self,
        name: &str,
        now: Instant,
        config: &NetConfig,
        choices: &mut Choices,
    ) -> (u64, Outcome) {
        if let Ok(literal) = name.parse::<IpAddr>() {
            return (1, Outcome::Resolved(Vec::from([literal])));
        }
        let mut takes = choices.between(config.resolve_us.0, config.resolve_us.1);
        let entry = self.entries.get(name);
        let trouble = entry.and_then(|e| e.trouble.as_ref()).filter(|(_, until)| *until > now).map(|(t, _)| t);
        let addrs = match (trouble, entry) {
            (Some(NameTrouble::Fails), _) | (_, None) => &[][..],
            (Some(NameTrouble::Leads(to)), _) => to,
            (Some(NameTrouble::Slow(factor)), Some(e)) => {
                takes = takes.saturating_mul(u64::from(*factor));
                &e.addrs
            }
            (None, Some(e)) => &e.addrs,
        };
        let outcome = if addrs.is_empty() && name == "localhost" {
            Outcome::Resolved(Vec::from([IpAddr::from([127, 0, 0, 1])]))
        } else if addrs.is_empty() {
            let message = alloc::format!("cannot resolve the host name {name:?}: this world has no such name now");
            Outcome::Failed(JobError { kind: JobErrorKind::NoSuchHost, message: message.into() })
        } else {
            Outcome::Resolved(addrs.to_vec())
        };
        (takes.max(1), outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_astray_for_a_while() {
        let (home, away) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut names = Names::default();
        names.set("m", [home].to_vec());
        let (config, mut choices) = (NetConfig::default(), Choices::bytes(Vec::new()));
        let mut ask = |names: &Names, name: &str, s: u64| {
            let (takes, outcome) = names.resolve(name, Instant::from_micros(s * 1_000_000), &config, &mut choices);
            let addrs = if let Outcome::Resolved(list) = outcome { list } else { Vec::new() };
            (takes, addrs)
        };
        let least = config.resolve_us.0;
        assert_eq!(ask(&names, "m", 0), (least, [home].to_vec()));
        assert_eq!(ask(&names, "10.9.9.9", 0), (1, [IpAddr::from([10, 9, 9, 9])].to_vec()));
        assert_eq!(ask(&names, "nobody", 0), (least, Vec::new()));
        let until = Instant::from_micros(5_000_000);
        names.trouble(&"m".into(), NameTrouble::Slow(7), until);
        assert_eq!(ask(&names, "m", 4), (7 * least, [home].to_vec()));
        names.trouble(&"m".into(), NameTrouble::Fails, until);
        assert_eq!(ask(&names, "m", 4).1, Vec::<IpAddr>::new());
        names.trouble(&"m".into(), NameTrouble::Leads([away].to_vec()), until);
        assert_eq!((ask(&names, "m", 4).1, ask(&names, "m", 5).1), ([away].to_vec(), [home].to_vec()));
        names.trouble(&"m".into(), NameTrouble::Fails, until);
        names.heal();
        assert_eq!(ask(&names, "m", 4).1, [home]);
    }
}
