//! Nodes that speak to each other one by one (`unicast_peer`): whether each lists
//! the other.

use std::net::IpAddr;

use super::group::Judged;
use crate::config::section::Setting;
use crate::config::value::Value;
use crate::config::{Instance, Severity};

/// An instance as its peers see it.
pub(super) struct Node<'a> {
    pub(super) instance: &'a Instance,
    /// Whom it speaks to; `None` for a group.
    pub(super) peers: Option<Vec<IpAddr>>,
}

impl<'a> Node<'a> {
    /// With the peers that its `unicast_peer` lists.
    pub(super) fn new(instance: &'a Instance, peers: Option<&Setting>) -> Self {
        let peers = peers.map(|setting| {
            let Value::Peers(lines) = &setting.value else {
                return Vec::new();
            };
            lines.iter().map(|line| line.address).collect()
        });
        Self { instance, peers }
    }
}

/// What keeps two nodes from hearing each other, and the word that decides it.
pub(super) fn judge(there: &Node<'_>, here: &Node<'_>) -> Vec<(&'static str, Judged)> {
    let name = &here.instance.name;
    let mut found = Vec::new();
    let mut say = |keyword, message, help: &str| {
        found.push((keyword, Judged::new(Severity::Error, message, help)));
    };
    if let (Some(own), Some(source)) = (here.instance.source, there.instance.source)
        && own == source
    {
        let message = format!("`{name}`: both nodes speak from {own}");
        let help = "an address belongs to one node; each takes the other's adverts for its own";
        say("unicast_src_ip", message, help);
        return found;
    }
    match (&there.peers, &here.peers) {
        (None, None) => {}
        (Some(_), None) | (None, Some(_)) => {
            let (unicast, group) = if here.peers.is_some() {
                ("this node", "the other one")
            } else {
                ("the other node", "this one")
            };
            let message = format!(
                "`{name}`: {unicast} speaks to its unicast_peer, {group} to the group {}",
                here.instance.group
            );
            let help = "the nodes do not hear each other, and both become master";
            say("unicast_peer", message, help);
        }
        (Some(theirs), Some(ours)) => {
            for (peers, of, source, whose) in [
                (ours, "here", there.instance.source, "the other node"),
                (
                    theirs,
                    "on the other node",
                    here.instance.source,
                    "this node",
                ),
            ] {
                if let Some(source) = source
                    && !peers.contains(&source)
                {
                    let message = format!(
                        "`{name}`: unicast_peer {of} does not list {source}, from which {whose} speaks"
                    );
                    let help = "who is not listed hears nothing, and becomes master too";
                    say("unicast_peer", message, help);
                }
            }
        }
    }
    found
}
