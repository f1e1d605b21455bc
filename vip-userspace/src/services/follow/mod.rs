//! Whoever follows what happens: events go from the log to any number of followers, up
//! to a bound, and none of them holds anybody up. One that does not read loses the
//! oldest events and is told how many.

mod client;
mod event;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio::time::timeout;

use super::log::Level;
pub use client::{Followed, Follower};
pub use event::{Event, Kind, SCHEMA};

/// Followers at a time.
pub const MOST_FOLLOWERS: usize = 16;
/// Events that wait for a slow follower: those of a failover of a thousand instances.
const ROOM: usize = 4096;
/// Events that are kept for who begins to follow.
pub const PAST: usize = 256;
/// Bytes that are written to a follower at once.
const CHUNK: usize = 64 * 1024;
/// How long the end of the daemon waits for followers to take its last word.
const LAST_WORD: Duration = Duration::from_millis(200);

/// From where all events go out. Nobody waits at it.
#[derive(Debug)]
pub struct Hub {
    past: Mutex<Past>,
    live: Sender<Arc<Event>>,
    places: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Past {
    seq: u64,
    kept: VecDeque<Arc<Event>>,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            past: Mutex::default(),
            live: broadcast::channel(ROOM).0,
            places: Arc::new(Semaphore::new(MOST_FOLLOWERS)),
        }
    }
}

impl Hub {
    /// Tells everybody who follows, and keeps it for those who will.
    pub fn tell(&self, mut event: Event) {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.seq += 1;
        event.seq = past.seq;
        let event = Arc::new(event);
        if past.kept.len() == PAST {
            past.kept.pop_front();
        }
        past.kept.push_back(Arc::clone(&event));
        // Within the lock, so that they go out in their order; it is an error only
        // where nobody follows.
        let _ = self.live.send(event);
    }

    /// Begins to follow: the last events, `past` at most, and from now on all of them.
    #[must_use]
    pub fn follow(&self, past: usize) -> (Vec<Arc<Event>>, Receiver<Arc<Event>>) {
        let kept = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = kept.kept.len().saturating_sub(past);
        let events = kept.kept.iter().skip(skipped).cloned().collect();
        (events, self.live.subscribe())
    }

    /// Tells `client` what comes out of `live` until one of the two has gone; none of
    /// it where there are too many already.
    pub(super) async fn serve(&self, mut client: UnixStream, live: Receiver<Arc<Event>>) {
        if let Ok(_place) = Arc::clone(&self.places).try_acquire_owned() {
            serve(client, live).await;
        } else {
            let text = format!("{MOST_FOLLOWERS} follow already, no more can");
            let event = Event::new(Kind::TurnedAway, Level::Warning, text);
            let _ = timeout(LAST_WORD, client.write_all(&line(&event))).await;
        }
    }

    /// Waits until everybody who follows and reads has had the last word, but not for
    /// those who do not.
    pub(super) async fn end(&self) {
        let all = u32::try_from(MOST_FOLLOWERS).unwrap_or(u32::MAX);
        let _ = timeout(LAST_WORD, self.places.acquire_many(all)).await;
    }
}

/// The line of an event, its end included.
pub(super) fn line(event: &Event) -> Vec<u8> {
    let mut line = serde_json::to_vec(event).unwrap_or_default();
    line.push(b'\n');
    line
}

async fn serve(client: UnixStream, mut live: Receiver<Arc<Event>>) {
    let (mut reader, mut writer) = client.into_split();
    // A client has nothing to say any more: what comes from it is its end.
    let mut nothing = [0; 64];
    loop {
        let mut lines = Vec::new();
        let first = tokio::select! {
            first = live.recv() => first,
            read = reader.read(&mut nothing) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) => continue,
            },
        };
        let mut is_last = match first {
            Ok(event) => {
                lines.extend(line(&event));
                event.event == Kind::Leaving
            }
            Err(RecvError::Lagged(count)) => {
                lines.extend(line(&lost(count)));
                false
            }
            Err(RecvError::Closed) => return,
        };
        while !is_last && lines.len() < CHUNK {
            match live.try_recv() {
                Ok(event) => {
                    lines.extend(line(&event));
                    is_last = event.event == Kind::Leaving;
                }
                Err(TryRecvError::Lagged(count)) => lines.extend(line(&lost(count))),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if writer.write_all(&lines).await.is_err() || is_last {
            return;
        }
    }
}

