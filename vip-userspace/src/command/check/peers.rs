//! Nodes that speak to each other one by one (`unicast_peer`): whether each lists
//! the other.

use super::judge::Judged;
use crate::config::{Instance, Severity};

/// What keeps two nodes from hearing each other, and the word that decides it.
pub(super) fn judge(there: &Instance, here: &Instance) -> Vec<(&'static str, Judged)> {
    let name = &here.name;
    let mut found = Vec::new();
    let mut say = |keyword, message, help: &str| {
        found.push((keyword, Judged::new(Severity::Error, message, help)));
    };
    if let (Some(own), Some(source)) = (here.source, there.source)
        && own == source
    {
        let message = format!("`{name}`: both nodes speak from {own}");
        let help = "an address belongs to one node; each takes the other's adverts for its own";
        say("unicast_src_ip", message, help);
        return found;
    }
    match (&there.unicast, &here.unicast) {
        (None, None) => {}
        (Some(_), None) | (None, Some(_)) => {
            let (unicast, group) = if here.unicast.is_some() {
                ("this node", "the other one")
            } else {
                ("the other node", "this one")
            };
            let message = format!(
                "`{name}`: {unicast} speaks to its unicast_peer, {group} to the group {}",
                here.group
            );
            let help = "the nodes do not hear each other, and both become master";
            say("unicast_peer", message, help);
        }
        (Some(theirs), Some(ours)) => {
            for (unicast, of, speaker, whose) in [
                (ours, "here", there, "the other node"),
                (theirs, "on the other node", here, "this node"),
            ] {
                let Some(source) = speaker.source else {
                    continue;
                };
                let Some(peer) = unicast.peers.iter().find(|peer| peer.address == source) else {
                    let message = format!(
                        "`{name}`: unicast_peer {of} does not list {source}, from which {whose} speaks"
                    );
                    let help = "who is not listed hears nothing, and becomes master too";
                    say("unicast_peer", message, help);
                    continue;
                };
                let sent = speaker.unicast.as_ref().map_or(u8::MAX, |one| one.ttl);
                if unicast.check_source && sent < peer.min_ttl {
                    let message = format!(
                        "`{name}`: {whose} sends with a TTL of {sent}, and unicast_peer {of} wants {} at least",
                        peer.min_ttl
                    );
                    let help = "give both the same `unicast_ttl`, and a `min_ttl` of no more than that less the routers between them";
                    say("unicast_peer", message, help);
                }
            }
        }
    }
    found
}
