//! What is told: a word about an instance or a sync group, and who wants to hear it.

use std::sync::Arc;

use vip_common::election::{Fault, StateName, Why};

use crate::config::reaction::{Command, Notify};
use crate::words::Told;

/// Whether somebody is an instance or a sync group.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A `vrrp_instance`.
    Instance,
    /// A `vrrp_sync_group`.
    Group,
}

impl Kind {
    /// The word that scripts and pipes get.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Instance => "INSTANCE",
            Self::Group => "GROUP",
        }
    }
}

/// Who something is told of. Scripts of one subject never run side by side.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Subject {
    /// What it is.
    pub kind: Kind,
    /// Its name in the configuration.
    pub name: String,
}

/// What is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// It has come to a state.
    State(Told),
    /// A reload took it out, and the configuration did not ask to hear of that by
    /// the word DELETED: FAULT, to `notify` and the pipes only.
    Vanished,
    /// Being master, it heard another one of lower priority.
    LowerPriority,
    /// Its priority has changed while it was master, or else backup.
    Priority {
        /// Whether it was master.
        master: bool,
    },
    /// The state that it is in anyway, after a reload, to the pipes only.
    Again(Told),
}

impl Word {
    /// As scripts and pipes get it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::State(told) | Self::Again(told) => told.word(),
            Self::Vanished => Told::Fault.word(),
            Self::LowerPriority => "MASTER_RX_LOWER_PRI",
            Self::Priority { master: true } => "MASTER_PRIORITY",
            Self::Priority { master: false } => "BACKUP_PRIORITY",
        }
    }
}

/// One thing to tell.
#[derive(Clone, Debug)]
pub struct Event {
    /// Of whom.
    pub subject: Subject,
    /// What.
    pub word: Word,
    /// The priority in the election at that moment; 0 for a group.
    pub priority: u8,
    /// What the configuration has to be run.
    pub notify: Arc<Notify>,
}

/// A script that is to run, by the word of the configuration that names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    /// The word, as `notify_master`.
    pub keyword: &'static str,
    /// What it names.
    pub command: Command,
    /// What comes behind its own arguments.
    pub more: Vec<String>,
}

impl Event {
    /// The line for pipes, with its end.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{} \"{}\" {} {}\n",
            self.subject.kind.word(),
            self.subject.name,
            self.word.text(),
            self.priority
        )
    }

    /// The scripts to run, in this order.
    #[must_use]
    pub fn scripts(&self) -> Vec<Script> {
        let notify = &*self.notify;
        let specific = match self.word {
            Word::State(Told::Master) => ("notify_master", notify.master.as_ref()),
            Word::State(Told::Backup) => ("notify_backup", notify.backup.as_ref()),
            Word::State(Told::Fault) => ("notify_fault", notify.fault.as_ref()),
            Word::State(Told::Stop) => ("notify_stop", notify.stop.as_ref()),
            Word::State(Told::Deleted) => {
                let command = notify.deleted.as_ref().and_then(Option::as_ref);
                ("notify_deleted", command)
            }
            Word::LowerPriority => (
                "notify_master_rx_lower_pri",
                notify.master_rx_lower_pri.as_ref(),
            ),
            Word::Vanished => ("notify", None),
            Word::Priority { .. } | Word::Again(_) => return Vec::new(),
        };
        let specific = specific.1.map(|command| Script {
            keyword: specific.0,
            command: command.clone(),
            more: Vec::new(),
        });
        let any = notify.any.as_ref();
        let any = any.filter(|_| self.word != Word::LowerPriority);
        let any = any.map(|command| Script {
            keyword: "notify",
            command: command.clone(),
            more: vec![
                self.subject.kind.word().into(),
                self.subject.name.clone(),
                self.word.text().into(),
                self.priority.to_string(),
            ],
        });
        specific.into_iter().chain(any).collect()
    }
}

/// What is told of a router that has come to a state; nothing while it is looked at,
/// and when it leaves for good, which is told in its own way.
#[must_use]
pub(super) const fn told(to: StateName, why: Why) -> Option<Told> {
    match (to, why) {
        (StateName::Active, _) => Some(Told::Master),
        (StateName::Backup, _) | (_, Why::Drained) => Some(Told::Backup),
        (StateName::Initialize, Why::ShutDown) => None,
        (StateName::Initialize, Why::Fault(fault)) => of_fault(fault),
        (StateName::Initialize, _) => Some(Told::Fault),
    }
}

/// Whoever stays out because he was told to is a standby that can be called.
pub(super) const fn of_fault(fault: Fault) -> Option<Told> {
    match fault {
        Fault::Starting | Fault::ShutDown => None,
        Fault::Drained | Fault::StartupDelay => Some(Told::Backup),
        Fault::NoInterface
        | Fault::LinkDown
        | Fault::NoAddress
        | Fault::Tracked
        | Fault::EarDeaf
        | Fault::AddressesNotInstalled
        | Fault::Unusable
        | Fault::Group => Some(Told::Fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(name: &str) -> Option<Command> {
        let argv = vec![name.to_owned()];
        Some(Command { argv, user: None })
    }

    fn event(word: Word, notify: Notify) -> Event {
        Event {
            subject: Subject {
                kind: Kind::Instance,
                name: "A b".into(),
            },
            word,
            priority: 100,
            notify: Arc::new(notify),
        }
    }

    fn everything() -> Notify {
        Notify {
            master: command("m"),
            backup: command("b"),
            fault: command("f"),
            stop: command("s"),
            deleted: Some(command("d")),
            any: command("any"),
            master_rx_lower_pri: command("rx"),
            priority_changes: true,
        }
    }

    #[test]
    fn the_specific_script_comes_first_and_gets_no_arguments() {
        for (word, first) in [
            (Told::Master, "m"),
            (Told::Backup, "b"),
            (Told::Fault, "f"),
            (Told::Stop, "s"),
            (Told::Deleted, "d"),
        ] {
            let scripts = event(Word::State(word), everything()).scripts();
            let [specific, any] = &scripts[..] else {
                panic!("{scripts:?}");
            };
            assert_eq!(specific.command.argv, [first]);
            assert_eq!(specific.more, [""; 0]);
            assert_eq!(any.keyword, "notify");
            assert_eq!(any.more, ["INSTANCE", "A b", word.word(), "100"]);
        }
    }

    #[test]
    fn each_word_has_its_line_and_its_scripts() {
        let all = |word| event(word, everything());
        for (word, line, scripts) in [
            (Word::State(Told::Deleted), "DELETED", &["d", "any"][..]),
            (Word::Vanished, "FAULT", &["any"]),
            (Word::LowerPriority, "MASTER_RX_LOWER_PRI", &["rx"]),
            (Word::Priority { master: true }, "MASTER_PRIORITY", &[]),
            (Word::Priority { master: false }, "BACKUP_PRIORITY", &[]),
            (Word::Again(Told::Master), "MASTER", &[]),
        ] {
            let event = all(word);
            assert_eq!(event.line(), format!("INSTANCE \"A b\" {line} 100\n"));
            let run = event.scripts();
            let run: Vec<_> = run.iter().map(|one| &*one.command.argv[0]).collect();
            assert_eq!(run, scripts, "{word:?}");
        }
        let bare = Notify {
            deleted: Some(None),
            ..everything()
        };
        let run = event(Word::State(Told::Deleted), bare).scripts();
        assert_eq!(run.len(), 1);
        assert_eq!(run[0].more[2], "DELETED");
    }
}
