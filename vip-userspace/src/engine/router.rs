//! One virtual router as the engine runs it: the election, the frames built
//! ahead for it, and what others may see of it.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use vip_common::election::{ActiveRouter, Fault, State, VirtualRouter};
use vip_common::ids::{MacAddr, Priority};
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;
use vip_common::wire::announce::Announcement;
use vip_common::wire::eth;
use vip_common::wire::hmac::Signer;
use vip_common::wire::vrrp::{
    Advert, AdvertFrame, ChecksumDialect, FrameSpec, Header, Unencodable,
};

use super::known::Lending;
use super::outbox::Sending;
use super::pace::Owed;
use super::published::{Peer, Snapshot, Standing};
use super::record::Run;
use super::trust::{self, Trust};
use super::{Hindrance, LinkFacts};
use crate::dataplane::{AddressNote, Repeats};
use crate::kernel::UnicastSender;
use crate::plan::{RouterPlan, Tracked};

/// How long the password that a reload has replaced is still accepted: time to
/// reload the other nodes.
pub const FORMER_FOR: Duration = Duration::from_secs(600);

/// The engine's own part of a router.
pub struct Router {
    /// The protocol.
    pub election: VirtualRouter,
    /// Why it cannot take part, or the address that it takes part with, as the
    /// election was last told.
    pub told: Result<IpAddr, Hindrance>,
    /// What keeps it out, or did until it was told otherwise.
    pub hindered_by: Option<Tracked>,
    /// What is published of it.
    pub seen: Snapshot,
    /// Whether anything has happened to it since it was published.
    pub touched: bool,
    /// Whether it kept addresses for a successor when it was published.
    pub lets_go: bool,
    /// The Active Router's MAC as the ear was last told.
    pub active_mac: MacAddr,
    /// The MAC that the Active Router's last advert came from.
    pub heard_from: MacAddr,
    /// The faces of its interfaces that its frames were built for.
    pub built_for: Option<u64>,
    /// The MAC that it speaks with.
    pub mac: MacAddr,
    /// Whether its addresses were asked for and are still wanted.
    pub holds: bool,
    /// Rounds of announcements once addresses that were added, or put back, are
    /// there.
    pub owed_rounds: u8,
    /// Whether it has asked the link who answers for its addresses.
    pub asked: bool,
    /// What its adverts must be.
    pub trust: Trust,
    /// What they had to be before a reload changed the password or the keys, and
    /// until when that is still accepted.
    former: Option<(Trust, MonoTime)>,
    signer: Option<Signer>,
    /// Adverts, one for the group or one for each peer.
    adverts: Vec<AdvertFrame>,
    /// What sends to peers.
    pub to_peers: Option<UnicastSender>,
    /// Whether the address that it must speak from is missing.
    pub lacks_source: bool,
    /// Whether a peer computes checksums as keepalived once did, and so do we.
    pub old_checksum: bool,
    /// What the ears were last told of its addresses.
    pub noted: Option<(AddressNote, bool)>,
    /// The priority that the election was last told of.
    pub told_priority: Priority,
    /// Whether it is gone for good, and the hands know.
    pub forgotten: bool,
    /// What it still has to announce.
    pub(super) owed: Owed,
    /// When its addresses on other interfaces are announced again.
    pub extra_due: Option<MonoTime>,
    /// Whether requests for its addresses are not to be answered here.
    pub withheld: bool,
    /// The advert that it knows.
    pub(super) lending: Lending,
    /// What its turn is about was due then.
    pub(super) turn_due: Option<MonoTime>,
    /// What the record has not yet of it.
    pub(super) run: Run,
    /// The advert that is on its way out.
    pub(super) sending: Sending,
    identification: u16,
    announcements: Vec<(usize, Announcement)>,
    announced: Vec<IpAddr>,
    questions: Vec<Announcement>,
}

