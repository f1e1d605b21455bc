//! keepalived, asked what it makes of a file.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vip::config::reading::Reading;
use vip::config::{self, Instance, Loaded, Severity};
use vip::lab::{Host, Lab, PATIENCE};
use vip_tests::peer::keepalived_program;

use super::dump;
use super::facts::Facts;

/// The host's interfaces: those that the samples and the seed name, and those
/// that the traps and the generator use.
pub(super) const INTERFACES: [&str; 4] = ["eth0", "eth1", "eth2", "eth3"];

/// The host's own, where all files lie.
const DIRECTORY: &str = "/run";

/// The file as keepalived and we see it.
const FILE: &str = "/run/keepalived.conf";

/// `keepalived -t` takes some 20 ms, or does not end at all.
const LONGEST_TEST: Duration = Duration::from_secs(5);

/// What `keepalived -t` says by its exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// 0; or 6, for scripts without script security, and no word about a line.
    Good,
    /// 5, or 6 with more: it would start, and has something to say.
    Bad,
    /// Anything else: it would not start, or never ends.
    Refused,
}

/// What came of a daemon that was asked for its data.
pub(super) enum Dumped {
    /// What it says that it has read.
    Instances(Vec<Facts>),
    /// It has ended because of its configuration.
    Refused,
    /// It wants the kernel's load balancer, and this kernel has none.
    NoLoadBalancer,
}

/// A host with keepalived on it.
pub(super) struct Oracle {
    host: Host,
    // The other ends of the cables.
    _lab: Lab,
}

impl Oracle {
    pub(super) fn new() -> Result<Self> {
        let lab = Lab::new()?;
        let host = lab.host("oracle", Ipv4Addr::new(192, 168, 8, 1), 24)?;
        host.run(|| {
            for level in ["all", "default", "eth0"] {
                let path = format!("/proc/sys/net/ipv6/conf/{level}/disable_ipv6");
                if Path::new(&path).exists() {
                    fs::write(path, "0")?;
                }
            }
            std::io::Result::Ok(())
        })?
        .context("cannot switch IPv6 on")?;
        let mut lines = Vec::new();
        for (index, name) in INTERFACES.iter().chain(&["eth0.1"]).enumerate() {
            if index > 0 {
                lines.push(format!("link add {name} type veth peer name far{index}"));
                lines.push(format!("link set far{index} up"));
                lines.push(format!("link set {name} up"));
                lines.push(format!("addr add 192.168.{}.1/24 dev {name}", 8 + index));
            }
            lines.push(format!("addr add fe80::8:{index}/64 dev {name} nodad"));
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        host.ip(&lines)?;
        Ok(Self { host, _lab: lab })
    }

    /// Writes a file beside the configuration.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(self.host.write(&format!("{DIRECTORY}/{name}"), text)?)
    }

    /// `keepalived -t`, and what it wrote.
    pub(super) fn verdict(&self, text: &str) -> Result<(Verdict, String)> {
        self.host.write(FILE, text)?;
        let test = self.host.spawn([
            &*keepalived_program().to_string_lossy(),
            "--config-test",
            "--log-console",
            "--use-file",
            FILE,
        ])?;
        let ended = test.wait(LONGEST_TEST).map(|ended| ended.code);
        let said = test.stdout() + &test.stderr();
        let verdict = match ended {
            Ok(Some(0)) => Verdict::Good,
            Ok(Some(6)) if !said.contains("Line ") => Verdict::Good,
            Ok(Some(5 | 6)) => Verdict::Bad,
            Ok(_) | Err(_) => Verdict::Refused,
        };
        Ok((verdict, said))
    }

    /// A daemon, started for real, and what it says that it has read. The host is
    /// used up: interfaces and addresses are as the daemon has left them.
    pub(super) fn dump(self, text: &str) -> Result<Dumped> {
        self.host.write(FILE, text)?;
        let daemon = self.host.spawn([
            "env",
            "TMPDIR=/run",
            &*keepalived_program().to_string_lossy(),
            "--dont-fork",
            "--log-console",
            "--no-syslog",
            "--vrrp",
            "--use-file",
            FILE,
        ])?;
        let end = Instant::now() + PATIENCE;
        let mut asked = false;
        while Instant::now() < end {
            // Before its words are looked at, so that its last ones are seen.
            let running = daemon.is_running();
            if !running {
                daemon.wait(PATIENCE)?;
            }
            let lines = daemon.lines();
            let has = |words: &str| lines.iter().any(|line| line.text.contains(words));
            if has("keepalived has no configuration to run") {
                return Ok(Dumped::Instances(Vec::new()));
            }
            if has("Can't initialize ipvs") {
                return Ok(Dumped::NoLoadBalancer);
            }
            if !running {
                return Ok(Dumped::Refused);
            }
            if !asked && has("Startup complete") {
                // To the parent only: it passes the signal on, and a second one
                // would have the file written anew under our eyes.
                kill(Pid::from_raw(daemon.pid()), Signal::SIGUSR1)?;
                asked = true;
            }
            let read = self
                .host
                .run(|| fs::read_to_string("/run/keepalived.data"))?;
            // Written in pieces, in order.
            if let Some(dump) = read.ok().filter(|text| text.contains(dump::END)) {
                return dump::instances(&dump).map(Dumped::Instances);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!(
            "keepalived wrote no data dump; it said: {}{}",
            daemon.stdout(),
            daemon.stderr()
        )
    }

    /// Our own reading of the same file, at the same place.
    pub(super) fn ours(&self, text: &str) -> Result<Ours> {
        self.ours_as(text, None)
    }

    /// The same under a name, as with `vip run -i`.
    pub(super) fn ours_as(&self, text: &str, id: Option<&str>) -> Result<Ours> {
        self.host.write(FILE, text)?;
        let id = id.map(str::to_owned);
        let read = move || config::load_with(Path::new(FILE), Reading::of_host(id.as_deref()));
        Ok(Ours(self.host.run(read)??))
    }
}

/// What we make of a file.
pub(super) struct Ours(pub(super) Loaded);

impl Ours {
    pub(super) fn is_good(&self) -> bool {
        self.0.count(Severity::Error) == 0
    }

    /// Whether nothing is wrong but what is not built yet.
    pub(super) fn is_good_or_unbuilt(&self) -> bool {
        self.0.problems.iter().all(|problem| {
            problem.severity() != Severity::Error || problem.message().contains("not supported yet")
        })
    }

    /// The lines that we warn of or refuse; 0 stands for the whole file.
    pub(super) fn complaints(&self) -> BTreeSet<u32> {
        let problems = self.0.problems.iter();
        problems
            .filter(|problem| problem.severity() != Severity::Note)
            .map(|problem| problem.place().map_or(0, |place| place.line))
            .collect()
    }

    /// What we say, a line for each.
    pub(super) fn words(&self) -> impl Iterator<Item = String> {
        self.0.problems.iter().map(|problem| {
            let line = problem.place().map_or(0, |place| place.line);
            let severity = problem.severity();
            format!("  {line}: {severity:?}: {}\n", problem.message())
        })
    }

    /// What we have read.
    pub(super) fn instances(&self) -> &[Instance] {
        &self.0.configuration.instances
    }
}
