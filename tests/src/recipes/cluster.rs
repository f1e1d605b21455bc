//! The PostgreSQL pair of the recipe, with its files, and what can be done to it.

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use vip::lab::pair::{ADDRESS_A, ADDRESS_B, ADDRESS_CLIENT, VIRTUAL};
use vip::lab::{Host, Lab, LabError, PATIENCE, Process};

use super::directory;
use super::machine::{Machine, until};
use super::writer::{APP, TABLE};
use crate::peer::{Make, keepalived_program};

/// How long the pair may take to become a pair again once everything is mended.
const SETTLING: Duration = Duration::from_secs(60);
/// What a real machine has on its disk.
const DISKS: [&str; 3] = [
    "/var/lib/postgresql",
    "/etc/postgresql",
    "/var/log/postgresql",
];

/// What makes a port of the switch drop what the host sends: its address is not learnt.
const MUTE: &str = "locked on";
/// What keeps a port of the switch from sending anything to the host.
const DEAF: &str = "flood off mcast_flood off bcast_flood off";

/// One of the two nodes.
pub struct Node {
    /// Its machine.
    pub machine: Machine,
    keeper: Option<Process>,
    vrrp: Option<Process>,
}

/// Two nodes and a client.
pub struct Cluster {
    /// `a` and `b`.
    pub nodes: [Node; 2],
    /// Where the client is.
    pub client: Host,
    make: Make,
    program: PathBuf,
    /// For the ports of the switch.
    pub lab: Lab,
}

/// What is done to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// The postmaster is killed.
    PostgresKilled,
    /// All its processes are stopped: it takes connections and answers none.
    PostgresHung,
    /// All power gone, and the cable out; later it boots.
    HostCut,
    /// The same, and an operator lets the other node go on alone.
    HostCutAlone,
    /// `vip` is killed and leaves the address behind; later it is started again.
    VipKilled,
    /// `vip` is told to end; later it is started again.
    VipStopped,
    /// The cable is out, and the node sees it.
    LinkCut,
    /// Nothing passes in either direction, and the node does not see it.
    LinkDead,
    /// What the node sends is lost.
    LinkMute,
    /// What is sent to the node is lost.
    LinkDeaf,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::PostgresKilled,
        Self::PostgresHung,
        Self::HostCut,
        Self::HostCutAlone,
        Self::VipKilled,
        Self::VipStopped,
        Self::LinkCut,
        Self::LinkDead,
        Self::LinkMute,
        Self::LinkDeaf,
    ];

    /// What it is called in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PostgresKilled => "postgres killed",
            Self::PostgresHung => "postgres hung",
            Self::HostCut => "host cut",
            Self::HostCutAlone => "host cut, 'alone'",
            Self::VipKilled => "vip killed",
            Self::VipStopped => "vip stopped",
            Self::LinkCut => "link cut, seen",
            Self::LinkDead => "link cut, unseen",
            Self::LinkMute => "link cut outwards",
            Self::LinkDeaf => "link cut inwards",
        }
    }

    /// Whether the address moves. A node that is heard and does not hear keeps it:
    /// VRRP knows no better.
    #[must_use]
    pub fn moves(self) -> bool {
        self != Self::LinkDeaf
    }
}

impl Cluster {
    /// Set up as the recipe says, with `make` for the address; node `a` is the primary.
    ///
    /// # Errors
    /// With the words of the step that fails.
    pub fn start(program: PathBuf, make: Make) -> Result<Self, LabError> {
        let lab = Lab::new()?;
        let node = |name: &str, address| {
            Ok(Node {
                machine: Machine::new(&lab, name, address, &DISKS)?,
                keeper: None,
                vrrp: None,
            })
        };
        let mut cluster = Self {
            nodes: [node("a", ADDRESS_A)?, node("b", ADDRESS_B)?],
            client: lab.host("client", ADDRESS_CLIENT, 24)?,
            make,
            program,
            lab,
        };
        cluster.install()?;
        for which in [0, 1] {
            cluster.start_keeper(which)?;
        }
        let joined = || Ok(cluster.state(0)?.ends_with(" paired streaming"));
        until("the first copy to follow", SETTLING, joined)?;
        for which in [0, 1] {
            cluster.start_vrrp(which)?;
        }
        Ok(cluster)
    }

