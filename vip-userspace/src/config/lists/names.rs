//! Names that the kernel knows as numbers: tables, protocols, scopes, realms,
//! values of the DS field, groups of interfaces.
//!
//! The well-known ones are built in. A host may name more in the files of
//! iproute2; [`Names::load`] reads them from directories that the caller gives.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::super::diag::{Finding, Sink, nearest, quoted};
use super::super::lex::Token;
use super::super::reading::{self, Files};

/// What kind of thing a name is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Routing tables, 1 to 4294967295 (`rt_tables`).
    Table,
    /// Who made a route or rule, 0 to 255 (`rt_protos`).
    Protocol,
    /// How far an address or route reaches, 0 to 255 (`rt_scopes`).
    Scope,
    /// Realms of routes, 0 to 255 as keepalived takes them (`rt_realms`).
    Realm,
    /// Values of the DS field (TOS), 0 to 255 (`rt_dsfield`).
    DsField,
    /// Groups of interfaces (`group`).
    Group,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Table,
        Self::Protocol,
        Self::Scope,
        Self::Realm,
        Self::DsField,
        Self::Group,
    ];

    /// The file of iproute2 that names them.
    fn file(self) -> &'static str {
        match self {
            Self::Table => "rt_tables",
            Self::Protocol => "rt_protos",
            Self::Scope => "rt_scopes",
            Self::Realm => "rt_realms",
            Self::DsField => "rt_dsfield",
            Self::Group => "group",
        }
    }

    /// The largest number.
    fn most(self) -> u32 {
        match self {
            Self::Table | Self::Group => u32::MAX,
            Self::Protocol | Self::Scope | Self::Realm | Self::DsField => 255,
        }
    }

    /// In a sentence, with its article.
    fn noun(self) -> &'static str {
        match self {
            Self::Table => "a routing table",
            Self::Protocol => "a routing protocol",
            Self::Scope => "a scope",
            Self::Realm => "a realm",
            Self::DsField => "a value of the DS field",
            Self::Group => "a group of interfaces",
        }
    }

    /// Those that every host knows.
    fn built_in(self) -> &'static [(&'static str, u32)] {
        match self {
            Self::Table => &[
                ("unspec", 0),
                ("default", 253),
                ("main", 254),
                ("local", 255),
            ],
            Self::Protocol => &[
                ("unspec", 0),
                ("redirect", 1),
                ("kernel", 2),
                ("boot", 3),
                ("static", 4),
                ("gated", 8),
                ("ra", 9),
                ("mrt", 10),
                ("zebra", 11),
                ("bird", 12),
                ("dnrouted", 13),
                ("xorp", 14),
                ("ntk", 15),
                ("dhcp", 16),
                ("keepalived", 18),
                ("babel", 42),
                ("openr", 99),
                ("bgp", 186),
                ("isis", 187),
                ("ospf", 188),
                ("rip", 189),
                ("eigrp", 192),
            ],
            Self::Scope => &[
                ("global", 0),
                ("site", 200),
                ("link", 253),
                ("host", 254),
                ("nowhere", 255),
            ],
            Self::Realm => &[("cosmos", 0)],
            Self::DsField => &[
                ("default", 0x00),
                ("AF11", 0x28),
                ("AF12", 0x30),
                ("AF13", 0x38),
                ("AF21", 0x48),
                ("AF22", 0x50),
                ("AF23", 0x58),
                ("AF31", 0x68),
                ("AF32", 0x70),
                ("AF33", 0x78),
                ("AF41", 0x88),
                ("AF42", 0x90),
                ("AF43", 0x98),
                ("CS1", 0x20),
                ("CS2", 0x40),
                ("CS3", 0x60),
                ("CS4", 0x80),
                ("CS5", 0xa0),
                ("CS6", 0xc0),
                ("CS7", 0xe0),
                ("EF", 0xb8),
            ],
            Self::Group => &[("default", 0)],
        }
    }
}

/// A number, or a name that only a host can turn into one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Number {
    /// The number.
    Known(u32),
    /// A name that is not built in: [`Names::resolve`] knows it where the host does.
    Named(Token),
}

impl Number {
    /// The number, where it is known without the host.
    #[must_use]
    pub fn known(&self) -> Option<u32> {
        match self {
            Self::Known(number) => Some(*number),
            Self::Named(_) => None,
        }
    }
}

/// The names of a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Names {
    entries: [Vec<(Box<str>, u32)>; Kind::ALL.len()],
    /// Whether a name that is not here does not exist.
    complete: bool,
}

static WELL_KNOWN: LazyLock<Names> = LazyLock::new(|| Names {
    entries: Kind::ALL.map(|kind| {
        let own = |&(name, number): &(&str, u32)| (name.into(), number);
        kind.built_in().iter().map(own).collect()
    }),
    complete: false,
});

/// Larger files are not lists of names.
const LARGEST_FILE: usize = 1024 * 1024;
/// Files of one `*.d` directory that are read.
const MOST_FILES: usize = 256;
/// Names of one kind that are kept.
const MOST_NAMES: usize = 65_536;

