//! The nginx pair of the recipe: the service goes on one node, and clients are served
//! by the other.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use vip::lab::pair::{ADDRESS_A, ADDRESS_B, ADDRESS_CLIENT, VIRTUAL};
use vip::lab::{Host, Lab, LabError, PATIENCE, Process, now};
use vip_common::time::MonoTime;

use super::directory;
use super::machine::{Machine, until};

const DISKS: [&str; 2] = ["/var/log/nginx", "/var/lib/nginx"];
/// A client gives up after this and asks again.
const IMPATIENCE: Duration = Duration::from_millis(500);

/// What is wrong with the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// All its processes are killed.
    Killed,
    /// It is told to end and closes its socket.
    Quit,
    /// It answers, and what it answers is that it cannot serve.
    Unfit,
    /// Its processes are stopped: connections are taken by the kernel and never answered.
    Hung,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Killed, Self::Quit, Self::Unfit, Self::Hung];

    /// What it is called in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Killed => "nginx killed",
            Self::Quit => "nginx stopped",
            Self::Unfit => "503 from /health",
            Self::Hung => "nginx hung",
        }
    }
}

/// Two nodes and a client. Dropped in this order.
pub struct Web {
    services: [Option<Process>; 2],
    vrrp: [Process; 2],
    /// `a`, which has the higher priority, and `b`.
    pub nodes: [Machine; 2],
    client: Host,
}

impl Web {
    /// Set up as the recipe says; `a` serves.
    ///
    /// # Errors
    /// With the words of the step that fails.
    pub fn start(program: &Path) -> Result<Self, LabError> {
        let lab = Lab::new()?;
        let nodes = [
            Machine::new(&lab, "a", ADDRESS_A, &DISKS)?,
            Machine::new(&lab, "b", ADDRESS_B, &DISKS)?,
        ];
        let client = lab.host("client", ADDRESS_CLIENT, 24)?;
        let recipe = directory().join("nginx");
        let vrrp = |machine: &Machine| {
            machine.shell(&format!(
                "cp -a /etc/nginx /run/etc-nginx\n\
                 mount -t tmpfs disk /etc/nginx\n\
                 cp -a /run/etc-nginx/. /etc/nginx\n\
                 rm -f /etc/nginx/sites-enabled/default\n\
                 cp {}/site.conf /etc/nginx/conf.d",
                recipe.display()
            ))?;
            let file = recipe.join(machine.host.name()).join("vip.conf");
            let (program, file) = (program.display().to_string(), file.display().to_string());
            machine.spawn(&[&program, "run", "-f", &file, "--runtime-dir", "/run/vip"])
        };
        let vrrp = [vrrp(&nodes[0])?, vrrp(&nodes[1])?];
        let services = [Some(nginx(&nodes[0])?), Some(nginx(&nodes[1])?)];
        let web = Self {
            services,
            vrrp,
            nodes,
            client,
        };
        web.served_by(0, PATIENCE)?;
        Ok(web)
    }

    /// The node that answers a new connection to the address, if one does.
    ///
    /// # Errors
    /// When the client's host is gone.
    pub fn ask(&self) -> Result<Option<String>, LabError> {
        self.client.run(|| get((VIRTUAL, 80).into()).ok())
    }

    /// Asks until a node answers; says when.
    ///
    /// # Errors
    /// When it does not in time.
    fn served_by(&self, which: usize, bound: Duration) -> Result<MonoTime, LabError> {
        let name = self.nodes[which].host.name();
        let end = now() + bound;
        while self.ask()?.as_deref() != Some(name) {
            if now() > end {
                return Err(LabError::TooLate {
                    what: format!("the client to be served by {name}\n{}", self.last_words()),
                    bound,
                });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(now())
    }

    /// Makes trouble on `a`, waits until `b` serves, ends it, and waits until `a`, which
    /// has the higher priority, serves again. Says how long clients went without.
    ///
    /// # Errors
    /// When the address does not move, or not back.
    pub fn go_through(&mut self, trouble: Trouble) -> Result<Duration, LabError> {
        self.served_by(0, PATIENCE)?;
        let struck = now();
        match trouble {
            Trouble::Killed => self.services[0] = None,
            Trouble::Quit => self.signal(Signal::SIGTERM),
            Trouble::Unfit => self.nodes[0].shell("touch /run/maintenance").map(drop)?,
            Trouble::Hung => self.signal(Signal::SIGSTOP),
        }
        let served = self.served_by(1, PATIENCE)?;
        match trouble {
            Trouble::Killed | Trouble::Quit => {
                self.services[0] = None;
                self.services[0] = Some(nginx(&self.nodes[0])?);
            }
            Trouble::Unfit => self.nodes[0].shell("rm /run/maintenance").map(drop)?,
            Trouble::Hung => self.signal(Signal::SIGCONT),
        }
        self.served_by(0, PATIENCE)?;
        Ok(served.since(struck))
    }

    /// What the daemons have said, for whoever looks for a cause.
    fn last_words(&self) -> String {
        let words = |vrrp: &Process| format!("{}{}", vrrp.stdout(), vrrp.stderr());
        let [a, b] = &self.vrrp;
        format!("a:\n{}b:\n{}", words(a), words(b))
    }

    fn signal(&self, signal: Signal) {
        if let Some(service) = &self.services[0] {
            service.signal(signal);
        }
    }

    /// Has nginx on `a` read its configuration again, so often, under a client that asks
    /// all the time. Says how many questions were not answered by `a`, of how many.
    ///
    /// # Errors
    /// When nginx refuses.
    pub fn reload(&self, times: usize) -> Result<(usize, usize), LabError> {
        self.served_by(0, PATIENCE)?;
        let (mut missed, mut asked) = (0, 0);
        for _ in 0..times {
            self.nodes[0].shell("nginx -s reload")?;
            let end = now() + Duration::from_millis(300);
            while now() < end {
                asked += 1;
                missed += usize::from(self.ask()?.as_deref() != Some(self.nodes[0].host.name()));
            }
        }
        Ok((missed, asked))
    }
}

/// nginx as a service manager starts it, once it listens.
fn nginx(machine: &Machine) -> Result<Process, LabError> {
    let service = machine.spawn(&["nginx", "-g", "daemon off;"])?;
    until("nginx to listen", PATIENCE, || {
        machine
            .host
            .run(|| get((Ipv4Addr::LOCALHOST, 80).into()).is_ok())
    })?;
    Ok(service)
}

/// The body of the page there; one new connection.
fn get(to: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&to, IMPATIENCE)?;
    stream.set_read_timeout(Some(IMPATIENCE))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let body = text
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.trim().to_owned());
    body.filter(|_| text.starts_with("HTTP/1.1 200 "))
        .ok_or_else(|| std::io::Error::other("no page"))
}
