//! One small file per trap of the language: what people write, what keepalived
//! makes of it, and whether we make the same of it. They stand in `traps/*.txt`,
//! as text, the way people write it.

use std::thread;

use anyhow::{Context as _, Result, bail, ensure};

use super::trial::{Allowed, Trial};

/// A few lines, where they stand, and in what both may differ.
struct Trap {
    rule: String,
    text: String,
    /// Files beside it, by name.
    beside: Vec<(String, String)>,
    allowed: Allowed,
}

/// What stands around the lines of a trap.
#[derive(Clone, Copy)]
enum Place {
    /// Nothing: they are the whole file.
    File,
    /// They are in `global_defs`, and a plain instance follows.
    Global,
    /// They are in an otherwise complete instance of version 2.
    Instance,
    /// They are in an otherwise complete instance of version 3.
    Version3,
    /// They are the addresses of an instance of version 2.
    Addresses,
}

impl Place {
    fn around(self, lines: &str) -> String {
        let instance = |inside: &str, addresses: &str| {
            format!(
                "vrrp_instance VI_1 {{\n    interface eth0\n    virtual_router_id 51\n{inside}    \
                 virtual_ipaddress {{\n{addresses}    }}\n}}\n"
            )
        };
        let address = "        10.0.0.1/24\n";
        match self {
            Self::File => lines.to_owned(),
            Self::Global => format!("global_defs {{\n{lines}}}\n{}", instance("", address)),
            Self::Instance => instance(lines, address),
            Self::Version3 => instance(&format!("    version 3\n{lines}"), address),
            Self::Addresses => instance("", lines),
        }
    }
}

/// Reads a file of traps:
///
/// ```text
/// === the rule
/// in instance
/// judged: why both may differ on whether it is good
/// ---
/// priority 50
/// ```
///
/// A line `--- NAME` begins a file of that name beside it. What stands before the
/// first trap is for people.
fn read(file: &str) -> Result<Vec<Trap>> {
    let all = file.split("\n=== ").skip(1);
    all.map(|trap| {
        let (rule, rest) = trap.split_once('\n').context("a trap without lines")?;
        one(rule, rest).with_context(|| rule.to_owned())
    })
    .collect()
}

fn one(rule: &str, rest: &str) -> Result<Trap> {
    let (head, lines) = rest.split_once("---\n").context("no line `---`")?;
    let mut place = None;
    let mut allowed = Allowed::default();
    for line in head.lines() {
        match line.split_once(' ') {
            Some(("in", "file")) => place = Some(Place::File),
            Some(("in", "global")) => place = Some(Place::Global),
            Some(("in", "instance")) => place = Some(Place::Instance),
            Some(("in", "version 3")) => place = Some(Place::Version3),
            Some(("in", "addresses")) => place = Some(Place::Addresses),
            Some(("judged:", why)) => allowed.judged = Some(why.to_owned()),
            Some(("silent:", why)) => allowed.silent = Some(why.to_owned()),
            Some(("read:", why)) => allowed.read = Some(why.to_owned()),
            _ => bail!("unknown line {line}"),
        }
    }
    let mut files = lines.split("--- ");
    let lines = whole_lines(files.next().unwrap_or_default());
    let beside = files.map(|file| {
        let (name, lines) = file.split_once('\n').context("a file without lines")?;
        Ok((name.to_owned(), whole_lines(lines)))
    });
    Ok(Trap {
        rule: rule.to_owned(),
        text: place.context("no line `in …`")?.around(&lines),
        beside: beside.collect::<Result<_>>()?,
        allowed,
    })
}

/// Without the empty line before the next trap.
fn whole_lines(text: &str) -> String {
    let mut text = text.trim_end().to_owned();
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// At a time: a trap is mostly waiting for a daemon.
const ABREAST: usize = 4;

/// Runs traps; all that is wrong comes out at once.
fn spring(traps: &[Trap]) -> Result<()> {
    let run = |trap: &Trap| match Trial::of(&trap.text, &trap.beside) {
        Ok(trial) => trial.against(&trap.rule, &trap.allowed),
        Err(error) => Some(format!("{}: {error:#}\n{}", trap.rule, trap.text)),
    };
    let wrong: Vec<String> = thread::scope(|scope| {
        let share = traps.len().div_ceil(ABREAST).max(1);
        let work = |traps: &'_ [Trap]| traps.iter().filter_map(run).collect::<Vec<_>>();
        let threads: Vec<_> = traps
            .chunks(share)
            .map(|traps| scope.spawn(move || work(traps)))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|_| vec!["a panic".into()]))
            .collect()
    });
    ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    Ok(())
}

#[test]
fn language() -> Result<()> {
    spring(&read(include_str!("traps/language.txt"))?)
}

#[test]
fn global_definitions() -> Result<()> {
    spring(&read(include_str!("traps/global.txt"))?)
}

#[test]
fn instances() -> Result<()> {
    spring(&read(include_str!("traps/instance.txt"))?)
}

#[test]
fn addresses() -> Result<()> {
    spring(&read(include_str!("traps/address.txt"))?)
}

#[test]
fn lists() -> Result<()> {
    spring(&read(include_str!("traps/list.txt"))?)
}

/// What a file of traps cannot show.
#[test]
fn line_ends_and_blanks() -> Result<()> {
    let plain = "vrrp_instance A {\n interface eth0\n virtual_router_id 5\n\
                 virtual_ipaddress {\n 10.0.0.1\n }\n}\n";
    let traps = [
        ("no newline at the end", plain.trim_end().to_owned()),
        ("CRLF", plain.replace('\n', "\r\n")),
        ("tabs", plain.replace(' ', "\t")),
        ("form feeds", plain.replace(' ', "\x0c")),
        ("CR alone", plain.replace('\n', "\r")),
        ("two blanks", plain.replace(' ', "  ")),
        (
            "Latin-1 in a comment is UTF-8 here",
            format!("# caf\u{e9}\n{plain}"),
        ),
    ];
    let trap = |rule: &str, text, allowed| Trap {
        rule: rule.to_owned(),
        text,
        beside: Vec::new(),
        allowed,
    };
    let mark = Some("a letter for keepalived, and nothing for us".to_owned());
    let marked = Allowed {
        judged: mark.clone(),
        silent: mark.clone(),
        read: mark,
    };
    let glued = Allowed {
        silent: Some("we say it once for the block, keepalived for each line".to_owned()),
        ..Allowed::default()
    };
    let mut traps: Vec<_> = traps
        .into_iter()
        .map(|(rule, text)| trap(rule, text, Allowed::default()))
        .collect();
    traps.push(trap(
        "a byte order mark",
        format!("\u{feff}{plain}"),
        marked,
    ));
    traps.push(trap(
        "blanks that do not break",
        plain.replace(' ', "\u{a0}"),
        glued,
    ));
    spring(&traps)
}

#[test]
fn a_file_of_traps_is_read() {
    let traps = read(
        "For people.\n\n=== a rule\nin version 3\nread: why\n---\npriority 5\n\n=== b\nin file\n---\n",
    );
    let traps = traps.unwrap();
    assert_eq!(traps.len(), 2);
    assert_eq!(traps[0].rule, "a rule");
    assert!(traps[0].text.contains("version 3\npriority 5\n"));
    assert_eq!(traps[0].allowed.read.as_deref(), Some("why"));
    assert_eq!(traps[1].text, "");
    for bad in [
        "\n=== a\nin file\n",
        "\n=== a\nin bed\n---\n",
        "\n=== a\n---\n",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}
