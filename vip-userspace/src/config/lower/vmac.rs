//! `use_vmac`: interfaces with virtual MACs, their names and addresses, and what
//! lies on them.

use std::collections::{HashMap, HashSet};

use vip_common::ids::{MacAddr, Vrid};

use super::super::diag::{Finding, Sink, quoted};
use super::super::estate::{VirtualAddress, Vmac};
use super::super::lex::Token;
use super::super::lists::address::VmacName;
use super::super::lists::{AddressLine, Mac};
use super::super::value::Value;
use super::Around;
use super::company::given_at;
use super::globals::Globals;
use super::instance::Draft;

/// The first five octets of virtual MACs (RFC 9568 section 7.3).
const RFC_V4: [u8; 5] = [0x00, 0x00, 0x5e, 0x00, 0x01];
const RFC_V6: [u8; 5] = [0x00, 0x00, 0x5e, 0x00, 0x02];

/// Longest name of an interface.
const LONGEST: usize = 15;

/// The interfaces with virtual MACs that are made.
#[derive(Default)]
pub(super) struct Vmacs {
    names: HashSet<String>,
    /// Whose each is, by the interface below and its MAC.
    owners: HashMap<(String, MacAddr), String>,
}

impl Vmacs {
    /// `vrrp.VRID`; where that is taken, `vrrp6.VRID` for IPv6, and then `vrrpN.VRID`,
    /// as in keepalived.
    fn name(&mut self, prefix: &str, ipv6: bool, vrid: Vrid) -> String {
        let mut name = format!("{prefix}.{vrid}");
        if ipv6 && self.names.contains(&name) {
            name = format!("{prefix}6.{vrid}");
        }
        let mut number = 0_u32;
        while name.len() > LONGEST || !self.names.insert(name.clone()) {
            number += 1;
            // A prefix of the file may be as long as a name.
            let room = LONGEST.saturating_sub(format!("{number}.{vrid}").len());
            let kept = prefix
                .char_indices()
                .take_while(|(at, c)| at + c.len_utf8() <= room);
            let kept: String = kept.map(|(_, c)| c).collect();
            name = format!("{kept}{number}.{vrid}");
        }
        name
    }
}

/// The MAC that an instance has where nothing else is asked for.
fn usual(ipv6: bool, vrid: Vrid) -> MacAddr {
    let [a, b, c, d, e] = if ipv6 { RFC_V6 } else { RFC_V4 };
    MacAddr([a, b, c, d, e, vrid.get()])
}

