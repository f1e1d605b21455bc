//! Rounds of the PostgreSQL recipe: something goes wrong on the primary, it is mended,
//! and nothing that was acknowledged may be gone, nor acknowledged by two nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use vip::lab::pair::VIRTUAL;
use vip::lab::{LabError, PATIENCE, now};
use vip_common::time::MonoTime;

use super::cluster::{Cluster, Fault};
use super::machine::until;
use super::writer::{Ack, Doing, Session};

/// For how long the node that is left is watched before the other one returns.
const WATCHED: Duration = Duration::from_secs(1);
/// The same where no other node serves: longer than PostgreSQL needs to notice.
const LONGER: Duration = Duration::from_secs(6);
/// How many writes there are before something goes wrong.
const SOME: usize = 30;

/// What a round has shown.
#[derive(Debug)]
pub struct Round {
    /// What went wrong.
    pub fault: Fault,
    /// How many writes were acknowledged, through the address and on each node itself.
    pub acks: usize,
    /// Those of them that are not in the database at the end.
    pub lost: usize,
    /// Acknowledgements of an earlier reign after one of a later, or by two nodes in one.
    pub double: usize,
    /// What servers warned of.
    pub warnings: Vec<String>,
    /// The longest time without an answer to a client that reads through the address.
    pub reads: Duration,
    /// The longest time without an acknowledgement to one that writes.
    pub writes: Duration,
    /// From the end of the trouble to the pair as it should be.
    pub joined: Duration,
}

impl Round {
    /// Whether nothing was lost and never two nodes acknowledged.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.lost == 0 && self.double == 0 && self.warnings.is_empty() && self.acks > 0
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} acknowledged, {} lost, {} double; without reads {:.1} s, without writes {:.1} s; a pair again {:.1} s after it was mended",
            self.fault.name(),
            self.acks,
            self.lost,
            self.double,
            self.reads.as_secs_f64(),
            self.writes.as_secs_f64(),
            self.joined.as_secs_f64()
        )?;
        for warning in &self.warnings {
            write!(f, "\n  {warning}")?;
        }
        Ok(())
    }
}

/// Does it once; `number` tells its rows from those of other rounds.
///
/// # Errors
/// With the last words of the daemons when the pair does not become one again.
pub fn round(cluster: &mut Cluster, number: usize, fault: Fault) -> Result<Round, LabError> {
    go_through(cluster, number, fault).map_err(|error| LabError::TooLate {
        what: format!(
            "the end of round {number}, {}: {error}\n{}",
            fault.name(),
            cluster.last_words()
        ),
        bound: Duration::ZERO,
    })
}

fn go_through(cluster: &mut Cluster, number: usize, fault: Fault) -> Result<Round, LabError> {
    let primary = cluster.settled()?;
    let left = 1 - primary;
    let names = [0, 1].map(|which| cluster.nodes[which].machine.host.name().to_owned());
    let ending = format!("-{number}");
    let begin = now();

    let client = cluster.client.clone();
    let address = VIRTUAL.to_string();
    let open = |name: &str, doing| {
        let name = format!("{name}{ending}");
        Session::open(&name, &address, doing, |argv| client.spawn(argv))
    };
    let (writer, reader) = (
        open("client", Doing::Writing)?,
        open("reader", Doing::Reading)?,
    );
    let direct = |cluster: &Cluster, which: usize, again: &str| {
        let name = format!("{}{again}{ending}", names[which]);
        let machine = &cluster.nodes[which].machine;
        Session::open(&name, "127.0.0.1", Doing::Trying, |argv| {
            machine.spawn(argv)
        })
    };
    let mut sessions = vec![direct(cluster, 0, "")?, direct(cluster, 1, "")?];
    until("some writes", PATIENCE, || Ok(writer.acks().len() >= SOME))?;
    reader.wait_for("read", begin)?;
    sessions[primary].wait_for("ack", begin)?;

    let struck = now();
    cluster.strike(fault, primary)?;
    if fault.moves() {
        until("the other node to be promoted", PATIENCE, || {
            Ok(cluster.state(left)?.starts_with("primary "))
        })?;
        reader.wait_for(&format!("read {}", names[left]), struck)?;
    }
    if fault == Fault::HostCutAlone {
        cluster.alone(left)?;
        writer.wait_for("ack", now())?;
    }
    if fault == Fault::VipKilled {
        // Nobody has told it that the address has moved.
        until("the node without vip to follow", PATIENCE, || {
            let state = cluster.state(primary)?;
            Ok(state.starts_with("standby ") && state.contains(" paired "))
        })?;
    }
    std::thread::sleep(if fault.moves() { WATCHED } else { LONGER });
    if fault == Fault::VipKilled {
        until("the node without vip to follow on", Duration::ZERO, || {
            Ok(!cluster.state(primary)?.starts_with("primary "))
        })?;
    }

    let mended = now();
    cluster.heal(fault, primary)?;
    if matches!(fault, Fault::HostCut | Fault::HostCutAlone) {
        sessions.push(direct(cluster, primary, "-again")?);
    }
    cluster.settled()?;
    let joined = now();
    writer.wait_for("ack", joined)?;
    reader.wait_for("read", joined)?;

    let writes = longest(&writer.answers(), struck);
    let reads = longest(&reader.answers(), struck);
    sessions.push(writer);
    let acks: Vec<_> = sessions.iter().flat_map(Session::acks).collect();
    let warnings = sessions.iter().flat_map(Session::warnings).collect();
    drop(sessions);
    let there: BTreeSet<_> = cluster.rows(&ending)?.into_iter().collect();
    let lost = acks
        .iter()
        .filter(|ack| !there.contains(&(ack.writer.clone(), ack.number)));
    Ok(Round {
        fault,
        lost: lost.count(),
        double: double(&acks),
        acks: acks.len(),
        warnings,
        reads,
        writes,
        joined: joined.since(mended),
    })
}

