//! A blocking netlink socket: batches with acknowledgements, and dumps.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use super::ask::Request;
use super::message::{
    HEADER, Message, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, Refusal, messages,
};
use super::sys;

/// How many requests go into one `sendto`: so many answers fit the socket's
/// receive buffer with room to spare, and the kernel's lock is not held long.
pub(super) const BATCH: usize = 32;

/// The kernel answers a request before `sendto` returns; this only bounds what
/// must never happen.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The largest piece of a dump the kernel makes, twice over.
const BUFFER: usize = 64 * 1024;

/// A dump that others keep interrupting is taken as it is after this many.
const DUMP_ATTEMPTS: usize = 8;

/// A route-netlink socket of the network namespace it was opened in.
pub(super) struct RouteSocket {
    fd: OwnedFd,
    sequence: u32,
    out: Vec<u8>,
    buffer: Box<[u8]>,
}

impl RouteSocket {
    /// A socket for requests, and for the events of `groups` (a bit mask).
    pub(super) fn open(groups: u32) -> io::Result<Self> {
        Self::open_protocol(SockProtocol::NetlinkRoute, groups)
    }

    /// One for the packet filter, which is asked in batches.
    pub(super) fn for_packet_filter() -> io::Result<Self> {
        Self::open_protocol(SockProtocol::NetlinkNetFilter, 0)
    }

