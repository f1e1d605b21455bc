//! Every series that there is: one table, from which the page is made, and the page in
//! `docs/metrics.md`.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::gather::{Gathered, More};
use super::page::{Format, Page, Value};
use crate::engine::meter::{Phase, Place, STATES};
use crate::services::status::{Instance, Tracker};

/// What kind of numbers they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up, from the start of the daemon.
    Counter,
    /// Always 1: the labels are what is said.
    Info,
    /// How many were no longer than each bound.
    Histogram,
}

/// Series of one name.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
    fill: fn(&Gathered, &mut Page),
}

const fn family(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
    fill: fn(&Gathered, &mut Page),
) -> Family {
    Family {
        name,
        kind,
        labels,
        help,
        fill,
    }
}

/// The page.
pub(super) fn page(gathered: &Gathered, format: Format) -> String {
    let mut page = Page::new(format);
    for family in OURS.iter().chain(KEEPALIVED) {
        page.begin(family);
        (family.fill)(gathered, &mut page);
    }
    page.end()
}

/// Not `instance`, which is what Prometheus calls the node that it asks.
const INSTANCE: &[&str] = &["vrrp_instance"];
const TRACKER: &[&str] = &["kind", "tracker"];
const KEEPALIVED_LABELS: &[&str] = &["iname", "intf", "vrid"];

use Kind::{Counter, Gauge, Histogram, Info};

/// One value for each instance.
fn each<V: Into<Value>>(
    gathered: &Gathered,
    page: &mut Page,
    value: impl Fn(&Instance, &More) -> V,
) {
    for (instance, more) in gathered.instances() {
        page.put(&[&instance.name], value(instance, more));
    }
}

/// A counter of the status document.
fn counted(gathered: &Gathered, page: &mut Page, name: &str) {
    each(gathered, page, |instance, _| counter(instance, name));
}

fn counter(instance: &Instance, name: &str) -> u64 {
    instance.counters.get(name).copied().unwrap_or(0)
}

/// One value for each tracker.
fn each_tracker<V: Into<Value>>(
    gathered: &Gathered,
    page: &mut Page,
    value: impl Fn(&Tracker) -> Option<V>,
) {
    for one in &gathered.status.trackers {
        if let Some(value) = value(one) {
            page.put(&[&one.kind, &one.name], value);
        }
    }
}

/// One value for each instance, with keepalived's labels.
fn each_as_keepalived<V: Into<Value>>(
    gathered: &Gathered,
    page: &mut Page,
    value: impl Fn(&Instance, &More) -> V,
) {
    for (instance, more) in gathered.instances() {
        let labels = [
            &*instance.name,
            &instance.interface,
            &instance.vrid.to_string(),
        ];
        page.put(&labels, value(instance, more));
    }
}

fn sum(instance: &Instance, names: &[&str]) -> u64 {
    names.iter().map(|name| counter(instance, name)).sum()
}

/// The states of a tracker.
const VERDICTS: [&str; 5] = ["unknown", "well", "failed", "number", "ignored"];