impl Names {
    /// Those that every host knows; what else there is on a host is not known.
    #[must_use]
    pub fn well_known() -> &'static Self {
        &WELL_KNOWN
    }

    /// Reads the files of iproute2 in these directories, and in their `*.d`
    /// directories. What the first names is not overridden by the next. Files
    /// that are missing, unreadable or no lists are passed over, as iproute2 does.
    #[must_use]
    pub fn load(files: &dyn Files, directories: &[&Path]) -> Self {
        let mut names = Self {
            complete: true,
            ..Self::well_known().clone()
        };
        for kind in Kind::ALL {
            for directory in directories {
                names.read_file(files, kind, &directory.join(kind.file()));
                let more = directory.join(format!("{}.d", kind.file()));
                for file in dropped_in(files, &more) {
                    names.read_file(files, kind, &file);
                }
            }
        }
        names
    }

    fn read_file(&mut self, files: &dyn Files, kind: Kind, path: &Path) {
        let is_file = matches!(
            files.kind(path),
            Ok(reading::Kind::Plain | reading::Kind::Executable)
        );
        if let Some(bytes) = is_file.then(|| files.read(path).ok()).flatten()
            && bytes.len() <= LARGEST_FILE
        {
            self.read(kind, &String::from_utf8_lossy(&bytes));
        }
    }

    /// Reads lines of `NUMBER NAME`, decimal or hexadecimal, as they stand in the
    /// files of iproute2; `#` begins a comment. Lines that are not so are passed over.
    pub fn read(&mut self, kind: Kind, text: &str) {
        let known = &mut self.entries[kind as usize];
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            let (Some(number), Some(name)) = (words.next(), words.next()) else {
                continue;
            };
            let Some(number) = number_of(number).filter(|number| *number <= kind.most()) else {
                continue;
            };
            if known.len() < MOST_NAMES && !known.iter().any(|(old, _)| **old == *name) {
                known.push((name.into(), number));
            }
        }
    }

    /// The number of a name.
    #[must_use]
    pub fn get(&self, kind: Kind, name: &str) -> Option<u32> {
        // AF11 is written as people like.
        let same = |known: &str| {
            known == name || (kind == Kind::DsField && known.eq_ignore_ascii_case(name))
        };
        self.entries[kind as usize]
            .iter()
            .find(|(known, _)| same(known))
            .map(|(_, number)| *number)
    }

    /// Reads a word that is a number or a name. A name that is not known is an
    /// error, except where only the host can know it.
    pub(in super::super) fn parse(
        &self,
        kind: Kind,
        word: &Token,
        sink: &mut Sink,
    ) -> Option<Number> {
        let text = &*word.text;
        let least = u32::from(kind == Kind::Table);
        let number = number_of(text).filter(|number| (least..=kind.most()).contains(number));
        if let Some(number) = number.or_else(|| self.get(kind, text)) {
            return Some(Number::Known(number));
        }
        if number_of(text).is_some() || text.parse::<i64>().is_ok() {
            sink.add(Finding::error(
                word.span,
                format!(
                    "{} is not {}: its number is {least} to {}",
                    quoted(text),
                    kind.noun(),
                    kind.most()
                ),
            ));
            return None;
        }
        let near = nearest(text, self.of(kind));
        let a_name = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if near.is_none() && a_name && !self.complete && kind != Kind::Scope {
            return Some(Number::Named(word.clone()));
        }
        sink.add(self.not_known(kind, word));
        None
    }

    /// The number of what was read without the host's names, by these names.
    #[must_use]
    pub fn resolve(&self, kind: Kind, number: &Number) -> Option<u32> {
        match number {
            Number::Known(number) => Some(*number),
            Number::Named(word) => self.get(kind, &word.text),
        }
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.entries[kind as usize].iter().map(|(name, _)| &**name)
    }

    /// What to say of a name that nothing here knows.
    pub(in super::super) fn not_known(&self, kind: Kind, word: &Token) -> Finding {
        let finding = Finding::error(
            word.span,
            format!("{} is not {}", quoted(&word.text), kind.noun()),
        );
        if let Some(near) = nearest(&word.text, self.of(kind)) {
            finding.help(format!("did you mean `{near}`?"))
        } else if kind == Kind::Scope {
            finding.help("it is global, site, link, host, nowhere or 0 to 255")
        } else {
            finding.help(format!(
                "give its number, or name it in /etc/iproute2/{}",
                kind.file()
            ))
        }
    }
}

/// The `*.conf` files of a directory, in the order of their names.
fn dropped_in(files: &dyn Files, directory: &Path) -> Vec<PathBuf> {
    let names = files.names(directory).unwrap_or_default();
    let mut files: Vec<PathBuf> = names
        .iter()
        .map(|name| directory.join(name))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "conf")
        })
        .take(MOST_FILES)
        .collect();
    files.sort();
    files
}

/// As C reads numbers: hexadecimal behind `0x`, octal behind `0`, else decimal.
pub(super) fn number_of(text: &str) -> Option<u32> {
    let (digits, radix) = if let Some(digits) = text.strip_prefix("0x") {
        (digits, 16)
    } else if let Some(digits) = text.strip_prefix("0X") {
        (digits, 16)
    } else if text.len() > 1 && text.starts_with('0') {
        (text, 8)
    } else {
        (text, 10)
    };
    if digits.starts_with('+') {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}