impl Draft<'_> {
    /// Takes note of the names that it gives to interfaces, so that no other one is
    /// called so. The first one to name an interface has it.
    pub(super) fn note_vmacs(&mut self, vmacs: &mut Vmacs, sink: &mut Sink) {
        let given = given_at(self.section, "use_vmac");
        let own = given.and_then(|(value, _)| {
            let Value::Vmac(line) = value else {
                return None;
            };
            line.name.as_ref()
        });
        self.vmac_name = own.filter(|name| {
            let first = vmacs.names.insert(name.text.to_string());
            if !first {
                sink.add(
                    Finding::error(
                        name.span,
                        format!("another instance has the interface {}", quoted(&name.text)),
                    )
                    .help("the interface is named after the VRID instead, as in keepalived"),
                );
            }
            first
        });
    }

    /// The interface that holds its addresses.
    pub(super) fn vmac(
        &mut self,
        vrid: Vrid,
        strict: bool,
        unicast: bool,
        globals: &Globals,
        around: &mut Around<'_>,
        sink: &mut Sink,
    ) -> Option<Vmac> {
        let from_base = given_at(self.section, "vmac_xmit_base");
        let Some((Value::Vmac(line), span)) = given_at(self.section, "use_vmac") else {
            if let Some((_, span)) = from_base {
                sink.add(
                    Finding::warning(span, "`vmac_xmit_base` without `use_vmac` changes nothing")
                        .help("remove it, or add `use_vmac`"),
                );
            }
            return None;
        };
        if self.interface.is_none() {
            let reason = "`use_vmac` needs an `interface` to lie on";
            sink.add(Finding::error(span, reason).help("name it"));
            self.never(reason);
        }
        let ipv6 = self.is_ipv6();
        let mut mac = usual(ipv6, vrid);
        if let Some(Mac { prefix, last }) = line.mac {
            let [a, b, c, d, e] = prefix;
            let asked = MacAddr([a, b, c, d, e, last.unwrap_or(vrid.get())]);
            if strict && asked != mac {
                let message = "strict mode knows no other virtual MAC";
                sink.add(
                    Finding::warning(span, message).help(format!("it is {mac}, as in keepalived")),
                );
            } else if prefix == RFC_V4 || prefix == RFC_V6 {
                if asked != mac {
                    let message = format!("{asked} is the virtual MAC of another VRID or family");
                    sink.add(
                        Finding::error(span, message)
                            .help(format!("it is {mac}, as in keepalived")),
                    );
                }
            } else {
                mac = asked;
            }
        }
        let transmit_from_base = match from_base {
            Some((_, span)) if strict && !unicast => {
                sink.add(
                    Finding::warning(
                        span,
                        "`vmac_xmit_base` is ignored with strict mode, as in keepalived",
                    )
                    .help("remove one of the two"),
                );
                false
            }
            None if unicast => {
                sink.add(
                    Finding::warning(span, "unicast with `use_vmac` needs `vmac_xmit_base`")
                        .help("it is on, as in keepalived; write it"),
                );
                true
            }
            from_base => from_base.is_some(),
        };
        Some(Vmac {
            name: match self.vmac_name {
                Some(name) => name.text.to_string(),
                None => around.vmacs.name(&globals.vmac_prefix, ipv6, vrid),
            },
            mac,
            transmit_from_base,
            group: line
                .group
                .as_ref()
                .and_then(|group| around.resolver.group(group, sink)),
        })
    }

    /// The addresses of a list, each where it goes. `on_vmac` is whether those on the
    /// instance's interface go to one above it.
    pub(super) fn virtual_addresses(
        &self,
        lines: &[&AddressLine],
        (on_vmac, vrid): (bool, Vrid),
        globals: &Globals,
        around: &mut Around<'_>,
        sink: &mut Sink,
    ) -> Vec<VirtualAddress> {
        let mut placed = Vec::with_capacity(lines.len());
        let own = self.interface.map(|name| &*name.text);
        for line in lines {
            let mut address = VirtualAddress::of(line);
            let at_home = address
                .device
                .as_deref()
                .is_none_or(|device| Some(device) == own);
            if at_home {
                address.device = None;
            }
            let ipv6 = address.address.is_ipv6();
            if let Some(VmacName(name)) = &line.use_vmac {
                if on_vmac && at_home && ipv6 == self.is_ipv6() {
                    sink.add(
                        Finding::warning(
                            line.span,
                            format!("{} is on the instance's own virtual MAC", address.address),
                        )
                        .help("remove `use_vmac` from one of both"),
                    );
                } else {
                    let device = address.device.clone().or(own.map(str::to_owned));
                    address.vmac = Some(around.vmac_of(device, name.as_ref(), ipv6, vrid, globals));
                }
            } else if on_vmac && at_home && ipv6 != self.is_ipv6() {
                // Not there: its MAC is that of the other family.
                address.device = own.map(str::to_owned);
            }
            placed.push(address);
        }
        placed
    }

    /// No MAC is on an interface twice: the first instance has it.
    pub(super) fn no_shared_vmac(
        &mut self,
        vmac: Option<&Vmac>,
        lists: [&[VirtualAddress]; 2],
        around: &mut Around<'_>,
        sink: &mut Sink,
    ) {
        let own = self.interface.map(|name| name.text.to_string());
        let own = own.unwrap_or_default();
        let mine = vmac.map(|vmac| (own.clone(), vmac));
        let theirs = lists.into_iter().flatten().filter_map(|address| {
            let device = address.device.clone().unwrap_or_else(|| own.clone());
            Some((device, address.vmac.as_ref()?))
        });
        let name = self.name.text.to_string();
        let mut reason = None;
        for (device, vmac) in mine.into_iter().chain(theirs) {
            let owner = around.vmacs.owners.entry((device.clone(), vmac.mac));
            let owner = owner.or_insert_with(|| name.clone());
            if *owner != name {
                let owner = quoted(owner);
                reason = Some(format!(
                    "instance {owner} has the virtual MAC {} on {} already",
                    vmac.mac,
                    quoted(&device)
                ));
            }
        }
        if let Some(reason) = reason {
            sink.add(
                Finding::error(self.name.span, reason.as_str())
                    .help("give one of them another VRID"),
            );
            self.never(reason);
        }
    }
}

impl Around<'_> {
    /// The interface with a virtual MAC that addresses of a router share on another
    /// interface.
    fn vmac_of(
        &mut self,
        device: Option<String>,
        name: Option<&Token>,
        ipv6: bool,
        vrid: Vrid,
        globals: &Globals,
    ) -> Vmac {
        let key = (device.unwrap_or_default(), ipv6, vrid);
        if let Some(known) = self.shared.get(&key) {
            return known.clone();
        }
        let prefix = globals.vmac_addr_prefix.as_deref();
        let prefix = prefix.unwrap_or(&globals.vmac_prefix);
        let given = name.filter(|name| self.vmacs.names.insert(name.text.to_string()));
        let vmac = Vmac {
            name: match given {
                Some(name) => name.text.to_string(),
                None => self.vmacs.name(prefix, ipv6, vrid),
            },
            mac: usual(ipv6, vrid),
            transmit_from_base: false,
            group: None,
        };
        self.shared.insert(key, vmac.clone());
        vmac
    }
}
