//! A new configuration for a daemon that runs: read off the engine's thread,
//! judged as a whole, compared with the one that runs, and put into words. What
//! is bad is refused whole and changes nothing.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use nix::ifaddrs::getifaddrs;

use crate::config::diff::{self, Change, Difference, Lists};
use crate::config::effective::{effective, text};
use crate::config::{self, Configuration, Instance, ReadError, Reading, Severity};
use crate::engine::published::Standing;
use crate::error::Exit;
use crate::words;
use vip_common::ids::{Version, Vrid};

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
    let broken: Vec<String> = candidate
        .configuration
        .instances
        .iter()
        .filter(|one| was_usable(&one.name))
        .filter_map(|one| {
            let why = one.unusable.as_ref()?;
            Some(format!("({}) could not run any more: {why}", one.name))
        })
        .collect();
    if !broken.is_empty() {
        return Err(bad(broken));
    }
    Ok(())
}

/// What leads from one configuration to the other, a line for each instance that
/// changes; `standing` is where an instance of the old one stands now. A router is
/// the same one where interface, family and VRID are, whatever its name is.
#[must_use]
pub fn plan(
    old: &Configuration,
    new: &Configuration,
    standing: impl Fn(&str) -> Option<Standing>,
) -> Vec<String> {
    let mut lines: Vec<String> = diff::diff(old, new)
        .iter()
        .filter(|change| {
            // Those of instances are told by router.
            !matches!(
                change,
                Change::Added { .. } | Change::Removed { .. } | Change::Changed { .. }
            )
        })
        .map(|change| {
            if matches!(change, Change::SyncGroup { .. }) {
                format!("{change}, its members go together from now on")
            } else {
                format!("{change}, no change of state")
            }
        })
        .collect();
    let before: HashMap<Identity<'_>, &Instance> = identified(old).collect();
    let after: HashMap<Identity<'_>, &Instance> = identified(new).collect();
    let by_name: HashMap<&str, &Instance> = named(new).collect();
    let mut known = HashSet::new();
    for (identity, one) in identified(old) {
        let seen = standing(&one.name);
        if let Some(same) = after.get(&identity) {
            known.insert(&*same.name);
            lines.extend(changed(one, same, seen, false));
            continue;
        }
        // By the same name, but another router.
        let other = by_name
            .get(&*one.name)
            .filter(|other| !before.contains_key(&identity_of(other)));
        if let Some(other) = other {
            known.insert(&*other.name);
            lines.extend(changed(one, other, seen, true));
        } else if seen == Some(Standing::Active) {
            let name = &one.name;
            lines.push(format!("({name}) goes: hands over, then ends (now MASTER)"));
        } else {
            lines.push(format!("({}) goes: ends{}", one.name, now(seen)));
        }
    }
    for (name, _) in named(new).filter(|(name, _)| !known.contains(name)) {
        lines.push(format!("({name}) is new: starts as BACKUP"));
    }
    if lines.is_empty() {
        lines.push("nothing differs from what runs".into());
    }
    lines
}

/// What makes a router the same one; instances that cannot run have their names.
type Identity<'a> = (&'a str, bool, Vrid, Option<&'a str>);

fn identity_of(instance: &Instance) -> Identity<'_> {
    (
        &instance.interface,
        instance.is_ipv6(),
        instance.vrid,
        instance.unusable.as_ref().map(|_| &*instance.name),
    )
}

fn identified(configuration: &Configuration) -> impl Iterator<Item = (Identity<'_>, &Instance)> {
    let instances = configuration.instances.iter();
    instances.map(|instance| (identity_of(instance), instance))
}

fn named(configuration: &Configuration) -> impl Iterator<Item = (&str, &Instance)> {
    let instances = configuration.instances.iter();
    instances.map(|instance| (&*instance.name, instance))
}

fn now(standing: Option<Standing>) -> String {
    standing.map_or_else(String::new, |standing| {
        format!(" (now {})", words::state(standing))
    })
}

