use crate::config::reading::Host;
use std::fs;
use std::path::PathBuf;

use super::super::names::{Kind, Names, Number, number_of};
use super::{read, saying};

fn parse(names: &Names, kind: Kind, word: &str) -> Option<Number> {
    let (number, _) = read(word, |words, sink| names.parse(kind, &words[0], sink));
    number
}

#[test]
fn well_known_names_and_numbers_are_read() {
    for (kind, word, number) in [
        (Kind::Table, "main", 254),
        (Kind::Table, "0x10", 16),
        (Kind::Table, "010", 8),
        (Kind::Table, "4294967295", u32::MAX),
        (Kind::Protocol, "static", 4),
        (Kind::Protocol, "ra", 9),
        (Kind::Scope, "nowhere", 255),
        (Kind::Scope, "7", 7),
        (Kind::Realm, "cosmos", 0),
        (Kind::DsField, "AF11", 0x28),
        (Kind::DsField, "ef", 0xb8),
        (Kind::DsField, "22", 22),
        (Kind::Group, "default", 0),
    ] {
        let read = parse(Names::well_known(), kind, word);
        assert_eq!(read, Some(Number::Known(number)), "{kind:?} {word}");
    }
}

#[test]
fn numbers_are_written_as_in_c() {
    for (text, number) in [
        ("0", Some(0)),
        ("017", Some(15)),
        ("0xFf", Some(255)),
        ("0X1", Some(1)),
        ("08", None),
        ("", None),
        ("0x", None),
        ("+1", None),
        ("0x+1", None),
        ("-1", None),
        ("4294967296", None),
    ] {
        assert_eq!(number_of(text), number, "{text}");
    }
}

#[test]
fn a_name_that_is_not_known_may_be_the_hosts() {
    let known = Names::well_known();
    assert!(matches!(
        parse(known, Kind::Table, "uplink2"),
        Some(Number::Named(_))
    ));
    for (kind, word, what) in [
        (Kind::Table, "mian", "did you mean `main`?"),
        (Kind::Protocol, "statik", "did you mean `static`?"),
        (
            Kind::Scope,
            "universe",
            "it is global, site, link, host, nowhere or 0 to 255",
        ),
        (
            Kind::Table,
            "12a",
            "give its number, or name it in /etc/iproute2/rt_tables",
        ),
        (Kind::Protocol, "256", "its number is 0 to 255"),
    ] {
        let read = saying(word, &[what], |words, sink| {
            known.parse(kind, &words[0], sink)
        });
        assert_eq!(read, None, "{word}");
    }
}

#[test]
fn files_of_names_are_read_line_by_line() {
    let mut names = Names::well_known().clone();
    names.read(
        Kind::Table,
        "# comment\n100 uplink # more\n\t0x65\tsecond extra\nnonsense\n7\n99999999999 big\n200 main\n",
    );
    assert_eq!(names.get(Kind::Table, "uplink"), Some(100));
    assert_eq!(names.get(Kind::Table, "second"), Some(101));
    assert_eq!(names.get(Kind::Table, "big"), None);
    assert_eq!(names.get(Kind::Table, "main"), Some(254));
}

/// A directory of its own, which goes with the test.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_names_of_a_host_come_from_its_directories() {
    let path = std::env::temp_dir().join(format!("vip-names-{}", std::process::id()));
    let scratch = Scratch(path.clone());
    let (etc, usr) = (path.join("etc"), path.join("usr"));
    fs::create_dir_all(etc.join("rt_tables.d")).unwrap();
    fs::create_dir_all(&usr).unwrap();
    fs::write(etc.join("rt_tables"), "100 uplink\n").unwrap();
    fs::write(etc.join("rt_tables.d/more.conf"), "101 second\n").unwrap();
    fs::write(etc.join("rt_tables.d/not.txt"), "102 third\n").unwrap();
    fs::write(usr.join("rt_tables"), "500 uplink\n103 fourth\n").unwrap();
    fs::write(usr.join("group"), b"5 \xff\n6 lan\n").unwrap();
    fs::create_dir(usr.join("rt_realms")).unwrap();
    let names = Names::load(&Host, &[&etc, &usr, &path.join("missing")]);
    drop(scratch);
    for (name, number) in [
        ("uplink", Some(100)),
        ("second", Some(101)),
        ("third", None),
        ("fourth", Some(103)),
        ("main", Some(254)),
    ] {
        assert_eq!(names.get(Kind::Table, name), number, "{name}");
    }
    assert_eq!(names.get(Kind::Group, "lan"), Some(6));

    // Now a name that is not there does not exist, and an earlier one is found.
    let unknown = saying("uplnk", &["did you mean `uplink`?"], |words, sink| {
        names.parse(Kind::Table, &words[0], sink)
    });
    assert_eq!(unknown, None);
    for (name, number) in [("zebra2000", None), ("second", Some(101))] {
        let (read, said) = read(name, |words, sink| {
            Names::well_known().parse(Kind::Table, &words[0], sink)
        });
        assert_eq!(said.len(), 0, "{name}");
        let later = read.unwrap();
        assert_eq!(names.resolve(Kind::Table, &later), number, "{name}");
    }
}
