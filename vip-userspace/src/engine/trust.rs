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
