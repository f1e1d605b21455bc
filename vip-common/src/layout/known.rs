//! The advert that is known: what the engine lends the program, so that the
//! same one again need not wake it, and what the program notes of those that came.
//!
//! Both maps are in memory that the two sides share. Every word of them is read
//! and written at once, so that no system call is needed, and nobody waits.

/// The longest advert that can be known, from the Ethernet header to the end of
/// the datagram: 35 addresses of IPv4 and more, or eight of IPv6.
pub const KNOWN_BYTES: usize = 192;
/// The same in words.
pub const KNOWN_WORDS: usize = KNOWN_BYTES / 8;

/// An advert that the engine knows, of one router.
///
/// It changes as a whole: the generation is made zero, the rest is written, and
/// the new generation comes last. Whom the router follows is no part of that: it
/// holds whether or not anything is lent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Known {
    /// The number of what is lent, never the same twice; zero while nothing is.
    pub generation: u64,
    /// After how long without one the engine is to be woken, in ns.
    pub silence: u64,
    /// How many words are compared, 1 to [`KNOWN_WORDS`].
    pub words: u64,
    /// Which bits of the last one.
    pub mask: u64,
    /// Whom the router follows, as the halves of [`super::Octets`]; zero for nobody.
    pub source: [u64; 2],
    /// The MAC that his adverts come from: [`mac_word`].
    pub mac: u64,
    /// The advert, zero behind its end.
    pub frame: [u64; KNOWN_WORDS],
}

/// A MAC as one number, the same on both sides.
#[inline(always)]
#[must_use]
pub const fn mac_word(mac: [u8; 6]) -> u64 {
    let [a, b, c, d, e, f] = mac;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Noted {
    /// The number of what was lent then.
    pub generation: u64,
    /// When the last one came, in ns of `CLOCK_MONOTONIC`.
    pub stamp: u64,
    /// When the one before it came; zero if there was none since it was lent.
    pub before: u64,
    /// How many since it was lent.
    pub count: u64,
}

/// What came of it last.
///
/// There are two records: one that stands, and one that the next is written
/// into, so that a reader need not wait for a processor that stopped in between.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Last {
    /// Twice the number of records written, and one more while another is.
    pub turn: u64,
    /// Which one stands: [`Last::standing`].
    pub noted: [Noted; 2],
}

impl Last {
    /// The index of the record that stands at a turn.
    #[inline(always)]
    #[must_use]
    pub const fn standing(turn: u64) -> usize {
        (turn >> 1 & 1) as usize
    }

    /// The index of the one that is written next.
    #[inline(always)]
    #[must_use]
    pub const fn next(turn: u64) -> usize {
        Self::standing(turn) ^ 1
    }
}

/// What a record of a silence carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct SilenceNews {
    /// The number of what is lent.
    pub generation: u64,
}

/// A record of a silence.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct SilenceEvent {
    /// The head.
    pub header: super::EventHeader,
    /// The news.
    pub news: SilenceNews,
}

const _: () = {
    assert!(size_of::<Known>() == 56 + KNOWN_BYTES);
    assert!(size_of::<Noted>() == 32);
    assert!(size_of::<Last>() == 72);
    assert!(size_of::<SilenceNews>() == 8);
    assert!(size_of::<SilenceEvent>() == 32);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_is_never_what_is_written() {
        for turn in 0..8 {
            assert_ne!(Last::standing(turn), Last::next(turn));
            // The odd turn is the one of writing.
            assert_eq!(Last::standing(turn & !1), Last::standing(turn | 1));
        }
        assert_eq!(Last::standing(2), Last::next(0));
    }
}
