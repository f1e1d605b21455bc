//! The list of what this daemon has made of the host, kept where it outlives it.
//!
//! A journal in the runtime directory, one line per event, so that keeping it
//! costs a takeover a few microseconds. A line is written *before* its thing
//! is made: a crash can leave a line too many, never a thing without one.
//!
//! ```text
//! vip installed 1 boot 5f0c… netns 4026531833
//! adding eth0 2 192.168.8.100/24
//! have eth0 2 192.168.8.100/24
//! gone eth0 2 192.168.8.100/24
//! making route 02180000… route default via 192.168.8.1
//! made route 02180000… route default via 192.168.8.1
//! unmade route 02180000… route default via 192.168.8.1
//! ```
//!
//! The first line says which boot and which network namespace it is about; in
//! any other it means nothing. What is not an address has a key without blanks,
//! by which it is taken back, and then its words for people.

use std::fmt;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{Assignment, Key, interface_name};

/// Its name in the runtime directory.
pub(super) const FILE: &str = "installed";

/// A journal longer than this is written anew with what still holds.
const REWRITE_AT: usize = 256 * 1024;

/// How far the installing of an address had come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// It was about to be added.
    Adding,
    /// The kernel had said that it is there, through us.
    Have,
}

/// Something that a vip has made of the host; shown as people write it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    pub(super) thing: Thing,
    pub(super) stage: Stage,
}

/// What it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Thing {
    /// An address, and the name that its interface had when it was added.
    Address { interface: String, key: Key },
    /// Anything else.
    Made(Made),
}

/// What is not an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Made {
    /// What it is.
    pub(super) kind: Kind,
    /// What is needed to take it back; without blanks.
    pub(super) key: String,
    /// What it is for people.
    pub(super) words: String,
}

/// What there is besides addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The key is the body of the request that made it.
    Route,
    /// The same.
    Rule,
    /// An interface with a virtual MAC: its name.
    Vmac,
    /// A switch of the kernel: its path below `/proc/sys`, the value it had, and the
    /// one it was given, with `=` between them.
    Switch,
    /// A table of the packet filter: its name.
    Table,
}

impl Kind {
    const ALL: [(&'static str, Self); 5] = [
        ("route", Self::Route),
        ("rule", Self::Rule),
        ("vmac", Self::Vmac),
        ("switch", Self::Switch),
        ("table", Self::Table),
    ];

    fn word(self) -> &'static str {
        let known = Self::ALL.iter().find(|(_, kind)| *kind == self);
        known.map_or("", |(word, _)| word)
    }
}

impl Listed {
    /// The address that it is, if it is one.
    pub(super) fn key(&self) -> Option<Key> {
        match &self.thing {
            Thing::Address { key, .. } => Some(*key),
            Thing::Made(_) => None,
        }
    }

    /// What it is, if it is no address.
    pub(super) fn made(&self) -> Option<&Made> {
        match &self.thing {
            Thing::Address { .. } => None,
            Thing::Made(made) => Some(made),
        }
    }

    /// An address that stands on its interface.
    pub(super) fn of(key: Key) -> Self {
        Self {
            thing: Thing::Address {
                interface: interface_name(key.ifindex),
                key,
            },
            stage: Stage::Have,
        }
    }

    /// Whether both are about the same thing.
    fn same(&self, other: &Self) -> bool {
        match (&self.thing, &other.thing) {
            (Thing::Address { key, .. }, Thing::Address { key: other, .. }) => key == other,
            (Thing::Made(made), Thing::Made(other)) => {
                (made.kind, &made.key) == (other.kind, &other.key)
            }
            (Thing::Address { .. }, Thing::Made(_)) | (Thing::Made(_), Thing::Address { .. }) => {
                false
            }
        }
    }

    /// As it stands.
    fn line(&self) -> String {
        self.line_with(match (&self.thing, self.stage) {
            (Thing::Address { .. }, Stage::Adding) => "adding",
            (Thing::Address { .. }, Stage::Have) => "have",
            (Thing::Made(_), Stage::Adding) => "making",
            (Thing::Made(_), Stage::Have) => "made",
        })
    }

    /// That it is not there any more.
    fn end(&self) -> String {
        self.line_with(match &self.thing {
            Thing::Address { .. } => "gone",
            Thing::Made(_) => "unmade",
        })
    }

    fn line_with(&self, word: &str) -> String {
        match &self.thing {
            Thing::Address { interface, key } => {
                // A name never has a blank; a sentence in its place does.
                let interface = Some(interface.as_str()).filter(|name| !name.contains(' '));
                let interface = interface.unwrap_or("-");
                format!("{word} {interface} {} {key}\n", key.ifindex)
            }
            Thing::Made(Made { kind, key, words }) => {
                format!("{word} {} {key} {words}\n", kind.word())
            }
        }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.thing {
            Thing::Address { interface, key } => write!(f, "{key} on {interface}"),
            Thing::Made(made) => f.write_str(&made.words),
        }
    }
}

