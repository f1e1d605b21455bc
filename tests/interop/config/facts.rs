//! What both sides can say about a virtual router, in one form.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use vip::config::{Instance, VirtualAddress};
use vip_common::ids::Priority;
use vip_common::time::active_down_interval;
use vip_common::wire::vrrp::Auth;

/// An address that moves.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Address {
    pub(super) ip: IpAddr,
    pub(super) prefix: u8,
    /// The interface that it goes to.
    pub(super) device: String,
    pub(super) label: Option<String>,
    /// As the kernel numbers it.
    pub(super) scope: u8,
    pub(super) broadcast: Option<IpAddr>,
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
        Ok(())
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
    /// `None`, `PASS` with the password, or `AH`.
    pub(super) auth: String,
    /// Where the file gives one.
    pub(super) source: Option<IpAddr>,
    /// Where its adverts go; `None` when that is a list of peers.
    pub(super) group: Option<IpAddr>,
    pub(super) addresses: Vec<Address>,
    pub(super) excluded: Vec<Address>,
    pub(super) garp_delay: Duration,
    pub(super) garp_repeat: u32,
    pub(super) garp_refresh: Duration,
    pub(super) garp_refresh_repeat: u32,
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
    };
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
        auth: match instance.auth {
            Auth::None => String::new(),
            Auth::Password(password) => {
                let text = String::from_utf8_lossy(&password).into_owned();
                format!("PASS {}", text.trim_end_matches('\0'))
            }
        },
        source: instance.source,
        group: Some(instance.group),
        addresses: instance.addresses.iter().map(address).collect(),
        excluded: instance.excluded.iter().map(address).collect(),
        garp_delay: instance.garp.delay,
        garp_repeat: instance.garp.repeat.into(),
        garp_refresh: instance.garp.refresh.unwrap_or_default(),
        garp_refresh_repeat: instance.garp.refresh_repeat.into(),
    }
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
