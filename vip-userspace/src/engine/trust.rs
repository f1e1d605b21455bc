//! What an advert must be and prove to be believed by one router, and how ours
//! are signed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vip_common::reject::RejectReason;
use vip_common::wire::hmac::{AntiReplay, Key, Mode, Replay, Serial, Signer, UtcStamp, Verifier};
use vip_common::wire::vrrp::{self, Advert, Expect, Header};

use crate::config::estate::{self, Hmac, HmacMode};
use crate::plan::RouterPlan;

/// Judges the adverts of one router.
#[derive(Debug)]
pub struct Trust {
    expect: Expect,
    signatures: Option<Signatures>,
}

#[derive(Debug)]
struct Signatures {
    keys: Vec<Key>,
    mode: Mode,
    anti_replay: AntiReplay,
    replay: Box<Replay>,
}

impl Trust {
    /// As the configuration says.
    #[must_use]
    pub fn new(plan: &RouterPlan) -> Self {
        let signatures = plan.hmac.as_ref().map(|hmac| Signatures {
            keys: keys(hmac),
            mode: mode(hmac),
            anti_replay: anti_replay(hmac),
            replay: Box::default(),
        });
        Self {
            expect: plan.expect,
            signatures,
        }
    }

    /// As another configuration says, with what was heard until now: an advert
    /// that was believed is not to be believed once more.
    #[must_use]
    pub fn after(&self, plan: &RouterPlan) -> Self {
        let mut trust = Self::new(plan);
        if let (Some(new), Some(old)) = (&mut trust.signatures, &self.signatures) {
            new.replay.clone_from(&old.replay);
        }
        trust
    }

    /// Reads an advert that came in at about now.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn decode<'b>(
        &mut self,
        header: &Header,
        body: &'b [u8],
    ) -> Result<Advert<'b>, RejectReason> {
        let (source, destination) = (header.source, header.destination);
        match &mut self.signatures {
            None => vrrp::decode(source, destination, body, &self.expect),
            Some(signatures) => {
                let verifier = Verifier {
                    keys: &signatures.keys,
                    mode: signatures.mode,
                    anti_replay: signatures.anti_replay,
                };
                let replay = &mut signatures.replay;
                verifier.decode(utc(), source, destination, body, &self.expect, replay)
            }
        }
    }
}

/// What makes adverts of another password or key worth a second look with what
/// held before the last reload.
#[must_use]
pub(super) const fn is_of_secrets(reason: RejectReason) -> bool {
    matches!(
        reason,
        RejectReason::AuthPassword
            | RejectReason::AuthType
            | RejectReason::HmacMissing
            | RejectReason::HmacUnknownKey
            | RejectReason::HmacInvalid
            | RejectReason::Length
    )
}

/// Whether another plan asks for other secrets.
#[must_use]
pub(super) fn differ(one: &RouterPlan, other: &RouterPlan) -> bool {
    one.expect.auth != other.expect.auth || one.hmac != other.hmac
}

/// What signs our adverts, if they are signed, with serials after `after`'s.
#[must_use]
pub(super) fn signer(plan: &RouterPlan, after: Option<&Signer>) -> Option<Signer> {
    let hmac = plan.hmac.as_ref()?;
    if !mode(hmac).signs() {
        return None;
    }
    let key = keys(hmac).into_iter().find(|key| key.id() == hmac.active)?;
    let last = after.map_or(Serial::ZERO, Signer::last);
    Some(Signer::new(key, anti_replay(hmac), last))
}

/// The moment, for signatures.
#[must_use]
pub(super) fn utc() -> UtcStamp {
    // A clock before 1970 signs what nobody believes.
    UtcStamp::from_unix(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    )
}

/// The reader of the configuration has checked numbers and lengths.
fn keys(hmac: &Hmac) -> Vec<Key> {
    let keys = hmac.keys.iter();
    keys.filter_map(|key| Key::new(key.id, &key.secret).ok())
        .collect()
}

fn mode(hmac: &Hmac) -> Mode {
    match hmac.mode {
        HmacMode::ReceiveOnly => Mode::ReceiveOnly,
        HmacMode::Permissive => Mode::Permissive,
        HmacMode::Enforce => Mode::Enforce,
    }
}

