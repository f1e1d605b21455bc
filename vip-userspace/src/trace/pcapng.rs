//! Adverts with their stamps and our words, for Wireshark and its like (pcapng, draft
//! ietf-opsawg-pcapng): one section, one interface block for each interface, and what
//! is to be told of a packet as its comment.

use std::collections::BTreeMap;
use std::io::{self, Write};

use vip_common::time::MonoTime;

use super::clock::Wall;
use super::news::Direction;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
/// Options: of any block a comment, of an interface its name and the unit of its
/// stamps, of a packet its direction.
const COMMENT: u16 = 1;
const NAME: u16 = 2;
const UNIT: u16 = 9;
const FLAGS: u16 = 2;
/// 10^-9 s.
const NANOSECONDS: u8 = 9;
const ETHERNET: u16 = 1;
/// No section has a known length while it is written.
const UNKNOWN_LENGTH: u64 = u64::MAX;

/// Writes packets as they come.
pub struct Pcapng<W: Write> {
    out: W,
    wall: Wall,
    /// Number of each interface in the file.
    interfaces: BTreeMap<u32, u32>,
}

/// A packet to be written.
pub struct Packet<'a> {
    /// The interface.
    pub ifindex: u32,
    /// Its name.
    pub interface: &'a str,
    /// When.
    pub stamp: MonoTime,
    /// Which way.
    pub direction: Direction,
    /// Its beginning.
    pub frame: &'a [u8],
    /// How long it is.
    pub frame_len: usize,
    /// What is to be told of it.
    pub comment: &'a str,
}

impl<W: Write> Pcapng<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// What writing gives.
    pub fn begin(mut out: W, wall: Wall) -> io::Result<Self> {
        let mut body = Vec::new();
        body.extend(0x1a2b_3c4d_u32.to_ne_bytes());
        body.extend(1_u16.to_ne_bytes());
        body.extend(0_u16.to_ne_bytes());
        body.extend(UNKNOWN_LENGTH.to_ne_bytes());
        option(&mut body, 4, b"vip trace");
        option(&mut body, 0, &[]);
        block(&mut out, SECTION, &body)?;
        out.flush()?;
        Ok(Self {
            out,
            wall,
            interfaces: BTreeMap::new(),
        })
    }

    /// One more packet.
    ///
    /// # Errors
    /// What writing gives.
    pub fn write(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        let number = match self.interfaces.get(&packet.ifindex) {
            Some(number) => *number,
            None => self.describe(packet)?,
        };
        let since = self.wall.at(packet.stamp);
        let since = since.duration_since(std::time::UNIX_EPOCH);
        let nanos = u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX);
        let captured = u32::try_from(packet.frame.len()).map_err(io::Error::other)?;
        let length = u32::try_from(packet.frame_len).unwrap_or(captured);
        let mut body = Vec::new();
        body.extend(number.to_ne_bytes());
        body.extend(((nanos >> 32) as u32).to_ne_bytes());
        body.extend((nanos as u32).to_ne_bytes());
        body.extend(captured.to_ne_bytes());
        body.extend(length.max(captured).to_ne_bytes());
        body.extend(packet.frame);
        pad(&mut body);
        option(&mut body, COMMENT, packet.comment.as_bytes());
        let flags: u32 = match packet.direction {
            Direction::In => 1,
            Direction::Out => 2,
        };
        option(&mut body, FLAGS, &flags.to_ne_bytes());
        option(&mut body, 0, &[]);
        block(&mut self.out, PACKET, &body)
    }

    /// The block of an interface that has none yet.
    fn describe(&mut self, packet: &Packet<'_>) -> io::Result<u32> {
        let number = u32::try_from(self.interfaces.len()).map_err(io::Error::other)?;
        let mut body = Vec::new();
        body.extend(ETHERNET.to_ne_bytes());
        body.extend([0, 0]);
        // Packets may be of any length.
        body.extend([0; 4]);
        option(&mut body, NAME, packet.interface.as_bytes());
        option(&mut body, UNIT, &[NANOSECONDS]);
        option(&mut body, 0, &[]);
        block(&mut self.out, INTERFACE, &body)?;
        self.interfaces.insert(packet.ifindex, number);
        Ok(number)
    }

    /// Has all of it written.
    ///
    /// # Errors
    /// What writing gives.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

/// Adds an option, cut to what one can hold.
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
    body.extend(code.to_ne_bytes());
    body.extend((value.len() as u16).to_ne_bytes());
    body.extend(value);
    pad(body);
}

fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len() + 12).map_err(io::Error::other)?;
    out.write_all(&kind.to_ne_bytes())?;
    out.write_all(&length.to_ne_bytes())?;
    out.write_all(body)?;
    out.write_all(&length.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    #[test]
    fn blocks_follow_each_other_and_end_with_their_lengths() {
        let mut bytes = Vec::new();
        let wall = Wall::from_origin(std::time::UNIX_EPOCH);
        let mut file = Pcapng::begin(&mut bytes, wall).unwrap();
        for (ifindex, interface) in [(7, "eth0"), (9, "eth1"), (7, "eth0")] {
            let packet = Packet {
                ifindex,
                interface,
                stamp: MonoTime::from_nanos(5 << 32),
                direction: Direction::In,
                frame: &[1, 2, 3, 4, 5],
                frame_len: 60,
                comment: "what there is to say",
            };
            file.write(&packet).unwrap();
        }
        file.flush().unwrap();
        let mut kinds = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let length = word(&bytes, at + 4) as usize;
            assert_eq!(length % 4, 0);
            assert_eq!(word(&bytes, at + length - 4) as usize, length);
            kinds.push(word(&bytes, at));
            if kinds.len() == 3 {
                assert_eq!(word(&bytes, at + 8), 0, "interface");
                assert_eq!((word(&bytes, at + 12), word(&bytes, at + 16)), (5, 0));
                assert_eq!((word(&bytes, at + 20), word(&bytes, at + 24)), (5, 60));
            }
            at += length;
        }
        assert_eq!(at, bytes.len());
        let expected = [SECTION, INTERFACE, PACKET, INTERFACE, PACKET, PACKET];
        assert_eq!(kinds, expected);
    }
}
