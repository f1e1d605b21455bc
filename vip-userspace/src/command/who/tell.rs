//! What was found, for a person, and as a document for programs: schema 1.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;
use vip_common::ids::{Family, MacAddr};

use super::lan::Look;
use super::seen::{Holder, Router, Spoken, virtual_router};
use crate::words;

/// The number that changes when a reader of the document would break. Names only
/// ever come in addition.
const SCHEMA: u32 = 1;

/// What `vip who --json` prints.
#[derive(Serialize)]
struct Document {
    schema: u32,
    version: &'static str,
    address: IpAddr,
    interface: String,
    /// `none`, `one` or `several`, as the exit code says.
    verdict: &'static str,
    /// How many have it at once.
    count: usize,
    /// How often it was asked.
    asked: u32,
    /// From which address of this host; null for a probe without one.
    asked_from: Option<IpAddr>,
    /// How long was listened, in ns.
    listened_ns: u64,
    holders: Vec<HolderOut>,
    /// Every router whose adverts name the address.
    adverts: Vec<AdvertOut>,
    /// Who asks whether the address is free, which is about to use it.
    probes: Vec<String>,
    /// The lines of advice that a person gets.
    remarks: Vec<String>,
}

/// A MAC that has the address, or says so.
#[derive(Serialize)]
struct HolderOut {
    mac: Option<String>,
    /// How often it answered or announced.
    answers: u32,
    /// The interface of this host that has it.
    this_host: Option<String>,
    /// The VRID that this is the virtual MAC of.
    virtual_router: Option<u8>,
    /// The routers that speak for the address by it.
    routers: Vec<RouterOut>,
    /// Whether another has taken its place meanwhile.
    gone: bool,
}

#[derive(Serialize)]
struct RouterOut {
    vrid: u8,
    source: IpAddr,
}

#[derive(Serialize)]
struct AdvertOut {
    source: IpAddr,
    vrid: u8,
    /// 4 or 6.
    family: u8,
    /// Zero: it gives up.
    priority: u8,
    version: u8,
    /// Null where the vip of this host tells of it.
    interval_ns: Option<u64>,
    mac: Option<String>,
    /// Null where the vip of this host tells of it.
    heard: Option<u32>,
    /// Whether this host has sent it.
    this_host: bool,
    /// Why no router would take it, by name.
    refused: Option<&'static str>,
}

/// The document.
pub(super) fn json(look: &Look, interface: &str) -> serde_json::Result<String> {
    let seen = &look.seen;
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let mac = |mac: MacAddr| (mac != MacAddr::ZERO).then(|| mac.to_string());
    let holder = |holder: Holder| HolderOut {
        mac: mac(holder.mac),
        answers: holder.answers,
        virtual_router: virtual_router(holder.mac).map(|(_, vrid)| vrid),
        this_host: holder.own,
        routers: holder
            .routers
            .into_iter()
            .map(|(vrid, source)| RouterOut { vrid, source })
            .collect(),
        gone: holder.gone,
    };
    let advert = |((vrid, source), spoken): (&Router, &Spoken)| AdvertOut {
        source: *source,
        vrid: *vrid,
        family: Family::of(*source) as u8,
        priority: spoken.advert.priority,
        version: spoken.advert.version,
        interval_ns: spoken.heard.map(|_| nanos(spoken.advert.interval)),
        mac: mac(spoken.advert.mac),
        heard: spoken.heard.map(|heard| heard.count),
        this_host: spoken.advert.is_ours,
        refused: spoken.advert.wrong.map(|reason| reason.label()),
    };
    let count = seen.count();
    let document = Document {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        address: seen.address(),
        interface: interface.to_owned(),
        verdict: match count {
            0 => "none",
            1 => "one",
            _ => "several",
        },
        count,
        asked: look.asked,
        asked_from: look.as_whom,
        listened_ns: nanos(look.span),
        holders: seen.holders().into_iter().map(holder).collect(),
        adverts: seen.naming().map(advert).collect(),
        probes: seen.probes().map(|(mac, _)| mac.to_string()).collect(),
        remarks: remarks(look),
    };
    serde_json::to_string_pretty(&document)
}

