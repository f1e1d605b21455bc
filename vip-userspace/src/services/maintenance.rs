//! Orders of a person, judged before anything moves: which instances they
//! concern, whether somebody could take over, whether we could win. All of it
//! from what is known at the moment, without doing anything.

use std::collections::HashSet;
use std::time::Duration;

use vip_common::election::LettingGo;
use vip_common::ids::Priority;
use vip_common::time::MonoTime;

use super::orders::{Order, What};
use crate::engine::published::{Peer, Snapshot, Standing};
use crate::plan::RouterPlan;
use crate::words;

/// The priority of an instance that was taken: the highest that any router may
/// have that does not own the address.
pub(super) const TAKEN: Priority = Priority::from_wire(254);

/// On top of what the protocol needs: hands, a busy host, a peer that is late.
const SLACK: Duration = Duration::from_secs(5);

/// The same where it is not known that there is anybody.
const BREATH: Duration = Duration::from_secs(1);

/// An instance as an order finds it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'a> {
    /// What it is.
    pub plan: &'a RouterPlan,
    /// The interface it speaks on.
    pub interface: &'a str,
    /// What keeps it out, an interface or a tracker.
    pub hindered_by: &'a str,
    /// Where it stands.
    pub seen: &'a Snapshot,
    /// What was ordered of it before.
    pub order: Option<&'a Order>,
}

/// Instances that only move together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Company<'a> {
    /// The sync group's name.
    pub name: &'a str,
    /// Its instances.
    pub members: &'a [String],
}

/// What an order names, completed to whole sync groups.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Named {
    /// The instances, each once.
    pub instances: Vec<String>,
    /// Which came along, and why.
    pub along: Vec<String>,
}

/// Completes what was named to whole sync groups.
///
/// # Errors
/// One of them is unknown.
pub(super) fn whole(
    known: &[&str],
    companies: &[Company<'_>],
    named: &[String],
) -> Result<Named, Vec<String>> {
    let exists: HashSet<&str> = known.iter().copied().collect();
    let unknown: Vec<String> = named
        .iter()
        .filter(|name| !exists.contains(name.as_str()))
        .map(|name| format!("no instance {name} here; there is {}", known.join(", ")))
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let mut chosen = HashSet::new();
    let mut found = Named::default();
    for name in named {
        if chosen.insert(name.clone()) {
            found.instances.push(name.clone());
        }
    }
    for company in companies {
        let Some(first) = named.iter().find(|name| company.members.contains(name)) else {
            continue;
        };
        let others = company
            .members
            .iter()
            .filter(|member| exists.contains(member.as_str()));
        for other in others {
            if chosen.insert(other.clone()) {
                found.instances.push(other.clone());
                found.along.push(format!(
                    "{other} comes along: it is in sync group {} with {first}",
                    company.name
                ));
            }
        }
    }
    Ok(found)
}

/// The instances among these orders that are not there any more.
pub(super) fn gone<'a>(known: &[&str], orders: impl Iterator<Item = &'a Order>) -> Vec<String> {
    let exists: HashSet<&str> = known.iter().copied().collect();
    let gone = orders.filter(|order| !exists.contains(order.instance.as_str()));
    gone.map(|order| order.instance.clone()).collect()
}

