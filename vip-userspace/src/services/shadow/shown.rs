//! What a shadow has found, for status and for the end of the run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::words;

/// A vip that only compares, as the status document has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shown {
    /// The daemon that it is held against; none where none runs.
    pub of: Option<Process>,
    /// How long it has been at it, in ns.
    pub for_ns: u64,
    /// Each instance, in the order of the configuration.
    pub instances: Vec<Compared>,
}

/// Another daemon.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Process {
    /// Its process.
    pub pid: u32,
    /// What it is called.
    pub command: String,
}

/// How the two compare in one instance.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Compared {
    /// Its name.
    pub name: String,
    /// Whether it is compared at the moment. Not while the other daemon does not run, or
    /// both have just begun.
    pub compared: bool,
    /// Whether vip would be MASTER.
    pub vip_master: bool,
    /// Whether the other daemon is.
    pub other_master: bool,
    /// The priority that vip would speak with.
    pub vip_priority: u8,
    /// The one that the other daemon speaks with, while it does.
    pub other_priority: Option<u8>,
    /// Changes of role that both made alike.
    pub agreed: u64,
    /// How often they did not do the same, other priorities included.
    pub differences: u64,
    /// For how long they have not done the same, in ns.
    pub differs_for_ns: Option<u64>,
    /// The most that vip was earlier than the other daemon where they agreed, in ns;
    /// negative where it was always later.
    pub earliest_ns: Option<i64>,
    /// The least, in ns; negative is later.
    pub latest_ns: Option<i64>,
    /// How far apart they may do the same, in ns.
    pub tolerance_ns: u64,
    /// What was found last, the newest last.
    pub recent: Vec<Remark>,
}

/// Something that was found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Remark {
    /// How long ago it happened, in ns.
    pub ns_ago: u64,
    /// Whether it is a difference.
    pub differs: bool,
    /// What, in words.
    pub what: String,
}

impl Shown {
    /// How often the two did not do the same.
    #[must_use]
    pub fn differences(&self) -> u64 {
        self.instances.iter().map(|one| one.differences).sum()
    }

    /// Lines for people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let of = self.of.as_ref().map_or_else(
            || "no daemon that speaks VRRP was found beside it".to_owned(),
            |of| format!("beside {} (process {})", of.command, of.pid),
        );
        let span = words::span(Duration::from_nanos(self.for_ns));
        let mut lines = vec![format!(
            "SHADOW for {span}, {of}: sends nothing and changes nothing"
        )];
        for one in &self.instances {
            lines.push(format!("  {}", one.line()));
            let last = one.recent.iter().rev().find(|remark| remark.differs);
            lines.extend(last.map(|last| {
                let ago = words::span(Duration::from_nanos(last.ns_ago));
                format!("    last difference {ago} ago: {}", last.what)
            }));
        }
        lines
    }
}

impl Compared {
    fn line(&self) -> String {
        let role = |master| if master { "MASTER" } else { "not MASTER" };
        let now = match (self.compared, self.differs_for_ns) {
            (false, _) => "is not compared yet".to_owned(),
            (true, Some(ns)) => format!(
                "DIFFERS for {}: vip would be {}, the other is {}",
                words::span(Duration::from_nanos(ns)),
                role(self.vip_master),
                role(self.other_master)
            ),
            (true, None) => format!("agrees ({})", role(self.vip_master)),
        };
        let between = match (self.earliest_ns, self.latest_ns) {
            (Some(earliest), Some(latest)) if earliest != latest => {
                format!(", vip {} to {}", apart(latest), apart(earliest))
            }
            (Some(only), _) => format!(", vip {}", apart(only)),
            _ => String::new(),
        };
        let changes = if self.agreed == 1 {
            "change"
        } else {
            "changes"
        };
        let differences = match self.differences {
            0 => "no difference".to_owned(),
            1 => "1 difference".to_owned(),
            more => format!("{more} differences"),
        };
        format!(
            "{}: {now}; {} {changes} of role alike{between}; {differences}",
            self.name, self.agreed
        )
    }
}

/// How much earlier, or later, in words.
#[must_use]
pub(super) fn apart(earlier_ns: i64) -> String {
    let span = words::span(Duration::from_nanos(earlier_ns.unsigned_abs()));
    if earlier_ns < 0 {
        format!("{span} later")
    } else {
        format!("{span} earlier")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_read_at_a_glance() {
        let mut one = Compared {
            name: "VI_1".into(),
            compared: true,
            vip_master: true,
            other_master: true,
            vip_priority: 100,
            other_priority: Some(100),
            agreed: 12,
            differences: 0,
            differs_for_ns: None,
            earliest_ns: Some(3_100_000),
            latest_ns: Some(-1_200_000),
            tolerance_ns: 1_100_000_000,
            recent: Vec::new(),
        };
        assert_eq!(
            one.line(),
            "VI_1: agrees (MASTER); 12 changes of role alike, vip 1.20 ms later to 3.10 ms earlier; no difference"
        );
        one.other_master = false;
        one.differs_for_ns = Some(3_000_000_000);
        one.differences = 1;
        one.recent.push(Remark {
            ns_ago: 3_000_000_000,
            differs: true,
            what: "why".into(),
        });
        let shown = Shown {
            of: None,
            for_ns: 60_000_000_000,
            instances: vec![one],
        };
        assert_eq!(shown.differences(), 1);
        let lines = shown.lines();
        assert!(lines[0].contains("no daemon"), "{}", lines[0]);
        assert!(
            lines[1].contains("DIFFERS for 3.000 s: vip would be MASTER, the other is not MASTER"),
            "{}",
            lines[1]
        );
        assert!(lines[2].ends_with("ago: why"), "{}", lines[2]);
    }
}