impl Router {
    /// A router that takes no part yet.
    #[must_use]
    pub fn new(plan: &RouterPlan) -> Self {
        let addresses = plan.all_addresses().count();
        Self {
            election: VirtualRouter::new(plan.params),
            told: Err(Fault::Starting.into()),
            hindered_by: None,
            seen: Snapshot::new(plan.priority()),
            touched: false,
            lets_go: false,
            active_mac: MacAddr::ZERO,
            heard_from: MacAddr::ZERO,
            built_for: None,
            mac: MacAddr::ZERO,
            holds: false,
            owed_rounds: 0,
            asked: false,
            trust: Trust::new(plan),
            former: None,
            signer: trust::signer(plan, None),
            adverts: Vec::with_capacity(1),
            to_peers: None,
            lacks_source: false,
            old_checksum: false,
            noted: None,
            told_priority: plan.priority(),
            forgotten: false,
            owed: Owed::default(),
            extra_due: None,
            withheld: false,
            lending: Lending::default(),
            turn_due: None,
            run: Run::default(),
            sending: Sending::default(),
            identification: 0,
            announcements: Vec::with_capacity(addresses),
            announced: Vec::with_capacity(addresses),
            questions: Vec::with_capacity(addresses),
        }
    }

    /// Builds its frames ahead, for our address and MAC as they are now.
    ///
    /// # Errors
    /// When no advert can say what the configuration wants.
    pub fn build(
        &mut self,
        plan: &RouterPlan,
        source: IpAddr,
        facts_of: impl Fn(usize) -> Option<LinkFacts>,
        is_virtual: impl Fn(usize) -> bool,
    ) -> Result<(), Unencodable> {
        self.adverts.clear();
        let mac_of = |port| facts_of(port).map(|facts| facts.mac);
        let mac = mac_of(plan.home).unwrap_or(MacAddr::ZERO);
        self.mac = mac;
        let spec = FrameSpec {
            source_mac: if plan.transmit_from_base {
                mac_of(plan.port).unwrap_or(mac)
            } else {
                mac
            },
            destination_mac: match plan.group {
                IpAddr::V4(group) => eth::group_mac(group),
                IpAddr::V6(group) => eth::group_mac_v6(group),
            },
            source,
            destination: plan.group,
            ttl: 255,
            vrid: plan.params.vrid,
            version: plan.params.version,
            interval: plan.params.adver_interval,
            auth: plan.expect.auth,
            addresses: &plan.listed,
            dialect: if self.old_checksum {
                ChecksumDialect::OldUnicast
            } else {
                plan.dialect
            },
        };
        match &plan.unicast {
            None => self.adverts.push(AdvertFrame::new(&spec)?),
            Some(unicast) => {
                for peer in &unicast.peers {
                    self.adverts.push(AdvertFrame::new(&FrameSpec {
                        destination: peer.address,
                        ttl: unicast.ttl,
                        ..spec
                    })?);
                }
            }
        }
        self.announcements.clear();
        self.announced.clear();
        for one in plan.all_addresses() {
            // An interface that is being looked at has its turn later.
            if let Some(facts) = facts_of(one.port) {
                let (mac, forwards) = (facts.mac, facts.forwards_v6);
                let frame = if is_virtual(one.port) {
                    Announcement::by_virtual_mac(mac, one.address, forwards)
                } else {
                    Announcement::new(mac, one.address, forwards)
                };
                self.announcements.push((one.port, frame));
                self.announced.push(one.address);
            }
        }
        self.owed = Owed::default();
        self.questions.clear();
        self.questions.extend(
            plan.all_addresses()
                .filter(|one| one.port == plan.home)
                .filter_map(|one| Announcement::question(mac, source, one.address)),
        );
        self.asked = false;
        Ok(())
    }

    /// Makes the next advert to the group ready, to be had from [`Router::sealed`].
    /// `false` before [`Router::build`].
    pub(super) fn seal(&mut self, priority: Priority) -> bool {
        self.count_advert();
        let Some(frame) = self.adverts.first_mut() else {
            return false;
        };
        seal(frame, self.identification, priority, self.signer.as_mut());
        true
    }

