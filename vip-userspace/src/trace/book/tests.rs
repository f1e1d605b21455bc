use std::net::Ipv4Addr;

use vip_common::ids::{MacAddr, Vrid};
use vip_common::reject::RejectReason;

use super::*;
use crate::trace::Overflow;

const MS: u64 = 1_000_000;
const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 8, 4));
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 8, 6));

/// Adverts each 100 ms on `eth0` of a host that has the address of B.
struct Scene {
    book: Book,
    told: Vec<News>,
}

impl Scene {
    fn new() -> Self {
        Self::on(Kernel::with_reasons(&[
            (6, "SOCKET_RCVBUFF"),
            (12, "NETFILTER_DROP"),
            (5, "SOCKET_FILTER"),
            (72, "XDP"),
        ]))
    }

    fn on(kernel: Kernel) -> Self {
        let mut book = Book::new(kernel, Book::WORST);
        book.note_interfaces(&[Interface {
            name: "eth0".into(),
            index: 2,
            running: true,
            addresses: vec![B],
        }]);
        book.note_listener(true);
        Self {
            book,
            told: Vec::new(),
        }
    }

    fn sight(ms: u64, kind: SightKind, reason: u32) -> Sight {
        Sight {
            stamp: MonoTime::from_nanos(ms * MS),
            kind,
            ifindex: 2,
            location: 0,
            reason,
            frame_len: 0,
            frame: Vec::new(),
        }
    }

    fn advert(source: IpAddr, ident: Option<u16>) -> Advert {
        Advert {
            mac: MacAddr::ZERO,
            source,
            destination: IpAddr::from([224, 0, 0, 18]),
            ttl: 255,
            ident,
            vrid: Vrid::new(51).unwrap(),
            version: 3,
            priority: Priority::DEFAULT,
            interval: Centis::new(10),
            addresses: Vec::new(),
            verdict: Ok(()),
        }
    }

    fn see(&mut self, ms: u64, kind: SightKind, reason: u32, advert: &Advert) {
        let news = self.book.see(&Self::sight(ms, kind, reason), advert);
        self.told.extend(news);
    }

    fn comes(&mut self, ms: u64, ident: u16) {
        let advert = Self::advert(A, Some(ident));
        self.see(ms, SightKind::In, 0, &advert);
    }

    /// Ten in time, the last at 1000 ms with the number 10.
    fn steady() -> Self {
        let mut scene = Self::new();
        for number in 1..=10 {
            scene.comes(u64::from(number) * 100, number);
        }
        assert!(scene.troubles().is_empty(), "{:?}", scene.told);
        scene
    }

    /// What was told but adverts, as count and label or another word, since the last
    /// call.
    fn troubles(&mut self) -> Vec<(u64, String)> {
        let told = std::mem::take(&mut self.told);
        let told = told.into_iter().filter_map(|news| match news.what {
            What::Advert(_) => None,
            What::Missing { count, place, .. } | What::Lost { count, place, .. } => {
                Some((count, place.label()))
            }
            What::Silent { .. } => Some((0, "silent".into())),
            What::Yielded { .. } => Some((0, "yielded".into())),
            What::Resigned => Some((0, "resigned".into())),
            What::TwoMasters { .. } => Some((0, "two".into())),
        });
        told.collect()
    }
}

fn one(count: u64, label: &str) -> Vec<(u64, String)> {
    vec![(count, label.into())]
}

#[test]
fn a_gap_without_a_skip_is_the_senders() {
    let mut scene = Scene::steady();
    scene.comes(1400, 11);
    assert_eq!(scene.troubles(), one(3, "sender"));
    let (_, flow) = scene.book.flows().next().unwrap();
    let closest = flow.figures.closest.unwrap();
    // 3 * 100 ms and 2/256 of 100 ms, less 400 ms.
    assert_eq!(closest.margin, 300_781_250 - 400_000_000);
}

