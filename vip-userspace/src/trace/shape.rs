//! The running kernel's own description of its types (BTF): where a member lies, and
//! what a number of an enumeration is called. Only what `vip trace` asks for.

use vip_common::layout::trace::KernelShape;

/// Where the kernel publishes it.
pub(super) const PATH: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
/// Names that only stand for another type: typedef, volatile, const, restrict, and
/// marks of types.
const OTHER_NAMES: [u32; 5] = [8, 9, 10, 11, 18];
/// Anonymous members lie this deep at most in what is looked for.
const DEEPEST: u32 = 8;

/// A description, read.
pub(super) struct Types<'a> {
    strings: &'a [u8],
    /// Each type's head and what follows it; number 0 is `void` and not in here.
    types: Vec<Type<'a>>,
}

/// One type.
#[derive(Clone, Copy)]
struct Type<'a> {
    name: u32,
    info: u32,
    /// Its size, or the type that it stands for.
    size_or_type: u32,
    rest: &'a [u8],
}

impl Type<'_> {
    const fn kind(&self) -> u32 {
        (self.info >> 24) & 0x1f
    }

    /// How many members it has.
    const fn members(&self) -> usize {
        (self.info & 0xffff) as usize
    }

    /// Whether the offsets of its members have a bit field's width above them.
    const fn has_bit_fields(&self) -> bool {
        self.info >> 31 == 1
    }
}

/// Bytes behind the head of a type of this kind; `None` for a kind that is not known,
/// behind which nothing can be found.
const fn rest_len(kind: u32, members: usize) -> Option<usize> {
    Some(match kind {
        1 | 14 | 17 => 4,
        3 => 12,
        STRUCT | UNION | 15 | 19 => 12 * members,
        ENUM | 13 => 8 * members,
        2 | 7..=12 | 16 | 18 => 0,
        _ => return None,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*word))
}

