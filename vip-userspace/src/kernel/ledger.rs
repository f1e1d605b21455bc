//! The list of addresses this daemon has installed, kept where it outlives it.
//!
//! A journal in the runtime directory, one line per event, so that keeping it
//! costs a takeover a few microseconds. A line is written *before* its address
//! is added: a crash can leave a line too many, never an address without one.
//!
//! ```text
//! vip installed 1 boot 5f0c… netns 4026531833
//! adding eth0 2 192.168.8.100/24
//! have eth0 2 192.168.8.100/24
//! gone eth0 2 192.168.8.100/24
//! ```
//!
//! The first line says which boot and which network namespace it is about; in
//! any other it means nothing.

use std::fmt;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
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

/// An address that a vip has put on an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The interface's name when the address was added.
    pub interface: String,
    /// The interface's index.
    pub ifindex: u32,
    /// The address.
    pub address: IpAddr,
    /// Its prefix length, or its peer's.
    pub prefix: u8,
    /// The other end, where it has one.
    pub peer: Option<IpAddr>,
    pub(super) stage: Stage,
}

impl Listed {
    pub(super) fn key(&self) -> Key {
        Key {
            ifindex: self.ifindex,
            address: self.address,
            prefix: self.prefix,
            peer: self.peer,
        }
    }

    /// One that stands on its interface.
    pub(super) fn of(key: Key) -> Self {
        Self {
            interface: interface_name(key.ifindex),
            ifindex: key.ifindex,
            address: key.address,
            prefix: key.prefix,
            peer: key.peer,
            stage: Stage::Have,
        }
    }

    fn line(&self, word: &str) -> String {
        format!(
            "{word} {} {} {}\n",
            self.interface,
            self.ifindex,
            self.key()
        )
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.key(), self.interface)
    }
}

/// What a list of an earlier daemon holds for this boot and namespace.
#[derive(Debug)]
pub(super) enum Earlier {
    /// No list.
    None,
    /// Addresses that were, or were about to be, installed.
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

    /// What the list holds now.
    pub(super) fn entries(&self) -> &[Listed] {
        &self.entries
    }

    /// Notes that these are about to be added, each with the name of its
    /// interface as people know it; one that does not exist has none here.
    pub(super) fn adding<'a>(&mut self, batch: impl Iterator<Item = (&'a Assignment, String)>) {
        let mut lines = String::new();
        for (assignment, interface) in batch {
            let entry = Listed {
                // A name never has a blank; a sentence in its place does.
                interface: if interface.contains(' ') {
                    "-".into()
                } else {
                    interface
                },
                stage: Stage::Adding,
                ..Listed::of(assignment.key())
            };
            lines.push_str(&entry.line("adding"));
            self.entries.push(entry);
        }
        self.append(&lines);
    }

    /// Notes which of them are there through us, and which are not.
    pub(super) fn settle(&mut self, ours: impl Fn(Key) -> bool, keys: &[Key]) {
        let mut lines = String::new();
        self.entries.retain_mut(|entry| {
            if !keys.contains(&entry.key()) {
                return true;
            }
            let kept = ours(entry.key());
            if kept {
                entry.stage = Stage::Have;
            }
            lines.push_str(&entry.line(if kept { "have" } else { "gone" }));
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
            text.push_str(&entry.line(match entry.stage {
                Stage::Adding => "adding",
                Stage::Have => "have",
            }));
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
            // A line that was cut short by the crash was not followed by an add.
            let Some((word, entry)) = parse(line) else {
                continue;
            };
            entries.retain(|known| known.key() != entry.key());
            if word != "gone" {
                entries.push(entry);
            }
        }
        Earlier::Here(entries)
    }
}

fn parse(line: &str) -> Option<(&str, Listed)> {
    let mut words = line.split(' ');
    let word = words.next()?;
    let stage = match word {
        "adding" | "gone" => Stage::Adding,
        "have" => Stage::Have,
        _ => return None,
    };
    let interface = words.next()?.to_owned();
    let ifindex = words.next()?.parse().ok()?;
    let mut rest: Vec<&str> = words.collect();
    let (last, prefix) = rest.pop()?.split_once('/')?;
    let (address, peer) = match rest.as_slice() {
        [] => (last, None),
        [address, "peer"] => (*address, Some(last.parse().ok()?)),
        _ => return None,
    };
    let entry = Listed {
        interface,
        ifindex,
        address: address.parse().ok()?,
        prefix: prefix.parse().ok()?,
        peer,
        stage,
    };
    Some((word, entry))
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
    fn an_address_is_read_as_it_is_written() {
        let header = place().header();
        for line in [
            "have eth0 2 2001:db8::1/64",
            "have eth0 2 10.0.0.1 peer 10.0.0.2/32",
            "have eth0 2 2001:db8::1 peer 2001:db8::2/128",
        ] {
            let Earlier::Here(entries) = place().read(&format!("{header}{line}\n")) else {
                panic!("{line}");
            };
            assert_eq!(entries[0].line("have"), format!("{line}\n"));
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
