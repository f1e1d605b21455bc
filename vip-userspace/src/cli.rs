//! The command line. Other programs rely on it: names only ever come in
//! addition.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand};

use vip_common::ids::Vrid;
use vip_common::time::Centis;

use crate::command::demo::DemoArgs;
use crate::command::init::wish::{Interface, Moving, interval, name};
use crate::command::top::TopArgs;
use crate::command::trace::TraceArgs;
use crate::dataplane::{STUB, Wanted};

/// Where a daemon keeps its lock, its socket and the list of what it installed.
pub const RUNTIME_DIR: &str = "/run/vip";

/// The same of one that only compares, which disturbs no other.
pub const SHADOW_DIR: &str = "/run/vip-shadow";

const VERSION: &str = if STUB {
    concat!(env!("CARGO_PKG_VERSION"), "\nNIC program: absent (stub)")
} else {
    concat!(env!("CARGO_PKG_VERSION"), "\nNIC program: built in")
};

/// An address that never falls: VRRP failover on packets stamped at the NIC.
#[derive(Parser, Debug)]
#[command(name = "vip", version = VERSION, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed while running, 2 usage, 3 the answer is no, 4 configuration,
5 the host cannot, 6 no daemon answers, 7 already running or somebody else's VRID here,
8 two claimants.";

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run in the foreground, log on standard error; SIGTERM leaves gracefully
    Run(RunArgs),
    /// Check configuration files: every problem with its place
    Check(CheckArgs),
    /// What a word of the configuration means, and what becomes of it
    Explain(ExplainArgs),
    /// Print the configuration as it holds, each value with where it came from
    Config(ConfigArgs),
    /// Write the configurations of two nodes, from options or a few questions
    Init(InitArgs),
    /// Ask a running daemon how it is
    Status(StatusArgs),
    /// Why an instance changed its state: what was seen, what was missing, what was decided
    Why(WhyArgs),
    /// Show all instances of a running daemon from moment to moment
    Top(TopArgs),
    /// Which host of the LAN has an address: asks and listens; needs no daemon and no
    /// configuration
    Who(WhoArgs),
    /// Have a running daemon read its configuration again and apply it, as SIGHUP does
    Reload(ReloadArgs),
    /// Hand instances over to another node and stay out; their addresses serve until it has them
    Drain(DrainArgs),
    /// Take part again in what was drained
    Undrain(UndrainArgs),
    /// Become MASTER of an instance, whatever the priorities say
    Take(TakeArgs),
    /// Let the configured priority of an instance decide again
    Untake(UntakeArgs),
    /// Remove what a dead daemon left; nothing while one runs
    Release(ReleaseArgs),
    /// Show adverts as they pass, and where those are lost that do not; needs no daemon
    Trace(TraceArgs),
    /// Show a failover on real packets, between hosts made of namespaces
    Demo(DemoArgs),
}

