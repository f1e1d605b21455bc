//! The eyes for other programs on this host that speak for our routers: open
//! around a start, because the kernel copies every outgoing packet for them.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use tokio::io::unix::AsyncFd;
use vip_common::ids::{Family, Vrid};
use vip_common::time::MonoTime;

use super::log::Level;
use super::{Services, State, watched};
use crate::error::{Exit, Failure};
use crate::kernel::speakers::{Heard, OwnVoice};

/// How long after the longest Active_Down_Interval a port is still listened
/// to for other programs.
const LISTEN_MORE: Duration = Duration::from_secs(2);

/// A listener for what other programs of this host send. The kernel copies
/// every outgoing packet for it, so it stays open only around a start.
pub(super) struct Voice {
    heard: AsyncFd<OwnVoice>,
    since: Instant,
}

impl Services {
    /// From now on, what other programs of this host send for our routers on
    /// this interface is noticed.
    pub(super) fn listen_for_doubles(&self, state: &mut State, port: usize, ifindex: u32) {
        let routers = self.plan.ports[port].routers.iter();
        let routers: Vec<(Family, Vrid)> = routers
            .map(|slot| &self.plan.routers[*slot])
            .map(|router| (router.family, router.params.vrid))
            .collect();
        let voice = OwnVoice::open(ifindex, &routers);
        state.voices[port] = match voice.and_then(watched) {
            Ok(heard) => Some(Voice {
                heard,
                since: Instant::now(),
            }),
            Err(error) => {
                let line = format!(
                    "cannot notice other programs that speak on {}: {error}",
                    self.plan.ports[port].name
                );
                self.log.line(Level::Warning, &line);
                None
            }
        };
    }

    /// Once every router of a port has had the time to become master.
    pub(super) fn stop_listening_for_doubles(&self, state: &mut State) {
        // They are what a shadow is there to hear.
        if self.shadow.is_some() {
            return;
        }
        for (port, voice) in self.plan.ports.iter().zip(&mut state.voices) {
            let down = |slot: &usize| {
                let params = &self.plan.routers[*slot].params;
                params.active_down_interval(params.adver_interval)
            };
            let longest = port.routers.iter().map(down).max().unwrap_or_default();
            if voice
                .as_ref()
                .is_some_and(|voice| voice.since.elapsed() > longest + LISTEN_MORE)
            {
                *voice = None;
            }
        }
    }

    /// Another program of this host speaks for one of our routers: before we
    /// have spoken we leave the field, afterwards a person must decide.
    pub(super) fn double(
        &self,
        state: &mut State,
        port: usize,
        vrid: Vrid,
        source: IpAddr,
    ) -> Option<Failure> {
        let slot = *self.plan.ports[port].routers.iter().find(|slot| {
            let router = &self.plan.routers[**slot];
            (router.family, router.params.vrid) == (Family::of(source), vrid)
        })?;
        let snapshot = self.published.read(slot)?;
        if snapshot.primary != Some(source) {
            // A guest behind this interface: a host of its own.
            return None;
        }
        let news = state.doubles.insert(slot);
        let spoken = snapshot.takeovers > 0;
        let message = format!(
            "({}) another program on this host sends adverts for VRID {vrid} on {} (from {source}); stop one of the two",
            self.plan.routers[slot].name, self.plan.ports[port].name
        );
        if !spoken {
            return Some(Failure::new(Exit::Taken, message));
        }
        if news {
            self.log.line(Level::Error, &message);
        }
        None
    }
}

/// Waits for the next advert that another program of this host sends.
pub(super) async fn own_voice(voices: &[Option<Voice>]) -> (usize, MonoTime, Heard) {
    std::future::poll_fn(|context| {
        for (port, voice) in voices.iter().enumerate() {
            let Some(voice) = voice else { continue };
            while let std::task::Poll::Ready(Ok(mut ready)) = voice.heard.poll_read_ready(context) {
                if let Some((stamp, heard)) = voice.heard.get_ref().drain_stamped() {
                    return std::task::Poll::Ready((port, stamp, heard));
                }
                ready.clear_ready();
            }
        }
        std::task::Poll::Pending
    })
    .await
}