fn lost(count: u64) -> Event {
    let text = format!("{count} events were lost: this follower did not read");
    Event::new(Kind::Lost, Level::Warning, text).count(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt, BufReader};

    fn event(text: &str) -> Event {
        Event::new(Kind::Log, Level::Info, text)
    }

    fn read(line: &str) -> Event {
        serde_json::from_str(line).unwrap()
    }

    #[tokio::test]
    async fn who_begins_to_follow_misses_nothing_and_gets_nothing_twice() {
        let hub = Hub::default();
        for n in 0..PAST + 3 {
            hub.tell(event(&n.to_string()));
        }
        let (past, mut live) = hub.follow(2);
        let seen: Vec<u64> = past.iter().map(|event| event.seq).collect();
        assert_eq!(seen, [PAST as u64 + 2, PAST as u64 + 3]);
        hub.tell(event("new"));
        let next = live.recv().await.unwrap();
        assert_eq!((next.seq, next.text.as_str()), (PAST as u64 + 4, "new"));
        assert_eq!(hub.follow(usize::MAX).0.len(), PAST);
    }

    #[tokio::test]
    async fn who_does_not_read_holds_up_nobody_and_is_told_what_it_has_lost() {
        let hub = Arc::new(Hub::default());
        let (ours, its) = UnixStream::pair().unwrap();
        let (_, live) = hub.follow(0);
        let serving = tokio::spawn({
            let hub = Arc::clone(&hub);
            async move { hub.serve(ours, live).await }
        });
        let long = "x".repeat(1024);
        let all = 4 * ROOM;
        for n in 0..all {
            hub.tell(event(&long));
            if n % 64 == 0 {
                // The follower's task gets as far as it can.
                tokio::task::yield_now().await;
            }
        }
        hub.tell(Event::new(Kind::Leaving, Level::Info, "vip leaves"));
        let mut lines = BufReader::new(its).lines();
        let (mut got, mut lost, mut last) = (0, 0, None);
        while let Some(line) = lines.next_line().await.unwrap() {
            let event = read(&line);
            if event.event == Kind::Lost {
                lost += event.count.unwrap();
            } else {
                got += 1;
            }
            last = Some(event.event);
        }
        serving.await.unwrap();
        assert_eq!(last, Some(Kind::Leaving));
        assert!(lost > 0);
        assert_eq!(got + lost, all as u64 + 1);
    }

    #[tokio::test]
    async fn there_is_room_for_so_many_and_a_place_is_free_again_when_one_goes() {
        let hub = Arc::new(Hub::default());
        let mut clients = Vec::new();
        for _ in 0..=MOST_FOLLOWERS {
            let (ours, its) = UnixStream::pair().unwrap();
            let (_, live) = hub.follow(0);
            let hub = Arc::clone(&hub);
            let serving = tokio::spawn(async move { hub.serve(ours, live).await });
            tokio::task::yield_now().await;
            clients.push((its, serving));
        }
        let (its, serving) = clients.pop().unwrap();
        serving.await.unwrap();
        let mut said = BufReader::new(its).lines();
        let said = said.next_line().await.unwrap().unwrap();
        assert_eq!(read(&said).event, Kind::TurnedAway);
        let (its, serving) = clients.pop().unwrap();
        drop(its);
        serving.await.unwrap();
        assert_eq!(hub.places.available_permits(), 1);
    }
}
