//! Who is measured, and the protocol's times.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use vip::lab::pair::version_3;
use vip::lab::{Host, LabError, Process};
use vip_common::ids::Priority;
use vip_common::time::Centis;
use vip_tests::peer::{choose_keepalived, keepalived_program, keepalived_says};

use crate::document::Subject;

/// Of the master.
pub(crate) const PRIORITY_A: u8 = 150;
/// Of the backup.
pub(crate) const PRIORITY_B: u8 = 90;
/// Real-time priority for keepalived; `vip` takes the same.
const REAL_TIME_PRIORITY: u8 = 80;

/// For how many microseconds keepalived may run without a pause in that class. Its
/// own 10 ms get it killed as soon as it has much to do.
const REAL_TIME_LIMIT: u32 = 1_000_000;

const FILE: &str = "/run/bench.conf";

/// Who takes part.
#[derive(Args, Clone)]
pub(crate) struct Who {
    /// The vip to measure [default: the one built beside this program]
    #[arg(long, value_name = "FILE")]
    vip: Option<PathBuf>,
    /// One more vip, such as that of before a change
    #[arg(long, value_name = "FILE")]
    beside: Option<PathBuf>,
    /// Without keepalived, for a look at a change alone
    #[arg(long)]
    without_keepalived: bool,
    /// Besides, keepalived without its real-time options
    #[arg(long, conflicts_with = "without_keepalived")]
    plain_keepalived: bool,
    /// The keepalived to measure beside it [default: the host's own]
    #[arg(long, value_name = "FILE", env = "KEEPALIVED_PROGRAM")]
    keepalived: Option<PathBuf>,
}

impl Who {
    /// As it is typed.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let mut words = Vec::new();
        let named = [
            ("--vip", &self.vip),
            ("--beside", &self.beside),
            ("--keepalived", &self.keepalived),
        ];
        for (name, path) in named {
            if let Some(path) = path {
                words.push(name.into());
                words.push(path.clone().into());
            }
        }
        let flags = [
            ("--without-keepalived", self.without_keepalived),
            ("--plain-keepalived", self.plain_keepalived),
        ];
        let set = flags.into_iter().filter(|(_, set)| *set);
        words.extend(set.map(|(name, _)| name.into()));
        words
    }
}

/// An advertisement interval, and what follows from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Scale(Centis);

impl Scale {
    /// From `10ms` or `1s`.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let span = humantime::parse_duration(text).map_err(|error| error.to_string())?;
        let centis = u16::try_from(span.as_millis() / 10)
            .ok()
            .and_then(Centis::new)
            .filter(|centis| centis.span() == span && *centis <= Centis::V3_MAX);
        centis
            .map(Self)
            .ok_or_else(|| "10ms to 40s, in steps of 10ms".into())
    }

    pub(crate) fn centis(self) -> Centis {
        self.0
    }

    pub(crate) fn interval(self) -> Duration {
        self.0.span()
    }

    /// Skew_Time of a backup with [`PRIORITY_B`], after RFC 9568 section 6.1 and
    /// on purpose not by the product's own code.
    pub(crate) fn skew(self) -> Duration {
        self.interval() * (256 - u32::from(PRIORITY_B)) / 256
    }

    /// Its Active_Down_Interval.
    pub(crate) fn down_interval(self) -> Duration {
        3 * self.interval() + self.skew()
    }
}

/// Who is measured.
#[derive(Clone)]
pub(crate) enum Contender {
    /// A build of `vip`, with the log that it always writes.
    Vip {
        /// What it is called here.
        label: &'static str,
        /// Where it lies.
        program: PathBuf,
    },
    /// keepalived with no log at all: what it writes costs it time.
    Keepalived {
        /// Whether it is given FIFO priority and locked memory.
        real_time: bool,
    },
}