/// The longest time between two answers, of which the second came after `from`.
fn longest(answers: &[MonoTime], from: MonoTime) -> Duration {
    let gaps = answers.windows(2).filter(|pair| pair[1] >= from);
    gaps.map(|pair| pair[1].since(pair[0]))
        .max()
        .unwrap_or(Duration::MAX)
}

/// How many acknowledgements show that two nodes gave them at one time: each reign has
/// one primary, and once a reign has acknowledged, none before it may any more.
fn double(acks: &[Ack]) -> usize {
    let mut ordered: Vec<_> = acks.iter().collect();
    ordered.sort_by_key(|ack| ack.stamp);
    let mut primaries = BTreeMap::new();
    let mut reign = 0;
    let mut count = 0;
    for ack in ordered {
        let primary = primaries.entry(ack.timeline).or_insert(&ack.node);
        if *primary != &ack.node || ack.timeline < reign {
            count += 1;
        }
        reign = reign.max(ack.timeline);
    }
    count
}

/// The rounds of one kind in a line of the table.
#[must_use]
pub fn line(rounds: &[&Round]) -> String {
    let sum = |of: fn(&Round) -> usize| rounds.iter().map(|round| of(round)).sum::<usize>();
    let span = |of: fn(&Round) -> Duration| {
        let mut all: Vec<_> = rounds.iter().map(|round| of(round).as_secs_f64()).collect();
        all.sort_by(f64::total_cmp);
        let median = all.get(all.len() / 2).copied().unwrap_or_default();
        let most = all.last().copied().unwrap_or_default();
        format!("{median:5.1} {most:5.1}")
    };
    let name = rounds.first().map_or("", |round| round.fault.name());
    format!(
        "{name:<18} {:6} {:12} {:5} {:7}   {}   {}   {}",
        rounds.len(),
        sum(|round| round.acks),
        sum(|round| round.lost),
        sum(|round| round.double),
        span(|round| round.reads),
        span(|round| round.writes),
        span(|round| round.joined)
    )
}

/// What stands above the lines; times are medians and the longest, in seconds.
pub const HEAD: &str = "\
what               rounds acknowledged  lost  double   no reads      no writes     a pair again
                                                      median  max   median  max   median  max";

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(ms: u64, node: &str, timeline: u64) -> Ack {
        Ack {
            stamp: MonoTime::ZERO + Duration::from_millis(ms),
            writer: "w".into(),
            number: ms,
            node: node.into(),
            timeline,
        }
    }

    #[test]
    fn two_who_acknowledge_are_seen() {
        let one_after_the_other = [
            ack(1, "a", 1),
            ack(3, "b", 2),
            ack(2, "a", 1),
            ack(4, "a", 3),
        ];
        assert_eq!(double(&one_after_the_other), 0);
        let at_one_time = [ack(1, "a", 1), ack(2, "b", 2), ack(3, "a", 1)];
        assert_eq!(double(&at_one_time), 1);
        let in_one_reign = [ack(1, "a", 1), ack(2, "b", 1)];
        assert_eq!(double(&in_one_reign), 1);
    }

    #[test]
    fn the_gap_after_the_fault_counts() {
        let at = |ms| MonoTime::ZERO + Duration::from_millis(ms);
        let answers = [at(0), at(500), at(510), at(710)];
        assert_eq!(longest(&answers, at(505)), Duration::from_millis(200));
    }
}
