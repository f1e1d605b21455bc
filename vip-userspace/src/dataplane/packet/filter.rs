//! The socket filter (classic BPF): wakes us for what the judgement wants to see
//! and for nothing else.
//!
//! It looks where [`vip_common::wire::admit::kind`] looks: the VRID behind the
//! header length that an IPv4 packet gives itself, at least 20 bytes, behind an
//! IPv6 header, or behind an authentication header after either. So malformed
//! packets and fragments that name a VRID of ours come through and get their
//! reason. Of neighbour discovery it compares the last four bytes of an address
//! only; the rest is the judgement's. A load beyond the packet's end ends the
//! program with "no".

use libc::sock_filter;
use vip_common::ids::Family;
use vip_common::layout;

use super::book::Book;

/// Classic BPF takes this many instructions.
const MOST: usize = 4096;
/// Instructions that are not comparisons with addresses, at most: 255 VRIDs of
/// either family, and what is around them.
const WITHOUT_ADDRESSES: usize = 1120;
/// Instructions for each address: two comparisons and what follows them.
const PER_ADDRESS: usize = 4;

/// "All of it", as a snapshot length.
const ACCEPT: u32 = 0x0004_0000;
const REJECT: u32 = 0;

/// Offset of ancillary data, and in it whether a tag lies beside the frame.
const VLAN_PRESENT: u32 = 0xffff_f000 + 48;

const LD_W: u16 = 0x20;
const LD_H: u16 = 0x28;
const LD_B: u16 = 0x30;
const LD_IMM: u16 = 0x00;
/// A byte at X + k.
const LD_B_IND: u16 = 0x50;
/// Two bytes at X + k.
const LD_H_IND: u16 = 0x48;
const JA: u16 = 0x05;
const JEQ: u16 = 0x15;
const JGE: u16 = 0x35;
/// A + X.
const ADD_X: u16 = 0x0c;
const AND: u16 = 0x54;
const LSH: u16 = 0x64;
const RET: u16 = 0x06;
const TAX: u16 = 0x07;

/// Length of the Ethernet header, from whose end X counts.
const ETHERNET: u32 = 14;

/// The program for a book.
pub(super) fn program(book: &Book) -> Vec<sock_filter> {
    let arp = arp_part(book);
    let v4 = v4_part(book);
    let v6 = v6_part(book);
    // Over the parts between: farther than a conditional jump reaches.
    let over = |parts: &[&Vec<sock_filter>], more: usize| {
        let len = parts.iter().map(|part| part.len()).sum::<usize>() + more;
        statement(JA, u32::try_from(len).unwrap_or(u32::MAX))
    };
    let mut program = vec![
        statement(LD_W, VLAN_PRESENT),
        jump(JEQ, 0, 1, 0),
        statement(RET, REJECT),
        statement(LD_H, 12),
        jump(JEQ, 0x0800, 0, 1),
        over(&[&arp], 4),
        jump(JEQ, 0x86dd, 0, 1),
        over(&[&arp, &v4], 2),
        jump(JEQ, 0x0806, 1, 0),
        statement(RET, REJECT),
    ];
    program.extend(arp);
    program.extend(v4);
    program.extend(v6);
    program
}

/// ARP whose sender or target address is ours.
fn arp_part(book: &Book) -> Vec<sock_filter> {
    addresses_at([28, 38], book, Family::V4)
}

/// Frames with one of our addresses at either of two places, by its last four
/// bytes; all of them where our addresses are too many to be compared.
fn addresses_at(places: [u32; 2], book: &Book, family: Family) -> Vec<sock_filter> {
    if book.addresses().len() * PER_ADDRESS + WITHOUT_ADDRESSES > MOST {
        return vec![statement(RET, ACCEPT)];
    }
    let mut part = Vec::new();
    for at in places {
        part.push(statement(LD_W, at));
        part.extend(
            book.addresses()
                .filter(|address| Family::of(layout::address(*address)) == family)
                .flat_map(|address| accept_if(u32::from_be_bytes(layout::unmapped(&address)))),
        );
    }
    part.push(statement(RET, REJECT));
    part
}

/// IPv4 that names one of our VRIDs.
fn v4_part(book: &Book) -> Vec<sock_filter> {
    let mut part = vec![
        // X = the header's length, at least 20.
        statement(LD_B, ETHERNET),
        statement(AND, 0x0f),
        statement(LSH, 2),
        jump(JGE, 20, 1, 0),
        statement(LD_IMM, 20),
        statement(TAX, 0),
        statement(LD_B, ETHERNET + 9),
    ];
    part.extend(vrid_part(book, Family::V4));
    part
}

