//! The engine between queues, in the place of everybody else.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle, ThreadId};

use vip::config;
use vip::dataplane::{AddressNote, Ear, EarEvent, Left};
use vip::engine::class::Class;
use vip::engine::published::{Published, Snapshot};
use vip::engine::queue::{self, Wake, queue};
use vip::engine::{Command, Engine, LinkFacts, LinkNews, Links, Own, Report};
use vip::kernel::hands::{Attached, Outcome, Request, Spent, ToPeers};
use vip::plan::Plan;
use vip_common::layout::AddressKey;

use super::*;

/// The loopback device of a fresh namespace.
const LO: u32 = 1;

/// An ear that hears nothing and says which thread has closed it.
struct Deaf {
    wake: Wake,
    closed: Sender<ThreadId>,
}

impl Ear for Deaf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    fn drain(&mut self, _: &mut dyn FnMut(EarEvent<'_>)) -> Left {
        Left::Nothing
    }

    fn note_address(&mut self, _: AddressKey, _: AddressNote) {}
}

impl Drop for Deaf {
    fn drop(&mut self) {
        let _ = self.closed.send(thread::current().id());
    }
}

/// A running engine, and the other ends of its queues.
struct Driven {
    plan: Arc<Plan>,
    news: queue::Sender<LinkNews>,
    outcomes: queue::Sender<Outcome>,
    commands: queue::Sender<Command>,
    requests: queue::Receiver<Request>,
    woken: Wake,
    thread: JoinHandle<io::Result<()>>,
    _reports: queue::Receiver<Report>,
    closing: Sender<ThreadId>,
    closed: Receiver<ThreadId>,
}

impl Driven {
    fn start(text: &str) -> Self {
        let plan = Arc::new(Plan::new(&config::parse(text, "test").configuration));
        let (wake, woken, unheard) = (
            Wake::new().unwrap(),
            Wake::new().unwrap(),
            Wake::new().unwrap(),
        );
        let (news, news_out) = queue(16, &wake);
        let (outcomes, outcomes_out) = queue(16, &wake);
        let (commands, commands_out) = queue(16, &wake);
        let (hands, requests) = queue(16, &woken);
        let (reports, reports_out) = queue(16, &unheard);
        let slots = plan.routers.iter();
        let published = Published::new(slots.map(|router| Snapshot::new(router.priority())));
        let links = Links {
            wake,
            news: news_out,
            outcomes: outcomes_out,
            commands: commands_out,
            hands,
            reports,
        };
        let engine = Engine::new(Arc::clone(&plan), None, links, Arc::new(published)).unwrap();
        let (closing, closed) = channel();
        Self {
            plan,
            news,
            outcomes,
            commands,
            requests,
            woken,
            thread: thread::spawn(|| engine.run(Class::Ordinary)),
            _reports: reports_out,
            closing,
            closed,
        }
    }

    fn ear(&self) -> Box<dyn Ear> {
        Box::new(Deaf {
            wake: Wake::new().unwrap(),
            closed: self.closing.clone(),
        })
    }

    fn link(&mut self, link: Option<LinkFacts>) {
        assert!(self.news.send_patiently(LinkNews::Link { port: 0, link }));
    }

    fn is_told(&mut self, command: Command) {
        assert!(self.commands.send_patiently(command));
    }

    fn comes_out(&mut self, outcome: Outcome) {
        assert!(self.outcomes.send_patiently(outcome));
    }