/// The answer for a person.
pub(super) fn text(look: &Look, interface: &str) -> String {
    let seen = &look.seen;
    let address = seen.address();
    let how = format!(
        "on {interface}, asked {} {} and listened for {}",
        times(look.asked),
        look.as_whom.map_or_else(
            || "without an address of its own".to_owned(),
            |own| format!("as {own}")
        ),
        words::span(look.span)
    );
    let mut text = match seen.count() {
        0 => format!("nobody has {address} ({how})\n"),
        1 => format!("one has {address} ({how})\n"),
        count => format!("{count} have {address} at once ({how})\n"),
    };
    let holders = seen.holders();
    let seated: BTreeSet<Router> = holders.iter().flat_map(|one| one.routers.clone()).collect();
    for holder in &holders {
        let _ = writeln!(text, "  {}", holds(holder));
        for spoken in holder
            .routers
            .iter()
            .filter_map(|router| seen.spoken(router))
        {
            let _ = writeln!(text, "    {}", speaks(spoken));
        }
        for spoken in seen.beside(holder.mac) {
            let _ = writeln!(text, "    {}, without naming this address", speaks(spoken));
        }
    }
    for (_, spoken) in seen.naming().filter(|(router, _)| !seated.contains(router)) {
        let _ = writeln!(text, "  {}", speaks(spoken));
    }
    for (mac, count) in seen.probes() {
        let _ = writeln!(
            text,
            "  {mac} asks whether it is free ({}): it is about to use it",
            times(count)
        );
    }
    for remark in remarks(look) {
        let _ = writeln!(text, "{remark}");
    }
    text
}

fn times(count: u32) -> String {
    match count {
        1 => "once".into(),
        2 => "twice".into(),
        count => format!("{count} times"),
    }
}

/// A holder, in a line.
fn holds(holder: &Holder) -> String {
    let mac = if holder.mac == MacAddr::ZERO {
        "a MAC that is not known".to_owned()
    } else {
        holder.mac.to_string()
    };
    let mut what = Vec::new();
    if let Some((_, vrid)) = holder.virtual_router() {
        what.push(format!("the virtual MAC of VRID {vrid}"));
    }
    if let Some(interface) = &holder.own {
        what.push(format!("this host has it, on {interface}"));
    }
    match holder.answers {
        0 if holder.own.is_some() => {}
        0 => what.push("does not answer for it".into()),
        count => what.push(format!("answers or announces it ({})", times(count))),
    }
    if holder.gone {
        what.push("another has taken its place meanwhile".into());
    }
    format!("{mac}: {}", what.join(", "))
}

/// A router, in a line.
fn speaks(spoken: &Spoken) -> String {
    let advert = &spoken.advert;
    let own = if advert.is_ours { ", this host" } else { "" };
    let mut line = format!(
        "{}{own}: VRID {}, priority {}, VRRPv{}",
        advert.source, advert.vrid, advert.priority, advert.version
    );
    match spoken.heard {
        Some(heard) => {
            let _ = write!(
                line,
                ", an advert every {:.2} s ({} heard)",
                advert.interval.as_secs_f64(),
                heard.count
            );
        }
        None => line.push_str(", as the vip of this host says"),
    }
    if advert.priority == 0 {
        line.push_str("; it gives up");
    }
    if let Some(reason) = advert.wrong {
        let _ = write!(line, "; nobody takes it: {reason}");
    }
    line
}