/// Whether these can be handed over to somebody who is known.
///
/// # Errors
/// Nobody ever spoke for one of them.
pub(super) fn judge_drain(members: &[Member<'_>], force: bool) -> Result<(), Vec<String>> {
    if force {
        return Ok(());
    }
    let alone = members.iter().filter(|member| {
        // Who is drained already, or can never take part, has nothing to hand over.
        !is(member, What::Drained)
            && member.plan.unusable.is_none()
            && !member.seen.peers.iter().flatten().any(was_accepted)
    });
    let mut said: Vec<String> = alone
        .map(|member| {
            format!(
                "({}) no other router of VRID {} was ever heard on {}: nobody is known who would take over",
                member.plan.name, member.plan.params.vrid, member.interface
            )
        })
        .collect();
    if said.is_empty() {
        return Ok(());
    }
    said.push(
        "nothing was changed. A BACKUP does not speak, so look at the other node with 'vip status'; \
         where it follows this one, drain with --force. Without another node --force gives the address up, \
         and nobody serves it"
            .into(),
    );
    Err(said)
}

/// Whether these can be won.
///
/// # Errors
/// One of them is out of it, or somebody has a priority that cannot be beaten.
pub(super) fn judge_take(members: &[Member<'_>], now: MonoTime) -> Result<(), Vec<String>> {
    let mut said = Vec::new();
    for member in members {
        let name = &member.plan.name;
        if member.plan.params.priority.get() > TAKEN.get() {
            said.push(format!(
                "({name}) has priority {} already: it is MASTER whenever it can be",
                member.plan.params.priority
            ));
            continue;
        }
        if is(member, What::Drained) {
            said.push(format!(
                "({name}) is drained; 'vip undrain {name}' ends that first"
            ));
            continue;
        }
        if let Standing::Initialize(fault) = member.seen.standing {
            said.push(format!(
                "({name}) is {}: {}",
                words::state(member.seen.standing),
                words::fault(fault, member.plan, member.hindered_by)
            ));
            continue;
        }
        let unbeaten = speaking(member, now)
            .filter(|peer| peer.priority >= TAKEN)
            .max_by_key(|peer| (peer.priority, peer.address));
        if let Some(peer) = unbeaten {
            let own = if peer.priority.get() == 255 {
                ", it owns the address"
            } else {
                ""
            };
            said.push(format!(
                "({name}) {} has priority {}{own}: no priority that we may have beats it; drain it there, or stop it",
                peer.address, peer.priority
            ));
        }
    }
    if said.is_empty() {
        return Ok(());
    }
    said.push("nothing was changed".into());
    Err(said)
}

/// How long a drain of these may take. Where nobody was ever heard, whoever is there
/// all the same takes over when it hears the leave, or is not there.
#[must_use]
pub(super) fn bound_of_drain(members: &[Member<'_>]) -> Duration {
    let leaving = members
        .iter()
        .filter(|member| member.seen.standing == Standing::Active);
    let mut heard = leaving
        .clone()
        .flat_map(|member| member.seen.peers.iter().flatten());
    if heard.any(was_accepted) {
        return bound(members);
    }
    let succession = leaving.map(|member| member.plan.params.succession());
    succession.max().unwrap_or_default() + LettingGo::GRACE + BREATH
}

/// How long a move of these may take: two Active_Down_Intervals of the slowest,
/// and some.
#[must_use]
pub(super) fn bound(members: &[Member<'_>]) -> Duration {
    let down = members.iter().map(|member| {
        let params = &member.plan.params;
        params.active_down_interval(params.adver_interval)
    });
    down.max().unwrap_or_default() * 2 + SLACK
}

/// What follows from a drain, a line for each.
#[must_use]
pub(super) fn drained(member: &Member<'_>, span: Option<Duration>) -> String {
    let (name, until) = (&member.plan.name, until(span, "vip undrain", member));
    if member.seen.standing == Standing::Active {
        return format!("({name}) is MASTER: hands over, then stays out {until}");
    }
    let state = words::state(member.seen.standing);
    format!("({name}) is {state}: stays out {until}")
}

/// What follows from a take, a line for each.
#[must_use]
pub(super) fn taken(member: &Member<'_>, span: Option<Duration>) -> String {
    let (name, until) = (&member.plan.name, until(span, "vip untake", member));
    if member.seen.standing == Standing::Active {
        return format!("({name}) is MASTER: keeps the address with priority {TAKEN} {until}");
    }
    let state = words::state(member.seen.standing);
    format!("({name}) is {state}: takes over with priority {TAKEN}, kept {until}")
}

fn until(span: Option<Duration>, undo: &str, member: &Member<'_>) -> String {
    let undo = format!("until '{undo} {}'", member.plan.name);
    match span {
        Some(span) => format!("for {}, or {undo}", humantime::format_duration(span)),
        None => undo,
    }
}

/// Whether this is ordered of it already.
#[must_use]
pub(super) fn is(member: &Member<'_>, what: What) -> bool {
    member.order.is_some_and(|order| order.what == what)
}

fn was_accepted(peer: &Peer) -> bool {
    peer.last_accepted.is_some()
}

/// The peers whose last accepted advert still counts, those that have said that
/// they leave excepted.
pub(super) fn speaking<'a>(member: &Member<'a>, now: MonoTime) -> impl Iterator<Item = &'a Peer> {
    let params = &member.plan.params;
    let down = params.active_down_interval(params.adver_interval);
    member.seen.peers.iter().flatten().filter(move |peer| {
        !peer.priority.is_resign() && peer.last_accepted.is_some_and(|at| now.since(at) < down)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    use crate::config;
    use crate::plan::Plan;
    use crate::services::orders::BootTime;
    use vip_common::election::Fault;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn plan() -> Plan {
        let text = include_str!("../../../tests/seed/nodeB.conf");
        Plan::new(&config::parse(text, "nodeB.conf").configuration)
    }

    const NOW: MonoTime = MonoTime::from_nanos(1_000_000_000_000);

    fn peer(priority: u8, ago: Duration) -> Peer {
        Peer {
            priority: Priority::from_wire(priority),
            last_accepted: Some(MonoTime::from_nanos(
                NOW.as_nanos() - u64::try_from(ago.as_nanos()).unwrap(),
            )),
            ..Peer::new(IpAddr::from([192, 168, 8, 4]))
        }
    }

    fn seen(standing: Standing, peer: Option<Peer>) -> Snapshot {
        let mut seen = Snapshot::new(Priority::DEFAULT);
        seen.standing = standing;
        seen.peers[0] = peer;
        seen
    }

    fn member<'a>(plan: &'a Plan, seen: &'a Snapshot, order: Option<&'a Order>) -> Member<'a> {
        Member {
            plan: &plan.routers[0],
            interface: "eth0",
            hindered_by: "eth0",
            seen,
            order,
        }
    }

    fn order(what: What) -> Order {
        Order {
            instance: "VI_1".into(),
            what,
            until: Some(BootTime::from_nanos(1)),
        }
    }

    #[test]
    fn a_sync_group_moves_whole_and_says_so() {
        let members = names(&["A", "B", "gone"]);
        let companies = [Company {
            name: "G",
            members: &members,
        }];
        let known = ["A", "B", "C"];
        let found = whole(&known, &companies, &names(&["B", "B"])).unwrap();
        assert_eq!(found.instances, names(&["B", "A"]));
        assert_eq!(found.along, ["A comes along: it is in sync group G with B"]);
        let found = whole(&known, &companies, &names(&["C"])).unwrap();
        assert_eq!(found.instances, names(&["C"]));
        assert_eq!(found.along, [""; 0]);
    }

    #[test]
    fn an_instance_that_is_not_there_is_named_with_those_that_are() {
        let said = whole(&["A", "B"], &[], &names(&["A", "X"])).unwrap_err();
        assert_eq!(said, ["no instance X here; there is A, B"]);
    }

    #[test]
    fn an_order_can_outlive_its_instance() {
        let of = |name: &str| Order {
            instance: name.into(),
            ..order(What::Drained)
        };
        let orders = [of("A"), of("old")];
        assert_eq!(gone(&["A", "B"], orders.iter()), ["old"]);
        assert_eq!(gone(&["A", "old"], orders.iter()), [""; 0]);
    }

    #[test]
    fn nobody_was_ever_heard_so_that_it_is_not_drained_unless_forced() {
        let plan = plan();
        let alone = seen(Standing::Active, None);
        let refused = judge_drain(&[member(&plan, &alone, None)], false).unwrap_err();
        assert!(
            refused[0].starts_with("(VI_1) no other router of VRID 51 was ever heard on eth0"),
            "{refused:?}"
        );
        assert!(refused[1].contains("--force"), "{refused:?}");
        judge_drain(&[member(&plan, &alone, None)], true).unwrap();
        // Drained again, for longer: nobody is asked to take anything over.
        let before = order(What::Drained);
        judge_drain(&[member(&plan, &alone, Some(&before))], false).unwrap();
        // Who was heard long ago is a reason to try: it comes back where it fails.
        let known = seen(Standing::Active, Some(peer(90, Duration::from_secs(500))));
        judge_drain(&[member(&plan, &known, None)], false).unwrap();
        // Who was only ever refused is not one who takes over.
        let refused_only = seen(
            Standing::Active,
            Some(Peer {
                last_accepted: None,
                refused: 3,
                ..peer(90, Duration::ZERO)
            }),
        );
        assert!(judge_drain(&[member(&plan, &refused_only, None)], false).is_err());
    }

    #[test]
    fn what_cannot_be_won_is_not_taken() {
        let plan = plan();
        let of = |seen: &Snapshot, before: Option<&Order>| {
            judge_take(&[member(&plan, seen, before)], NOW).map_err(|said| said[0].clone())
        };
        let second = Duration::from_secs(1);
        let follows = seen(Standing::Backup, Some(peer(253, second)));
        assert_eq!(of(&follows, None), Ok(()));
        let owner = seen(Standing::Backup, Some(peer(255, second)));
        let said = of(&owner, None).unwrap_err();
        assert!(
            said.contains("192.168.8.4 has priority 255, it owns the address"),
            "{said}"
        );
        let equal = seen(Standing::Backup, Some(peer(254, second)));
        assert!(of(&equal, None).unwrap_err().contains("priority 254:"));
        // An owner that is silent, or has left, stands in nobody's way.
        let silent = seen(Standing::Backup, Some(peer(255, second * 9)));
        assert_eq!(of(&silent, None), Ok(()));
        let left = seen(Standing::Backup, Some(peer(0, second)));
        assert_eq!(of(&left, None), Ok(()));
        let down = seen(Standing::Initialize(Fault::LinkDown), None);
        assert!(of(&down, None).unwrap_err().contains("eth0 is down"));
        let said = of(&follows, Some(&order(What::Drained))).unwrap_err();
        assert!(said.contains("vip undrain VI_1"), "{said}");
    }

    #[test]
    fn a_move_has_two_down_intervals_and_some() {
        let plan = plan();
        let seen = seen(Standing::Active, None);
        let down = plan.routers[0]
            .params
            .active_down_interval(plan.routers[0].params.adver_interval);
        assert_eq!(bound(&[member(&plan, &seen, None)]), down * 2 + SLACK);
    }

    #[test]
    fn nobody_is_waited_for_long_who_was_never_heard() {
        let plan = plan();
        let alone = seen(Standing::Active, None);
        let span = Duration::from_millis(2_100);
        assert_eq!(bound_of_drain(&[member(&plan, &alone, None)]), span);
        let known = seen(Standing::Active, Some(peer(90, Duration::from_secs(500))));
        let known = [member(&plan, &known, None)];
        assert_eq!(bound_of_drain(&known), bound(&known));
    }

    #[test]
    fn what_follows_is_said() {
        let plan = plan();
        let (active, backup) = (seen(Standing::Active, None), seen(Standing::Backup, None));
        assert_eq!(
            drained(&member(&plan, &active, None), None),
            "(VI_1) is MASTER: hands over, then stays out until 'vip undrain VI_1'"
        );
        assert_eq!(
            drained(
                &member(&plan, &backup, None),
                Some(Duration::from_secs(1_800))
            ),
            "(VI_1) is BACKUP: stays out for 30m, or until 'vip undrain VI_1'"
        );
        assert_eq!(
            taken(&member(&plan, &backup, None), None),
            "(VI_1) is BACKUP: takes over with priority 254, kept until 'vip untake VI_1'"
        );
    }
}
