//! What was seen of a frame, wherever it was seen.

use vip_common::layout::trace::SightKind;
use vip_common::time::MonoTime;

/// One frame at one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sight {
    /// When.
    pub stamp: MonoTime,
    /// Where.
    pub kind: SightKind,
    /// Its interface.
    pub ifindex: u32,
    /// Where in the kernel it was thrown away; else zero.
    pub location: u64,
    /// Why, as the running kernel numbers its reasons; else zero.
    pub reason: u32,
    /// How long it is.
    pub frame_len: usize,
    /// Its beginning, mostly all of it.
    pub frame: Vec<u8>,
}

impl Sight {
    /// Reads a record of the ring: `stamp, location: u64, ifindex, len, frame_len,
    /// reason, kind, pad: u32`, and then `len` bytes. `None` for what no program of
    /// ours writes.
    pub(super) fn read(record: &[u8]) -> Option<Self> {
        let (stamp, rest) = record.split_first_chunk()?;
        let (location, rest) = rest.split_first_chunk()?;
        let (words, rest) = rest.split_first_chunk::<24>()?;
        let (words, _) = words.as_chunks::<4>();
        let mut words = words.iter().map(|word| u32::from_ne_bytes(*word));
        let mut word = || words.next();
        let (ifindex, len) = (word()?, usize::try_from(word()?).ok()?);
        let (frame_len, reason) = (usize::try_from(word()?).ok()?, word()?);
        Some(Self {
            stamp: MonoTime::from_nanos(u64::from_ne_bytes(*stamp)),
            kind: SightKind::from_number(word()?)?,
            ifindex,
            location: u64::from_ne_bytes(*location),
            reason,
            frame_len,
            frame: rest.get(..len)?.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(len: u32, kind: u32, frame: &[u8]) -> Vec<u8> {
        let mut record = 77_u64.to_ne_bytes().to_vec();
        record.extend(u64::to_ne_bytes(0x1234));
        for word in [5, len, 60, 12, kind, 0] {
            record.extend(u32::to_ne_bytes(word));
        }
        record.extend(frame);
        record
    }

    #[test]
    fn a_record_is_cut_to_its_length() {
        let sight = Sight {
            stamp: MonoTime::from_nanos(77),
            kind: SightKind::Dropped,
            ifindex: 5,
            location: 0x1234,
            reason: 12,
            frame_len: 60,
            frame: vec![9, 8, 7],
        };
        assert_eq!(Sight::read(&record(3, 4, &[9, 8, 7, 0, 0])), Some(sight));
    }

    #[test]
    fn what_no_program_of_ours_writes_is_not_read() {
        assert_eq!(
            Sight::read(&record(6, 1, &[0; 5])),
            None,
            "longer than it is"
        );
        assert_eq!(Sight::read(&record(0, 5, &[])), None, "unknown kind");
        assert_eq!(Sight::read(&[0; 39]), None, "no whole head");
    }
}
