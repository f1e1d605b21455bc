//! Long under one load or one flood: does a backup ever take over whose master lives?

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::burden::{Burden, LONGEST_REAL_TIME, Load};
use crate::contender::{Contender, Scale, Who, contenders};
use crate::document::{By, Document, Measure, Unit};
use crate::flood::Kind;
use crate::report::About;
use crate::rig::{Flood, Rig, Router};
use crate::{Output, busy, finish, shown};

pub(crate) const ABOUT: About = About {
    name: "endure",
    title: "Long under each load",
    method: "Several pairs at once, each a master and its backup of one virtual router on a network \
of their own, under the loads and floods of above for so long that all pairs together have run for \
the time named; each pair has a flood of its own. A false takeover is one of a backup whose master \
lives. A sample is one pair in one stretch of time.",
};

const STRETCH: Measure = Measure {
    title: "Seconds that pairs ran",
    unit: Unit::Count,
    drawn: false,
    by: By::Nothing,
};
const FALSE: Measure = Measure {
    title: "False takeovers",
    unit: Unit::Count,
    drawn: false,
    by: By::Nothing,
};
const MISSING: Measure = Measure {
    title: "Adverts of the master that did not come",
    unit: Unit::Count,
    drawn: false,
    by: By::Nothing,
};
const LATEST: Measure = Measure {
    title: "Latest advert of a stretch",
    unit: Unit::Nanoseconds,
    drawn: false,
    by: By::Nothing,
};

#[derive(Args, Clone)]
pub(crate) struct EndureArgs {
    /// For how long the pairs of each contender run under each load, all together
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) minutes: u64,
    /// How many pairs at once
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) pairs: u8,
    /// Under these loads
    #[arg(
        long,
        value_delimiter = ',',
        value_enum,
        default_value = "idle,hogs,nice-hogs,real-time-hogs,forks,disk,packets"
    )]
    pub(crate) load: Vec<Burden>,
    /// Under these floods
    #[arg(
        long,
        value_delimiter = ',',
        value_enum,
        default_value = "ttl,length,version,checksum,password,lower,strangers,own,vrid,arp"
    )]
    pub(crate) flood: Vec<Kind>,
    /// Advertisement interval, in steps of 10ms
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = Scale::read)]
    pub(crate) interval: Scale,
    #[command(flatten)]
    pub(crate) who: Who,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// What is to be borne.
#[derive(Clone, Copy)]
enum Trial {
    Load(Burden),
    Flood(Kind),
}

impl Trial {
    fn label(self) -> String {
        match self {
            Self::Load(burden) => burden.label(),
            Self::Flood(kind) => format!("flood: {}", kind.label()),
        }
    }

    fn router(self, scale: Scale) -> Result<Router> {
        match self {
            Self::Load(_) => Kind::None.router(scale),
            Self::Flood(kind) => kind.router(scale),
        }
    }

    /// How long it may be borne without a rest.
    fn stretch(self) -> Duration {
        const LONGEST: Duration = Duration::from_secs(60);
        match self {
            Self::Load(Burden::RealTimeHogs) => LONGEST_REAL_TIME - Duration::from_secs(3),
            Self::Load(_) | Self::Flood(_) => LONGEST,
        }
    }

    /// What is sent to a pair.
    fn frames(self, rig: &Rig, router: &Router) -> Vec<Vec<u8>> {
        match self {
            Self::Load(Burden::Packets) => busy::packets(&rig.a, &rig.b),
            Self::Load(_) => Vec::new(),
            Self::Flood(kind) => kind.frames(&rig.third, rig.a.mac(), router),
        }
    }
}

/// Measures, prints and saves.
pub(crate) fn command(arguments: &EndureArgs) -> Result<ExitCode> {
    let contenders = contenders(&arguments.who)?;
    let mut document = Document::begin(
        ABOUT.name,
        format!(
            "interval {}, {} minutes of {} pairs at once under each",
            shown(arguments.interval.interval()),
            arguments.minutes,
            arguments.pairs
        ),
        contenders.iter().map(Contender::subject).collect(),
    );
    let loads = arguments.load.iter().copied().map(Trial::Load);
    let floods = arguments.flood.iter().copied().map(Trial::Flood);
    for trial in loads.chain(floods) {
        eprintln!("{}", trial.label());
        let whole = Duration::from_secs(arguments.minutes * 60) / u32::from(arguments.pairs);
        for contender in &contenders {
            let (mut left, mut round) = (whole, 0);
            while !left.is_zero() {
                let span = trial.stretch().min(left);
                if let Err(error) = stretch(&mut document, contender, trial, span, arguments) {
                    document.fail(&trial.label(), round, contender.label(), &error);
                }
                left -= span;
                round += 1;
            }
        }
    }
    finish(&document, &arguments.output)
}

fn stretch(
    document: &mut Document,
    contender: &Contender,
    trial: Trial,
    span: Duration,
    arguments: &EndureArgs,
) -> Result<()> {
    /// Until a load is there.
    const BEGIN: Duration = Duration::from_millis(500);
    let router = trial.router(arguments.interval)?;
    let mut rigs = Vec::new();
    for _ in 0..arguments.pairs {
        rigs.push(Rig::new(contender, &[trial.router(arguments.interval)?])?);
    }
    let load = match trial {
        Trial::Load(burden) => Some(Load::start(burden, span + Duration::from_secs(2))?),
        Trial::Flood(_) => None,
    };
    let mut floods = Vec::new();
    for rig in &rigs {
        let frames = trial.frames(rig, &router);
        if !frames.is_empty() {
            floods.push(Flood::start(&rig.third, frames)?);
        }
    }
    thread::sleep(BEGIN);
    let mut windows = Vec::new();
    for rig in &rigs {
        windows.push(rig.begin()?);
    }
    thread::sleep(span);
    let ended: Vec<_> = rigs
        .iter()
        .zip(&windows)
        .map(|(rig, window)| rig.end(window))
        .collect();
    drop(floods);
    drop(load);
    let (condition, subject) = (trial.label(), contender.label());
    for (rig, ended) in rigs.iter().zip(ended) {
        let ended = ended?;
        if ended.restarted {
            document.notes.push(format!(
                "{condition}, {subject}: a process of the daemons ended and was started again by \
                 its parent"
            ));
        }
        let said = rig.said(&router, &ended);
        document.add(
            STRETCH,
            &condition,
            subject,
            [i64::try_from(span.as_secs())?],
        );
        document.add(FALSE, &condition, subject, [said.false_takeovers]);
        document.add(MISSING, &condition, subject, [said.missing]);
        document.add(LATEST, &condition, subject, said.late.into_iter().max());
    }
    Ok(())
}