    /// The advert to the group that was made ready last, from its link-layer header on.
    pub(super) fn sealed(&self) -> &[u8] {
        self.adverts.first().map_or(&[], AdvertFrame::frame)
    }

    /// Sends the next advert with this priority to each peer. One that cannot be
    /// reached does not keep it from the others.
    ///
    /// # Errors
    /// The last one, where nobody was reached; `None` before [`Router::build`].
    pub(super) fn advertise_to_peers(
        &mut self,
        plan: &RouterPlan,
        priority: Priority,
    ) -> Result<(), Option<io::Error>> {
        self.count_advert();
        let peers = plan.unicast.iter().flat_map(|unicast| &unicast.peers);
        let (mut reached, mut sent) = (false, Err(None));
        for (frame, peer) in self.adverts.iter_mut().zip(peers) {
            let Some(sender) = &self.to_peers else { break };
            seal(frame, self.identification, priority, self.signer.as_mut());
            match sender.send(frame.packet(), peer.address) {
                Ok(()) => reached = true,
                Err(error) => sent = Err(Some(error)),
            }
        }
        if reached { Ok(()) } else { sent }
    }

    /// The identification counts adverts, zero left out, so that a reader of the wire
    /// can tell a lost advert from a late one.
    fn count_advert(&mut self) {
        self.identification = self.identification.checked_add(1).unwrap_or(1);
    }

    /// Goes by other secrets. The ones before are accepted for a while, of peers
    /// that are reloaded later.
    pub fn change_secrets(&mut self, plan: &RouterPlan, now: MonoTime) {
        let trust = self.trust.after(plan);
        let former = std::mem::replace(&mut self.trust, trust);
        self.former = Some((former, now + FORMER_FOR));
        self.signer = trust::signer(plan, self.signer.as_ref());
    }