/// Arguments of `vip run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Configuration [default: /etc/vip/vip.conf, else /etc/keepalived/keepalived.conf]
    #[arg(short, long, value_name = "FILE", env = "VIP_FILE")]
    pub file: Option<PathBuf>,
    /// Read lines for hosts (`@ID`) as the host with this id does [default: the host's name up
    /// to its first dot]
    #[arg(
        short,
        long = "id",
        alias = "config-id",
        value_name = "ID",
        env = "VIP_CONFIG_ID"
    )]
    pub id: Option<String>,
    /// How adverts are taken off the wire
    #[arg(long, value_name = "RUNG", env = "VIP_XDP", default_value = "auto")]
    pub xdp: Wanted,
    /// Send nothing, change nothing, run no notify script: elect beside the keepalived that runs
    /// here, with its file, and tell of each decision that it makes differently. Ends with exit
    /// code 3 if there was one. By a packet socket, in /run/vip-shadow; checks are made
    #[arg(long, conflicts_with_all = ["metrics", "metrics_file"])]
    pub shadow: bool,
    /// Directory of this daemon, so that several run on one host
    #[arg(long, value_name = "DIR", env = "VIP_RUNTIME_DIR", default_value = RUNTIME_DIR,
        default_value_if("shadow", "true", SHADOW_DIR))]
    pub runtime_dir: PathBuf,
    /// Answer HTTP for metrics there, like 127.0.0.1:9650 or [::1]:9650; whoever reaches it may
    /// read them [default: not at all]
    #[arg(long, value_name = "ADDRESS:PORT", env = "VIP_METRICS")]
    pub metrics: Option<SocketAddr>,
    /// Write metrics into this file, for the node exporter's textfile collector (*.prom)
    #[arg(long, value_name = "FILE", env = "VIP_METRICS_FILE")]
    pub metrics_file: Option<PathBuf>,
    /// How often that file is written anew
    #[arg(long, value_name = "TIME", env = "VIP_METRICS_EVERY", default_value = "15s", value_parser = listening)]
    pub metrics_every: Duration,
    /// Where is written why states change, for `vip why` [default: `recordings` in the runtime
    /// directory]
    #[arg(long, value_name = "DIR", env = "VIP_RECORDINGS")]
    pub recordings: Option<PathBuf>,
    /// Refuse to start on any error in the configuration
    #[arg(long, env = "VIP_STRICT", value_parser = BoolishValueParser::new())]
    pub strict: bool,
}

/// Arguments of `vip check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Files to check, `-` for the standard input [default: the one that run would take].
    /// Several are nodes of one group and are held against each other
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The same, as run spells it
    #[arg(short, long = "file", value_name = "FILE")]
    pub file: Vec<PathBuf>,
    /// Read lines for hosts (`@ID`) as the host with this id does. Again for each of several
    /// files, or with one file for each node that shares it [default: this host's name]
    #[arg(
        short,
        long = "id",
        alias = "config-id",
        value_name = "ID",
        env = "VIP_CONFIG_ID"
    )]
    pub ids: Vec<String>,
    /// Print a document for editors and pipelines on standard output, and nothing else
    #[arg(long)]
    pub json: bool,
    /// Warnings are errors
    #[arg(long)]
    pub strict: bool,
    /// Ask this host too: interfaces, addresses, firewall, who is heard on the LAN
    #[arg(long)]
    pub host: bool,
    /// How long to listen with --host, 0 for not at all [default: an interval, 1 to 3 s]
    #[arg(long, value_name = "SECONDS", requires = "host", value_parser = seconds)]
    pub listen: Option<Duration>,
}

/// Arguments of `vip explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// Keywords, as they stand in the configuration
    #[arg(value_name = "KEYWORD", required = true)]
    pub words: Vec<String>,
}

/// Arguments of `vip config`.
#[derive(Args, Debug)]
pub struct ConfigArgs {
    /// Configuration [default: the one that run would take]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The same, as run spells it
    #[arg(
        short = 'f',
        long = "file",
        value_name = "FILE",
        conflicts_with = "file"
    )]
    pub named: Option<PathBuf>,
    /// Read lines for certain hosts (`@id`) as this host [default: this host's name]
    #[arg(
        short,
        long,
        alias = "config-id",
        value_name = "ID",
        env = "VIP_CONFIG_ID"
    )]
    pub id: Option<String>,
    /// Print a document for programs
    #[arg(long)]
    pub json: bool,
    /// Print passwords and keys too; without them the output is not a whole configuration
    #[arg(long)]
    pub secrets: bool,
}