/// What a list of an earlier daemon holds for this boot and namespace.
#[derive(Debug)]
pub(super) enum Earlier {
    /// No list.
    None,
    /// What was, or was about to be, made.
    Here(Vec<Listed>),
    /// It is about another boot: nothing of it can be left.
    OtherBoot,
    /// It is about another network namespace, where it may still hold.
    OtherNamespace,
}

/// The list, open for writing.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    place: Place,
    file: Option<File>,
    length: usize,
    trouble: Option<String>,
    entries: Vec<Listed>,
}

impl Ledger {
    /// The list of this runtime directory, and what it held. What it held for
    /// this place is carried on.
    pub(super) fn open(runtime_dir: &Path) -> io::Result<(Self, Earlier)> {
        let place = Place::here()?;
        let path = runtime_dir.join(FILE);
        let earlier = match fs::read(&path) {
            Ok(bytes) => place.read(&String::from_utf8_lossy(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Earlier::None,
            Err(error) => return Err(error),
        };
        let entries = if let Earlier::Here(entries) = &earlier {
            entries.clone()
        } else {
            Vec::new()
        };
        Ok((
            Self {
                path,
                place,
                file: None,
                length: 0,
                trouble: None,
                entries,
            },
            earlier,
        ))
    }

    /// The runtime directory.
    pub(super) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// What the list holds now.
    pub(super) fn entries(&self) -> &[Listed] {
        &self.entries
    }

    /// Notes that these are about to be added, each with the name of its
    /// interface as people know it; one that does not exist has none here.
    pub(super) fn adding<'a>(&mut self, batch: impl Iterator<Item = (&'a Assignment, String)>) {
        self.begin(batch.map(|(assignment, interface)| Thing::Address {
            interface,
            key: assignment.key(),
        }));
    }

    /// Notes that these are about to be made.
    pub(super) fn making<'a>(&mut self, batch: impl Iterator<Item = &'a Made>) {
        self.begin(batch.cloned().map(Thing::Made));
    }

    fn begin(&mut self, things: impl Iterator<Item = Thing>) {
        let mut lines = String::new();
        for thing in things {
            let entry = Listed {
                thing,
                stage: Stage::Adding,
            };
            lines.push_str(&entry.line());
            self.entries.push(entry);
        }
        self.append(&lines);
    }

    /// Notes which of these addresses are there through us, and which are not.
    pub(super) fn settle(&mut self, ours: impl Fn(Key) -> bool, keys: &[Key]) {
        self.settle_by(|entry| {
            let key = entry.key().filter(|key| keys.contains(key))?;
            Some(ours(key))
        });
    }

    /// Notes of all that `verdict` knows whether it is there through us.
    pub(super) fn settle_by(&mut self, verdict: impl Fn(&Listed) -> Option<bool>) {
        let mut lines = String::new();
        self.entries.retain_mut(|entry| {
            let Some(kept) = verdict(entry) else {
                return true;
            };
            if kept {
                entry.stage = Stage::Have;
                lines.push_str(&entry.line());
            } else {
                lines.push_str(&entry.end());
            }
            kept
        });
        self.append(&lines);
    }

    /// Writes the list anew, whole or not at all, and keeps it open, so that
    /// a takeover only adds a line.
    pub(super) fn rewrite(&mut self) {
        let result = self.try_rewrite();
        self.note(result);
    }

    /// Why the list could not be kept, once per reason.
    pub(super) fn take_trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    fn append(&mut self, lines: &str) {
        if lines.is_empty() {
            return;
        }
        let result = match &mut self.file {
            Some(file) if self.length + lines.len() < REWRITE_AT => {
                self.length += lines.len();
                file.write_all(lines.as_bytes())
            }
            // The entries already say what the lines say.
            Some(_) | None => self.try_rewrite(),
        };
        self.note(result);
    }

    fn try_rewrite(&mut self) -> io::Result<()> {
        self.file = None;
        let mut text = self.place.header();
        for entry in &self.entries {
            text.push_str(&entry.line());
        }
        let fresh = self.path.with_extension("new");
        // Never through a link that somebody else has put there.
        let _ = fs::remove_file(&fresh);
        let mut file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o644)
            .open(&fresh)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&fresh, &self.path)?;
        self.length = text.len();
        self.file = Some(file);
        Ok(())
    }

    fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.file = None;
            self.trouble = Some(format!("{}: {error}", self.path.display()));
        }
    }
}