/// What to make of it, and what to do.
fn remarks(look: &Look) -> Vec<String> {
    let seen = &look.seen;
    let holders = seen.holders();
    let standing: Vec<&Holder> = holders.iter().filter(|holder| !holder.gone).collect();
    let routers: Vec<Router> = standing
        .iter()
        .flat_map(|one| one.routers.clone())
        .collect();
    let sources: BTreeSet<IpAddr> = routers.iter().map(|(_, source)| *source).collect();
    let vrids: BTreeSet<u8> = routers.iter().map(|(vrid, _)| *vrid).collect();
    let mut remarks = Vec::new();
    match seen.count() {
        0 => {
            if seen.naming().next().is_none() {
                remarks.push(format!(
                    "No advert names it either. A master that speaks less often than every {}, or to its peers one by one, would not have been heard: try --for 60s. On a node that should have it, `vip status` says why it has not.",
                    words::span(look.span)
                ));
            }
        }
        1 => {
            if routers.is_empty() {
                remarks.push("No advert names it: whoever has it does so without VRRP, speaks to its peers one by one, or less often than was listened (--for).".into());
            } else if standing
                .iter()
                .all(|one| one.answers == 0 && one.own.is_none())
            {
                remarks.push("It says that it is master and does not answer for the address: a filter on that host, or one that has not put the address on.".into());
            }
        }
        _ if sources.len() > 1 && vrids.len() > 1 => {
            let list: Vec<String> = vrids.iter().map(u8::to_string).collect();
            remarks.push(format!(
                "They speak with different VRIDs ({}), so neither yields to the other: give both the same virtual_router_id.",
                list.join(", ")
            ));
        }
        _ if sources.len() > 1 || standing.len() == 1 => {
            remarks.push("They speak with the same VRID and do not hear, or do not take, each other's adverts: compare version, password, interval and firewall; `vip status` on each says what it refuses.".into());
        }
        _ => {
            remarks.push("Not all of them speak VRRP for it: one has the address by hand, or has lost its daemon (`vip release` there), or is another host with the same address.".into());
        }
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::who::seen::{Advert, Seen};

    fn look(fill: impl FnOnce(&mut Seen)) -> Look {
        let mut seen = Seen::new([192, 0, 2, 100].into());
        seen.asked(Duration::from_millis(900));
        fill(&mut seen);
        Look {
            seen,
            asked: 3,
            as_whom: Some([192, 0, 2, 2].into()),
            span: Duration::from_millis(1500),
        }
    }

    fn advert(vrid: u8, last: u8) -> Advert {
        Advert {
            source: [192, 0, 2, last].into(),
            mac: MacAddr([2, 0, 0, 0, 0, last]),
            vrid,
            priority: 100,
            version: 3,
            interval: Duration::from_millis(100),
            addresses: vec![[192, 0, 2, 100].into()],
            wrong: None,
            is_ours: false,
        }
    }

    fn speak(seen: &mut Seen, vrid: u8, last: u8) {
        for at in [1, 301, 901] {
            let at = Duration::from_millis(at);
            seen.claim(at, MacAddr([2, 0, 0, 0, 0, last]));
            seen.advert(at, advert(vrid, last));
        }
    }

    #[test]
    fn one_in_a_few_lines() {
        let said = text(&look(|seen| speak(seen, 51, 4)), "eth0");
        assert_eq!(
            said,
            "one has 192.0.2.100 (on eth0, asked 3 times as 192.0.2.2 and listened for 1.500 s)\n  \
             02:00:00:00:00:04: answers or announces it (3 times)\n    \
             192.0.2.4: VRID 51, priority 100, VRRPv3, an advert every 0.10 s (3 heard)\n"
        );
    }

    #[test]
    fn several_say_what_is_wrong_between_them() {
        let of = |other| {
            text(
                &look(|seen| {
                    speak(seen, 51, 4);
                    speak(seen, other, 6);
                }),
                "eth0",
            )
        };
        let said = of(52);
        assert!(said.starts_with("2 have 192.0.2.100 at once ("), "{said}");
        assert!(said.contains("different VRIDs (51, 52)"), "{said}");
        assert!(of(51).contains("the same VRID"), "{said}");
    }

    #[test]
    fn nobody_and_no_advert() {
        let look = look(|_| {});
        let said = text(&look, "eth0");
        assert!(said.starts_with("nobody has 192.0.2.100 ("), "{said}");
        assert!(said.contains("--for 60s"), "{said}");
        let document: serde_json::Value =
            serde_json::from_str(&json(&look, "eth0").unwrap()).unwrap();
        assert_eq!(document["schema"], 1);
        assert_eq!(document["verdict"], "none");
    }
}