/// The line of an instance that is in both; none where it is the same in both.
fn changed(
    old: &Instance,
    new: &Instance,
    standing: Option<Standing>,
    anew: bool,
) -> Option<String> {
    let differences = diff::differences(old, new);
    let renamed = (old.name != new.name).then(|| format!("was named {}", old.name));
    let what: Vec<String> = renamed
        .into_iter()
        .chain(differences.iter().map(|difference| told(difference, new)))
        .collect();
    if what.is_empty() {
        return None;
    }
    let elects = differences
        .iter()
        .any(|difference| matches!(difference, Difference::Priority(_) | Difference::Preempt(_)));
    let follows = match (anew, standing) {
        (true, Some(Standing::Active)) => {
            "hands over, then begins anew as BACKUP (now MASTER)".to_owned()
        }
        (true, standing) => format!("begins anew as BACKUP{}", now(standing)),
        (false, standing) if elects => {
            format!("the election decides with it from now on{}", now(standing))
        }
        (false, _) => "no change of state".to_owned(),
    };
    Some(format!("({}) {}, {follows}", new.name, what.join("; ")))
}

/// A difference as something that happens.
fn told(difference: &Difference, new: &Instance) -> String {
    if let Difference::Addresses(lists) = difference {
        moved(lists, "")
    } else if let Difference::Excluded(lists) = difference {
        moved(lists, " (not in adverts)")
    } else if let Difference::Routes(lists) = difference {
        come_and_go(lists, "route")
    } else if let Difference::Rules(lists) = difference {
        come_and_go(lists, "rule")
    } else if let Difference::TrackInterfaces(lists) = difference {
        come_and_go(lists, "tracked interface")
    } else if let Difference::Trackers(lists) = difference {
        come_and_go(lists, "tracker")
    } else if matches!(difference, Difference::Auth(_) | Difference::Hmac(_)) {
        format!("{difference}; the old one is still accepted, not sent, for 10m")
    } else if refused_by_others(difference, new) {
        format!("{difference}; other nodes refuse it until theirs is the same")
    } else {
        difference.to_string()
    }
}

/// Whether neighbours that were not reloaded yet do not take our adverts: those of
/// version 2 hold the interval against their own.
fn refused_by_others(difference: &Difference, new: &Instance) -> bool {
    matches!(difference, Difference::Version(_))
        || matches!(difference, Difference::Interval(_)) && new.version == Version::V2
}

/// What comes with the addresses and goes with them.
fn come_and_go<T: fmt::Display>(lists: &Lists<T>, what: &str) -> String {
    let each = |verb: &str, list: &[T]| -> Vec<String> {
        let parts = list.iter().map(|one| format!("{verb} {what} {one}"));
        parts.collect()
    };
    let mut parts = each("adds", &lists.added);
    parts.extend(each("removes", &lists.removed));
    if lists.reordered {
        parts.push(format!("orders each {what} anew"));
    }
    parts.join(", ")
}