    /// Reads an advert that arrived at `stamp`, if need be with the secrets of
    /// before the last reload.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn read<'b>(
        &mut self,
        stamp: MonoTime,
        header: &Header,
        body: &'b [u8],
    ) -> Result<Advert<'b>, RejectReason> {
        let read = self.trust.decode(header, body);
        if let Err(reason) = read
            && trust::is_of_secrets(reason)
            && let Some((former, until)) = &mut self.former
            && stamp < *until
            && let Ok(advert) = former.decode(header, body)
        {
            self.seen.by_former += 1;
            return Ok(advert);
        }
        read
    }

    /// Gratuitous ARP, or the neighbour advertisement, for each of its addresses,
    /// and the port it is for.
    #[must_use]
    pub fn announcements(&self) -> &[(usize, Announcement)] {
        &self.announcements
    }

    /// The address that is to be announced next.
    pub(super) fn announced_address(&self) -> Option<IpAddr> {
        self.announced.get(self.owed.next).copied()
    }

    /// The question "does anybody answer for this?" for each of its addresses.
    #[must_use]
    pub fn questions(&self) -> &[Announcement] {
        &self.questions
    }

    /// Notes an advert that was accepted. Says whether its list of addresses
    /// is news, and how long after the last one of its sender it came.
    pub fn note_accepted(
        &mut self,
        source: IpAddr,
        stamp: MonoTime,
        priority: Priority,
        other_list: bool,
    ) -> (bool, Option<Duration>) {
        let peer = self.peer(source);
        let news = other_list && !peer.other_list;
        peer.other_list = other_list;
        peer.priority = priority;
        let mut gap = None;
        if peer.last_accepted < Some(stamp) {
            peer.accepted_before = peer.last_accepted.replace(stamp);
            gap = peer.accepted_before.map(|before| stamp.since(before));
        }
        peer.accepted = peer.accepted.wrapping_add(1);
        (news, gap)
    }

    /// Notes adverts of a peer that were the same as one that was accepted. Says how
    /// long it took from that to the last of them, and whether they have another list
    /// of addresses than ours.
    pub(super) fn note_repeats(
        &mut self,
        source: IpAddr,
        repeats: &Repeats,
        count: u64,
    ) -> (Option<Duration>, bool) {
        let peer = self.peer(source);
        let span = peer.last_accepted.map(|last| repeats.stamp.since(last));
        peer.accepted_before = repeats.before.or(peer.last_accepted);
        peer.last_accepted = Some(repeats.stamp);
        peer.accepted = peer.accepted.wrapping_add(count as u32);
        (span, peer.other_list)
    }

    /// Whether its adverts are signed, each another way.
    pub(super) fn signs(&self) -> bool {
        self.signer.is_some()
    }

    /// Notes an advert that was refused. Says whether the reason is news.
    pub fn note_refused(&mut self, source: IpAddr, stamp: MonoTime, reason: RejectReason) -> bool {
        self.seen.refused[reason as usize] += 1;
        let peer = self.peer(source);
        let news = peer.reason != Some(reason);
        peer.reason = Some(reason);
        peer.last_refused = peer.last_refused.max(Some(stamp));
        peer.refused = peer.refused.wrapping_add(1);
        news
    }

    /// The Active Router that it follows as Backup.
    #[must_use]
    pub fn followed(&self) -> Option<ActiveRouter> {
        match self.election.state() {
            State::Backup(_) => self.election.active(),
            State::Initialize(_) | State::Active(_) => None,
        }
    }

    /// Whether this MAC is neither the Active Router's, as far as we know, nor
    /// perhaps that of one whom we have not heard yet. Who takes no part leaves the
    /// addresses to others.
    #[must_use]
    pub fn is_stranger(&self, mac: MacAddr) -> bool {
        match (self.election.state(), self.followed()) {
            (State::Initialize(_), _) => false,
            (_, Some(_)) => mac != self.heard_from,
            (_, None) => self.asked || self.election.active().is_some(),
        }
    }

    /// When it takes over as Backup, if nothing is heard until then.
    #[must_use]
    pub fn takeover(&self) -> Option<MonoTime> {
        match self.election.state() {
            State::Backup(_) => self.election.deadline(),
            State::Initialize(_) | State::Active(_) => None,
        }
    }

    /// The place of a peer: its own, a free one, or that of the one that was
    /// silent for longest.
    fn peer(&mut self, address: IpAddr) -> &mut Peer {
        let peers = &mut self.seen.peers;
        let rank = |peer: &Option<Peer>| match peer {
            Some(peer) if peer.address == address => (0, None),
            None => (1, None),
            Some(peer) => (2, peer.last_heard()),
        };
        let mut best = 0;
        for at in 1..peers.len() {
            if rank(&peers[at]) < rank(&peers[best]) {
                best = at;
            }
        }
        let place = &mut peers[best];
        if place.is_none_or(|peer| peer.address != address) {
            *place = None;
        }
        place.get_or_insert(Peer::new(address))
    }

    /// What others see of it now.
    pub fn snapshot(&mut self, now: MonoTime) -> &Snapshot {
        let standing = match self.election.state() {
            State::Initialize(initialize) => Standing::Initialize(initialize.fault),
            State::Backup(_) => Standing::Backup,
            State::Active(_) => Standing::Active,
        };
        if self.seen.standing != standing {
            self.seen.since = now;
            self.seen.takeovers += u64::from(standing == Standing::Active);
        }
        self.seen.standing = standing;
        self.seen.priority = self.election.effective_priority();
        self.seen.deadline = self.election.deadline();
        self.seen.primary = self.told.ok();
        self.seen.obstacle = self.told.err().map(|hindrance| hindrance.fault);
        self.seen.hindered_by = self.hindered_by;
        self.seen.active = self
            .followed()
            .map(|active| (active.address, active.priority));
        self.seen.active_mac = self.active_mac;
        self.seen.known = self.lending.told();
        &self.seen
    }
}

/// Makes a frame ready to be sent, signed where adverts are.
fn seal(
    frame: &mut AdvertFrame,
    identification: u16,
    priority: Priority,
    signer: Option<&mut Signer>,
) {
    match signer {
        None => frame.seal(identification, priority),
        Some(signer) => frame.seal_signed(identification, priority, signer, trust::utc()),
    };
}
