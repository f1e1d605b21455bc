//! A new configuration for a daemon that runs: read off the engine's thread,
//! judged as a whole, compared with the one that runs, and put into words. What
//! is bad is refused whole and changes nothing.

mod runnable;
mod told;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use nix::ifaddrs::getifaddrs;

use super::foresight::{Foresight, Interfaces, Known};
use crate::config::effective::{effective, text};
use crate::config::{self, Configuration, ReadError, Reading, Severity};
use crate::error::Exit;
pub use runnable::Runnable;
pub(super) use runnable::runnable;
pub use told::Seen;
pub(super) use told::plan;

/// Where the configuration is read: the same file as the same host at the start
/// and at each reload.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    id: Option<String>,
}

impl Source {
    /// The file that is named, else the one that [`config::choose`] finds, read as
    /// the host with this id, else as this one.
    ///
    /// # Errors
    /// None is named and there is none where one is looked for.
    pub fn choose(named: Option<&Path>, id: Option<&str>) -> Result<Self, ReadError> {
        Ok(Self {
            path: config::choose(named)?,
            id: id.map(Into::into),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it as it is now.
    ///
    /// # Errors
    /// The file itself cannot be read.
    pub fn read(&self) -> Result<Candidate, ReadError> {
        let reading = Reading {
            keep_statements: true,
            ..Reading::of_host(self.id.as_deref())
        };
        let mut loaded = config::load_with(&self.path, reading)?;
        find_interfaces(&mut loaded.configuration, carrier_of);
        let remark = |problem: &config::Problem| Remark {
            severity: problem.severity(),
            headline: problem.headline(),
            message: problem.message().to_owned(),
        };
        Ok(Candidate {
            remarks: loaded.problems.iter().map(remark).collect(),
            effective: text(&effective(&loaded), false),
            configuration: loaded.configuration,
            runnable: Runnable::default(),
            host: Interfaces::of_host().ok(),
        })
    }
}

/// Gives instances their interface that name none: the one that carries
/// `unicast_src_ip`.
fn find_interfaces(
    configuration: &mut Configuration,
    carrier_of: impl Fn(IpAddr) -> Option<String>,
) {
    for instance in &mut configuration.instances {
        if !instance.interface.is_empty() || instance.unusable.is_some() {
            continue;
        }
        let Some(source) = instance.source else {
            continue;
        };
        match carrier_of(source) {
            Some(name) => instance.interface = name,
            None => {
                instance.unusable = Some(format!(
                    "no interface here carries {source} (unicast_src_ip); name one in `interface`"
                ));
            }
        }
    }
}

/// The interface of this host that has an address.
fn carrier_of(address: IpAddr) -> Option<String> {
    let all = getifaddrs().ok()?;
    let mut carriers = all.filter(|one| {
        let Some(held) = &one.address else {
            return false;
        };
        let v4 = held.as_sockaddr_in().map(|held| IpAddr::V4(held.ip()));
        let v6 = held.as_sockaddr_in6().map(|held| IpAddr::V6(held.ip()));
        v4.or(v6) == Some(address)
    });
    carriers.next().map(|one| one.interface_name)
}

/// What there is to say about a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remark {
    /// How bad it is.
    pub severity: Severity,
    /// A line with the place.
    pub headline: String,
    message: String,
}

/// A configuration that was read.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What it asks for.
    pub configuration: Configuration,
    /// What there is to say about it.
    pub remarks: Vec<Remark>,
    /// It, as it holds, for people; without secrets.
    pub effective: String,
    /// Which scripts can be run, where that has been looked at.
    pub runnable: Runnable,
    /// The interfaces of this host as they were then, where the kernel said.
    pub host: Option<Interfaces>,
}

impl Candidate {
    /// How many errors it has.
    #[must_use]
    pub fn errors(&self) -> usize {
        let errors = self.remarks.iter();
        errors
            .filter(|remark| remark.severity == Severity::Error)
            .count()
    }

    /// Whether any of its instances can run.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        let mut instances = self.configuration.instances.iter();
        instances.any(|instance| instance.unusable.is_none())
    }

    /// What is known beforehand where it takes the place of `running`: `known` is how
    /// trackers stand, `after` how they do once they have been looked at again.
    fn foresight<'a>(
        &'a self,
        running: &'a Self,
        known: &'a Known,
        after: &'a Known,
    ) -> Option<Foresight<'a>> {
        let (old, new) = (&running.configuration, &self.configuration);
        let host = self.host.as_ref()?;
        Some(Foresight::new(old, new, host, known).with(after))
    }

    /// The errors that `running` does not have: a daemon that was started in
    /// spite of some is not kept from every reload by them.
    fn news<'a>(&'a self, running: &Self) -> Vec<&'a Remark> {
        let mut known: HashMap<&str, usize> = HashMap::new();
        for remark in running.remarks.iter().filter(is_error) {
            *known.entry(&remark.message).or_default() += 1;
        }
        let news = self.remarks.iter().filter(is_error);
        news.filter(|remark| match known.get_mut(remark.message.as_str()) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        })
        .collect()
    }
}

fn is_error(remark: &&Remark) -> bool {
    remark.severity == Severity::Error
}

/// Why a reload was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// How `vip reload` ends.
    pub exit: Exit,
    /// Why, and what to do.
    pub said: Vec<String>,
}