    /// The next request that is the wanted one; what comes before is passed over.
    fn asked<T>(&mut self, what: &str, wanted: impl Fn(Request) -> Option<T>) -> T {
        let end = Instant::now() + SOON;
        loop {
            self.woken.clear();
            while let Some(request) = self.requests.receive() {
                if let Some(found) = wanted(request) {
                    return found;
                }
            }
            assert!(Instant::now() < end, "the engine has not asked for {what}");
            let mut fds = [PollFd::new(self.woken.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut fds, PollTimeout::from(100_u16));
        }
    }

    /// An ear comes back, and nobody has closed it.
    fn gives_an_ear_back(&mut self) {
        let ear = self.asked("an ear to be closed", |request| {
            if let Request::Close(Spent::Ear(ear)) = request {
                Some(ear)
            } else {
                None
            }
        });
        drop(ear);
        assert_eq!(self.closed.recv(), Ok(thread::current().id()));
    }

    fn gives_a_sender_back(&mut self) {
        self.asked("a sender to be closed", |request| {
            matches!(request, Request::Close(Spent::Sender(_))).then_some(())
        });
    }

    fn gives_the_way_to_peers_back(&mut self) {
        self.asked("the way to the peers to be closed", |request| {
            matches!(request, Request::Close(Spent::ToPeers(_))).then_some(())
        });
    }
}

fn facts() -> LinkFacts {
    LinkFacts {
        ifindex: LO,
        mac: MacAddr::ZERO,
        running: true,
        own: Own {
            v4: Some(Ipv4Addr::LOCALHOST),
            v6: None,
        },
        others: 0,
        forwards_v6: false,
    }
}

fn attached(sender: Option<FrameSender>, ear: Option<Box<dyn Ear>>) -> Outcome {
    let LinkFacts {
        ifindex,
        mac,
        own,
        others,
        ..
    } = facts();
    Outcome::Attached(Box::new(Attached {
        port: 0,
        ifindex,
        mac,
        own,
        others,
        sender,
        ear,
    }))
}

fn source(to_peers: ToPeers) -> Outcome {
    Outcome::Source {
        slot: 0,
        missing: false,
        to_peers,
    }
}

fn by_loopback() -> Option<FrameSender> {
    Some(FrameSender::open(LO).unwrap())
}

fn to_peers() -> ToPeers {
    ToPeers::Now(UnicastSender::open(Ipv4Addr::LOCALHOST.into(), 0).unwrap())
}

#[test]
fn it_closes_no_socket_itself() {
    alone(|| {
        ip("link set lo up");
        let mut engine = Driven::start(
            "vrrp_instance A {\ninterface lo\nvirtual_router_id 1\n\
             unicast_peer {\n127.0.0.2\n}\nvirtual_ipaddress {\n192.0.2.1/24\n}\n}\n",
        );
        engine.link(Some(facts()));
        engine.comes_out(attached(by_loopback(), Some(engine.ear())));
        // Another ear in its place, as a reload brings it.
        let ear = engine.ear();
        engine.comes_out(Outcome::Hears { port: 0, ear });
        engine.gives_an_ear_back();
        // The hands have opened another sender than the one that is there.
        engine.comes_out(attached(by_loopback(), None));
        engine.gives_a_sender_back();
        // One that is kept is none to be closed, one that is replaced is.
        engine.comes_out(source(to_peers()));
        engine.comes_out(source(ToPeers::AsBefore));
        engine.comes_out(source(to_peers()));
        engine.gives_the_way_to_peers_back();
        engine.comes_out(source(ToPeers::Nothing));
        engine.gives_the_way_to_peers_back();
        // The ear is not ours any more.
        engine.comes_out(Outcome::Deaf { port: 0 });
        engine.gives_an_ear_back();
        // The interface has gone, and what was under way for it comes too late.
        let ear = engine.ear();
        engine.comes_out(Outcome::Hears { port: 0, ear });
        engine.link(None);
        engine.gives_an_ear_back();
        engine.gives_a_sender_back();
        engine.comes_out(attached(by_loopback(), Some(engine.ear())));
        engine.gives_an_ear_back();
        engine.gives_a_sender_back();

        engine.is_told(Command::ShutDown);
        engine.asked("its end", |request| {
            matches!(request, Request::Stop).then_some(())
        });
        engine.thread.join().unwrap().unwrap();
        assert!(engine.closed.try_recv().is_err());
    });
}

#[test]
fn who_gives_the_role_up_asks_for_no_address_any_more() {
    alone(|| {
        ip("link set lo up");
        let text = |addresses: &str| {
            format!(
                "vrrp_instance A {{\ninterface lo\nvirtual_router_id 1\nversion 3\npriority 255\n\
                 advert_int 0.1\nvirtual_ipaddress {{\n{addresses}\n}}\n}}\n"
            )
        };
        let mut engine = Driven::start(&text("192.0.2.1/24"));
        engine.link(Some(facts()));
        engine.comes_out(attached(by_loopback(), Some(engine.ear())));
        let generation = engine.asked("its address", |request| {
            if let Request::Install { generation, .. } = request {
                Some(generation)
            } else {
                None
            }
        });
        engine.comes_out(Outcome::Installed {
            slot: 0,
            generation,
        });
        // A reload that adds one, right behind the order to leave: to announce it
        // would take the neighbours away from the successor.
        let more = config::parse(&text("192.0.2.1/24\n192.0.2.2/24"), "test");
        let other = engine.plan.after(&more.configuration, |_| false);
        engine.is_told(Command::Drain {
            slot: 0,
            force: true,
        });
        engine.is_told(Command::Adopt(Arc::new(other)));
        engine.asked("an end of its addresses", |request| {
            assert!(!matches!(request, Request::Install { .. }));
            matches!(request, Request::Remove { .. }).then_some(())
        });
        engine.is_told(Command::ShutDown);
        engine.thread.join().unwrap().unwrap();
    });
}
