//! Requests of netlink, written attribute by attribute.

/// One request: its type, a fixed header of its own kind, attributes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Request {
    /// `RTM_…`, or what another family of netlink has in its place.
    pub(super) kind: u16,
    /// `NLM_F_…`, besides those that every request has.
    pub(super) flags: u16,
    /// What follows the netlink header.
    pub(super) body: Vec<u8>,
}

/// Marks an attribute that holds attributes (`NLA_F_NESTED`).
const NESTED: u16 = 0x8000;

/// Bytes before the value of an attribute.
const HEADER: usize = 4;

impl Request {
    /// A request with its own kind of header, which is padded to four bytes.
    pub(super) fn new(kind: u16, flags: u16, header: &[u8]) -> Self {
        let mut body = header.to_vec();
        body.resize(header.len().next_multiple_of(4), 0);
        Self { kind, flags, body }
    }

    /// An attribute with these bytes.
    pub(super) fn bytes(&mut self, attribute: u16, value: &[u8]) -> &mut Self {
        let start = self.begin(attribute);
        self.body.extend_from_slice(value);
        self.end(start)
    }

    /// An attribute with a number in the host's order.
    pub(super) fn number(&mut self, attribute: u16, value: u32) -> &mut Self {
        self.bytes(attribute, &value.to_ne_bytes())
    }

    /// An attribute with a text and the zero byte behind it.
    pub(super) fn text(&mut self, attribute: u16, value: &str) -> &mut Self {
        let start = self.begin(attribute);
        self.body.extend_from_slice(value.as_bytes());
        self.body.push(0);
        self.end(start)
    }

    /// An attribute that holds what `inside` writes.
    pub(super) fn nested(&mut self, attribute: u16, inside: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.begin(attribute | NESTED);
        inside(self);
        self.end(start)
    }

    fn begin(&mut self, attribute: u16) -> usize {
        let start = self.body.len();
        self.body.extend_from_slice(&[0; 2]);
        self.body.extend_from_slice(&attribute.to_ne_bytes());
        start
    }

    fn end(&mut self, start: usize) -> &mut Self {
        self.seal(start);
        self.body.resize(self.body.len().next_multiple_of(4), 0);
        self
    }

    /// Writes the length of what began at `start` into its first two bytes.
    pub(super) fn seal(&mut self, start: usize) {
        let length = self.body.len().saturating_sub(start).max(HEADER);
        // Nothing that we write is near the limit; the kernel would refuse it.
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        if let Some(field) = self.body.get_mut(start..start + 2) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
    }

    /// The same with another type: what takes back what this one made.
    pub(super) fn reversed(&self, kind: u16) -> Self {
        Self {
            kind,
            flags: 0,
            body: self.body.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_without_padding_and_what_follows_is_aligned() {
        let mut request = Request::new(24, 0, &[1, 2, 3, 4]);
        request.text(3, "ab").nested(8, |inner| {
            inner.number(2, 7);
        });
        let mut wanted = vec![1, 2, 3, 4];
        wanted.extend(7u16.to_ne_bytes());
        wanted.extend(3u16.to_ne_bytes());
        wanted.extend([b'a', b'b', 0, 0]);
        wanted.extend(12u16.to_ne_bytes());
        wanted.extend((8 | NESTED).to_ne_bytes());
        wanted.extend(8u16.to_ne_bytes());
        wanted.extend(2u16.to_ne_bytes());
        wanted.extend(7u32.to_ne_bytes());
        assert_eq!(request.body, wanted);
    }
}
