//! Before it speaks it looks: is another program of this host speaking for
//! one of our routers, or about to?

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use vip_common::ids::{Family, Vrid};

use crate::config;
use crate::config::reading::{Below, Reading};
use crate::error::{Exit, Failure};
use crate::kernel::Link;
use crate::kernel::speakers::{
    AlreadyClaimed, Bound, Holder, OwnVoice, claim_router, foreign_holders,
};
use crate::plan::{Plan, PortPlan};

/// Listening longer than this for one port holds up the start too much; the
/// services go on listening.
const LONGEST_LOOK: Duration = Duration::from_secs(3);

/// Looks at every interface that exists. Costs nothing where no other program
/// holds a VRRP socket; else listens for one interval. What cannot be decided
/// comes back as warnings.
///
/// # Errors
/// Exit code 7: another vip, or another program that speaks for the same
/// interface and VRID.
pub(super) fn before_speaking(plan: &Plan, links: &[Link]) -> Result<Vec<String>, Failure> {
    let mut warnings = Vec::new();
    for (index, port) in plan.ports.iter().enumerate() {
        let Some(link) = links.iter().find(|link| link.name == port.name) else {
            continue;
        };
        let mut ours = Vec::new();
        for family in [Family::V4, Family::V6] {
            for vrid in plan.vrids(index, family) {
                ours.push((family, vrid));
                let claimed = claim_router(link.index, family, vrid);
                if let Err(error @ AlreadyClaimed::By { .. }) = claimed {
                    return Err(Failure::new(Exit::Taken, format!("{}: {error}", port.name)));
                }
            }
        }
        let holders = foreign_holders(link.index).unwrap_or_default();
        if holders.is_empty() {
            continue;
        }
        if let Some((vrid, source)) = listen(plan, port, link, &ours) {
            let message = format!(
                "another program on this host{} sends adverts for VRID {vrid} on {} from {source}; stop it first",
                names(&holders),
                port.name
            );
            return Err(Failure::new(Exit::Taken, message));
        }
        for holder in holders.iter().filter(|holder| holder.bound == Bound::Here) {
            match configured(holder, &port.name, &ours) {
                Some((file, vrid)) => {
                    let message = format!(
                        "another program on this host{} holds VRRP on {} and its configuration {} has VRID {vrid} there; stop it first",
                        names(std::slice::from_ref(holder)), port.name, file.display()
                    );
                    return Err(Failure::new(Exit::Taken, message));
                }
                None => warnings.push(format!(
                    "another program on this host{} holds VRRP on {}; it must not serve the same VRIDs",
                    names(std::slice::from_ref(holder)), port.name
                )),
            }
        }
    }
    warnings.dedup();
    Ok(warnings)
}

fn names(holders: &[Holder]) -> String {
    let known = holders.iter().find(|holder| holder.pid.is_some());
    known.map_or_else(String::new, |holder| {
        format!(" ({}, process {})", holder.command, holder.pid.unwrap_or(0))
    })
}

/// Listens for one interval, in which a master must speak.
fn listen(
    plan: &Plan,
    port: &PortPlan,
    link: &Link,
    ours: &[(Family, Vrid)],
) -> Option<(Vrid, IpAddr)> {
    let voice = OwnVoice::open(link.index, ours).ok()?;
    let interval = port
        .routers
        .iter()
        .map(|slot| plan.routers[*slot].params.adver_interval.span())
        .max()?;
    let end = Instant::now() + (interval + interval / 4).min(LONGEST_LOOK);
    loop {
        while let Some(heard) = voice.drain() {
            if link.has(heard.source) {
                return Some((heard.vrid, heard.source));
            }
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        let patience = u16::try_from(left.as_millis() + 1).unwrap_or(u16::MAX);
        let _ = poll(
            &mut [PollFd::new(voice.as_fd(), PollFlags::POLLIN)],
            PollTimeout::from(patience),
        );
    }
}

/// Whether a silent holder's own configuration has one of our VRIDs on the
/// interface: a keepalived that is only watching cannot be heard.
fn configured(
    holder: &Holder,
    interface: &str,
    ours: &[(Family, Vrid)],
) -> Option<(PathBuf, Vrid)> {
    let pid = holder.pid?;
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<String> = words
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into())
        .collect();
    let file = argument(&words, "-f", &["--use-file", "--file"]);
    let file = PathBuf::from(file.unwrap_or("/etc/keepalived/keepalived.conf"));
    let its_own = Path::new("/proc").join(pid.to_string());
    // As it sees its files, whatever its root is, with all that it includes.
    let file = std::fs::read_link(its_own.join("cwd")).map_or(file.clone(), |cwd| cwd.join(&file));
    let reading = Reading {
        files: &Below(its_own.join("root")),
        ..Reading::of_host(argument(&words, "-i", &["--config-id"]))
    };
    let loaded = config::load_with(&file, reading).ok()?;
    let mut instances = loaded.configuration.instances.into_iter();
    let same = instances.find(|one| {
        one.interface == interface && ours.contains(&(Family::of(one.group), one.vrid))
    })?;
    Some((file, same.vrid))
}

/// The value of an option in `-f VALUE`, `-fVALUE`, `--use-file VALUE` or
/// `--use-file=VALUE`.
fn argument<'w>(words: &'w [String], short: &str, long: &[&str]) -> Option<&'w str> {
    let mut words = words.iter().map(String::as_str).skip(1);
    while let Some(word) = words.next() {
        if word == short || long.contains(&word) {
            return words.next();
        }
        let joined = long
            .iter()
            .find_map(|long| word.strip_prefix(long)?.strip_prefix('='))
            .or_else(|| word.strip_prefix(short));
        if joined.is_some() {
            return joined;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(words: &[&str]) -> Option<String> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        argument(&words, "-f", &["--use-file", "--file"]).map(Into::into)
    }

    #[test]
    fn the_file_of_another_daemon_is_found_however_it_is_spelled() {
        let file = Some("/x.conf".to_string());
        assert_eq!(found(&["k", "-n", "-f", "/x.conf"]), file);
        assert_eq!(found(&["k", "-f/x.conf"]), file);
        assert_eq!(found(&["k", "--use-file=/x.conf", "-n"]), file);
        assert_eq!(found(&["k", "--use-file", "/x.conf"]), file);
        assert_eq!(found(&["-f", "-n"]), None);
        let words = ["k", "-n", "-i", "a"].map(String::from);
        assert_eq!(argument(&words, "-i", &["--config-id"]), Some("a"));
    }
}
