//! `vip who ADDRESS`: which host of the LAN has an address, without a daemon and
//! without a configuration. For both questions of the night, "both are master" and
//! "nobody is".

mod lan;
mod route;
mod seen;
mod tell;

use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use vip_common::ids::MacAddr;

use crate::cli::WhoArgs;
use crate::error::{Exit, Failure};
use crate::kernel::{Inventory, Link};
use crate::services::{control, status};
use lan::Look;
use seen::{Advert, Seen, virtual_router};

/// Asks, listens and prints. Exit code 0 where one has it, 3 nobody, 8 several.
///
/// # Errors
/// Where it cannot be asked: no such interface, which one is unclear (2), or no raw
/// socket (5).
pub fn run(arguments: &WhoArgs) -> Result<Exit, Failure> {
    let address = arguments.address;
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        let message = format!("{address} is no address that a host of the LAN can have");
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut inventory = Inventory::open().map_err(unasked)?;
    let link = interface(&mut inventory, arguments)?;
    let before = held(&mut inventory, address).map_err(unasked)?;
    let mut look = lan::look(&link, address, arguments.span).map_err(|error| {
        if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES)) {
            let message = "asking on the LAN takes a raw socket, which this user may not open; run it as root, or with CAP_NET_RAW";
            return Failure::new(Exit::Host, message);
        }
        let message = format!("cannot ask on {}: {error}", link.name);
        Failure::new(Exit::Host, message)
    })?;
    let after = held(&mut inventory, address).map_err(unasked)?;
    for (at, held) in [(Duration::ZERO, before), (look.span, after)] {
        for (interface, mac) in held {
            look.seen.own(at, mac, &interface);
        }
    }
    // Where one answers; this command needs none.
    if let Ok(status) = control::ask_status(&arguments.runtime_dir) {
        told(&mut look, &status, &link);
    }
    let text = if arguments.json {
        tell::json(&look, &link.name).map_err(anyhow::Error::from)? + "\n"
    } else {
        tell::text(&look, &link.name)
    };
    let _ = io::stdout().lock().write_all(text.as_bytes());
    Ok(match look.seen.count() {
        0 => Exit::No,
        1 => Exit::Done,
        _ => Exit::TwoClaimants,
    })
}

fn unasked(error: io::Error) -> Failure {
    let message = format!("cannot ask the kernel for its interfaces: {error}");
    Failure::new(Exit::Failed, message)
}

/// The interface to ask on: the one that was named, or the one on which the address
/// would be a neighbour's.
fn interface(inventory: &mut Inventory, arguments: &WhoArgs) -> Result<Link, Failure> {
    let address = arguments.address;
    let links = inventory.all().map_err(unasked)?;
    let named = |name: &str| links.iter().find(|link| link.name == name);
    let unclear = |message: String| Failure::new(Exit::Usage, message);
    let link = match &arguments.interface {
        Some(name) => {
            let link =
                named(name).ok_or_else(|| unclear(format!("there is no interface {name} here")))?;
            if virtual_router(link.mac).is_some() {
                let message = format!(
                    "{name} has the MAC of a virtual router: asking by it would move that to this host; name the interface below it"
                );
                return Err(unclear(message));
            }
            link
        }
        None => {
            let fits =
                |name: &str| named(name).is_some_and(|link| virtual_router(link.mac).is_none());
            let found = route::interfaces(address, fits);
            match found.as_slice() {
                [one] => named(one)
                    .ok_or_else(|| unclear(format!("there is no interface {one} here any more")))?,
                [] => {
                    let message = format!(
                        "{address} is in none of this host's networks: name the interface to ask on with -i"
                    );
                    return Err(unclear(message));
                }
                several => {
                    let message = format!(
                        "{address} may be on {}: name one of them with -i",
                        several.join(" or ")
                    );
                    return Err(unclear(message));
                }
            }
        }
    };
    let message = if link.mac == MacAddr::ZERO {
        format!("{} is no Ethernet: nobody can be asked there", link.name)
    } else if !link.running {
        format!(
            "{} is down or has no carrier: nobody can be asked there",
            link.name
        )
    } else {
        return Ok(link.clone());
    };
    Err(Failure::new(Exit::Host, message))
}

/// The interfaces of this host that have the address, with their MACs. The loopback
/// interface counts for nobody on the LAN.
fn held(inventory: &mut Inventory, address: IpAddr) -> io::Result<Vec<(String, MacAddr)>> {
    let links = inventory.all()?.into_iter();
    let holding = links.filter(|link| link.has(address) && link.mac != MacAddr::ZERO);
    Ok(holding.map(|link| (link.name, link.mac)).collect())
}

/// What a vip of this host knows: what it sends goes past every listener of this
/// host, and what it hears it takes off the wire.
fn told(look: &mut Look, status: &status::Status, link: &Link) {
    for instance in &status.instances {
        let prefixless = |one: &String| one.split('/').next().and_then(|word| word.parse().ok());
        let addresses: Vec<IpAddr> = instance.addresses.iter().filter_map(prefixless).collect();
        let (Some(master), true) = (&instance.master, addresses.contains(&look.seen.address()))
        else {
            continue;
        };
        if instance.interface != link.name {
            continue;
        }
        let is_ours = instance.state == "MASTER";
        let mac = if is_ours {
            own_mac(&look.seen).unwrap_or(link.mac)
        } else {
            // It speaks by what answers, as far as anybody here knows.
            let mut claims = look.seen.claimants();
            match (claims.next(), claims.next()) {
                (Some(only), None) => only,
                (None, _) => MacAddr::ZERO,
                (Some(_), Some(_)) => continue,
            }
        };
        look.seen.known(Advert {
            source: master.address,
            mac,
            vrid: instance.vrid,
            priority: master.priority,
            version: instance.version,
            interval: Duration::ZERO,
            addresses,
            wrong: None,
            is_ours,
        });
    }
}

fn own_mac(seen: &Seen) -> Option<MacAddr> {
    seen.holders()
        .into_iter()
        .find(|holder| holder.own.is_some())
        .map(|holder| holder.mac)
}
