//! Why a packet was refused: one list from the counter in the kernel to the
//! line a person reads.
//!
//! A refused packet moves nothing: no timer, no state, no table of who is
//! Active. It is counted under its reason and that is all.

use core::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $label:literal, $words:literal;)*) => {
        /// Why a packet that names one of our virtual routers was refused.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        #[cfg_attr(
            feature = "serde",
            derive(serde::Serialize, serde::Deserialize),
            serde(rename_all = "snake_case")
        )]
        pub enum RejectReason {
            $($(#[$doc])* $name = $value,)*
        }

        impl RejectReason {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name in JSON and in metrics: stable, lower case.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            /// What a person reads after "refuses it:".
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }

            /// Back from its number in a map or record.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($value => Some(Self::$name),)* _ => None }
            }
        }
    };
}

reasons! {
    /// The frame ends before the headers do.
    Truncated = 0, "truncated", "the frame ends before the advert does";
    /// The IP header's version is not the one of the frame's type.
    IpVersion = 1, "ip_version", "IP version is not that of the frame";
    /// The IP header length is below 20 bytes or beyond the packet.
    IpHeaderLength = 2, "ip_header_length", "IP header length is impossible";
    /// The IP header checksum does not add up.
    IpChecksum = 3, "ip_checksum", "IP header checksum is wrong";
    /// A fragment; adverts are never fragmented.
    Fragment = 4, "fragment", "it is a fragment";
    /// The IP total or payload length is longer than the frame, or too short for
    /// an advert.
    TotalLength = 5, "total_length", "IP length does not fit the frame";
    /// TTL or hop limit is not 255, so it has crossed a router (RFC 9568 sections
    /// 5.1.1.3 and 5.1.2.3), or not within a unicast peer's bounds.
    Ttl = 6, "ttl", "TTL is not as it must be (255 on multicast)";
    /// The source is multicast, broadcast, loopback, unspecified, our own, or over
    /// IPv6 multicast not link-local (RFC 9568 section 5.1.2.1).
    Source = 7, "source", "source address is impossible or our own";
    /// Not the group with its MAC, or on unicast not our address with ours.
    Destination = 8, "destination", "not sent to where this router listens";
    /// VRRP version differs from the router's.
    Version = 9, "version", "VRRP version differs";
    /// VRRP type is not ADVERTISEMENT (1).
    Type = 10, "type", "VRRP type is not advertisement";
    /// Length differs from what version and address count say.
    Length = 11, "length", "length does not fit the address count";
    /// The VRRP checksum does not add up, in any accepted dialect.
    Checksum = 12, "checksum", "VRRP checksum is wrong";
    /// Version 2: another authentication type than ours (RFC 2338 section 7.1).
    AuthType = 13, "auth_type", "authentication type differs";
    /// Version 2: another password than ours.
    AuthPassword = 14, "auth_password", "password differs";
    /// Version 2: another interval than ours (RFC 3768 section 7.1).
    Interval = 15, "interval", "advertisement interval differs";
    /// The interval is zero (version 3).
    ZeroInterval = 16, "zero_interval", "advertisement interval is zero";
    /// Version 3 carries a list of no addresses.
    NoAddresses = 17, "no_addresses", "it names no address";
    /// It names another VRID than the router it was looked up for: it came in
    /// before a change of the configuration.
    Vrid = 18, "vrid", "VRID differs";
    /// `auth_hmac` in mode `enforce`, and it is not signed.
    HmacMissing = 19, "hmac_missing", "it is not signed (auth_hmac)";
    /// The trailer of `auth_hmac` is of no type that we know, or its reserved
    /// bytes are not zero.
    HmacMalformed = 20, "hmac_malformed", "its signature is of an unknown kind";
    /// It is signed with a key whose number we do not have.
    HmacUnknownKey = 21, "hmac_unknown_key", "signed with a key that we do not have";
    /// The signature does not fit: another key under the same number, or
    /// somebody without it.
    HmacInvalid = 22, "hmac_invalid", "signature is wrong";
    /// Signed too long ago, or in the future: one of two clocks is wrong, or
    /// somebody repeats what was sent before.
    HmacStale = 23, "hmac_stale", "signed at a time too far from ours";
    /// Not signed later than what the same source has sent before.
    HmacReplay = 24, "hmac_replay", "signed before what came already";
    /// Version 2: an authentication header (AH, RFC 2338 section 5.3.6.3) precedes
    /// it, which RFC 3768 took away and which is not supported.
    AuthHeader = 25, "auth_header", "it comes with an authentication header (auth_type AH), which is not supported";
    /// Unicast: the source is none of the peers (`check_unicast_src`).
    Peer = 26, "peer", "sender is none of the unicast peers";
    /// It is well-formed, and one of too many: the engine would hear nobody else.
    Budget = 27, "budget", "too many adverts at once";
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_labels_and_words_are_distinct_and_reversible() {
        for (index, reason) in RejectReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
            assert_eq!(RejectReason::from_number(*reason as u8), Some(*reason));
            for other in &RejectReason::ALL[index + 1..] {
                assert_ne!(reason.label(), other.label());
                assert_ne!(reason.words(), other.words());
            }
        }
        assert_eq!(
            RejectReason::from_number(RejectReason::ALL.len() as u8),
            None
        );
    }
}