/// A socket that was full: of one sender it is his, of several only where it is all of
/// them.
#[test]
fn what_a_full_socket_had_no_room_for() {
    let overflow = |count| Overflow {
        ifindex: 2,
        is_v6: false,
        count,
    };
    let mut scene = Scene::steady();
    let hear = |scene: &mut Scene, ms: u64, count| {
        let all: Vec<_> = (count > 0).then(|| overflow(count)).into_iter().collect();
        let news = scene
            .book
            .hear_overflows(MonoTime::from_nanos(ms * MS), &all);
        let words = |news: &News| {
            let What::Lost { count, place, .. } = &news.what else {
                panic!("{news:?}");
            };
            let Place::Host { words, .. } = place else {
                panic!("{news:?}");
            };
            (*count, news.who.source, words.contains("not counted"))
        };
        news.iter().map(words).collect::<Vec<_>>()
    };
    assert_eq!(hear(&mut scene, 1010, 0), []);
    scene.comes(1100, 11);
    scene.comes(1200, 12);
    assert_eq!(hear(&mut scene, 1210, 1), [(1, A, false)]);
    assert_eq!(hear(&mut scene, 1220, 1), [], "nobody was heard meanwhile");
    scene.comes(1300, 13);
    let other = Scene::advert(B, Some(1));
    scene.see(1301, SightKind::In, 0, &other);
    assert_eq!(hear(&mut scene, 1310, 2), [(1, A, false), (1, B, false)]);
    scene.comes(1400, 14);
    scene.see(1401, SightKind::In, 0, &Scene::advert(B, Some(2)));
    assert_eq!(hear(&mut scene, 1410, 1), [(1, A, true)]);
    let (_, flow) = scene.book.flows().next().unwrap();
    assert_eq!(flow.figures.losses.get("host_receive_buffer"), Some(&3));
}

#[test]
fn a_skip_was_lost_before_the_nic() {
    let mut scene = Scene::steady();
    scene.comes(1300, 13);
    assert_eq!(scene.troubles(), one(2, "before_nic"));
    // Both at once: two lost, and the third late.
    scene.comes(1900, 16);
    assert_eq!(
        scene.troubles(),
        [(2, "before_nic".into()), (3, "sender".into())]
    );
}

#[test]
fn a_little_late_is_no_trouble() {
    let mut scene = Scene::steady();
    scene.comes(1140, 11);
    scene.comes(1200, 12);
    assert_eq!(scene.troubles(), []);
}

#[test]
fn before_the_habit_is_known_and_without_one_nothing_is_guessed() {
    let mut scene = Scene::new();
    scene.comes(100, 1);
    scene.comes(400, 4);
    assert_eq!(scene.troubles(), one(2, "unknown"));
    let mut zero = Scene::new();
    for number in 1..=10 {
        zero.comes(number * 100, 0);
    }
    zero.comes(1300, 0);
    assert_eq!(zero.troubles(), one(2, "unknown"));
    let mut anew = Scene::steady();
    anew.comes(2000, 1);
    assert_eq!(anew.troubles(), one(9, "unknown"));
}

#[test]
fn what_this_host_sends_late_is_known_without_numbers() {
    let mut scene = Scene::new();
    let advert = Scene::advert(B, None);
    for number in 1..=5 {
        scene.see(number * 100, SightKind::Direct, 0, &advert);
    }
    scene.see(1000, SightKind::Direct, 0, &advert);
    assert_eq!(scene.troubles(), one(4, "sender"));
}

#[test]
fn a_drop_behind_the_hook_is_told_and_leaves_no_gap() {
    let mut scene = Scene::steady();
    scene.comes(1100, 11);
    let dropped = Scene::advert(A, Some(11));
    scene.see(1100, SightKind::Dropped, 12, &dropped);
    assert_eq!(scene.troubles(), one(1, "host_netfilter"));
    scene.comes(1200, 12);
    assert_eq!(scene.troubles(), []);
}

#[test]
fn a_drop_before_the_hook_explains_the_skip() {
    let mut scene = Scene::steady();
    scene.see(1100, SightKind::Dropped, 72, &Scene::advert(A, Some(11)));
    assert_eq!(scene.troubles(), one(1, "host_xdp"));
    scene.comes(1200, 12);
    assert_eq!(scene.troubles(), []);
}

#[test]
fn a_copy_that_nobody_misses_is_told_once_and_is_no_loss() {
    let mut scene = Scene::steady();
    for number in 11..15 {
        scene.comes(u64::from(number) * 100, number);
        let copy = Scene::advert(A, Some(number));
        scene.see(u64::from(number) * 100, SightKind::Dropped, 5, &copy);
    }
    assert_eq!(scene.troubles(), one(1, "host_socket_filter"));
    let (_, flow) = scene.book.flows().next().unwrap();
    assert!(flow.figures.losses.is_empty());
    assert_eq!(flow.figures.harmless.get("socket_filter"), Some(&4));
}

