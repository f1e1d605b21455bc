//! Routers of this host that do not read what they are sent. The kernel only counts what
//! their sockets had no room for, not whose it was.

use vip_common::time::MonoTime;

use super::{Book, Direction, Key, News, Place, What};
use crate::trace::Overflow;

const FULL: &str = "the receive buffer of a socket is full: whoever listens does not read";
const FULL_FOR_SOME: &str = "the receive buffer of a socket is full: whoever listens does not \
read; whether it was this sender's or another's on this interface is not counted";

impl Book {
    /// What was found when full sockets were looked for, each time.
    pub fn hear_overflows(&mut self, now: MonoTime, overflows: &[Overflow]) -> Vec<News> {
        let mut fresh: Vec<(Key, u64)> = Vec::new();
        for (key, flow) in &mut self.flows {
            let come = flow.figures.adverts - flow.counted.min(flow.figures.adverts);
            flow.counted = flow.figures.adverts;
            if key.direction == Direction::In && come > 0 {
                fresh.push((*key, come));
            }
        }
        let mut news = Vec::new();
        for one in overflows {
            let heard =
                |(key, _): &&(Key, u64)| (key.ifindex, key.is_v6) == (one.ifindex, one.is_v6);
            let of_it: Vec<_> = fresh.iter().filter(heard).copied().collect();
            let all: u64 = of_it.iter().map(|(_, come)| come).sum();
            let lost: Vec<(Key, u64, &str)> = match &of_it[..] {
                [(key, _)] => vec![(*key, one.count, FULL)],
                several if all <= one.count => {
                    let whole = several.iter().map(|(key, come)| (*key, *come, FULL));
                    whole.collect()
                }
                [(key, _), ..] => vec![(*key, one.count, FULL_FOR_SOME)],
                [] => Vec::new(),
            };
            for (key, count, words) in lost {
                let place = Place::Host {
                    reason: "receive_buffer",
                    kernel_reason: "drops of /proc/net/raw".into(),
                    function: None,
                    words,
                    harmless: None,
                };
                if let Some(flow) = self.flows.get_mut(&key) {
                    flow.figures.lose(place.label(), count);
                }
                let what = What::Lost {
                    count,
                    ident: None,
                    place,
                };
                news.push(self.news(now, &key, what));
            }
        }
        news
    }
}