impl Drop for Ledger {
    /// A list of nothing is none. One that was never written is not ours to
    /// remove.
    fn drop(&mut self) {
        if self.file.is_some() && self.entries.is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Where and when a list means something.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Place {
    boot: String,
    netns: u64,
}

impl Place {
    const TITLE: &str = "vip installed 1";

    fn here() -> io::Result<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?
            .trim()
            .to_owned();
        let netns = fs::metadata("/proc/thread-self/ns/net")?.ino();
        Ok(Self { boot, netns })
    }

    fn header(&self) -> String {
        format!("{} boot {} netns {}\n", Self::TITLE, self.boot, self.netns)
    }

    fn read(&self, text: &str) -> Earlier {
        let Some((header, lines)) = text.split_once('\n') else {
            return Earlier::None;
        };
        let mut ours = String::new();
        let _ = write!(ours, "{} boot {} ", Self::TITLE, self.boot);
        let Some(netns) = header.strip_prefix(&ours) else {
            return Earlier::OtherBoot;
        };
        if netns != format!("netns {}", self.netns) {
            return Earlier::OtherNamespace;
        }
        let mut entries: Vec<Listed> = Vec::new();
        for line in lines.lines() {
            // A line that was cut short by the crash was not followed by its deed.
            let Some((there, entry)) = parse(line) else {
                continue;
            };
            entries.retain(|known| !known.same(&entry));
            if there {
                entries.push(entry);
            }
        }
        Earlier::Here(entries)
    }
}

/// What a line is about, and whether it says that this is, or may be, there.
fn parse(line: &str) -> Option<(bool, Listed)> {
    let (word, rest) = line.split_once(' ')?;
    let (there, stage) = match word {
        "adding" | "making" => (true, Stage::Adding),
        "have" | "made" => (true, Stage::Have),
        "gone" | "unmade" => (false, Stage::Have),
        _ => return None,
    };
    let thing = match word {
        "making" | "made" | "unmade" => Thing::Made(parse_made(rest)?),
        _ => parse_address(rest)?,
    };
    Some((there, Listed { thing, stage }))
}

fn parse_made(rest: &str) -> Option<Made> {
    let mut words = rest.splitn(3, ' ');
    let kind = words.next()?;
    let (_, kind) = Kind::ALL.iter().find(|(word, _)| *word == kind)?;
    Some(Made {
        kind: *kind,
        key: words.next()?.to_owned(),
        // Without its words it was cut short.
        words: words.next().filter(|words| !words.is_empty())?.to_owned(),
    })
}

fn parse_address(rest: &str) -> Option<Thing> {
    let mut words = rest.split(' ');
    let interface = words.next()?.to_owned();
    let ifindex = words.next()?.parse().ok()?;
    let mut rest: Vec<&str> = words.collect();
    let (last, prefix) = rest.pop()?.split_once('/')?;
    let (address, peer) = match rest.as_slice() {
        [] => (last, None),
        [address, "peer"] => (*address, Some(last.parse().ok()?)),
        _ => return None,
    };
    let key = Key {
        ifindex,
        address: address.parse().ok()?,
        prefix: prefix.parse().ok()?,
        peer,
    };
    Some(Thing::Address { interface, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            boot: "b".into(),
            netns: 7,
        }
    }

    fn here(earlier: Earlier) -> Vec<String> {
        let Earlier::Here(entries) = earlier else {
            panic!("{earlier:?}");
        };
        entries
            .iter()
            .map(|entry| format!("{entry} {:?}", entry.stage))
            .collect()
    }

    #[test]
    fn the_last_word_on_an_address_counts() {
        let text = place().header()
            + "adding eth0 2 10.0.0.1/24\nadding eth0 2 10.0.0.2/24\nhave eth0 2 10.0.0.1/24\n\
               adding eth1 3 10.0.0.1/24\nadding eth0 2 10.0.0.3/32\ngone eth0 2 10.0.0.3/32\n";
        assert_eq!(
            here(place().read(&text)),
            [
                "10.0.0.2/24 on eth0 Adding",
                "10.0.0.1/24 on eth0 Have",
                "10.0.0.1/24 on eth1 Adding"
            ]
        );
    }

    #[test]
    fn a_line_is_read_as_it_is_written() {
        let header = place().header();
        for line in [
            "have eth0 2 2001:db8::1/64",
            "have eth0 2 10.0.0.1 peer 10.0.0.2/32",
            "have eth0 2 2001:db8::1 peer 2001:db8::2/128",
            "making route 021800 route default via 10.0.0.1",
            "made switch net/ipv4/conf/eth0/arp_ignore=0=1 arp_ignore of eth0",
        ] {
            let Earlier::Here(entries) = place().read(&format!("{header}{line}\n")) else {
                panic!("{line}");
            };
            assert_eq!(entries[0].line(), format!("{line}\n"));
        }
    }

    #[test]
    fn a_torn_line_is_no_address() {
        let text = place().header() + "have eth0 2 10.0.0.1/24\nhave eth0 2 10.0.0.2";
        assert_eq!(here(place().read(&text)), ["10.0.0.1/24 on eth0 Have"]);
    }

    #[test]
    fn another_boot_and_another_namespace_are_told_apart() {
        let text = place().header() + "have eth0 2 10.0.0.1/24\n";
        let rebooted = Place {
            boot: "c".into(),
            ..place()
        };
        assert!(matches!(rebooted.read(&text), Earlier::OtherBoot));
        let elsewhere = Place {
            netns: 8,
            ..place()
        };
        assert!(matches!(elsewhere.read(&text), Earlier::OtherNamespace));
        assert!(matches!(place().read(""), Earlier::None));
    }
}