/// IPv6 that names one of our VRIDs, and neighbour discovery of our addresses.
fn v6_part(book: &Book) -> Vec<sock_filter> {
    let icmp = icmp_part(book);
    let mut part = vec![
        // X = the header's length.
        statement(LD_IMM, 40),
        statement(TAX, 0),
        statement(LD_B, ETHERNET + 6),
        jump(JEQ, 58, 1, 0),
        statement(JA, u32::try_from(icmp.len()).unwrap_or(u32::MAX)),
    ];
    part.extend(icmp);
    part.extend(vrid_part(book, Family::V6));
    part
}

/// Neighbour solicitations and advertisements with a target or source of ours.
fn icmp_part(book: &Book) -> Vec<sock_filter> {
    let mut part = vec![
        statement(LD_B, ETHERNET + 40),
        jump(JEQ, 135, 2, 0),
        jump(JEQ, 136, 1, 0),
        statement(RET, REJECT),
    ];
    // The last words of the target, and of the packet's source.
    part.extend(addresses_at([74, 34], book, Family::V6));
    part
}

/// One of our VRIDs behind a header of X bytes, A being the protocol in it.
fn vrid_part(book: &Book, family: Family) -> Vec<sock_filter> {
    // X = the length of both headers, the second being of 24 bytes.
    let behind_ah = [
        statement(LD_H_IND, ETHERNET),
        jump(JEQ, 112 << 8 | 4, 1, 0),
        statement(RET, REJECT),
        statement(LD_IMM, 24),
        statement(ADD_X, 0),
        statement(TAX, 0),
    ];
    let over = u8::try_from(behind_ah.len() + 2).unwrap_or(u8::MAX);
    let mut part = vec![
        jump(JEQ, 112, over, 0),
        jump(JEQ, 51, 1, 0),
        statement(RET, REJECT),
    ];
    part.extend(behind_ah);
    part.push(statement(LD_B_IND, ETHERNET + 1));
    part.extend(
        book.vrids(family)
            .flat_map(|vrid| accept_if(u32::from(vrid))),
    );
    part.push(statement(RET, REJECT));
    part
}

const fn accept_if(value: u32) -> [sock_filter; 2] {
    [jump(JEQ, value, 0, 1), statement(RET, ACCEPT)]
}

