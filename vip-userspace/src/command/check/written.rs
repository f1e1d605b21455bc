//! Where in the files it is written: from what a configuration comes to, back to
//! the line that says so.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::config::keywords::Block;
use crate::config::section::{Section, Setting};
use crate::config::value::Value;
use crate::config::{Instance, Loaded, Location};

/// The blocks of one file by name.
pub(super) struct Written<'a> {
    loaded: &'a Loaded,
    globals: Vec<&'a Section>,
    instances: HashMap<&'a str, &'a Section>,
}

impl<'a> Written<'a> {
    pub(super) fn new(loaded: &'a Loaded) -> Self {
        let mut written = Self {
            loaded,
            globals: Vec::new(),
            instances: HashMap::new(),
        };
        for section in sections(&loaded.settings) {
            if section.block == Block::Global {
                written.globals.push(section);
            } else if section.block == Block::Instance {
                // Of two with one name the first one counts.
                written.instances.entry(section.title()).or_insert(section);
            }
        }
        written
    }

    /// The last line of this keyword in an instance.
    pub(super) fn setting(&self, instance: &Instance, keyword: &str) -> Option<&'a Setting> {
        self.instances
            .get(instance.name.as_str())
            .and_then(|section| section.last(keyword))
    }

    /// The last line of this keyword in `global_defs`.
    pub(super) fn global(&self, keyword: &str) -> Option<&'a Setting> {
        let mut globals = self.globals.iter().rev();
        globals.find_map(|section| section.last(keyword))
    }

    /// Whether an instance says its VRID: else it has none to be known by.
    pub(super) fn has_vrid(&self, instance: &Instance) -> bool {
        let vrid = self.setting(instance, "virtual_router_id");
        vrid.is_some_and(|setting| setting.value != Value::Refused)
    }

    /// Where the value of a keyword comes from: its line, the line of `global_defs`
    /// that stands in for it, or else the name of the instance, which has it by
    /// default.
    pub(super) fn spot(&self, instance: &Instance, keyword: &str) -> Option<Location> {
        let in_all = match keyword {
            "version" => "vrrp_version",
            "mcast_dst_ip" if instance.is_ipv6() => "vrrp_mcast_group6",
            "mcast_dst_ip" => "vrrp_mcast_group4",
            "down_timer_adverts" => "vrrp_down_timer_adverts",
            _ => "",
        };
        let otherwise = match keyword {
            "accept" => "no_accept",
            "mcast_src_ip" => "unicast_src_ip",
            "unicast_src_ip" => "mcast_src_ip",
            _ => "",
        };
        let setting = self
            .setting(instance, keyword)
            .or_else(|| self.setting(instance, otherwise))
            .or_else(|| self.global(in_all));
        let sources = &self.loaded.sources;
        let Some(setting) = setting else {
            return sources.word_at(&instance.place);
        };
        let inner = setting
            .value
            .section()
            .and_then(|section| section.last("auth_pass"));
        sources.locate(inner.unwrap_or(setting).span)
    }

    /// Where an address of an instance stands.
    pub(super) fn address(&self, instance: &Instance, address: IpAddr) -> Option<Location> {
        let section = self.instances.get(instance.name.as_str())?;
        let line = ["virtual_ipaddress", "virtual_ipaddress_excluded"]
            .iter()
            .flat_map(|list| section.all(list))
            .flat_map(|setting| setting.value.addresses())
            .find(|line| line.address == address)?;
        self.loaded.sources.locate(line.span)
    }
}

/// The blocks among these settings.
pub(super) fn sections(settings: &[Setting]) -> impl Iterator<Item = &Section> {
    settings
        .iter()
        .filter_map(|setting| setting.value.section())
}
