//! What only the host can tell (`--host`), for the network namespace it is asked
//! in. Nothing is changed there: no program is attached and no address moved; for each
//! address one question goes out, who has it.

mod firewall;
mod links;
mod nft;
mod paths;
mod rung;
mod wire;

use std::net::IpAddr;
use std::time::Duration;

use caps::Capability;
use vip_common::ids::Family;

use super::Checked;
use super::written::Written;
use crate::config::source::Span;
use crate::config::{Instance, Loaded, Location, Problem, Severity};
use crate::error::{Exit, Failure};
use crate::kernel::speakers::{Bound, first_claimed, foreign_holders};
use crate::kernel::{Inventory, Link};
use crate::plan::Plan;
use crate::privs;

/// How many problems are said of one file; each beyond is of a kind that was said.
const MOST_SAID: usize = 200;

/// What was asked of the host once, for all files.
struct Host {
    inventory: Inventory,
    links: Vec<Link>,
    rules: firewall::Rules,
}

/// Looks at the host with the eyes of each file. `listen` is for how long each
/// interface is listened on; by default a little more than an interval.
///
/// # Errors
/// When the kernel does not say which interfaces there are.
pub(super) fn look(checked: &mut [Checked], listen: Option<Duration>) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| {
        Failure::new(
            Exit::Host,
            format!("cannot ask the kernel for the interfaces: {error}"),
        )
    };
    let mut inventory = Inventory::open().map_err(cannot)?;
    let links = inventory.all().map_err(cannot)?;
    let mut host = Host {
        inventory,
        links,
        rules: firewall::Rules::ask(),
    };
    for one in checked {
        let Some(loaded) = &one.loaded else {
            continue;
        };
        let mut report = Report::new(loaded);
        host.judge(&mut report, listen);
        let mut problems = report.problems;
        problems.truncate(MOST_SAID);
        one.problems.extend(problems);
    }
    Ok(())
}

/// What is said of one file.
struct Report<'a> {
    loaded: &'a Loaded,
    written: Written<'a>,
    problems: Vec<Problem>,
}

impl<'a> Report<'a> {
    fn new(loaded: &'a Loaded) -> Self {
        Self {
            loaded,
            written: Written::new(loaded),
            problems: Vec::new(),
        }
    }

    /// A problem of an instance that comes from this keyword of it.
    fn of(
        &mut self,
        severity: Severity,
        instance: &Instance,
        keyword: &str,
        message: String,
        help: &str,
    ) {
        let at = self.written.spot(instance, keyword);
        self.at(severity, at, message, help);
    }

    /// A problem of one address of an instance.
    fn of_address(
        &mut self,
        severity: Severity,
        instance: &Instance,
        address: IpAddr,
        message: String,
        help: &str,
    ) {
        let at = self.written.address(instance, address);
        let at = at.or_else(|| self.written.spot(instance, ""));
        self.at(severity, at, message, help);
    }

    /// A problem of what stands there.
    fn written_at(&mut self, severity: Severity, at: Span, message: String, help: &str) {
        let at = self.loaded.sources.locate(at);
        self.at(severity, at, message, help);
    }

    /// A problem of the file as a whole.
    fn of_file(&mut self, severity: Severity, message: String, help: &str) {
        self.at(severity, None, message, help);
    }

    /// The same, unless it has been said.
    fn once(&mut self, severity: Severity, message: String, help: &str) {
        if !self.problems.iter().any(|one| one.message() == message) {
            self.of_file(severity, message, help);
        }
    }

    fn at(&mut self, severity: Severity, at: Option<Location>, message: String, help: &str) {
        // Places are looked up line by line: not for a flood of them.
        if self.problems.len() > MOST_SAID {
            return;
        }
        let mut problem = match at {
            Some(at) => Problem::at(severity, at, message),
            None => {
                let first = self.loaded.sources.iter().next();
                let file = first.map_or_else(|| "".into(), |source| source.name().clone());
                Problem::of_file(severity, file, message)
            }
        };
        if !help.is_empty() {
            problem = problem.with_help(help);
        }
        self.problems.push(problem);
    }

    fn instances(&self) -> &'a [Instance] {
        &self.loaded.configuration.instances
    }
}

impl Host {
    fn judge(&mut self, report: &mut Report<'_>, listen: Option<Duration>) {
        capabilities(report);
        let plan = Plan::new(&report.loaded.configuration);
        let mut heard = Vec::new();
        for (index, port) in plan.ports.iter().enumerate() {
            let instances: Vec<&Instance> = port
                .routers
                .iter()
                .filter_map(|slot| report.instances().get(*slot))
                .filter(|instance| !instance.interface.is_empty())
                .collect();
            let Some(first) = instances.first() else {
                continue;
            };
            let Some(link) = self.links.iter().find(|link| link.name == port.name) else {
                links::absent(report, first, &port.name, &self.links);
                continue;
            };
            let running = running_here(link, &plan, index);
            links::judge(report, link, &instances, &self.links, running.is_some());
            if let Some(running) = &running {
                report.of(Severity::Note, first, "interface", running.clone(), "");
            } else {
                rung::judge(report, first, link, &mut self.inventory);
            }
            for is_ipv6 in [false, true] {
                if let Some(one) = instances.iter().find(|one| one.is_ipv6() == is_ipv6) {
                    firewall::judge(report, one, link, &self.rules);
                }
            }
            heard.push((index, link));
        }
        wire::judge(report, &plan, &heard, listen);
        paths::judge(report);
    }
}

/// What this process may not do and `vip run` must.
fn capabilities(report: &mut Report<'_>) {
    let missing: Vec<String> = [Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW]
        .iter()
        .filter(|one| !privs::has(**one))
        .map(ToString::to_string)
        .collect();
    if !missing.is_empty() {
        let message = format!(
            "{} missing here: `vip run` with the same rights would not start",
            missing.join(" and ")
        );
        let help =
            "run this check with the rights that the daemon has; without them less can be checked";
        report.of_file(Severity::Warning, message, help);
    }
}

/// Which daemon serves one of these routers here already, in a sentence.
fn running_here(link: &Link, plan: &Plan, port: usize) -> Option<String> {
    let families = [Family::V4, Family::V6];
    let mut claimed = families
        .iter()
        .filter_map(|family| first_claimed(link.index, *family, &plan.vrids(port, *family)));
    if let Some(vrid) = claimed.next() {
        return Some(format!(
            "a vip serves VRID {vrid} on {} already; `vip status` says how it listens",
            link.name
        ));
    }
    let holders = foreign_holders(link.index).unwrap_or_default();
    let holder = holders.iter().find(|holder| holder.bound == Bound::Here)?;
    Some(format!(
        "another program ({}, process {}) holds VRRP on {}: stop it before `vip run` with the same VRIDs",
        holder.command,
        holder.pid.unwrap_or(0),
        link.name
    ))
}