    fn install(&self) -> Result<(), LabError> {
        let recipe = directory().join("postgresql");
        let recipe = recipe.display();
        for node in &self.nodes {
            let name = node.machine.host.name();
            node.machine.shell(&format!(
                "chown postgres:postgres {}\n\
                 install -d -o postgres -g postgres /run/postgresql\n\
                 pg_createcluster 15 main -- --wal-segsize=1\n\
                 {recipe}/install {name}",
                DISKS.join(" ")
            ))?;
        }
        let [a, b] = &self.nodes;
        b.machine.shell("rm -r /var/lib/postgresql/15/main")?;
        a.machine.shell(&format!(
            "pg_ctlcluster 15 main start\n\
             cd /var/lib/postgresql\n\
             as() {{ setpriv --reuid postgres --regid postgres --init-groups \"$@\"; }}\n\
             as psql -q -v password=change-me -f {recipe}/setup.sql\n\
             export PGOPTIONS='-c synchronous_commit=local'\n\
             as psql -qc \"CREATE ROLE {APP} LOGIN PASSWORD '{APP}'\"\n\
             as psql -qc 'CREATE DATABASE {APP} OWNER {APP}'\n\
             export PGPASSWORD={APP}\n\
             psql -qc \"{TABLE}\" 'host=127.0.0.1 user={APP} dbname={APP}'"
        ))?;
        Ok(())
    }

    /// As the service manager does.
    fn start_keeper(&mut self, which: usize) -> Result<(), LabError> {
        let node = &mut self.nodes[which];
        node.keeper = Some(node.machine.spawn(&[
            "setpriv",
            "--reuid=postgres",
            "--regid=postgres",
            "--init-groups",
            "env",
            "HOME=/var/lib/postgresql",
            "/etc/postgresql/pair/keeper",
        ])?);
        Ok(())
    }

    /// As the service manager does.
    fn start_vrrp(&mut self, which: usize) -> Result<(), LabError> {
        let node = &mut self.nodes[which];
        let file = directory().join("postgresql");
        let file = file.join(node.machine.host.name()).join("vip.conf");
        let file = file.display().to_string();
        let program = self.program.display().to_string();
        let keepalived = keepalived_program().display().to_string();
        let argv: &[&str] = match self.make {
            Make::Keepalived => &[
                &keepalived,
                "--dont-fork",
                "--log-console",
                "--log-detail",
                "--no-syslog",
                "--vrrp",
                "--use-file",
                &file,
                "--pid",
                "/run/keepalived.pid",
                "--vrrp_pid",
                "/run/keepalived-vrrp.pid",
            ],
            Make::Vip | Make::Frr => &[
                &program,
                "run",
                "-i",
                "vip",
                "-f",
                &file,
                "--runtime-dir",
                "/run/vip",
            ],
        };
        node.vrrp = Some(node.machine.spawn(argv)?);
        Ok(())
    }

    /// What PostgreSQL on a node says of itself; empty when it does not answer.
    ///
    /// # Errors
    /// When the program that asks cannot be started.
    pub fn state(&self, which: usize) -> Result<String, LabError> {
        let machine = &self.nodes[which].machine;
        let asked = machine.output(&[
            "setpriv",
            "--reuid=postgres",
            "--regid=postgres",
            "--init-groups",
            "psql",
            "-XAtqd",
            "postgres",
            "-c",
            "SELECT pair.state()",
        ])?;
        Ok(asked.stdout.trim().to_owned())
    }

    /// Which node is the primary with the address, once the other one follows it and
    /// has none.
    ///
    /// # Errors
    /// When it does not become so.
    pub fn settled(&self) -> Result<usize, LabError> {
        let mut primary = 0;
        until("a primary with the address and a standby", SETTLING, || {
            let states = [self.state(0)?, self.state(1)?];
            let Some(found) = states
                .iter()
                .position(|state| state.starts_with("primary "))
            else {
                return Ok(false);
            };
            primary = found;
            let other = 1 - found;
            Ok(states[found].ends_with(" paired streaming")
                && states[other].starts_with("standby ")
                && states[other].ends_with(" paired streaming")
                && self.nodes[found].machine.host.has(VIRTUAL)?
                && !self.nodes[other].machine.host.has(VIRTUAL)?)
        })?;
        Ok(primary)
    }

