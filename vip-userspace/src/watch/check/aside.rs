//! Work that may never come to an end: the resolver and a disk that does not answer
//! cannot be interrupted.

use std::io;
use std::thread;

use tokio::sync::oneshot;

/// More than any resolver is known to need.
const STACK: usize = 512 * 1024;

/// Has a thread of its own do this: what hangs takes nothing from others, as it would
/// from a pool that all of them share, reloads among them. Whoever asks keeps what comes of
/// it until it is there, so that there is one such thread for each check at most.
///
/// # Errors
/// The system has no thread to spare.
pub(super) fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<oneshot::Receiver<T>> {
    let (done, doing) = oneshot::channel();
    thread::Builder::new()
        .name("check".into())
        .stack_size(STACK)
        .spawn(move || {
            // Who asked may be gone with a reload.
            let _ = done.send(work());
        })?;
    Ok(doing)
}
