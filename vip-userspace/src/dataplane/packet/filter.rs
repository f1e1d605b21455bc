//! The socket filter (classic BPF): wakes us for what the judgement wants to see
//! and for nothing else.
//!
//! It looks where [`vip_common::wire::admit::kind`] looks: the VRID behind the
//! header length that the packet gives itself, at least 20 bytes. So malformed
//! packets and fragments that name a VRID of ours come through and get their
//! reason. A load beyond the packet's end ends the program with "no".

use libc::sock_filter;

use vip_common::layout;

use super::book::Book;

/// Classic BPF takes this many instructions.
const MOST: usize = 4096;

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
const JA: u16 = 0x05;
const JEQ: u16 = 0x15;
const JGE: u16 = 0x35;
const AND: u16 = 0x54;
const LSH: u16 = 0x64;
const RET: u16 = 0x06;
const TAX: u16 = 0x07;

/// The program for a book.
pub(super) fn program(book: &Book) -> Vec<sock_filter> {
    let arp = arp_part(book);
    let advert = advert_part(book);
    let mut program = vec![
        statement(LD_W, VLAN_PRESENT),
        jump(JEQ, 0, 1, 0),
        statement(RET, REJECT),
        statement(LD_H, 12),
        jump(JEQ, 0x0800, 0, 1),
        // Over the ARP part: farther than a conditional jump reaches.
        statement(JA, u32::try_from(arp.len() + 2).unwrap_or(u32::MAX)),
        jump(JEQ, 0x0806, 1, 0),
        statement(RET, REJECT),
    ];
    program.extend(arp);
    program.extend(advert);
    program
}

/// ARP whose sender or target address is ours.
fn arp_part(book: &Book) -> Vec<sock_filter> {
    let addresses = book.addresses();
    // Two loads and a refusal of each half, and 2 for each comparison; leaves
    // the other part its room.
    if addresses.len() * 4 + 1024 > MOST {
        return vec![statement(RET, ACCEPT)];
    }
    let mut part = Vec::new();
    for at in [28, 38] {
        part.push(statement(LD_W, at));
        part.extend(
            book.addresses()
                .flat_map(|address| accept_if(u32::from_be_bytes(layout::unmapped(&address)))),
        );
    }
    part.push(statement(RET, REJECT));
    part
}

/// IPv4 of protocol 112 that names one of our VRIDs.
fn advert_part(book: &Book) -> Vec<sock_filter> {
    let mut part = vec![
        statement(LD_B, 23),
        jump(JEQ, 112, 1, 0),
        statement(RET, REJECT),
        // X = the header's length, at least 20.
        statement(LD_B, 14),
        statement(AND, 0x0f),
        statement(LSH, 2),
        jump(JGE, 20, 1, 0),
        statement(LD_IMM, 20),
        statement(TAX, 0),
        statement(LD_B_IND, 15),
    ];
    part.extend(book.vrids().flat_map(|vrid| accept_if(u32::from(vrid))));
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
    use std::net::Ipv4Addr;
    use vip_common::ids::{Family, MacAddr, Vrid};
    use vip_common::layout::{AddressEntry, AddressKey, RouterEntry, RouterKey};
    use vip_common::wire::arp;

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
                LD_IMM => Some(k),
                _ => Some(a),
            };
            let Some(value) = loaded else { return false };
            a = value;
            match code {
                JA => pc += usize::try_from(k).unwrap(),
                JEQ => pc += branch(a == k),
                JGE => pc += branch(a >= k),
                AND => a &= k,
                LSH => a <<= k,
                TAX => x = a,
                RET => return k != 0,
                LD_W | LD_H | LD_B | LD_B_IND | LD_IMM => {}
                _ => panic!("instruction {code:#x}"),
            }
        }
    }

    fn book(vrids: &[u8], addresses: &[Ipv4Addr]) -> Book {
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
            .map(|vrid| {
                (
                    RouterKey::new(3, Family::V4, Vrid::new(*vrid).unwrap()),
                    entry,
                )
            })
            .collect();
        let addresses: Vec<_> = addresses
            .iter()
            .map(|address| {
                let key = AddressKey::new(3, (*address).into());
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
        let few: Vec<_> = (0..768).map(Ipv4Addr::from).collect();
        let many: Vec<_> = (0..769).map(Ipv4Addr::from).collect();
        assert!(program(&book(&vrids, &few)).len() <= MOST);
        let program = program(&book(&vrids, &many));
        assert!(program.len() <= MOST);
        let frame = arp::gratuitous(MacAddr::ZERO, Ipv4Addr::new(99, 0, 0, 1));
        assert!(run(&program, &frame, false));
        assert!(run(&program, &advert(0x45, 255), false));
        assert!(!run(&program, &advert(0x45, 0), false));
    }
}