    fn open_protocol(protocol: SockProtocol, groups: u32) -> io::Result<Self> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            Some(protocol),
        )?;
        setsockopt(
            &fd,
            sockopt::ReceiveTimeout,
            &TimeVal::new(ANSWER_WITHIN.as_secs() as _, 0),
        )?;
        // Acknowledgements without the request, and with a sentence; dumps of
        // one interface. Old kernels have none of it and we can do without.
        for option in [
            libc::NETLINK_CAP_ACK,
            libc::NETLINK_EXT_ACK,
            libc::NETLINK_GET_STRICT_CHK,
        ] {
            let _ = sys::set_int(fd.as_fd(), libc::SOL_NETLINK, option, 1);
        }
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(Self {
            fd,
            sequence: 0,
            out: Vec::new(),
            buffer: vec![0; BUFFER].into_boxed_slice(),
        })
    }

    /// To wait on.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// A receive buffer beyond the system's limit where we may, so that a
    /// burst of events is not lost.
    pub(super) fn widen(&self, bytes: usize) {
        if setsockopt(&self.fd, sockopt::RcvBufForce, &bytes).is_err() {
            let _ = setsockopt(&self.fd, sockopt::RcvBuf, &bytes);
        }
    }

    /// Sends up to [`BATCH`] requests at once and hands back one answer for
    /// each, in their order. `flags` are added to those every request has.
    pub(super) fn transact(
        &mut self,
        requests: impl Iterator<Item = RouteNetlinkMessage>,
        flags: u16,
    ) -> io::Result<Vec<Result<(), Refusal>>> {
        let first = self.sequence.wrapping_add(1);
        self.out.clear();
        let mut count = 0;
        for request in requests {
            self.push(request, NLM_F_REQUEST | NLM_F_ACK | flags);
            count += 1;
        }
        self.send_and_hear(first, count)
    }

    /// As [`Self::transact`], for requests that are written already.
    pub(super) fn ask(&mut self, requests: &[Request]) -> io::Result<Vec<Result<(), Refusal>>> {
        let first = self.sequence.wrapping_add(1);
        self.out.clear();
        for request in requests {
            self.push_bytes(request, NLM_F_REQUEST | NLM_F_ACK);
        }
        self.send_and_hear(first, requests.len())
    }

    fn send_and_hear(&mut self, first: u32, count: usize) -> io::Result<Vec<Result<(), Refusal>>> {
        debug_assert!(count <= BATCH);
        send(self.fd.as_raw_fd(), &self.out, MsgFlags::empty())?;

        let mut answers: Vec<Option<Result<(), Refusal>>> = (0..count).map(|_| None).collect();
        let mut missing = count;
        while missing > 0 {
            let length = match receive(&self.fd, &mut self.buffer, MsgFlags::empty()) {
                Ok(length) => length,
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => break,
                Err(error) => return Err(error),
            };
            for message in messages(&self.buffer[..length]) {
                let slot = message.sequence.wrapping_sub(first) as usize;
                if message.kind == NLMSG_ERROR
                    && let Some(answer @ None) = answers.get_mut(slot)
                {
                    *answer = Some(message.verdict());
                    missing -= 1;
                }
            }
        }
        Ok(answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(|| Err(unanswered())))
            .collect())
    }

    /// Asks for one thing; what `read` makes of the answer.
    pub(super) fn get<T>(
        &mut self,
        request: &Request,
        read: impl Fn(&Message<'_>) -> Option<T>,
    ) -> io::Result<Option<T>> {
        self.out.clear();
        self.push_bytes(request, NLM_F_REQUEST);
        send(self.fd.as_raw_fd(), &self.out, MsgFlags::empty())?;
        loop {
            let length = receive(&self.fd, &mut self.buffer, MsgFlags::empty())?;
            for message in messages(&self.buffer[..length]) {
                if message.sequence != self.sequence {
                    continue;
                }
                if message.kind == NLMSG_ERROR {
                    return match message.verdict() {
                        Ok(()) => Ok(None),
                        Err(refusal) => Err(refusal.error),
                    };
                }
                return Ok(read(&message));
            }
        }
    }

    /// Has the packet filter do all of `requests`, or none; the first refusal.
    pub(super) fn ask_batch(&mut self, requests: &[Request]) -> Result<(), Refusal> {
        const BEGIN: u16 = 16;
        const END: u16 = 17;
        /// The part of the filter that the batch is for.
        const NFTABLES: u8 = 10;

        let failed = |error: io::Error| Refusal { error, note: None };
        self.out.clear();
        let begin = self.sequence.wrapping_add(1);
        let edge = |kind| Request::new(kind, 0, &[0, 0, 0, NFTABLES]);
        self.push_bytes(&edge(BEGIN), NLM_F_REQUEST);
        for request in requests {
            self.push_bytes(request, NLM_F_REQUEST | NLM_F_ACK);
        }
        self.push_bytes(&edge(END), NLM_F_REQUEST);
        send(self.fd.as_raw_fd(), &self.out, MsgFlags::empty())
            .map_err(|error| failed(error.into()))?;
        let mut missing = requests.len();
        let mut refusal = None;
        while missing > 0 {
            let length = match receive(&self.fd, &mut self.buffer, MsgFlags::empty()) {
                Ok(length) => length,
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {
                    return Err(refusal.unwrap_or_else(unanswered));
                }
                Err(error) => return Err(failed(error)),
            };
            for message in messages(&self.buffer[..length]) {
                if message.kind != NLMSG_ERROR {
                    continue;
                }
                let place = message.sequence.wrapping_sub(begin) as usize;
                match (message.verdict(), place) {
                    // It stands for the whole batch.
                    (Err(first), 0) => return Err(first),
                    (verdict, 1..) if place <= requests.len() => {
                        missing -= 1;
                        refusal = refusal.or(verdict.err());
                    }
                    _ => {}
                }
            }
        }
        refusal.map_or(Ok(()), Err)
    }

    /// As [`Self::dump`], with a request that is written already.
    pub(super) fn dump_by<T>(
        &mut self,
        request: &Request,
        read: impl Fn(&Message<'_>) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        let mut attempt = 1;
        loop {
            self.out.clear();
            self.push_bytes(request, NLM_F_REQUEST | NLM_F_DUMP);
            send(self.fd.as_raw_fd(), &self.out, MsgFlags::empty())?;
            let mut table = Vec::new();
            let torn = self.read_dump(&mut |message| table.extend(read(message)))?;
            if !torn || attempt == DUMP_ATTEMPTS {
                return Ok(table);
            }
            attempt += 1;
        }
    }

    /// Asks for a table and hands back what `read` makes of each message. A
    /// table that changed while it was read is read again.
    pub(super) fn dump<T>(
        &mut self,
        request: &RouteNetlinkMessage,
        read: impl Fn(&Message<'_>) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        let mut attempt = 1;
        loop {
            self.out.clear();
            self.push(request.clone(), NLM_F_REQUEST | NLM_F_DUMP);
            send(self.fd.as_raw_fd(), &self.out, MsgFlags::empty())?;
            let mut table = Vec::new();
            let torn = self.read_dump(&mut |message| table.extend(read(message)))?;
            if !torn || attempt == DUMP_ATTEMPTS {
                return Ok(table);
            }
            attempt += 1;
        }
    }

    /// Whether the table changed while it was read.
    fn read_dump(&mut self, each: &mut dyn FnMut(&Message<'_>)) -> io::Result<bool> {
        let mut torn = false;
        loop {
            let length = receive(&self.fd, &mut self.buffer, MsgFlags::empty())?;
            for message in messages(&self.buffer[..length]) {
                if message.sequence != self.sequence {
                    continue;
                }
                torn |= message.flags & NLM_F_DUMP_INTR != 0;
                match message.kind {
                    NLMSG_DONE | NLMSG_ERROR => {
                        return match message.verdict() {
                            Ok(()) => Ok(torn),
                            Err(refusal) => Err(refusal.error),
                        };
                    }
                    _ => each(&message),
                }
            }
        }
    }

    /// Reads what has come in without waiting; `false` if there was nothing.
    pub(super) fn read_events(&mut self, each: &mut dyn FnMut(&Message<'_>)) -> io::Result<bool> {
        match receive(&self.fd, &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => {
                messages(&self.buffer[..length]).for_each(|message| each(&message));
                Ok(true)
            }
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn push_bytes(&mut self, request: &Request, flags: u16) {
        self.sequence = self.sequence.wrapping_add(1);
        let length = u32::try_from(HEADER + request.body.len()).unwrap_or(u32::MAX);
        self.out.extend_from_slice(&length.to_ne_bytes());
        self.out.extend_from_slice(&request.kind.to_ne_bytes());
        self.out
            .extend_from_slice(&(request.flags | flags).to_ne_bytes());
        self.out.extend_from_slice(&self.sequence.to_ne_bytes());
        // From no particular port of ours.
        self.out.extend_from_slice(&[0; 4]);
        self.out.extend_from_slice(&request.body);
        self.out.resize(self.out.len().next_multiple_of(4), 0);
    }

    /// As [`super::interface_name`], without making a socket for it.
    pub(super) fn interface_name(&self, ifindex: u32) -> String {
        sys::interface_name(self.fd.as_fd(), ifindex).unwrap_or_else(|_| super::nameless(ifindex))
    }

    fn push(&mut self, request: RouteNetlinkMessage, flags: u16) {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
        message.finalize();
        let start = self.out.len();
        // Each message starts on a multiple of four bytes.
        let length = message.buffer_len();
        self.out.resize(start + length.next_multiple_of(4), 0);
        message.serialize(&mut self.out[start..start + length]);
    }
}

fn unanswered() -> Refusal {
    Refusal {
        error: io::ErrorKind::TimedOut.into(),
        note: None,
    }
}

fn receive(fd: &OwnedFd, buffer: &mut [u8], flags: MsgFlags) -> io::Result<usize> {
    loop {
        match recv(fd.as_raw_fd(), buffer, flags) {
            Ok(length) => return Ok(length),
            Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
