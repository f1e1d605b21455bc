//! Whether what is watched can delay what is said: adverts on the wire with 200 checks
//! and 50 scripts that all hang, fork and write, and without, by turns.

use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use vip::lab::pair::{ADDRESS_A, VRID, version_3};
use vip::lab::{Capture, Host, Lab, PATIENCE, Process, now};
use vip_common::ids::Priority;
use vip_common::time::MonoTime;

use crate::contender::{Contender, PRIORITY_A, Scale, last_words};
use crate::contender::{Who, contenders};
use crate::figures::Figures;
use crate::{load, shown};

/// Who accepts everybody and answers nobody.
const PORT: u16 = 81;
/// What each script does until it is ended.
const SCRIPT: &str = "/run/hang.sh";

#[derive(Args)]
pub(crate) struct HangArgs {
    /// How often each contender is looked at with and without
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// For how long each time
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    time: Duration,
    /// Advertisement interval, in steps of 10ms
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = Scale::read)]
    interval: Scale,
    /// How many checks hang; keepalived has none
    #[arg(long, default_value_t = 200)]
    checks: u32,
    /// How many scripts hang
    #[arg(long, default_value_t = 50)]
    scripts: u32,
    #[command(flatten)]
    who: Who,
}

/// One contender, with or without.
struct Column {
    name: String,
    /// By how much adverts came later than an interval after the one before.
    late: Vec<i64>,
}

/// Measures and prints.
pub(crate) fn command(arguments: &HangArgs) -> Result<ExitCode> {
    let contenders = contenders(&arguments.who)?;
    let mut columns: Vec<Column> = Vec::new();
    for contender in &contenders {
        for what in ["nothing hangs", "all hangs"] {
            columns.push(Column {
                name: format!("{}, {what}", contender.label()),
                late: Vec::new(),
            });
        }
    }
    for round in 0..arguments.rounds {
        for (index, column) in columns.iter_mut().enumerate() {
            let late = adverts(arguments, &contenders[index / 2], index % 2 == 1);
            let late = late.with_context(|| format!("round {}, {}", round + 1, column.name))?;
            column.late.extend(late);
        }
    }
    println!(
        "\n{} checks and {} scripts; interval {}; load {}. Microseconds by which adverts came late.\n",
        arguments.checks,
        arguments.scripts,
        shown(arguments.interval.interval()),
        load()
    );
    println!(
        "{:32}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "", "min", "median", "p90", "max", "adverts"
    );
    for Column { name, late } in &columns {
        let Some(figures) = Figures::of(late) else {
            bail!("{name}: no adverts");
        };
        let micros = |nanos: i64| nanos as f64 / 1000.0;
        println!(
            "{name:32}{:>10.1}{:>10.1}{:>10.1}{:>10.1}{:>10}",
            micros(figures.min),
            micros(figures.median),
            micros(figures.p90),
            micros(figures.max),
            late.len()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// What a master says for a while.
fn adverts(arguments: &HangArgs, contender: &Contender, hangs: bool) -> Result<Vec<i64>> {
    let lab = Lab::new()?;
    let host = lab.host("A", ADDRESS_A, 24)?;
    let capture = lab.capture()?;
    let deaf = host.run(|| TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)))??;
    host.write(
        SCRIPT,
        "#!/bin/sh\nwhile :; do (echo all work and no play; echo makes >&2); done\n",
    )?;
    host.output(["chmod", "0755", SCRIPT])?.success()?;
    let file = if hangs {
        burdened(arguments, contender)
    } else {
        plain(arguments.interval)
    };
    let daemon = contender.start_with(&host, "    script_user root\n", &file)?;
    first_advert(&capture, &host, &daemon)?;
    // Until everything that is to hang does.
    thread::sleep(Duration::from_secs(2));
    let begin = now();
    thread::sleep(arguments.time);
    let end = now();
    drop(daemon);
    drop(deaf);
    let port = host.port();
    let said = capture.select(|frame| {
        frame.is_from(port)
            && frame.advert(VRID).is_some_and(|priority| priority > 0)
            && frame.stamp >= begin
            && frame.stamp < end
    });
    let interval = i64::try_from(arguments.interval.interval().as_nanos())?;
    let gaps = said.iter().zip(said.iter().skip(1));
    Ok(gaps
        .map(|(one, next)| {
            let gap = next.stamp.since(one.stamp).as_nanos();
            i64::try_from(gap).unwrap_or(i64::MAX) - interval
        })
        .collect())
}

fn first_advert(capture: &Capture, host: &Host, daemon: &Process) -> Result<()> {
    let port = host.port();
    let spoke = capture.wait_for("the first advert", MonoTime::ZERO, PATIENCE, |frame| {
        frame.is_from(port) && frame.advert(VRID).is_some()
    });
    spoke.map(drop).with_context(|| last_words(daemon))
}

fn plain(scale: Scale) -> String {
    version_3(Priority::from_wire(PRIORITY_A), scale.centis())
}

/// The same node, which goes by all that hangs. Each has a weight, so that it may.
fn burdened(arguments: &HangArgs, contender: &Contender) -> String {
    let is_vip = contender.is_vip();
    let often = if is_vip { "0.1" } else { "1" };
    let mut blocks = String::new();
    let (mut scripts, mut checks) = (String::new(), String::new());
    for number in 0..arguments.scripts {
        blocks += &format!(
            "vrrp_script s{number} {{\n    script {SCRIPT}\n    interval {often}\n    timeout {often}\n    weight 1\n}}\n"
        );
        scripts += &format!("        s{number}\n");
    }
    for number in 0..if is_vip { arguments.checks } else { 0 } {
        blocks += &format!(
            "vrrp_check c{number} {{\n    http http://127.0.0.1:{PORT}/\n    interval 0.01\n    timeout 0.05\n    weight 1\n}}\n"
        );
        checks += &format!("        c{number}\n");
    }
    let node = plain(arguments.interval);
    let node = node.trim_end().trim_end_matches('}');
    let checks = match checks.is_empty() {
        true => String::new(),
        false => format!("    track_check {{\n{checks}    }}\n"),
    };
    format!("{blocks}{node}    track_script {{\n{scripts}    }}\n{checks}}}\n")
}