impl<'a> Types<'a> {
    /// `None` for what is no description, or one with kinds of types that are newer
    /// than this.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let magic = bytes.first_chunk()?;
        if u16::from_ne_bytes(*magic) != MAGIC {
            return None;
        }
        let head = usize::try_from(word(bytes, 4)?).ok()?;
        let part = |at: usize| -> Option<&'a [u8]> {
            let start = head.checked_add(usize::try_from(word(bytes, at)?).ok()?)?;
            let len = usize::try_from(word(bytes, at + 4)?).ok()?;
            bytes.get(start..start.checked_add(len)?)
        };
        let (mut left, strings) = (part(8)?, part(16)?);
        let mut types = Vec::new();
        while !left.is_empty() {
            let one = Type {
                name: word(left, 0)?,
                info: word(left, 4)?,
                size_or_type: word(left, 8)?,
                rest: &[],
            };
            let (_, behind) = left.split_at_checked(12)?;
            let (rest, next) = behind.split_at_checked(rest_len(one.kind(), one.members())?)?;
            types.push(Type { rest, ..one });
            left = next;
        }
        Some(Self { strings, types })
    }

    fn string(&self, at: u32) -> &'a str {
        let from = usize::try_from(at)
            .ok()
            .and_then(|at| self.strings.get(at..));
        let bytes = from.and_then(|from| from.split(|byte| *byte == 0).next());
        std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    }

    fn named(&self, kind: u32, name: &str) -> Option<&Type<'a>> {
        let mut all = self.types.iter();
        all.find(|one| one.kind() == kind && self.string(one.name) == name)
    }

    /// The type of this number, behind its other names.
    fn behind_names(&self, mut number: u32) -> Option<&Type<'a>> {
        for _ in 0..DEEPEST {
            let at = usize::try_from(number).ok()?.checked_sub(1)?;
            let one = self.types.get(at)?;
            if !OTHER_NAMES.contains(&one.kind()) {
                return Some(one);
            }
            number = one.size_or_type;
        }
        None
    }

    /// Where a member of a structure lies, in bytes, also one of the structures that
    /// lie in it without a name.
    pub(super) fn offset(&self, structure: &str, member: &str) -> Option<u32> {
        self.offset_in(self.named(STRUCT, structure)?, member, DEEPEST)
    }

    fn offset_in(&self, structure: &Type<'a>, member: &str, deeper: u32) -> Option<u32> {
        let (members, _) = structure.rest.as_chunks::<12>();
        members.iter().find_map(|one| {
            let (name, kind, mut bits) = (word(one, 0)?, word(one, 4)?, word(one, 8)?);
            if structure.has_bit_fields() {
                // One that is a bit field has no place in bytes.
                bits = if bits >> 24 == 0 { bits } else { return None };
            }
            let own = bits / 8;
            if name != 0 && self.string(name) == member {
                return (bits % 8 == 0).then_some(own);
            }
            if name != 0 || deeper == 0 {
                return None;
            }
            let inner = self.behind_names(kind)?;
            matches!(inner.kind(), STRUCT | UNION)
                .then(|| self.offset_in(inner, member, deeper - 1))?
                .map(|inside| own + inside)
        })
    }

    /// The numbers of an enumeration with their names.
    pub(super) fn numbers(&self, enumeration: &str) -> Vec<(u32, &'a str)> {
        let Some(found) = self.named(ENUM, enumeration) else {
            return Vec::new();
        };
        let (members, _) = found.rest.as_chunks::<8>();
        let read = |one: &[u8; 8]| Some((word(one, 4)?, self.string(word(one, 0)?)));
        members.iter().filter_map(read).collect()
    }

    /// Where the kernel keeps what is read of a packet, for this network namespace.
    pub(super) fn shape(&self, namespace: u32) -> Option<KernelShape> {
        Some(KernelShape {
            namespace,
            head: self.offset("sk_buff", "head")?,
            network_header: self.offset("sk_buff", "network_header")?,
            tail: self.offset("sk_buff", "tail")?,
            protocol: self.offset("sk_buff", "protocol")?,
            device: self.offset("sk_buff", "dev")?,
            ifindex: self.offset("net_device", "ifindex")?,
            net: self.offset("net_device", "nd_net")?,
            inum: self.offset("net", "ns")? + self.offset("ns_common", "inum")?,
            pad: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A description of `struct packet { u32 len; union { struct { u32 a; u32 dev; };
    /// u32 headers; }; }` and `enum why { LOST = 2 }`.
    fn sample() -> Vec<u8> {
        const STRINGS: &[u8] = b"\0u32\0packet\0len\0a\0dev\0headers\0why\0LOST\0";
        let at = |name: &str| {
            let wanted = format!("\0{name}\0");
            let found = STRINGS.windows(wanted.len());
            let mut found = found
                .enumerate()
                .filter(|(_, one)| *one == wanted.as_bytes());
            (found.next().unwrap().0 + 1) as u32
        };
        let kind = |kind: u32, members: u32| kind << 24 | members;
        let types: Vec<u32> = [
            vec![at("u32"), kind(1, 0), 4, 32],
            // 2: the inner structure
            vec![0, kind(STRUCT, 2), 8, at("a"), 1, 0, at("dev"), 1, 32],
            // 3: the union
            vec![0, kind(UNION, 2), 8, 0, 2, 0, at("headers"), 1, 0],
            // 4
            vec![at("packet"), kind(STRUCT, 2), 12, at("len"), 1, 0, 0, 3, 32],
            vec![at("why"), kind(ENUM, 1), 4, at("LOST"), 2],
        ]
        .concat();
        let types: Vec<u8> = types.into_iter().flat_map(u32::to_ne_bytes).collect();
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        for word in [
            24,
            0,
            types.len() as u32,
            types.len() as u32,
            STRINGS.len() as u32,
        ] {
            bytes.extend(u32::to_ne_bytes(word));
        }
        [bytes, types, STRINGS.to_vec()].concat()
    }

    #[test]
    fn a_member_is_found_however_deep_it_lies_without_a_name() {
        let sample = sample();
        let types = Types::parse(&sample).unwrap();
        assert_eq!(types.offset("packet", "len"), Some(0));
        assert_eq!(types.offset("packet", "headers"), Some(4));
        assert_eq!(types.offset("packet", "dev"), Some(8));
        assert_eq!(types.offset("packet", "absent"), None);
        assert_eq!(types.offset("absent", "len"), None);
        assert_eq!(types.numbers("why"), [(2, "LOST")]);
        assert_eq!(types.numbers("packet"), []);
    }

    #[test]
    fn what_is_no_description_is_refused_wherever_it_ends() {
        let sample = sample();
        for end in 0..sample.len() {
            if let Some(types) = Types::parse(&sample[..end]) {
                assert_eq!(types.offset("packet", "absent"), None);
            }
        }
        let mut other = sample;
        other[0] ^= 1;
        assert!(Types::parse(&other).is_none());
    }
}
