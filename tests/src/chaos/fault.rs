//! What is done to the hosts, by the dice.

use std::fmt;

use crate::dice::Rng;

/// One thing that goes wrong, or is done on purpose, and what ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The daemon is killed; later it starts again.
    Kill,
    /// The daemon leaves in order; later it starts again.
    Leave,
    /// The daemon is stopped and goes on later, as after a pause of its machine.
    Stop,
    /// The cable is out at the switch; later it is back.
    Cut,
    /// The interface is set down on the host; later it is up.
    LinkDown,
    /// The NIC is taken away; later there is another one of that name.
    Unplug,
    /// No host hears another, while the client hears all; later they do.
    Isolate,
    /// Somebody deletes the addresses under the daemon.
    DeleteAddress,
    /// Somebody sends bad adverts, of all kinds.
    Noise,
    /// Another configuration is read, with another priority, more or fewer addresses.
    Reload,
    /// A bad configuration is refused.
    BadReload,
    /// Maintenance; later it ends.
    Drain,
    /// Told to take over; later no more.
    Take,
}

impl Fault {
    /// All of them, the common ones more than once.
    const DICE: [Self; 18] = [
        Self::Kill,
        Self::Kill,
        Self::Leave,
        Self::Leave,
        Self::Stop,
        Self::Cut,
        Self::Cut,
        Self::LinkDown,
        Self::Unplug,
        Self::Isolate,
        Self::DeleteAddress,
        Self::Noise,
        Self::Reload,
        Self::Reload,
        Self::Reload,
        Self::BadReload,
        Self::Drain,
        Self::Take,
    ];

    /// Whether its host cannot serve until it has ended.
    pub(super) fn disables(self) -> bool {
        matches!(
            self,
            Self::Kill
                | Self::Leave
                | Self::Stop
                | Self::Cut
                | Self::LinkDown
                | Self::Unplug
                | Self::Drain
        )
    }

    /// Whether something has to end it.
    pub(super) fn lasts(self) -> bool {
        self.disables() || matches!(self, Self::Isolate | Self::Take)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Kill => "kill",
            Self::Leave => "leave",
            Self::Stop => "stop",
            Self::Cut => "cut",
            Self::LinkDown => "link down",
            Self::Unplug => "unplug",
            Self::Isolate => "isolate",
            Self::DeleteAddress => "delete address",
            Self::Noise => "noise",
            Self::Reload => "reload",
            Self::BadReload => "bad reload",
            Self::Drain => "drain",
            Self::Take => "take",
        })
    }
}

/// The next fault and its host, among those that have no trouble now. As long
/// as one host at least remains able, any may lose what it needs.
pub(super) fn next(dice: &mut Rng, free: &[usize], able: usize) -> Option<(Fault, usize)> {
    if free.is_empty() {
        return None;
    }
    let host = dice.pick(free);
    loop {
        let fault = dice.pick(&Fault::DICE);
        if able > 1 || !fault.disables() {
            return Some((fault, host));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_able_host_keeps_what_it_needs() {
        let mut dice = Rng::new(1);
        for _ in 0..1000 {
            let (fault, host) = next(&mut dice, &[2], 1).unwrap();
            assert_eq!(host, 2);
            assert!(!fault.disables());
        }
        assert_eq!(next(&mut dice, &[], 1), None);
    }
}
