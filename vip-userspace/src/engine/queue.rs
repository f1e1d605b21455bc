//! Queues between the engine and everybody else: bounded, one producer, one
//! consumer, wait-free on both sides, with an eventfd to wake the reader.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

/// Wakes one thread, any number of times, from any number of others.
#[derive(Clone, Debug)]
pub struct Wake(Arc<EventFd>);

impl Wake {
    /// A new one that nobody has rung yet.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Self(Arc::new(EventFd::from_value_and_flags(0, flags)?)))
    }

    /// Wakes the reader. Never blocks: a counter at its limit is awake already.
    pub fn ring(&self) {
        let _ = self.0.write(1);
    }

    /// Takes the wake-ups that have come so far.
    pub fn clear(&self) {
        while let Err(Errno::EINTR) = self.0.read() {}
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Wake {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// The writing end.
#[derive(Debug)]
pub struct Sender<T> {
    queue: rtrb::Producer<T>,
    wake: Wake,
}

/// The reading end.
#[derive(Debug)]
pub struct Receiver<T> {
    queue: rtrb::Consumer<T>,
}

/// A queue of `capacity` places whose reader is woken by `wake`.
#[must_use]
pub fn queue<T>(capacity: usize, wake: &Wake) -> (Sender<T>, Receiver<T>) {
    let (producer, consumer) = rtrb::RingBuffer::new(capacity);
    (
        Sender {
            queue: producer,
            wake: wake.clone(),
        },
        Receiver { queue: consumer },
    )
}

impl<T> Sender<T> {
    /// Puts an item in and wakes the reader.
    ///
    /// # Errors
    /// Gives the item back when the queue is full.
    pub fn send(&mut self, item: T) -> Result<(), T> {
        let sent = self
            .queue
            .push(item)
            .map_err(|rtrb::PushError::Full(item)| item);
        self.wake.ring();
        sent
    }

    /// Whether at least half of the places are free.
    #[must_use]
    pub fn is_half_empty(&self) -> bool {
        self.queue.slots() >= self.queue.buffer().capacity() / 2
    }

    /// Waits for a place: only for threads that nobody waits for. `false` when
    /// the reader has gone.
    pub fn send_patiently(&mut self, mut item: T) -> bool {
        loop {
            if self.queue.is_abandoned() {
                return false;
            }
            match self.send(item) {
                Ok(()) => return true,
                Err(back) => item = back,
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

impl<T> Receiver<T> {
    /// The oldest item, if there is one.
    pub fn receive(&mut self) -> Option<T> {
        self.queue.pop().ok()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether nobody can put anything in any more.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.queue.is_abandoned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_gives_the_item_back_and_keeps_the_order() {
        let wake = Wake::new().unwrap();
        let (mut sender, mut receiver) = queue(2, &wake);
        assert_eq!(sender.send(1), Ok(()));
        assert_eq!(sender.send(2), Ok(()));
        assert_eq!(sender.send(3), Err(3));
        assert_eq!(receiver.receive(), Some(1));
        assert_eq!(sender.send(4), Ok(()));
        assert_eq!(
            [receiver.receive(), receiver.receive(), receiver.receive()],
            [Some(2), Some(4), None]
        );
    }

    #[test]
    fn a_reader_that_has_gone_is_not_waited_for() {
        let wake = Wake::new().unwrap();
        let (mut sender, receiver) = queue(1, &wake);
        drop(receiver);
        assert!(!sender.send_patiently(1));
    }
}
