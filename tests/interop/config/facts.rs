//! What both sides can say about a virtual router, in one form.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use vip::config::estate::Lifetime;
use vip::config::{Instance, VirtualAddress};
use vip_common::ids::{MacAddr, Priority};
use vip_common::time::active_down_interval;
use vip_common::wire::vrrp::Auth;

/// An address that moves.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) ip: IpAddr,
    pub(super) prefix: u8,
    /// The interface that it goes to.
    pub(super) device: String,
    pub(super) label: Option<String>,
    /// As the kernel numbers it.
    pub(super) scope: u8,
    pub(super) broadcast: Option<IpAddr>,
    /// The other end, and the length of its prefix.
    pub(super) peer: Option<(IpAddr, u8)>,
    /// Its options, in the order of the alphabet.
    pub(super) options: Vec<&'static str>,
    /// How long it is preferred; nothing for IPv4, of which the dump does not say it.
    pub(super) preferred: Option<Lifetime>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ip,
            prefix,
            device,
            scope,
            ..
        } = self;
        write!(f, "{ip}/{prefix} dev {device} scope {scope}")?;
        if let Some(broadcast) = &self.broadcast {
            write!(f, " brd {broadcast}")?;
        }
        if let Some(label) = &self.label {
            write!(f, " label {label}")?;
        }
        if let Some((peer, prefix)) = &self.peer {
            write!(f, " peer {peer}/{prefix}")?;
        }
        if let Some(preferred) = &self.preferred {
            write!(f, " {preferred:?}")?;
        }
        self.options
            .iter()
            .try_for_each(|option| write!(f, " {option}"))
    }
}

/// A virtual router.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Facts {
    pub(super) name: String,
    pub(super) version: u8,
    pub(super) interface: String,
    pub(super) vrid: u8,
    pub(super) priority: u8,
    pub(super) interval: Duration,
    /// The priority that trackers make of it. Ours has none: see [`differences`].
    pub(super) effective: u8,
    /// The silence after which it takes over at this priority, to the microsecond.
    pub(super) down_interval: Duration,
    pub(super) down_timer_adverts: u8,
    pub(super) preempts: bool,
    /// In seconds, to six digits.
    pub(super) preempt_delay: String,
    pub(super) lower_prio_no_advert: bool,
    pub(super) higher_prio_send_advert: bool,
    /// An owner accepts in any case, whatever keepalived's dump says.
    pub(super) accepts: bool,
    pub(super) promote_secondaries: bool,
    pub(super) dont_track_primary: bool,
    /// `None`, `PASS` with the password, or `AH`.
    pub(super) auth: String,
    /// Where the file gives one.
    pub(super) source: Option<IpAddr>,
    /// Where its adverts go; `None` when that is a list of peers.
    pub(super) group: Option<IpAddr>,
    pub(super) unicast: Option<Unicast>,
    pub(super) vmac: Option<Vmac>,
    /// Names and weights.
    pub(super) tracked: Vec<String>,
    /// Destinations.
    pub(super) routes: Vec<String>,
    /// Preferences.
    pub(super) rules: Vec<u32>,
    pub(super) addresses: Vec<Address>,
    pub(super) excluded: Vec<Address>,
    pub(super) garp_delay: Duration,
    pub(super) garp_repeat: u32,
    pub(super) garp_refresh: Duration,
    pub(super) garp_refresh_repeat: u32,
    pub(super) garp_lower_delay: Duration,
    pub(super) garp_lower_repeat: u32,
}

/// Whom it speaks to, instead of a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Unicast {
    /// Address, least and largest time to live.
    pub(super) peers: Vec<(IpAddr, u8, u8)>,
    /// Not of IPv6, which keepalived leaves to the kernel where nothing is said.
    pub(super) ttl: Option<u8>,
    pub(super) checked: bool,
}

/// Its interface with a virtual MAC.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Vmac {
    pub(super) name: String,
    pub(super) from_base: bool,
    /// Where it is not the usual one.
    pub(super) mac: Option<String>,
}

/// Six digits of a number of seconds: what keepalived's dump shows.
pub(super) fn six_digits(seconds: f64) -> String {
    format!("{seconds:.5e}")
}