fn anti_replay(hmac: &Hmac) -> AntiReplay {
    match hmac.anti_replay {
        estate::AntiReplay::Time(seconds) => AntiReplay::Time {
            window: Duration::from_secs(seconds.into()),
        },
        estate::AntiReplay::Monotonic => AntiReplay::Monotonic,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use vip_common::ids::{MacAddr, Priority};
    use vip_common::wire::vrrp::{AdvertFrame, Auth, ChecksumDialect, FrameSpec, locate};

    use super::*;
    use crate::config;
    use crate::plan::Plan;

    const FIRST: &str = "key 1 ASCII_OF_THIRTY_TWO_BYTES_OR_MORE\nactive_key 1\n";
    const SECOND: &str = "key 1 ASCII_OF_THIRTY_TWO_BYTES_OR_MORE\nkey 2 ANOTHER_OF_THIRTY_TWO_BYTES_OR_MORE\nactive_key 2\n";

    /// One router that speaks version 3 with these keys.
    fn plan(keys: &str) -> Plan {
        let text = format!(
            "vrrp_instance A {{\nversion 3\ninterface eth0\nvirtual_router_id 51\nauth_hmac {{\n{keys}anti_replay monotonic\nmode enforce\n}}\nvirtual_ipaddress {{\n192.0.2.1\n}}\n}}\n"
        );
        Plan::new(&config::parse(&text, "t").configuration)
    }

    fn advert(plan: &RouterPlan, signer: &mut Signer) -> Vec<u8> {
        let mut frame = AdvertFrame::new(&FrameSpec {
            source_mac: MacAddr::ZERO,
            destination_mac: MacAddr::ZERO,
            source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
            destination: plan.group,
            ttl: 255,
            vrid: plan.params.vrid,
            version: plan.params.version,
            interval: plan.params.adver_interval,
            auth: Auth::None,
            addresses: &plan.listed,
            dialect: ChecksumDialect::PseudoHeader,
        })
        .unwrap();
        let frame = frame.seal_signed(1, Priority::DEFAULT, signer, utc());
        frame.to_vec()
    }

    fn hear(trust: &mut Trust, frame: &[u8]) -> Result<Option<u8>, RejectReason> {
        let (header, _, body) = locate(frame).unwrap();
        trust.decode(&header, body).map(|advert| advert.signed)
    }

    #[test]
    fn what_was_believed_before_other_keys_is_not_believed_again() {
        let (first, second) = (plan(FIRST), plan(SECOND));
        let (first, second) = (&first.routers[0], &second.routers[0]);
        assert!(differ(first, second) && !differ(first, first));
        let mut signer = signer(first, None).unwrap();
        let heard = advert(first, &mut signer);
        let unheard = advert(first, &mut signer);

        let mut trust = Trust::new(first);
        assert_eq!(hear(&mut trust, &heard), Ok(Some(1)));
        let mut trust = trust.after(second);
        assert_eq!(hear(&mut trust, &heard), Err(RejectReason::HmacReplay));
        assert_eq!(hear(&mut trust, &unheard), Ok(Some(1)));
    }

    #[test]
    fn another_key_signs_on_where_the_one_before_stopped() {
        let (first, second) = (plan(FIRST), plan(SECOND));
        let (first, second) = (&first.routers[0], &second.routers[0]);
        let mut signs = signer(first, None).unwrap();
        let mut frame = advert(first, &mut signs);
        assert_eq!(hear(&mut Trust::new(second), &frame), Ok(Some(1)));
        let before = signs.last();
        let mut signs = signer(second, Some(&signs)).unwrap();
        assert_eq!(signs.last(), before);
        frame = advert(second, &mut signs);
        assert!(signs.last() > before);
        assert_eq!(hear(&mut Trust::new(second), &frame), Ok(Some(2)));
        let unknown = hear(&mut Trust::new(first), &frame);
        assert_eq!(unknown, Err(RejectReason::HmacUnknownKey));
        assert!(is_of_secrets(RejectReason::HmacUnknownKey));
    }
}