/// Arguments of `vip init`.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// The interface on which the nodes share a network
    #[arg(short, long, value_name = "IF")]
    pub interface: Option<Interface>,
    /// The address that moves; again for each. Without prefix, that of the interface's subnet
    #[arg(short, long = "address", value_name = "ADDRESS[/PREFIX]")]
    pub addresses: Vec<Moving>,
    /// The other node's own address; only for the instructions, and to check it
    #[arg(long, value_name = "ADDRESS")]
    pub peer: Option<Ipv4Addr>,
    /// The other node's interface, where it has another name
    #[arg(long, value_name = "IF")]
    pub peer_interface: Option<Interface>,
    /// Virtual router identifier, 1 to 255 [default: the address's last number]
    #[arg(long, value_parser = vrid)]
    pub vrid: Option<Vrid>,
    /// Name of the instance
    #[arg(long, default_value = "VI_1", value_parser = name)]
    pub name: String,
    /// VRRP version; 2 for old neighbours: whole seconds, and a password in clear
    #[arg(long, value_name = "2|3", default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=3))]
    pub version: u8,
    /// Time between adverts [default: 100ms; 1s with version 2]
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub interval: Option<Centis>,
    /// Leave the address where it is when a node returns
    #[arg(long)]
    pub nopreempt: bool,
    /// Where node-a.conf and node-b.conf go
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub output: PathBuf,
    /// Print both instead of writing files
    #[arg(long, conflicts_with_all = ["output", "force"])]
    pub stdout: bool,
    /// Replace files that exist
    #[arg(long)]
    pub force: bool,
}

pub(crate) fn vrid(text: &str) -> Result<Vrid, String> {
    let vrid = text.parse().ok().and_then(Vrid::new);
    vrid.ok_or_else(|| "1 to 255".into())
}

/// Arguments of `vip status`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// Only this instance
    pub instance: Option<String>,
    /// Print the document instead of text
    #[arg(long)]
    pub json: bool,
    /// Go on with a line for each event, until the daemon ends (exit code 6)
    #[arg(short, long, conflicts_with = "is")]
    pub follow: bool,
    /// Say nothing: exit 0 if all named instances are in this state, 3 if not
    #[arg(long, value_name = "STATE", ignore_case = true, value_parser = ["MASTER", "BACKUP", "FAULT", "INIT"])]
    pub is: Option<String>,
    /// Directory of the daemon
    #[arg(long, value_name = "DIR", env = "VIP_RUNTIME_DIR", default_value = RUNTIME_DIR)]
    pub runtime_dir: PathBuf,
}

/// Arguments of `vip why`.
#[derive(Args, Debug)]
pub struct WhyArgs {
    /// Only this instance
    pub instance: Option<String>,
    /// So many of the last changes, the newest at the end
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub last: u16,
    /// Tell of this recording, of whatever host
    #[arg(long, value_name = "FILE", conflicts_with_all = ["instance", "last"])]
    pub file: Option<PathBuf>,
    /// Print the document instead of text
    #[arg(long)]
    pub json: bool,
    /// For developers: let the election decide again, and show where it decides otherwise
    #[arg(long, hide = true, conflicts_with = "json")]
    pub replay: bool,
    /// Where the recordings are [default: `recordings` in the runtime directory]
    #[arg(long, value_name = "DIR", env = "VIP_RECORDINGS")]
    pub recordings: Option<PathBuf>,
    /// Directory of the daemon, which need not run
    #[arg(long, value_name = "DIR", env = "VIP_RUNTIME_DIR", default_value = RUNTIME_DIR)]
    pub runtime_dir: PathBuf,
}

/// Arguments of `vip who`.
#[derive(Args, Debug)]
pub struct WhoArgs {
    /// The address
    pub address: IpAddr,
    /// The interface to ask on [default: the one whose network the address is in]
    #[arg(short, long, value_name = "IF")]
    pub interface: Option<String>,
    /// How long to listen (`5s`, `2m`) [default: until every master must have spoken, 1.5 to
    /// 12 s; 4 s where no advert names the address]
    #[arg(long = "for", value_name = "TIME", value_parser = listening)]
    pub span: Option<Duration>,
    /// Print the document instead of text
    #[arg(long)]
    pub json: bool,
    /// Directory of the daemon of this host, if one runs: it takes adverts off the wire
    #[arg(long, value_name = "DIR", env = "VIP_RUNTIME_DIR", default_value = RUNTIME_DIR)]
    pub runtime_dir: PathBuf,
}