#[rustfmt::skip]
const OURS: &[Family] = &[
    family("vip_build_info", Info, &["version"], "The version that runs.",
        |all, page| page.put(&[&all.status.version], true)),
    family("vip_start_time_seconds", Gauge, &[], "When the daemon started, since 1970.",
        |all, page| page.put(&[], Value::Real(all.started_at))),
    family("vip_scheduling_info", Info, &["class"], "How the engine is scheduled: deadline, fifo or ordinary.",
        |all, page| {
            if let Some(scheduling) = &all.status.scheduling {
                page.put(&[&scheduling.class], true);
            }
        }),
    family("vip_interface_rung_info", Info, &["interface", "rung"], "How an interface is heard: xdp-native, xdp-generic, tcx, packet-socket or none.",
        |all, page| for one in &all.status.dataplane {
            page.put(&[&one.interface, &one.rung], true);
        }),
    family("vip_config_last_reload_successful", Gauge, &[], "Whether the last reload was taken; 1 before the first.",
        |all, page| page.put(&[], all.status.reload.as_ref().is_none_or(|reload| reload.taken))),
    family("vip_config_last_reload_success_timestamp_seconds", Gauge, &[], "When the configuration that runs was taken, since 1970.",
        |all, page| page.put(&[], Value::Real(all.taken_at))),
    family("vip_warnings", Gauge, &[], "Things that `vip status` warns of.",
        |all, page| page.put(&[], all.status.warnings.len())),
    family("vip_log_dropped_lines_total", Counter, &[], "Lines of the log that were dropped because their reader was too slow.",
        |all, page| page.put(&[], all.log_dropped)),
    family("vip_pipe_lost_lines_total", Counter, &[], "Lines that pipes (notify_fifo) lost because nobody read.",
        |all, page| page.put(&[], all.status.counters.get("pipe_lines_lost").copied().unwrap_or(0))),
    family("vip_metrics_scrapes_total", Counter, &[], "Times that these metrics were asked for, by HTTP or for the file.",
        |all, page| page.put(&[], all.scrapes)),
    family("vip_metrics_clients_turned_away_total", Counter, &[], "Clients of the metrics that were let go because there were too many.",
        |all, page| page.put(&[], all.turned_away)),

    family("vip_instance_info", Info, &["vrrp_instance", "interface", "vrid", "family", "version", "sync_group"], "What an instance is: to be joined with the others by its name.",
        |all, page| for (one, _) in all.instances() {
            let group = one.sync_group.as_deref().unwrap_or_default();
            page.put(&[&one.name, &one.interface, &one.vrid.to_string(), &one.family, &one.version.to_string(), group], true);
        }),
    family("vip_instance_state", Gauge, &["vrrp_instance", "state"], "1 for the state that an instance is in, 0 for the others.",
        |all, page| for (one, _) in all.instances() {
            for state in STATES {
                page.put(&[&one.name, state], one.state == state);
            }
        }),
    family("vip_instance_state_seconds", Gauge, INSTANCE, "How long it has been in that state.",
        |all, page| each(all, page, |one, _| Value::seconds(one.since_ns))),
    family("vip_instance_transitions_total", Counter, &["vrrp_instance", "state"], "How often it has come into a state.",
        |all, page| for (one, more) in all.instances() {
            for (state, count) in STATES.iter().zip(more.reading.entered) {
                page.put(&[&one.name, state], count);
            }
        }),
    family("vip_instance_priority", Gauge, INSTANCE, "Its priority in the election now.",
        |all, page| each(all, page, |one, _| u64::from(one.effective_priority))),
    family("vip_instance_configured_priority", Gauge, INSTANCE, "Its priority in the configuration.",
        |all, page| each(all, page, |one, _| u64::from(one.priority))),
    family("vip_instance_has_master", Gauge, INSTANCE, "Whether a master is known, this node included.",
        |all, page| each(all, page, |one, _| one.master.is_some())),
    family("vip_instance_peers", Gauge, INSTANCE, "Other routers of its VRID whose adverts were accepted, 8 at most.",
        |all, page| each(all, page, |one, _| one.peers.iter().filter(|peer| peer.accepted > 0).count())),
    family("vip_instance_addresses", Gauge, INSTANCE, "Its virtual addresses in the configuration.",
        |all, page| each(all, page, |one, _| one.addresses.len())),
    family("vip_instance_addresses_installed", Gauge, INSTANCE, "Whether the kernel has them here.",
        |all, page| each(all, page, |one, _| one.installed)),
    family("vip_instance_foreign_addresses", Gauge, INSTANCE, "Addresses of it that this host has from somebody else, although it is not MASTER here.",
        |all, page| each(all, page, |one, _| one.foreign.len())),
    family("vip_instance_ordered", Gauge, &["vrrp_instance", "order"], "Whether a person has drained or taken it.",
        |all, page| for (one, _) in all.instances() {
            for order in ["drained", "taken"] {
                page.put(&[&one.name, order], one.order.as_ref().is_some_and(|given| given.what == order));
            }
        }),
    family("vip_instance_trouble", Gauge, INSTANCE, "Whether the kernel has refused something of its addresses, routes or rules since it became MASTER.",
        |all, page| each(all, page, |one, _| one.trouble.is_some())),
    family("vip_instance_two_masters", Gauge, INSTANCE, "Whether two routers say at the same time that they are master.",
        |all, page| each(all, page, |one, _| one.two_masters)),
    family("vip_instance_two_masters_total", Counter, INSTANCE, "How often that has begun; looked for once a second.",
        |all, page| each(all, page, |_, more| more.two_masters)),
    family("vip_instance_other_program", Gauge, INSTANCE, "Whether another program of this host was heard speaking for it.",
        |all, page| each(all, page, |_, more| more.double)),

    family("vip_adverts_sent_total", Counter, INSTANCE, "Adverts sent.",
        |all, page| counted(all, page, "adverts_sent")),
    family("vip_adverts_unsent_total", Counter, INSTANCE, "Adverts that the interface would not take.",
        |all, page| counted(all, page, "adverts_not_sent")),
    family("vip_adverts_received_total", Counter, INSTANCE, "Adverts taken off the wire for it, those included that the controller refused.",
        |all, page| each(all, page, |one, _| sum(one, &["adverts_taken", "adverts_known", "ring_full"]))),
    family("vip_adverts_known_total", Counter, INSTANCE, "Those of them that were the same as the one before, and woke nobody.",
        |all, page| counted(all, page, "adverts_known")),
    family("vip_adverts_dropped_total", Counter, INSTANCE, "Those of them that were lost in this host: the ring to the engine was full.",
        |all, page| counted(all, page, "ring_full")),
    family("vip_adverts_refused_total", Counter, &["vrrp_instance", "interface", "reason"], "Adverts refused, by reason. A refused advert moves nothing.",
        |all, page| for (one, _) in all.instances() {
            for reason in vip_common::reject::RejectReason::ALL {
                let count = counter(one, &format!("rejected_{}", reason.label()));
                page.put(&[&one.name, &one.interface, reason.label()], count);
            }
        }),
    family("vip_adverts_missed_total", Counter, INSTANCE, "Silences of one and a half intervals, as BACKUP: an advert was due and has not come.",
        |all, page| each(all, page, |_, more| more.reading.missed)),
    family("vip_adverts_lost_total", Counter, &["vrrp_instance", "place"], "Adverts of the followed master that were due and lost, by place; counted when it speaks again.",
        |all, page| for (one, more) in all.instances() {
            for (place, lost) in Place::ALL.iter().zip(more.reading.lost) {
                page.put(&[&one.name, place.label()], lost);
            }
            page.put(&[&one.name, "ring_full"], counter(one, "ring_full"));
        }),
    family("vip_adverts_just_in_time_total", Counter, INSTANCE, "Adverts that came when less than an interval was left before a takeover.",
        |all, page| each(all, page, |_, more| more.reading.narrow)),
    family("vip_takeover_margin_min_seconds", Gauge, INSTANCE, "The least that was ever left before a takeover when an advert came: the closest call since the start.",
        |all, page| for (one, more) in all.instances() {
            if let Some(margin) = more.reading.margin {
                page.put(&[&one.name], Value::seconds(margin));
            }
        }),
    family("vip_last_advert_age_seconds", Gauge, INSTANCE, "Since the last accepted advert of anybody else; absent before the first.",
        |all, page| for (one, _) in all.instances() {
            if let Some(age) = one.peers.iter().filter_map(|peer| peer.accepted_ns_ago).min() {
                page.put(&[&one.name], Value::seconds(age));
            }
        }),
    family("vip_advert_gap_seconds", Histogram, INSTANCE, "From one accepted advert of a router to its next, by the stamps of the NIC; those that woke nobody with their mean since the engine looked last.",
        |all, page| for (one, more) in all.instances() {
            page.put_counts(&[&one.name], &more.gaps);
        }),
    family("vip_advert_lateness_seconds", Histogram, INSTANCE, "How long after it was due an advert of ours was sent, the first of a takeover included.",
        |all, page| for (one, more) in all.instances() {
            page.put_counts(&[&one.name], &more.lateness);
        }),

    family("vip_takeover_phase_seconds", Histogram, &["vrrp_instance", "phase"], "How long each phase of becoming MASTER took: detect from the last advert to the deadline, decide from there to the decision, and from the decision advert, addresses, and arp until the first of each is done.",
        |all, page| for (one, more) in all.instances() {
            for (phase, counts) in Phase::ALL.iter().zip(&more.phases) {
                page.put_counts(&[&one.name, phase.label()], counts);
            }
        }),

    family("vip_announcements_sent_total", Counter, INSTANCE, "Gratuitous ARPs and unsolicited neighbour advertisements sent.",
        |all, page| counted(all, page, "gratuitous_arps_sent")),
    family("vip_address_requests_total", Counter, INSTANCE, "Requests for its addresses, by ARP or neighbour discovery.",
        |all, page| counted(all, page, "arp_requests")),
    family("vip_address_requests_withheld_total", Counter, INSTANCE, "Those that were dropped, since the address was on its way to a successor.",
        |all, page| counted(all, page, "requests_withheld")),
    family("vip_address_claims_total", Counter, INSTANCE, "Claims of its addresses by strangers.",
        |all, page| counted(all, page, "arp_claims")),
    family("vip_addresses_put_back_total", Counter, INSTANCE, "Times that addresses were put back which somebody else had removed.",
        |all, page| counted(all, page, "addresses_put_back")),
    family("vip_scripts_run_total", Counter, INSTANCE, "Its notify scripts that were run.",
        |all, page| counted(all, page, "scripts_run")),
    family("vip_scripts_failed_total", Counter, INSTANCE, "Those that failed, or were ended.",
        |all, page| each(all, page, |one, _| sum(one, &["scripts_failed", "scripts_ended"]))),
    family("vip_scripts_left_out_total", Counter, INSTANCE, "Those that were left out because too many waited.",
        |all, page| counted(all, page, "scripts_left_out")),

    family("vip_tracker_state", Gauge, &["kind", "tracker", "state"], "1 for how a script, process, file or check stands, 0 for the others.",
        |all, page| for one in &all.status.trackers {
            for state in VERDICTS {
                page.put(&[&one.kind, &one.name, state], one.state == state);
            }
        }),
    family("vip_tracker_state_seconds", Gauge, TRACKER, "How long it has stood so.",
        |all, page| each_tracker(all, page, |one| Some(Value::seconds(one.since_ns)))),
    family("vip_tracker_number", Gauge, TRACKER, "The number in a file.",
        |all, page| each_tracker(all, page, |one| one.number.map(|number| Value::Real(number.into())))),
    family("vip_tracker_runs_total", Counter, TRACKER, "How often it was looked.",
        |all, page| each_tracker(all, page, |one| Some(one.runs))),
    family("vip_tracker_failures_total", Counter, TRACKER, "How often that failed.",
        |all, page| each_tracker(all, page, |one| Some(one.failures))),
    family("vip_tracker_skipped_total", Counter, TRACKER, "Looks that were left out because the one before had not ended.",
        |all, page| each_tracker(all, page, |one| Some(one.skipped))),
    family("vip_tracker_last_duration_seconds", Gauge, TRACKER, "How long the last look took.",
        |all, page| each_tracker(all, page, |one| one.last.as_ref().map(|last| Value::seconds(last.took_ns)))),
];