#[test]
fn without_a_router_on_this_host_nobody_misses_what_it_drops() {
    let mut scene = Scene::steady();
    scene.book.note_listener(false);
    for number in 11..13 {
        scene.comes(u64::from(number) * 100, number);
        let dropped = Scene::advert(A, Some(number));
        scene.see(u64::from(number) * 100, SightKind::Dropped, 12, &dropped);
    }
    assert_eq!(scene.troubles(), one(1, "host_netfilter"));
    let (_, flow) = scene.book.flows().next().unwrap();
    assert!(flow.figures.losses.is_empty());
}

#[test]
fn an_invalid_advert_moves_nothing_and_is_accounted_for() {
    let mut scene = Scene::steady();
    let mut wrong = Scene::advert(A, Some(11));
    wrong.verdict = Err(RejectReason::Checksum);
    scene.see(1100, SightKind::In, 0, &wrong);
    assert_eq!(scene.troubles(), one(1, "invalid_checksum"));
    scene.comes(1200, 12);
    assert_eq!(scene.troubles(), []);
    let (_, flow) = scene.book.flows().next().unwrap();
    assert_eq!(flow.figures.longest, Some(200 * MS));
}

#[test]
fn the_same_packet_again_is_no_advert() {
    let mut scene = Scene::steady();
    scene.comes(1001, 10);
    scene.comes(1100, 11);
    assert_eq!(scene.troubles(), []);
    let (_, flow) = scene.book.flows().next().unwrap();
    assert_eq!(
        (flow.figures.adverts, flow.figures.shortest),
        (11, Some(100 * MS))
    );
}

#[test]
fn silence_is_told_once_at_the_deadline() {
    let mut scene = Scene::steady();
    let due = scene.book.next_due().unwrap();
    assert_eq!(due, MonoTime::from_nanos(1_300_781_250));
    assert!(scene.book.tick(due).is_empty());
    let later = due + Duration::from_nanos(1);
    scene.told = scene.book.tick(later);
    assert_eq!(scene.troubles(), one(0, "silent"));
    assert!(scene.book.tick(later).is_empty());
    assert_eq!(scene.book.next_due(), None);
    scene.told = scene.book.end(MonoTime::from_nanos(2000 * MS));
    assert_eq!(scene.troubles(), one(9, "unknown"));
}

#[test]
fn silence_on_a_link_that_is_down_has_its_place() {
    let mut scene = Scene::steady();
    scene.book.note_interfaces(&[]);
    scene.told = scene.book.end(MonoTime::from_nanos(1500 * MS));
    assert_eq!(scene.troubles(), one(4, "link_down"));
}

#[test]
fn who_has_left_or_given_way_is_not_missed() {
    let mut scene = Scene::steady();
    let mut resign = Scene::advert(A, Some(11));
    resign.priority = Priority::RESIGN;
    scene.see(1050, SightKind::In, 0, &resign);
    assert_eq!(scene.troubles(), one(0, "resigned"));
    assert_eq!(scene.book.next_due(), None);
    scene.comes(9000, 12);
    assert_eq!(scene.troubles(), []);

    let mut scene = Scene::steady();
    for number in 1..=5 {
        let mut heir = Scene::advert(B, Some(number));
        heir.priority = Priority::from_wire(200);
        scene.see(1000 + u64::from(number) * 100, SightKind::Out, 0, &heir);
    }
    scene.told = scene.book.tick(MonoTime::from_nanos(1510 * MS));
    assert_eq!(scene.troubles(), one(0, "yielded"));
}

#[test]
fn two_masters_are_told_once() {
    let mut scene = Scene::steady();
    for number in 1..=5_u16 {
        let at = 1000 + u64::from(number) * 100;
        scene.see(at - 50, SightKind::Out, 0, &Scene::advert(B, Some(number)));
        scene.comes(at, number + 10);
    }
    let two: Vec<_> = scene.troubles();
    // Each of the two has the other.
    assert_eq!(two, [(0, "two".into()), (0, "two".into())]);
}

#[test]
fn forged_senders_do_not_fill_the_memory() {
    let mut scene = Scene::new();
    for number in 0..5000_u32 {
        let source = IpAddr::from(number.to_be_bytes());
        scene.see(1, SightKind::In, 0, &Scene::advert(source, Some(1)));
    }
    assert_eq!(scene.book.flows().count(), MOST_FLOWS);
    assert_eq!(scene.book.unfollowed(), 5000 - MOST_FLOWS as u64);
}