/// A time with its unit: a fifth of a second to an hour.
fn listening(word: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(word)
        .map_err(|_| "a time with its unit, like 500ms, 10s or 2m".to_owned())?;
    let range = Duration::from_millis(200)..=Duration::from_hours(1);
    if !range.contains(&span) {
        return Err("200ms to 1h".into());
    }
    Ok(span)
}

/// Which daemon is meant.
#[derive(Args, Debug)]
pub struct Daemon {
    /// Directory of the daemon
    #[arg(long, value_name = "DIR", env = "VIP_RUNTIME_DIR", default_value = RUNTIME_DIR)]
    pub runtime_dir: PathBuf,
}

/// Arguments of `vip reload`.
#[derive(Args, Debug)]
pub struct ReloadArgs {
    /// Only say what it would do
    #[arg(long)]
    pub dry_run: bool,
    /// Which daemon.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// Arguments of `vip drain`.
#[derive(Args, Debug)]
pub struct DrainArgs {
    /// Instances, with those of their sync groups [default: all]
    #[arg(value_name = "INSTANCE")]
    pub instances: Vec<String>,
    /// Take part again after this time (`30m`, `2h`) [default: after `vip undrain`]
    #[arg(long = "for", value_name = "TIME", value_parser = span)]
    pub span: Option<Duration>,
    /// Even where no other node was ever heard: then nobody may serve the addresses
    #[arg(long)]
    pub force: bool,
    /// Which daemon.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// Arguments of `vip undrain`.
#[derive(Args, Debug)]
pub struct UndrainArgs {
    /// Instances, with those of their sync groups [default: all that are drained]
    #[arg(value_name = "INSTANCE")]
    pub instances: Vec<String>,
    /// Which daemon.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// Arguments of `vip take`.
#[derive(Args, Debug)]
pub struct TakeArgs {
    /// The instance; those of its sync group come along
    #[arg(value_name = "INSTANCE")]
    pub instance: String,
    /// Give it back to the priorities after this time (`10m`) [default: after `vip untake`]
    #[arg(long = "for", value_name = "TIME", value_parser = span)]
    pub span: Option<Duration>,
    /// Which daemon.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// Arguments of `vip untake`.
#[derive(Args, Debug)]
pub struct UntakeArgs {
    /// The instance; those of its sync group come along
    #[arg(value_name = "INSTANCE")]
    pub instance: String,
    /// Which daemon.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// The longest time that an order may be given for: beyond it somebody has forgotten
/// it, or meant another unit.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// A time with its unit, a second at least and 366 days at most.
fn span(word: &str) -> Result<Duration, String> {
    match humantime::parse_duration(word) {
        Ok(span) if span > LONGEST => {
            Err("366 days at most; without --for it holds until it is undone".into())
        }
        Ok(span) if span >= Duration::from_secs(1) => Ok(Duration::from_secs(span.as_secs())),
        Ok(_) => Err("a second at least".into()),
        Err(_) => Err("a time with its unit, like 90s, 30m or 2h".into()),
    }
}

/// Arguments of `vip release`.
#[derive(Args, Debug)]
pub struct ReleaseArgs {
    /// Directory of the dead daemon
    #[arg(long, value_name = "DIR", env = "VIP_RUNTIME_DIR", default_value = RUNTIME_DIR)]
    pub runtime_dir: PathBuf,
}

/// Seconds to wait, with or without decimals; a minute at most.
fn seconds(word: &str) -> Result<Duration, String> {
    let seconds: f64 = word
        .parse()
        .map_err(|_| "this is no number of seconds".to_owned())?;
    if !(0.0..=60.0).contains(&seconds) {
        return Err("0 to 60 seconds".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_holds_for_a_second_at_least_and_a_year_at_most() {
        assert_eq!(span("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(span("366days"), Ok(LONGEST));
        let said = span("99999999h").unwrap_err();
        assert!(said.contains("366 days at most"), "{said}");
        assert!(span("367days").is_err());
        assert!(span("0s").is_err());
        assert!(span("2").is_err());
    }
}
