//! The ear of the program at the NIC: its ring.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use aya::maps::{MapData, RingBuf};
use vip_common::ids::MacAddr;
use vip_common::layout::{self, AddressEntry, AddressKey, EventKind};
use vip_common::time::MonoTime;

use super::ear::{AddressNote, Ear, EarEvent, Left, Memory};
use super::known::Lent;
use super::object::{Addresses, Shared};

/// Records that one drain hands over at most: more than the ring can hold of
/// the small ones, so the bound is met only while somebody floods.
const BOUND: usize = 2048;

/// The one ear of all interfaces where our program is attached.
pub struct RingEar {
    events: RingBuf<MapData>,
    addresses: Addresses,
    /// None where the kernel has no timers for the program.
    lent: Option<Arc<Lent>>,
}

impl RingEar {
    pub(super) fn new(events: RingBuf<MapData>, addresses: Addresses, lent: Option<Lent>) -> Self {
        Self {
            events,
            addresses,
            lent: lent.map(Arc::new),
        }
    }
}

impl Ear for RingEar {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    fn drain(&mut self, sink: &mut dyn FnMut(EarEvent<'_>)) -> Left {
        for _ in 0..BOUND {
            let Some(record) = self.events.next() else {
                return Left::Nothing;
            };
            match read(&record) {
                Some(Told::Event(event)) => sink(event),
                Some(Told::Silence {
                    stamp,
                    slot,
                    generation,
                }) if (self.lent.as_ref()).is_some_and(|lent| lent.is_lent(slot, generation)) => {
                    sink(EarEvent::Silence { stamp, slot });
                }
                // What was withdrawn since is nobody's silence.
                Some(Told::Silence { .. }) | None => {}
            }
        }
        Left::Perhaps
    }

    fn note_address(&mut self, key: AddressKey, note: AddressNote) {
        /// Only where it is: the address may have been taken off the
        /// interface meanwhile.
        const BPF_EXIST: u64 = 2;
        let Ok(Shared(entry)) = self.addresses.get(&Shared(key), 0) else {
            return;
        };
        let noted = AddressEntry {
            active: note.active,
            flags: note.flags(),
            ..entry
        };
        if noted != entry {
            // Fails only for an address that has gone, which is no news then.
            let _ = self.addresses.insert(Shared(key), Shared(noted), BPF_EXIST);
        }
    }

    fn memory(&self) -> Option<Arc<dyn Memory>> {
        let lent = self.lent.as_ref()?;
        Some(Arc::clone(lent) as Arc<dyn Memory>)
    }
}

/// What a record tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told<'a> {
    /// Something that is news whenever it is read.
    Event(EarEvent<'a>),
    /// That what was lent then has not come.
    Silence {
        stamp: MonoTime,
        slot: u32,
        generation: u64,
    },
}

/// Reads a record as the layout has it: `stamp: u64, slot, ifindex, len, kind:
/// u32`, and then `len` bytes. `None` for what no program of ours writes.
fn read(record: &[u8]) -> Option<Told<'_>> {
    let (stamp, rest) = record.split_first_chunk()?;
    let (slot, rest) = rest.split_first_chunk()?;
    let (ifindex, rest) = rest.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let (kind, rest) = rest.split_first_chunk()?;
    let stamp = MonoTime::from_nanos(u64::from_ne_bytes(*stamp));
    let slot = u32::from_ne_bytes(*slot);
    let ifindex = u32::from_ne_bytes(*ifindex);
    let len = usize::try_from(u32::from_ne_bytes(*len)).ok()?;
    let frame = rest.get(..len)?;
    let kind = u32::from_ne_bytes(*kind);
    if kind == EventKind::Advert as u32 {
        return Some(Told::Event(EarEvent::Advert {
            stamp,
            slot,
            ifindex,
            frame,
        }));
    }
    if kind == EventKind::Claim as u32 {
        let (address, rest) = frame.split_first_chunk()?;
        let mac = rest.first_chunk()?;
        return Some(Told::Event(EarEvent::Claim {
            stamp,
            slot,
            ifindex,
            address: layout::address(*address),
            mac: MacAddr(*mac),
        }));
    }
    if kind == EventKind::Silence as u32 {
        return Some(Told::Silence {
            stamp,
            slot,
            generation: u64::from_ne_bytes(*frame.first_chunk()?),
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn record(len: u32, kind: u32, body: &[u8]) -> Vec<u8> {
        let mut record = 77_u64.to_ne_bytes().to_vec();
        for word in [3, 5, len, kind] {
            record.extend(u32::to_ne_bytes(word));
        }
        record.extend(body);
        record
    }

    #[test]
    fn an_advert_is_cut_to_its_length() {
        let record = record(3, 1, &[9, 8, 7, 0, 0]);
        assert_eq!(
            read(&record),
            Some(Told::Event(EarEvent::Advert {
                stamp: MonoTime::from_nanos(77),
                slot: 3,
                ifindex: 5,
                frame: &[9, 8, 7],
            }))
        );
    }

    #[test]
    fn a_claim_names_address_and_mac() {
        let v4 = IpAddr::from([10, 0, 0, 1]);
        let v6 = IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1]);
        for address in [v4, v6] {
            let mut body = layout::octets(address).to_vec();
            body.extend([1, 2, 3, 4, 5, 6]);
            let record = record(22, 2, &body);
            assert_eq!(
                read(&record),
                Some(Told::Event(EarEvent::Claim {
                    stamp: MonoTime::from_nanos(77),
                    slot: 3,
                    ifindex: 5,
                    address,
                    mac: MacAddr([1, 2, 3, 4, 5, 6]),
                }))
            );
        }
    }

    #[test]
    fn a_silence_is_of_what_was_lent() {
        let told = Told::Silence {
            stamp: MonoTime::from_nanos(77),
            slot: 3,
            generation: 9,
        };
        assert_eq!(read(&record(8, 3, &9_u64.to_ne_bytes())), Some(told));
    }

    #[test]
    fn what_no_program_of_ours_writes_is_no_event() {
        assert_eq!(read(&record(6, 1, &[0; 5])), None, "longer than it is");
        assert_eq!(read(&record(21, 2, &[0; 21])), None, "half a claim");
        assert_eq!(read(&record(7, 3, &[0; 7])), None, "a silence of nothing");
        assert_eq!(read(&record(0, 4, &[])), None, "unknown kind");
        assert_eq!(read(&[0; 23]), None, "no whole head");
    }
}