    /// Something goes wrong on a node.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn strike(&mut self, fault: Fault, which: usize) -> Result<(), LabError> {
        let port = format!("p-{}", self.nodes[which].machine.host.name());
        let bridge = |words: &str| {
            self.lab
                .switch_ip(&[&format!("link set {port} type bridge_slave {words}")])
        };
        let node = &mut self.nodes[which];
        match fault {
            Fault::PostgresKilled => node
                .machine
                .shell("kill -KILL \"$(head -n 1 /var/lib/postgresql/15/main/postmaster.pid)\"")
                .map(drop),
            Fault::PostgresHung => node
                .machine
                .shell(
                    "pid=$(head -n 1 /var/lib/postgresql/15/main/postmaster.pid)\n\
                     kill -STOP $(ps -o pid= --ppid \"$pid\") \"$pid\"",
                )
                .map(drop),
            Fault::HostCut | Fault::HostCutAlone => {
                node.machine.power_off()?;
                (node.keeper, node.vrrp) = (None, None);
                Ok(())
            }
            Fault::VipKilled => {
                // Killed with all that it started.
                node.vrrp = None;
                Ok(())
            }
            Fault::VipStopped => {
                if let Some(vrrp) = node.vrrp.take() {
                    vrrp.signal(Signal::SIGTERM);
                    vrrp.wait(PATIENCE)?;
                }
                Ok(())
            }
            Fault::LinkCut => node.machine.host.cut(),
            Fault::LinkDead => bridge(&format!("learning off {MUTE} {DEAF} fdb_flush")),
            Fault::LinkMute => bridge(&format!("learning off {MUTE} fdb_flush")),
            Fault::LinkDeaf => bridge(&format!("learning off {DEAF} fdb_flush")),
        }
    }

    /// What went wrong is over.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn heal(&mut self, fault: Fault, which: usize) -> Result<(), LabError> {
        let port = format!("p-{}", self.nodes[which].machine.host.name());
        let bridge = |words: &str| {
            self.lab
                .switch_ip(&[&format!("link set {port} type bridge_slave {words}")])
        };
        let machine = &mut self.nodes[which].machine;
        match fault {
            Fault::PostgresKilled | Fault::PostgresHung => Ok(()),
            Fault::HostCut | Fault::HostCutAlone => {
                machine.power_on()?;
                machine.shell("install -d -o postgres -g postgres /run/postgresql")?;
                self.start_keeper(which)?;
                self.start_vrrp(which)
            }
            Fault::VipKilled | Fault::VipStopped => self.start_vrrp(which),
            Fault::LinkCut => machine.host.mend(),
            Fault::LinkDead | Fault::LinkMute | Fault::LinkDeaf => {
                bridge("locked off flood on mcast_flood on bcast_flood on learning on")
            }
        }
    }

    /// The operator's word on the node that is left.
    ///
    /// # Errors
    /// When it is refused.
    pub fn alone(&self, which: usize) -> Result<(), LabError> {
        self.nodes[which]
            .machine
            .shell(
                "setpriv --reuid=postgres --regid=postgres --init-groups \
                 /etc/postgresql/pair/alone",
            )
            .map(drop)
    }

    /// All rows whose writer's name ends so, by writer and number.
    ///
    /// # Errors
    /// When the address is not served.
    pub fn rows(&self, ending: &str) -> Result<Vec<(String, u64)>, LabError> {
        let query = format!("SELECT writer, number FROM rows WHERE writer LIKE '%{ending}'");
        let to = format!("postgresql://{APP}:{APP}@{VIRTUAL}/{APP}");
        let found = self
            .client
            .output(["psql", "-XAtq", "-F", " ", "-c", &query, &to])?
            .success()?;
        Ok(found
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(writer, number)| Some((writer.to_owned(), number.parse().ok()?)))
            .collect())
    }

    /// The last words of all daemons, for whoever looks for a cause.
    #[must_use]
    pub fn last_words(&self) -> String {
        let mut text = String::new();
        for node in &self.nodes {
            for process in [&node.keeper, &node.vrrp].into_iter().flatten() {
                let lines = process.lines();
                for line in lines.iter().rev().take(40).rev() {
                    let at = line.stamp.since(vip_common::time::MonoTime::ZERO);
                    let name = node.machine.host.name();
                    text.push_str(&format!("{name} {:.3} {}\n", at.as_secs_f64(), line.text));
                }
            }
        }
        text
    }
}