/// What an instance of ours says.
fn of_instance(instance: &Instance) -> Facts {
    let address = |address: &VirtualAddress| Address {
        ip: address.address,
        prefix: address.prefix,
        device: address
            .device
            .clone()
            .unwrap_or_else(|| instance.interface.clone()),
        label: address.label.clone(),
        scope: address.scope,
        broadcast: address.broadcast.map(IpAddr::from),
        peer: address.peer,
        options: options(address),
        preferred: address.address.is_ipv6().then_some(address.preferred),
    };
    let owner = instance.priority == Priority::OWNER;
    Facts {
        name: instance.name.clone(),
        version: instance.version.get(),
        interface: instance.interface.clone(),
        vrid: instance.vrid.get(),
        priority: instance.priority.get(),
        interval: instance.interval.span(),
        effective: instance.priority.get(),
        down_interval: down_interval(instance, instance.priority.get()),
        down_timer_adverts: instance.down_timer_adverts,
        preempts: instance.preempt,
        preempt_delay: six_digits(instance.preempt_delay.as_secs_f64()),
        lower_prio_no_advert: instance.lower_prio_no_advert,
        higher_prio_send_advert: instance.higher_prio_send_advert,
        accepts: owner || instance.accept,
        // An interface of its own has it in any case.
        promote_secondaries: instance.promote_secondaries && instance.vmac.is_none(),
        dont_track_primary: instance.dont_track_primary,
        auth: match instance.auth {
            Auth::None => String::new(),
            Auth::Password(password) => {
                let text = String::from_utf8_lossy(&password).into_owned();
                format!("PASS {}", text.trim_end_matches('\0'))
            }
        },
        source: instance.source,
        group: instance.unicast.is_none().then_some(instance.group),
        unicast: instance.unicast.as_ref().map(|unicast| Unicast {
            peers: unicast
                .peers
                .iter()
                .map(|peer| (peer.address, peer.min_ttl, peer.max_ttl))
                .collect(),
            ttl: (!instance.is_ipv6()).then_some(unicast.ttl),
            checked: unicast.check_source,
        }),
        vmac: instance.vmac.as_ref().map(|vmac| {
            let usual = if instance.is_ipv6() { 2 } else { 1 };
            let usual = MacAddr([0, 0, 0x5e, 0, usual, instance.vrid.get()]);
            Vmac {
                name: vmac.name.clone(),
                from_base: vmac.transmit_from_base,
                mac: (vmac.mac != usual).then(|| vmac.mac.to_string()),
            }
        }),
        tracked: instance
            .track_interfaces
            .iter()
            .map(|one| {
                let reverse = if one.weight.reverse { " reverse" } else { "" };
                format!("{} weight {}{reverse}", one.interface, one.weight.value)
            })
            .collect(),
        routes: instance
            .routes
            .iter()
            .map(|route| format!("{}/{}", route.destination.address, route.destination.prefix))
            .collect(),
        rules: instance.rules.iter().map(|rule| rule.preference).collect(),
        addresses: instance.addresses.iter().map(address).collect(),
        excluded: instance.excluded.iter().map(address).collect(),
        garp_delay: instance.garp.delay,
        garp_repeat: instance.garp.repeat.into(),
        garp_refresh: instance.garp.refresh.unwrap_or_default(),
        garp_refresh_repeat: instance.garp.refresh_repeat.into(),
        garp_lower_delay: instance.garp.lower_prio_delay,
        garp_lower_repeat: instance.garp.lower_prio_repeat.into(),
    }
}

/// The options of an address that have no value.
fn options(address: &VirtualAddress) -> Vec<&'static str> {
    let options = [
        ("-nodad", address.detect_duplicates),
        ("autojoin", address.auto_join),
        ("home", address.home),
        ("mngtmpaddr", address.manage_temporary),
        ("no_track", address.no_track),
        ("noprefixroute", address.no_prefix_route),
    ];
    let given = options.into_iter().filter(|(_, given)| *given);
    given.map(|(option, _)| option).collect()
}

/// keepalived counts in whole microseconds.
fn down_interval(instance: &Instance, effective: u8) -> Duration {
    let span = active_down_interval(
        instance.version,
        Priority::from_wire(effective),
        instance.interval,
        instance.down_timer_adverts,
    );
    Duration::from_micros(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
}

/// The lines in which our reading and keepalived's differ.
///
/// The file says only what trackers add to a priority; what they do add is known
/// to the daemon alone, so its word is taken for that.
pub(super) fn differences(ours: &[Instance], theirs: &[Facts]) -> Vec<String> {
    let mut lines = Vec::new();
    for index in 0..ours.len().max(theirs.len()) {
        let theirs = theirs.get(index);
        let ours = ours.get(index).map(|instance| {
            let mut facts = of_instance(instance);
            if let Some(theirs) = theirs {
                facts.effective = theirs.effective;
                facts.down_interval = if facts.priority == 255 {
                    // An owner does not wait for silence; the dump has 1 µs.
                    theirs.down_interval
                } else {
                    down_interval(instance, theirs.effective)
                };
            }
            facts
        });
        let show = |facts: Option<&Facts>| {
            let text = facts.map(|facts| format!("{facts:#?}"));
            text.unwrap_or_else(|| "no such instance".into())
        };
        let (ours, theirs) = (show(ours.as_ref()), show(theirs));
        if ours != theirs {
            lines.extend(by_field(&ours, &theirs));
        }
    }
    lines
}

/// Both are printed by the same code, so a field stands in both or in neither;
/// only lists differ in their number of lines.
fn by_field(ours: &str, theirs: &str) -> Vec<String> {
    let (ours, theirs): (Vec<_>, Vec<_>) = (ours.lines().collect(), theirs.lines().collect());
    let only = |these: &[&str], those: &[&str], whose: &str| -> Vec<String> {
        these
            .iter()
            .filter(|line| !those.contains(line))
            .map(|line| format!("{whose}: {}", line.trim()))
            .collect()
    };
    let mut lines = only(&ours, &theirs, "we read");
    lines.extend(only(&theirs, &ours, "keepalived reads"));
    if lines.is_empty() {
        lines.push(format!(
            "the same lines in another order: {ours:?}, {theirs:?}"
        ));
    }
    lines
}