const fn statement(code: u16, k: u32) -> sock_filter {
    sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use vip_common::ids::{MacAddr, Vrid};
    use vip_common::layout::{AddressEntry, AddressKey, RouterEntry, RouterKey};
    use vip_common::wire::announce::Announcement;
    use vip_common::wire::{arp, ndisc};

    /// What the kernel does with such a program, for untagged frames.
    fn run(program: &[sock_filter], frame: &[u8], tagged: bool) -> bool {
        let (mut a, mut x, mut pc) = (0_u32, 0_u32, 0_usize);
        let load = |at: u32, len: usize| -> Option<u32> {
            let at = usize::try_from(at).ok()?;
            let bytes = frame.get(at..at + len)?;
            Some(
                bytes
                    .iter()
                    .fold(0, |all, byte| all << 8 | u32::from(*byte)),
            )
        };
        loop {
            let sock_filter { code, jt, jf, k } = program[pc];
            pc += 1;
            let branch = |taken: bool| usize::from(if taken { jt } else { jf });
            let loaded = match code {
                LD_W if k == VLAN_PRESENT => Some(u32::from(tagged)),
                LD_W => load(k, 4),
                LD_H => load(k, 2),
                LD_B => load(k, 1),
                LD_B_IND => load(x + k, 1),
                LD_H_IND => load(x + k, 2),
                LD_IMM => Some(k),
                _ => Some(a),
            };
            let Some(value) = loaded else { return false };
            a = value;
            match code {
                JA => pc += usize::try_from(k).unwrap(),
                JEQ => pc += branch(a == k),
                JGE => pc += branch(a >= k),
                ADD_X => a += x,
                AND => a &= k,
                LSH => a <<= k,
                TAX => x = a,
                RET => return k != 0,
                LD_W | LD_H | LD_B | LD_B_IND | LD_H_IND | LD_IMM => {}
                _ => panic!("instruction {code:#x}"),
            }
        }
    }

    fn book(vrids: &[u8], addresses: &[Ipv4Addr]) -> Book {
        let addresses: Vec<_> = addresses.iter().copied().map(IpAddr::from).collect();
        book_of(Family::V4, vrids, &addresses)
    }

    fn book_of(family: Family, vrids: &[u8], addresses: &[IpAddr]) -> Book {
        let entry = RouterEntry {
            slot: 0,
            group: layout::mapped([224, 0, 0, 18]),
            primary: layout::mapped([192, 168, 8, 5]),
            broadcast: [0; 4],
            mac: MacAddr::ZERO,
            version: 2,
            min_ttl: 255,
            max_ttl: 255,
            flags: 0,
            pad: 0,
        };
        let routers: Vec<_> = vrids
            .iter()
            .map(|vrid| (RouterKey::new(3, family, Vrid::new(*vrid).unwrap()), entry))
            .collect();
        let addresses: Vec<_> = addresses
            .iter()
            .map(|address| {
                let key = AddressKey::new(3, *address);
                (key, AddressEntry::new(0, MacAddr::ZERO))
            })
            .collect();
        Book::new(3, &routers, &addresses)
    }

    fn advert(version_ihl: u8, vrid: u8) -> Vec<u8> {
        let mut frame = vec![0; 14 + 60 + 8];
        frame[12..14].copy_from_slice(&[8, 0]);
        frame[14] = version_ihl;
        frame[23] = 112;
        let header = (usize::from(version_ihl & 0x0f) * 4).max(20);
        frame[14 + header + 1] = vrid;
        frame
    }

    #[test]
    fn adverts_of_our_vrids_come_through_whatever_their_header_says() {
        let program = program(&book(&[51, 255], &[]));
        for version_ihl in [0x45, 0x46, 0x4f, 0x40, 0x44, 0x65] {
            for (vrid, ours) in [(51, true), (255, true), (52, false), (0, false)] {
                let frame = advert(version_ihl, vrid);
                assert_eq!(
                    run(&program, &frame, false),
                    ours,
                    "{version_ihl:#x} {vrid}"
                );
                assert!(!run(&program, &frame, true), "a tag lies beside it");
            }
        }
    }

    #[test]
    fn the_rest_does_not() {
        let program = program(&book(&[51], &[Ipv4Addr::new(10, 0, 0, 1)]));
        let mut tcp = advert(0x45, 51);
        tcp[23] = 6;
        let mut ipv6 = advert(0x45, 51);
        ipv6[12..14].copy_from_slice(&[0x86, 0xdd]);
        let mut tagged = advert(0x45, 51);
        tagged[12..14].copy_from_slice(&[0x81, 0x00]);
        let full = advert(0x45, 51);
        for frame in [&tcp[..], &ipv6, &tagged, &full[..35], &full[..13], &[]] {
            assert!(!run(&program, frame, false));
        }
        assert!(
            run(&program, &full[..36], false),
            "short, but names our VRID"
        );
    }

    #[test]
    fn arp_comes_through_when_sender_or_target_is_ours() {
        let ours = Ipv4Addr::new(10, 0, 0, 1);
        let program = program(&book(&[51], &[Ipv4Addr::new(10, 0, 0, 9), ours]));
        let other = Ipv4Addr::new(10, 0, 0, 7);
        let mut frame = arp::gratuitous(MacAddr::ZERO, ours);
        assert!(run(&program, &frame, false));
        frame[38..42].copy_from_slice(&other.octets());
        assert!(run(&program, &frame, false), "its sender is");
        frame[28..32].copy_from_slice(&other.octets());
        assert!(!run(&program, &frame, false));
        frame[38..42].copy_from_slice(&ours.octets());
        assert!(run(&program, &frame, false), "its target is");
    }

    #[test]
    fn the_longest_program_fits_and_many_addresses_let_all_arp_through() {
        let vrids: Vec<u8> = (1..=255).collect();
        let few: Vec<_> = (0..744).map(Ipv4Addr::from).collect();
        let many: Vec<_> = (0..745).map(Ipv4Addr::from).collect();
        let longest = |book: Book| {
            // Either family's VRIDs take as much room.
            program(&book).len() + 2 * vrids.len() <= MOST
        };
        let of_v6 = |one: &Ipv4Addr| IpAddr::from(one.to_ipv6_compatible());
        let few_6: Vec<_> = few.iter().map(of_v6).collect();
        assert!(longest(book(&vrids, &few)));
        assert!(longest(book_of(Family::V6, &vrids, &few_6)));
        let program = program(&book(&vrids, &many));
        assert!(program.len() <= MOST);
        let frame = arp::gratuitous(MacAddr::ZERO, Ipv4Addr::new(99, 0, 0, 1));
        assert!(run(&program, &frame, false));
        assert!(run(&program, &advert(0x45, 255), false));
        assert!(!run(&program, &advert(0x45, 0), false));
    }

    fn advert_6(next: u8, vrid: u8) -> Vec<u8> {
        let mut frame = vec![0; 14 + 40 + 24 + 8];
        frame[12..14].copy_from_slice(&[0x86, 0xdd]);
        frame[14] = 0x60;
        frame[20] = next;
        frame[54 + 1] = vrid;
        frame
    }

    #[test]
    fn the_families_vrids_are_their_own() {
        let v4 = program(&book_of(Family::V4, &[51], &[]));
        let v6 = program(&book_of(Family::V6, &[51], &[]));
        assert!(run(&v6, &advert_6(112, 51), false));
        assert!(!run(&v6, &advert_6(112, 52), false));
        assert!(!run(&v6, &advert_6(112, 51), true), "a tag lies beside it");
        assert!(!run(&v4, &advert_6(112, 51), false));
        assert!(!run(&v6, &advert(0x45, 51), false));
        for next in (0..=255).filter(|next| *next != 112) {
            assert!(!run(&v6, &advert_6(next, 51), false), "{next}");
        }
        assert!(!run(&v6, &advert_6(112, 51)[..55], false));
        assert!(run(&v6, &advert_6(112, 51)[..56], false));
    }

    #[test]
    fn vrrp_behind_an_authentication_header_comes_through_to_be_refused() {
        let program_of = |family| program(&book_of(family, &[51], &[]));
        let mut v6 = advert_6(51, 0);
        v6[54..56].copy_from_slice(&[112, 4]);
        v6[54 + 24 + 1] = 51;
        assert!(run(&program_of(Family::V6), &v6, false));
        assert!(!run(&program_of(Family::V4), &v6, false));
        for version_ihl in [0x45, 0x46, 0x4f] {
            let at = 14 + usize::from(version_ihl & 0x0f) * 4;
            let mut v4 = advert(version_ihl, 0);
            v4.resize(14 + 60 + 24 + 8, 0);
            v4[23] = 51;
            v4[at..at + 2].copy_from_slice(&[112, 4]);
            v4[at + 25] = 51;
            assert!(run(&program_of(Family::V4), &v4, false));
            v4[at] = 6;
            assert!(!run(&program_of(Family::V4), &v4, false), "TCP");
        }
    }

    #[test]
    fn neighbour_discovery_comes_through_when_source_or_target_is_ours() {
        let ours = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x100);
        let other = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x77);
        let v4 = IpAddr::from([192, 0, 2, 1]);
        let program = program(&book_of(Family::V6, &[], &[v4, ours.into()]));
        let question = |source, target| ndisc::question(MacAddr::ZERO, source, target);
        let comes = |frame: &Announcement| run(&program, frame.as_bytes(), false);
        assert!(comes(&ndisc::unsolicited(MacAddr::ZERO, ours, false)));
        assert!(!comes(&ndisc::unsolicited(MacAddr::ZERO, other, false)));
        assert!(comes(&question(other, ours)));
        assert!(comes(&question(ours, other)));
        assert!(comes(&question(Ipv6Addr::UNSPECIFIED, ours)));
        assert!(!comes(&question(other, other)));
        let mut frame = question(other, ours).as_bytes().to_vec();
        for kind in (0..=255).filter(|kind| ![135, 136].contains(kind)) {
            frame[54] = kind;
            assert!(!run(&program, &frame, false), "{kind}");
        }
    }

    #[test]
    fn the_groups_are_those_that_frames_for_us_are_sent_to() {
        let solicited = MacAddr([0x33, 0x33, 0xff, 0x34, 0x56, 0x78]);
        let address = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0x1234, 0x5678);
        let book = book_of(Family::V4, &[51], &[address.into(), [192, 0, 2, 1].into()]);
        let group = MacAddr([0x01, 0x00, 0x5e, 0, 0, 0x12]);
        assert_eq!(Vec::from_iter(book.groups()), [group, solicited]);
    }
}