impl Contender {
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Vip { label, .. } => label,
            Self::Keepalived { real_time: true } => "keepalived",
            Self::Keepalived { real_time: false } => "keepalived-plain",
        }
    }

    pub(crate) fn is_vip(&self) -> bool {
        matches!(self, Self::Vip { .. })
    }

    /// Its name and what it says of itself.
    pub(crate) fn subject(&self) -> Subject {
        Subject {
            name: self.label().to_owned(),
            version: self.version(),
        }
    }

    pub(crate) fn version(&self) -> String {
        let Self::Vip { program, .. } = self else {
            return keepalived_says();
        };
        let asked = Command::new(program).arg("--version").output();
        let said = asked.map(|output| [output.stdout, output.stderr].concat());
        let said = String::from_utf8_lossy(&said.unwrap_or_default()).into_owned();
        said.lines().next().unwrap_or("unknown").trim().to_owned()
    }

    /// Starts it on a host; not everything is up when this returns.
    pub(crate) fn start(
        &self,
        host: &Host,
        priority: u8,
        scale: Scale,
    ) -> Result<Process, LabError> {
        self.start_with(host, "", &version_3(Priority::from_wire(priority), scale.0))
    }

    /// Starts it with what the file says; `globals` are lines for `global_defs`.
    pub(crate) fn start_with(
        &self,
        host: &Host,
        globals: &str,
        file: &str,
    ) -> Result<Process, LabError> {
        let defined = |lines: &str| format!("global_defs {{\n{lines}}}\n");
        match self {
            Self::Vip { program, .. } => {
                host.write(FILE, &(defined(globals) + file))?;
                let program = program.to_string_lossy();
                host.spawn([&program, "run", "--file", FILE, "--runtime-dir", "/run/vip"])
            }
            Self::Keepalived { real_time } => {
                let options = if *real_time {
                    format!(
                        "    vrrp_rt_priority {REAL_TIME_PRIORITY}\n    vrrp_no_swap\n    \
                         vrrp_rlimit_rttime {REAL_TIME_LIMIT}\n"
                    )
                } else {
                    String::new()
                };
                host.write(FILE, &(defined(&(options + globals)) + file))?;
                host.spawn([
                    &*keepalived_program().to_string_lossy(),
                    "--dont-fork",
                    "--no-syslog",
                    "--vrrp",
                    "--use-file",
                    FILE,
                ])
            }
        }
    }
}

/// Everybody who takes part, `vip` first.
pub(crate) fn contenders(who: &Who) -> Result<Vec<Contender>> {
    let built = || -> Result<PathBuf> {
        let own = std::env::current_exe().context("cannot find this program's own file")?;
        Ok(own.with_file_name("vip"))
    };
    let vip = |label, path: &Path| {
        if path.is_file() {
            Ok(Contender::Vip {
                label,
                program: path.to_owned(),
            })
        } else {
            bail!("there is no vip at {}; name one with --vip", path.display())
        }
    };
    if let Some(keepalived) = &who.keepalived {
        choose_keepalived(keepalived.clone());
    }
    let mut all = vec![vip("vip", &who.vip.clone().map_or_else(built, Ok)?)?];
    if let Some(beside) = &who.beside {
        all.push(vip("vip-beside", beside)?);
    }
    if !who.without_keepalived {
        all.push(Contender::Keepalived { real_time: true });
    }
    if who.plain_keepalived {
        all.push(Contender::Keepalived { real_time: false });
    }
    Ok(all)
}

pub(crate) fn last_words(daemon: &Process) -> String {
    let said = daemon.stderr();
    let last = said.lines().last().unwrap_or("nothing");
    format!("the daemon's last words: {last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_whole_centiseconds() {
        assert_eq!(
            Scale::read("10ms").unwrap().interval(),
            Duration::from_millis(10)
        );
        assert_eq!(
            Scale::read("1s").unwrap().interval(),
            Duration::from_secs(1)
        );
        for wrong in ["0ms", "15ms", "1", "41s", "-1s"] {
            assert!(Scale::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_skew_is_never_cut_to_centiseconds() {
        // 10 ms x 166 / 256
        let scale = Scale::read("10ms").unwrap();
        assert_eq!(scale.skew(), Duration::from_nanos(6_484_375));
        assert_eq!(scale.down_interval(), Duration::from_nanos(36_484_375));
    }
}