fn moved(lists: &Lists, what: &str) -> String {
    let list = |verb: &str, list: &[config::VirtualAddress]| {
        let addresses: Vec<String> = list
            .iter()
            .map(|one| words::address(one.address, one.prefix))
            .collect();
        (!addresses.is_empty()).then(|| format!("{verb} {}{what}", addresses.join(", ")))
    };
    let parts = [
        list("adds", &lists.added),
        list("removes", &lists.removed),
        lists
            .reordered
            .then(|| format!("orders the addresses anew{what}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = include_str!("../../../tests/seed/nodeA.conf");

    fn candidate(text: &str) -> Candidate {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vip.conf");
        std::fs::write(&path, text).unwrap();
        Source { path, id: None }.read().unwrap()
    }

    fn judged(running: &str, new: &str) -> Result<(), Refused> {
        judge(
            Path::new("/etc/vip/vip.conf"),
            &candidate(running),
            &candidate(new),
        )
    }

    fn planned(new: &str, standing: Standing) -> Vec<String> {
        judged(SEED, new).unwrap();
        let (old, new) = (candidate(SEED), candidate(new));
        plan(&old.configuration, &new.configuration, |_| Some(standing))
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
    fn an_address_more_is_no_change_of_state() {
        let more = SEED.replace(
            "192.168.8.100/24",
            "192.168.8.100/24\n        192.168.8.101/24",
        );
        assert_eq!(
            planned(&more, Standing::Active),
            ["(VI_1) adds 192.168.8.101/24, no change of state"]
        );
        let other = SEED.replace("192.168.8.100/24", "192.168.8.101/24");
        assert_eq!(
            planned(&other, Standing::Active),
            ["(VI_1) adds 192.168.8.101/24, removes 192.168.8.100/24, no change of state"]
        );
    }

    #[test]
    fn routes_and_what_is_tracked_are_no_change_of_state() {
        let plain = SEED.replace(
            "priority 100",
            "priority 100\n    virtual_routes {\n        10.1.0.0/16 via 192.168.8.7 dev eth0\n    }",
        );
        assert_eq!(
            planned(&plain, Standing::Active),
            ["(VI_1) adds route 10.1.0.0/16 via 192.168.8.7 dev eth0, no change of state"]
        );
        let tracked = SEED.replace(
            "priority 100",
            "priority 100\n    track_interface {\n        eth1 weight -20\n    }",
        );
        assert_eq!(
            planned(&tracked, Standing::Active),
            ["(VI_1) adds tracked interface eth1 weight -20, no change of state"]
        );
    }

    #[test]
    fn what_is_the_same_is_no_change() {
        let same = format!("# another comment\n{SEED}");
        assert_eq!(
            planned(&same, Standing::Active),
            ["nothing differs from what runs"]
        );
    }

    #[test]
    fn a_password_is_changed_and_not_shown() {
        let other = SEED.replace("1111", "secret99");
        let said = planned(&other, Standing::Backup);
        assert_eq!(
            said,
            [
                "(VI_1) authentication: another one; the old one is still accepted, not sent, for 10m, no change of state"
            ]
        );
    }

    #[test]
    fn another_priority_is_the_elections_and_another_vrid_begins_anew() {
        let other = SEED.replace("priority 100", "priority 101");
        assert_eq!(
            planned(&other, Standing::Active),
            ["(VI_1) priority: 100 -> 101, the election decides with it from now on (now MASTER)"]
        );
        let other = other.replace("virtual_router_id 51", "virtual_router_id 52");
        assert_eq!(
            planned(&other, Standing::Active),
            [
                "(VI_1) virtual_router_id: 51 -> 52; priority: 100 -> 101, hands over, then begins anew as BACKUP (now MASTER)"
            ]
        );
    }

    #[test]
    fn what_the_others_do_not_take_yet_is_said() {
        let other = SEED.replace("advert_int 1", "advert_int 2");
        let said = planned(&other, Standing::Active);
        assert!(
            said[0].contains("other nodes refuse it until theirs is the same"),
            "{said:?}"
        );
        let third = SEED.replace("state MASTER", "version 3");
        let faster = third.replace("advert_int 1", "advert_int 0.5");
        let (old, new) = (candidate(&third), candidate(&faster));
        let said = plan(&old.configuration, &new.configuration, |_| None);
        assert!(!said[0].contains("refuse"), "{said:?}");
    }

    #[test]
    fn instances_come_and_go() {
        let other = SEED.replace("VI_1", "VI_2").replace("51", "52");
        assert_eq!(
            planned(&other, Standing::Active),
            [
                "(VI_1) goes: hands over, then ends (now MASTER)",
                "(VI_2) is new: starts as BACKUP"
            ]
        );
        assert_eq!(
            planned(&other, Standing::Backup)[0],
            "(VI_1) goes: ends (now BACKUP)"
        );
    }

    #[test]
    fn another_name_is_the_same_router() {
        let other = SEED.replace("VI_1", "WEB");
        assert_eq!(
            planned(&other, Standing::Active),
            ["(WEB) was named VI_1, no change of state"]
        );
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
