//! How a line of the table is written, and the reasons that several lines share.

use super::{AddressKey, AuthKey, GlobalKey, InstanceKey, Key, Keyword, Missing, Shape, Status};

/// One line: the word, what it takes, what becomes of it, what it means.
pub(super) const fn k(
    name: &'static str,
    shape: Shape,
    status: Status,
    meaning: &'static str,
) -> Keyword {
    Keyword {
        name,
        shape,
        status,
        meaning,
        default: None,
        since: None,
        instead: None,
        own: false,
    }
}

/// A word of the load balancer.
pub(super) const fn lvs(name: &'static str) -> Keyword {
    k(
        name,
        Shape::Any,
        Status::LoadBalancer,
        "a word of the load balancer",
    )
}

impl Keyword {
    /// What holds where it does not stand.
    pub(super) const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// The keepalived that first knew it.
    pub(super) const fn since(mut self, version: &'static str) -> Self {
        self.since = Some(version);
        self
    }

    /// That keepalived does not know it.
    pub(super) const fn own(mut self) -> Self {
        self.own = true;
        self
    }

    /// What to write instead of an old spelling.
    pub(super) const fn instead(mut self, word: &'static str) -> Self {
        self.instead = Some(word);
        self
    }
}

/// The release that brought signed adverts.
pub(super) const V2_4: &str = "2.4.0";
/// Some release after 2.2.7, which does not know it.
pub(super) const NEWER: &str = "after 2.2.7";

pub(super) const fn global(key: GlobalKey) -> Status {
    Status::Does(Key::Global(key))
}

pub(super) const fn instance(key: InstanceKey) -> Status {
    Status::Does(Key::Instance(key))
}

pub(super) const fn auth(key: AuthKey) -> Status {
    Status::Does(Key::Auth(key))
}

pub(super) const fn address(key: AddressKey) -> Status {
    Status::Does(Key::Address(key))
}

/// Read for what is in it.
pub(super) const OPENS: Status = Status::Does(Key::Opens);

/// Says how the files themselves are read.
pub(super) const READING: Status = Status::Does(Key::Reading);

/// What the host holds, whatever becomes of the instances.
pub(super) const STATIC: Status = Status::Does(Key::Static);

/// What is run and written when something changes.
pub(super) const REACTS: Status = Status::Does(Key::Reacts);

/// Read with the block or the line that it stands in.
pub(super) const PART: Status = Status::Does(Key::Part);

pub(super) const fn planned(why: &'static str) -> Status {
    Status::Planned(Missing::Harmless, why)
}

/// Planned, and to ignore it would change who holds the address.
pub(super) const fn planned_and_decides(why: &'static str) -> Status {
    Status::Planned(Missing::Decides, why)
}

pub(super) const fn not_supported(why: &'static str) -> Status {
    Status::NotSupported(Missing::Harmless, why)
}

/// Not supported, and to ignore it would change who holds the address.
pub(super) const fn not_supported_and_decides(why: &'static str) -> Status {
    Status::NotSupported(Missing::Decides, why)
}

/// A second, in the unit of [`Shape::Seconds`].
pub(super) const SECOND: u64 = 1_000_000;
/// A millisecond, in the unit of [`Shape::Millis`].
pub(super) const MILLI: u64 = 1000;
/// The largest number that keepalived keeps in 32 bits.
pub(super) const U32: i64 = u32::MAX as i64;
/// The longest time that keepalived keeps in 32 bits of microseconds.
pub(super) const LONGEST: u64 = u32::MAX as u64;
/// The same in whole seconds.
pub(super) const LONGEST_WHOLE: u32 = u32::MAX / 1_000_000;

pub(super) const ONE_PROCESS: &str = "vip is one process, named `vip`";
pub(super) const NO_CHILDREN: &str = "it tunes a process that vip does not have";
pub(super) const REAL_TIME: &str =
    "vip takes the best class that the scheduler has for it, and says which";
pub(super) const LOCKED: &str = "the engine locks its memory by itself";
pub(super) const UNLIMITED: &str = "SCHED_DEADLINE limits how long the engine runs, elsewhere the kernel limits all real-time tasks";
pub(super) const OWN_BUFFERS: &str = "vip sizes its own buffers";
pub(super) const NO_DUMPS: &str =
    "dumps lie in the runtime directory, under names that do not change";
pub(super) const NO_FIREWALL: &str = "what `no_accept` needs is in an nftables table of vip's own";
pub(super) const NO_MAIL: &str = "no mail is sent";
pub(super) const NO_SNMP: &str = "there is no SNMP agent";
pub(super) const NO_DBUS: &str = "there is no D-Bus service";
pub(super) const AROUND: &str =
    "the script is not run; `ExecStartPre=` and `ExecStopPost=` of the unit do the same";
pub(super) const NO_BFD: &str = "no BFD session is run";
pub(super) const NO_TRACK_GROUP: &str = "it is put back whatever becomes of the instances";
pub(super) const NO_RELOAD_FILE: &str = "no marker is written while the configuration is read";
pub(super) const NO_CLOCK: &str = "there is no reload by the clock";
pub(super) const LIST_COUNTED: &str = "a different address list is accepted and counted";
pub(super) const INTERFACE_STATE: &str = "link state always comes from the kernel's own events";
pub(super) const WHEN_LATE: &str =
    "a master that was late listens before it speaks again; it never gives up unheard";
