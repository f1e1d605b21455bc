//! One thing that has happened, as `vip status --follow --json` prints it and as the
//! journal gets it in fields: schema 1.

use std::net::IpAddr;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::services::log::Level;

/// The number that changes when a reader of the lines would break.
pub const SCHEMA: u32 = 1;

/// What kind of thing it is: a word that programs know. Others may come in addition.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// How an instance, an interface or a tracker stands at the beginning.
    Standing,
    /// All that stands has been said; from here on it is what happens.
    Following,
    /// The follower did not read: so many events in between are lost to it.
    Lost,
    /// There are too many followers; this one is let go.
    TurnedAway,
    /// An instance has entered a state.
    Transition,
    /// Its addresses came or went.
    Addresses,
    /// They were announced to the network.
    Announced,
    /// Its priority in the election is another one.
    Priority,
    /// The MASTER has said that it leaves.
    Resigned,
    /// Somebody has taken the role that was given up.
    Successor,
    /// Another router says that it is MASTER while this one is.
    TwoMasters,
    /// Adverts of a router are refused, for a reason not seen of it before.
    Refused,
    /// A peer names other addresses.
    OtherAddresses,
    /// Somebody else claims or has one of the addresses.
    Conflict,
    /// What another program has changed was put back.
    PutBack,
    /// An advert could not be sent.
    NotSent,
    /// The kernel would not do something.
    Kernel,
    /// An interface is heard in another way, or not any more.
    Hearing,
    /// A script, process, file or check stands differently.
    Tracker,
    /// A person has ordered something, or an order has ended.
    Order,
    /// A new configuration was taken, or refused.
    Reload,
    /// A shadow and the daemon beside it have done the same.
    Agreed,
    /// They have not.
    Differs,
    /// The daemon is up.
    Up,
    /// The daemon leaves; nothing comes after it.
    Leaving,
    /// Any other line of the log.
    Log,
    /// One that this program does not know.
    #[serde(other)]
    Other,
}

impl Kind {
    /// The word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Standing => "standing",
            Self::Following => "following",
            Self::Lost => "lost",
            Self::TurnedAway => "turned_away",
            Self::Transition => "transition",
            Self::Addresses => "addresses",
            Self::Announced => "announced",
            Self::Priority => "priority",
            Self::Resigned => "resigned",
            Self::Successor => "successor",
            Self::TwoMasters => "two_masters",
            Self::Refused => "refused",
            Self::OtherAddresses => "other_addresses",
            Self::Conflict => "conflict",
            Self::PutBack => "put_back",
            Self::NotSent => "not_sent",
            Self::Kernel => "kernel",
            Self::Hearing => "hearing",
            Self::Tracker => "tracker",
            Self::Order => "order",
            Self::Reload => "reload",
            Self::Agreed => "agreed",
            Self::Differs => "differs",
            Self::Up => "up",
            Self::Leaving => "leaving",
            Self::Log => "log",
            Self::Other => "other",
        }
    }
}

/// One thing that has happened. What does not apply is left out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What kind of thing.
    pub event: Kind,
    /// Counts the events of this daemon from 1 on; of a follower that reads they
    /// follow each other without a gap. 0 for what only it is told.
    pub seq: u64,
    /// When, as a time of day (UTC).
    pub at: String,
    /// How much it matters.
    pub level: Level,
    /// The instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// The tracker: its kind and name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracker: Option<String>,
    /// Where the instance or the tracker stands now, or how an interface is heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Where it stood before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why an advert is refused, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The other router that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// The virtual address that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The stranger's MAC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// A priority: ours, or that of `source`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// How many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// All of it, as a person reads it.
    pub text: String,
}

impl Event {
    /// One that happens now.
    #[must_use]
    pub fn new(event: Kind, level: Level, text: impl Into<String>) -> Self {
        Self {
            schema: SCHEMA,
            event,
            seq: 0,
            at: humantime::format_rfc3339_micros(SystemTime::now()).to_string(),
            level,
            instance: None,
            interface: None,
            tracker: None,
            state: None,
            from: None,
            reason: None,
            refusal: None,
            source: None,
            address: None,
            mac: None,
            priority: None,
            count: None,
            text: text.into(),
        }
    }

    /// Of this instance.
    #[must_use]
    pub fn instance(mut self, name: &str) -> Self {
        self.instance = Some(name.to_owned());
        self
    }

    /// On this interface; none where it has no name.
    #[must_use]
    pub fn interface(mut self, name: &str) -> Self {
        self.interface = (!name.is_empty()).then(|| name.to_owned());
        self
    }

    /// Of this tracker.
    #[must_use]
    pub fn tracker(mut self, kind: &str, name: &str) -> Self {
        self.tracker = Some(format!("{kind} {name}"));
        self
    }

    /// That is how it stands now.
    #[must_use]
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.state = Some(state.into());
        self
    }

    /// That is why; nothing where nothing is said.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into()).filter(|reason| !reason.is_empty());
        self
    }

    /// It is about this router.
    #[must_use]
    pub const fn source(mut self, source: IpAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// With this priority.
    #[must_use]
    pub const fn priority(mut self, priority: u8) -> Self {
        self.priority = Some(priority);
        self
    }

    /// So many.
    #[must_use]
    pub const fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// What it says beside its text, as the journal names it.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, String)> {
        let words = [
            ("VIP_EVENT", Some(self.event.word().to_owned())),
            ("VIP_INSTANCE", self.instance.clone()),
            ("VIP_INTERFACE", self.interface.clone()),
            ("VIP_TRACKER", self.tracker.clone()),
            ("VIP_STATE", self.state.clone()),
            ("VIP_FROM", self.from.clone()),
            ("VIP_REASON", self.reason.clone()),
            ("VIP_REFUSAL", self.refusal.clone()),
            ("VIP_SOURCE", self.source.map(|one| one.to_string())),
            ("VIP_ADDRESS", self.address.map(|one| one.to_string())),
            ("VIP_MAC", self.mac.clone()),
            ("VIP_PRIORITY", self.priority.map(|one| one.to_string())),
            ("VIP_COUNT", self.count.map(|one| one.to_string())),
        ];
        words
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_apply_is_left_out_and_what_is_new_is_read_all_the_same() {
        let event = Event::new(Kind::Transition, Level::Notice, "(V) Entering MASTER STATE")
            .instance("V")
            .state("MASTER")
            .reason("");
        let line = serde_json::to_string(&event).unwrap();
        assert!(line.starts_with("{\"schema\":1,\"event\":\"transition\",\"seq\":0,"));
        assert!(line.contains("\"level\":\"notice\",\"instance\":\"V\",\"state\":\"MASTER\","));
        assert!(!line.contains("reason") && !line.contains("null"), "{line}");
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
        let newer = line
            .replace("transition", "eclipse")
            .replace("\"seq\"", "\"moon\":[1],\"seq\"");
        let read: Event = serde_json::from_str(&newer).unwrap();
        assert_eq!(read.event, Kind::Other);
    }

    #[test]
    fn the_word_of_a_kind_is_the_one_in_the_lines() {
        for kind in [
            Kind::Standing,
            Kind::TurnedAway,
            Kind::OtherAddresses,
            Kind::TwoMasters,
            Kind::PutBack,
            Kind::Log,
        ] {
            assert_eq!(
                serde_json::to_string(&kind).unwrap(),
                format!("\"{}\"", kind.word())
            );
        }
    }
}