/// What keepalived calls its states, as the exporter numbers them.
fn state_number(state: &str) -> u64 {
    match state {
        "INIT" => 0,
        "BACKUP" => 1,
        "MASTER" => 2,
        _ => 3,
    }
}

/// The names that the usual exporter of keepalived has, for boards that are there.
#[rustfmt::skip]
const KEEPALIVED: &[Family] = &[
    family("keepalived_up", Gauge, &[], "1: vip runs.",
        |_, page| page.put(&[], true)),
    family("keepalived_vrrp_state", Gauge, &["iname", "intf", "vrid", "ip_address"], "0 INIT, 1 BACKUP, 2 MASTER, 3 FAULT, for each virtual address.",
        |all, page| for (one, _) in all.instances() {
            for address in &one.addresses {
                let address = address.split('/').next().unwrap_or(address);
                if address.parse::<IpAddr>().is_ok() {
                    let labels = [&*one.name, &one.interface, &one.vrid.to_string(), address];
                    page.put(&labels, state_number(&one.state));
                }
            }
        }),
    family("keepalived_advertisements_received_total", Counter, KEEPALIVED_LABELS, "As vip_adverts_received_total.",
        |all, page| each_as_keepalived(all, page, |one, _| sum(one, &["adverts_taken", "adverts_known", "ring_full"]))),
    family("keepalived_advertisements_sent_total", Counter, KEEPALIVED_LABELS, "As vip_adverts_sent_total.",
        |all, page| each_as_keepalived(all, page, |one, _| counter(one, "adverts_sent"))),
    family("keepalived_become_master_total", Counter, KEEPALIVED_LABELS, "As vip_instance_transitions_total into MASTER.",
        |all, page| each_as_keepalived(all, page, |one, _| counter(one, "became_master"))),
    family("keepalived_release_master_total", Counter, KEEPALIVED_LABELS, "Times that it was MASTER and is no more.",
        |all, page| each_as_keepalived(all, page, |one, _| counter(one, "became_master").saturating_sub(u64::from(one.state == "MASTER")))),
    family("keepalived_packet_length_errors_total", Counter, KEEPALIVED_LABELS, "Refused: truncated, total_length, length.",
        |all, page| each_as_keepalived(all, page, |one, _| sum(one, &["rejected_truncated", "rejected_total_length", "rejected_length"]))),
    family("keepalived_advertisements_interval_errors_total", Counter, KEEPALIVED_LABELS, "Refused: interval, zero_interval.",
        |all, page| each_as_keepalived(all, page, |one, _| sum(one, &["rejected_interval", "rejected_zero_interval"]))),
    family("keepalived_ip_ttl_errors_total", Counter, KEEPALIVED_LABELS, "Refused: ttl.",
        |all, page| each_as_keepalived(all, page, |one, _| counter(one, "rejected_ttl"))),
    family("keepalived_invalid_type_received_total", Counter, KEEPALIVED_LABELS, "Refused: type.",
        |all, page| each_as_keepalived(all, page, |one, _| counter(one, "rejected_type"))),
    family("keepalived_address_list_errors_total", Counter, KEEPALIVED_LABELS, "Adverts with another list of addresses than ours; they are accepted here.",
        |all, page| each_as_keepalived(all, page, |_, more| more.reading.other_lists)),
    family("keepalived_authentication_invalid_total", Counter, KEEPALIVED_LABELS, "Refused: auth_header, hmac_malformed.",
        |all, page| each_as_keepalived(all, page, |one, _| sum(one, &["rejected_auth_header", "rejected_hmac_malformed"]))),
    family("keepalived_authentication_mismatch_total", Counter, KEEPALIVED_LABELS, "Refused: auth_type, hmac_missing.",
        |all, page| each_as_keepalived(all, page, |one, _| sum(one, &["rejected_auth_type", "rejected_hmac_missing"]))),
    family("keepalived_authentication_failure_total", Counter, KEEPALIVED_LABELS, "Refused: auth_password, hmac_unknown_key, hmac_invalid, hmac_stale, hmac_replay.",
        |all, page| each_as_keepalived(all, page, |one, _| sum(one, &["rejected_auth_password", "rejected_hmac_unknown_key", "rejected_hmac_invalid", "rejected_hmac_stale", "rejected_hmac_replay"]))),
    family("keepalived_priority_zero_received_total", Counter, KEEPALIVED_LABELS, "Adverts by which a master gave up.",
        |all, page| each_as_keepalived(all, page, |_, more| more.reading.resigns_heard)),
    family("keepalived_priority_zero_sent_total", Counter, KEEPALIVED_LABELS, "Adverts by which this node gave up.",
        |all, page| each_as_keepalived(all, page, |_, more| more.reading.resigns_sent)),
    family("keepalived_gratuitous_arp_delay_total", Counter, KEEPALIVED_LABELS, "garp_master_delay of the configuration, in seconds: no counter, whatever its name says.",
        |all, page| each_as_keepalived(all, page, |_, more| Value::Real(more.garp_delay.as_secs_f64()))),
    family("keepalived_script_status", Gauge, &["name"], "1 where a vrrp_script is well, 0 where it is not.",
        |all, page| for one in all.status.trackers.iter().filter(|one| one.kind == "script") {
            page.put(&[&one.name], one.state == "well");
        }),
];

