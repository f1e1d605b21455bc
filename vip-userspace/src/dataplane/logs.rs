//! What the program at the NIC writes for a developer's log.
//!
//! It writes about refusals, at level debug, and only if the log was at that
//! level when it was loaded: otherwise the kernel removes the code.

use std::io;

use aya_log::EbpfLogger;
use log::Log;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The reader of the program's log, from [`Ears::take_log`](super::Ears::take_log).
pub type NicLog = EbpfLogger<&'static dyn Log>;

/// Passes the program's log on to ours for as long as it is polled.
///
/// # Errors
///
/// When the reactor does not take the descriptor.
pub async fn log_drain(log: NicLog) -> io::Result<()> {
    #[expect(
        unsafe_code,
        reason = "the reactor wants a word on the descriptor's life"
    )]
    // SAFETY: the logger owns its map's descriptor and closes it when it is
    // dropped, which is after the registration.
    let log = unsafe { AsyncFd::register_with_interest(log, Interest::READABLE) };
    let mut log = log.map_err(io::Error::from)?;
    loop {
        let mut ready = log.readable_mut().await?;
        // Emptied before the readiness is taken back: it comes on an edge.
        ready.get_inner_mut().flush();
        ready.clear_ready();
    }
}