/// Whether a candidate may take the place of what runs.
///
/// # Errors
/// It is bad, whatever of it would be good: nothing is to change.
pub fn judge(source: &Path, running: &Candidate, candidate: &Candidate) -> Result<(), Refused> {
    let name = source.display();
    let bad = |mut said: Vec<String>| {
        said.push(format!(
            "{name} is not taken; the running configuration stays, nothing was changed. \
             'vip check {name}' shows each problem with its place"
        ));
        Refused {
            exit: Exit::Configuration,
            said,
        }
    };
    let news = candidate.news(running);
    if !news.is_empty() {
        return Err(bad(news
            .iter()
            .map(|remark| remark.headline.clone())
            .collect()));
    }
    if !candidate.is_usable() {
        let message = format!("{name} has no usable vrrp_instance: there is nothing to run");
        return Err(bad(vec![message]));
    }
    let was_usable = |name: &str| {
        let mut instances = running.configuration.instances.iter();
        instances.any(|one| one.name == name && one.unusable.is_none())
    };
    let mut broken: Vec<String> = candidate
        .configuration
        .instances
        .iter()
        .filter(|one| was_usable(&one.name))
        .filter_map(|one| {
            let why = one.unusable.as_ref()?;
            Some(format!("({}) could not run any more: {why}", one.name))
        })
        .collect();
    // What trackers have found refuses nothing.
    let nothing = Known::default();
    let foresight = candidate.foresight(running, &nothing, &nothing);
    broken.extend(foresight.iter().flat_map(Foresight::refusals));
    if !broken.is_empty() {
        return Err(bad(broken));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::foresight::Condition;

    pub(super) const SEED: &str = include_str!("../../../tests/seed/nodeA.conf");

    /// A configuration, on a host with two interfaces that run.
    pub(super) fn candidate(text: &str) -> Candidate {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vip.conf");
        std::fs::write(&path, text).unwrap();
        let read = Source { path, id: None }.read().unwrap();
        let host = ["eth0", "eth1"].map(|name| (name.to_owned(), Condition::Running));
        Candidate {
            host: Some(host.into_iter().collect()),
            ..read
        }
    }

    pub(super) fn judged(running: &str, new: &str) -> Result<(), Refused> {
        judge(
            Path::new("/etc/vip/vip.conf"),
            &candidate(running),
            &candidate(new),
        )
    }

    #[test]
    fn an_instance_with_peers_is_where_its_source_is() {
        let text = SEED.replace(
            "interface eth0",
            "unicast_src_ip 192.0.2.7\n    unicast_peer {\n        192.0.2.8\n    }",
        );
        let of = |carrier: Option<&str>| {
            let mut configuration = config::parse(&text, "t").configuration;
            find_interfaces(&mut configuration, |source| {
                assert_eq!(source, IpAddr::from([192, 0, 2, 7]));
                carrier.map(str::to_owned)
            });
            configuration.instances.remove(0)
        };
        let found = of(Some("eth5"));
        assert_eq!((found.interface.as_str(), found.unusable), ("eth5", None));
        assert!(of(None).unusable.is_some());
        assert_eq!(carrier_of([127, 0, 0, 1].into()).as_deref(), Some("lo"));
    }

    #[test]
    fn what_needs_an_interface_that_is_not_there_is_refused() {
        let more = SEED.replace(
            "192.168.8.100/24",
            "192.168.8.100/24\n        192.168.8.101/24 dev dum0",
        );
        let refused = judged(SEED, &more).unwrap_err();
        assert_eq!(refused.exit, Exit::Configuration);
        assert!(
            refused.said[0].starts_with(
                "(VI_1) could not run any more: there is no interface dum0 here, needed for 192.168.8.101"
            ),
            "{refused:?}"
        );
        assert!(refused.said[1].contains("nothing was changed"));
    }

    #[test]
    fn a_bad_file_is_refused_whole_with_the_reason() {
        let bad = SEED.replace("priority 100", "priorty 100");
        let refused = judged(SEED, &bad).unwrap_err();
        assert_eq!(refused.exit, Exit::Configuration);
        assert!(refused.said[0].contains("priorty"), "{refused:?}");
        assert!(
            refused.said.last().unwrap().contains("nothing was changed"),
            "{refused:?}"
        );
        let refused = judged(SEED, "").unwrap_err();
        assert!(refused.said[0].contains("nothing to run"), "{refused:?}");
        let refused = judged(SEED, "vrrp_instance VI_1 {").unwrap_err();
        assert_eq!(refused.exit, Exit::Configuration);
    }

    #[test]
    fn an_error_that_the_daemon_was_started_with_keeps_no_reload_out() {
        let bad = SEED.replace("priority 100", "bogus_word 1\n    priority 100");
        let other = bad.replace("priority 100", "priority 99");
        judged(&bad, &other).unwrap();
        let twice = other.replace("bogus_word 1", "bogus_word 1\n    bogus_word 1");
        assert!(judged(&bad, &twice).is_err());
    }

    #[test]
    fn an_instance_that_runs_is_not_made_one_that_cannot() {
        let two = format!(
            "{SEED}\n{}",
            SEED.replace("VI_1", "VI_2").replace("51", "52")
        );
        // The same VRID on the same interface: only one of the two can run.
        let clash = format!("{SEED}\n{}", SEED.replace("VI_1", "VI_2"));
        assert!(judged(&two, &clash).is_err());
    }
}