/// The tables of `docs/metrics.md`: the series, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut text = String::new();
    for (title, families) in [
        ("Series", OURS),
        ("As keepalived's exporter calls them", KEEPALIVED),
    ] {
        let _ = writeln!(
            text,
            "## {title}\n\n| series | kind | labels | |\n|---|---|---|---|"
        );
        for family in families {
            let kind = match family.kind {
                Gauge => "gauge",
                Counter => "counter",
                Info => "info",
                Histogram => "histogram",
            };
            let labels: Vec<String> = family.labels.iter().map(|one| format!("`{one}`")).collect();
            let _ = writeln!(
                text,
                "| `{}` | {kind} | {} | {} |",
                family.name,
                labels.join(", "),
                family.help
            );
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Set by `cargo xtask docs`.
    const RENEW: &str = "VIP_RENEW_DOCS";
    const BEGIN: &str = "<!-- the tables are renewed by `cargo xtask docs` -->\n";

    #[test]
    fn names_are_those_of_their_kind_and_each_is_there_once() {
        let mut seen = BTreeSet::new();
        for family in OURS.iter().chain(KEEPALIVED) {
            let name = family.name;
            assert!(seen.insert(name), "{name} twice");
            assert_eq!(name.ends_with("_total"), family.kind == Counter, "{name}");
            assert_eq!(name.ends_with("_info"), family.kind == Info, "{name}");
            assert!(family.help.ends_with('.'), "{name}");
            assert!(!family.help.contains(['|', '\n', '\\']), "{name}");
            assert!(
                family.kind != Histogram || name.ends_with("_seconds"),
                "{name}"
            );
        }
    }

    #[test]
    fn the_page_in_docs_is_this_one_of_metrics() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        let (before, _) = there.split_once(BEGIN).unwrap_or((&there, ""));
        let wanted = format!("{before}{BEGIN}\n{}", reference().trim_end()) + "\n";
        if std::env::var_os(RENEW).is_some() {
            std::fs::write(&path, &wanted).unwrap();
            return;
        }
        assert!(
            there == wanted,
            "docs/metrics.md is out of date: `cargo xtask docs` renews it"
        );
    }
}
