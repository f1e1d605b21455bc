//! `use_vmac`: the interface with a virtual MAC, its name and its address.

use std::collections::HashSet;

use vip_common::ids::{MacAddr, Vrid};

use super::super::estate::Vmac;
use super::super::lex::Token;
use super::super::lists::{Mac, Vmac as VmacLine};
use super::globals::Globals;

/// The first five octets of virtual MACs (RFC 9568 section 7.3).
const RFC_V4: [u8; 5] = [0x00, 0x00, 0x5e, 0x00, 0x01];
const RFC_V6: [u8; 5] = [0x00, 0x00, 0x5e, 0x00, 0x02];

/// Longest name of an interface.
const LONGEST: usize = 15;

/// Names of interfaces that are made, so that no two share one.
#[derive(Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    /// Takes a name that a file gives.
    pub(super) fn note(&mut self, name: &Token) {
        self.0.insert(name.text.to_string());
    }

    /// `vrrp.VRID`, `vrrp6.VRID`, or with a number where that is taken.
    fn find(&mut self, prefix: &str, ipv6: bool, vrid: Vrid) -> String {
        let family = if ipv6 { "6" } else { "" };
        let mut name = format!("{prefix}{family}.{vrid}");
        let mut number = 0_u32;
        while name.len() > LONGEST || !self.0.insert(name.clone()) {
            number += 1;
            let shorter = if name.len() > LONGEST { "v" } else { prefix };
            name = format!("{shorter}{family}.{number}.{vrid}");
        }
        name
    }
}

/// What a line comes to.
pub(super) fn vmac(
    line: Option<&VmacLine>,
    name: Option<&Token>,
    (ipv6, vrid): (bool, Vrid),
    globals: &Globals,
    names: &mut Names,
) -> Vmac {
    let usual = globals
        .vmac_addr_prefix
        .unwrap_or(if ipv6 { RFC_V6 } else { RFC_V4 });
    let Mac { prefix, last } = line.and_then(|line| line.mac).unwrap_or(Mac {
        prefix: usual,
        last: None,
    });
    let [a, b, c, d, e] = prefix;
    Vmac {
        name: match name {
            Some(name) => name.text.to_string(),
            None => names.find(&globals.vmac_prefix, ipv6, vrid),
        },
        mac: MacAddr([a, b, c, d, e, last.unwrap_or(vrid.get())]),
        transmit_from_base: false,
        group: line
            .and_then(|line| line.group.as_ref())
            .and_then(|group| group.known()),
    }
}
