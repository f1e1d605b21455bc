//! What is held, in the words of the configuration, as far as a person needs it to
//! know which one is meant.

use std::fmt;

use super::estate::{Network, NextHop, Route, Rule, RuleAction, TrackedInterface, Weight};
use super::lists::route::RouteType;
use super::trackers::Tracked;

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(kind) = RouteType::name_of(self.kind) {
            write!(f, "{kind} ")?;
        }
        if self.destination.prefix == 0 {
            f.write_str("default")?;
        } else {
            network(f, self.destination)?;
        }
        if let Some(via) = self.via {
            write!(f, " via {via}")?;
        }
        if let Some(device) = &self.device {
            write!(f, " dev {device}")?;
        }
        if let Some(table) = self.table {
            write!(f, " table {table}")?;
        }
        if let Some(vrf) = &self.vrf {
            write!(f, " vrf {vrf}")?;
        }
        if let Some(metric) = self.metric {
            write!(f, " metric {metric}")?;
        }
        for NextHop { via, device, .. } in &self.hops {
            f.write_str(" nexthop")?;
            if let Some(via) = via {
                write!(f, " via {via}")?;
            }
            if let Some(device) = device {
                write!(f, " dev {device}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.inverted {
            f.write_str("not ")?;
        }
        f.write_str("from ")?;
        match self.from {
            Some(from) => network(f, from)?,
            None => f.write_str("all")?,
        }
        if let Some(to) = self.to {
            f.write_str(" to ")?;
            network(f, to)?;
        }
        for (word, device) in [("iif", &self.input), ("oif", &self.output)] {
            if let Some(device) = device {
                write!(f, " {word} {device}")?;
            }
        }
        if let Some((mark, mask)) = self.mark {
            write!(f, " fwmark {mark:#x}/{mask:#x}")?;
        }
        match self.action {
            RuleAction::Table(table) => write!(f, " table {table}")?,
            RuleAction::VrfTable => f.write_str(" l3mdev")?,
            RuleAction::Goto(target) => write!(f, " goto {target}")?,
            RuleAction::Nop => f.write_str(" nop")?,
            RuleAction::Blackhole => f.write_str(" blackhole")?,
            RuleAction::Unreachable => f.write_str(" unreachable")?,
            RuleAction::Prohibit => f.write_str(" prohibit")?,
        }
        write!(f, " preference {}", self.preference)
    }
}

impl fmt::Display for TrackedInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.interface, self.weight)
    }
}

impl fmt::Display for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.kind.keyword(), self.name, self.weight)
    }
}

/// As it stands behind a name; nothing where a failure is FAULT.
impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value != 0 {
            write!(f, " weight {}", self.value)?;
        }
        if self.reverse {
            f.write_str(" reverse")?;
        }
        Ok(())
    }
}

fn network(f: &mut fmt::Formatter<'_>, network: Network) -> fmt::Result {
    let Network { address, prefix } = network;
    write!(f, "{address}/{prefix}")
}
