//! Input that is not a configuration, and much of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::{NODE_A, headlines, instance};
use crate::config::{LARGEST_FILE, Loaded, ReadError, Severity, load, parse, parse_bytes};

/// A directory of its own for one test, gone at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vip-config-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_is_read_from_where_it_is() {
    let scratch = Scratch::new("read");
    let path = scratch.file("a.conf", NODE_A.as_bytes());
    let loaded = load(&path).unwrap();
    assert_eq!(headlines(&loaded), [""; 0]);
    let place = loaded.configuration.instances[0].place.to_string();
    assert_eq!(place, format!("{}:6:15", path.display()));
}

#[test]
fn what_cannot_be_read_is_said_in_a_sentence() {
    let scratch = Scratch::new("refuse");
    let said = |path: &Path| load(path).unwrap_err().to_string();

    let missing = scratch.0.join("none.conf");
    assert!(matches!(load(&missing), Err(ReadError::Missing(_))));
    assert!(
        said(&missing)
            .ends_with("none.conf: there is no such file; name one with -f FILE, or write one")
    );

    assert!(matches!(load(&scratch.0), Err(ReadError::Directory(_))));
    assert!(said(&scratch.0).ends_with("this is a directory; name the file in it"));

    let below = scratch.file("file", b"x").join("below");
    assert!(matches!(load(&below), Err(ReadError::Io { .. })));

    let wide = scratch.file("wide", b"\xff\xfev\0r\0r\0p\0");
    assert!(said(&wide).ends_with("this is UTF-16 or UTF-32 text; save it as UTF-8"));

    let sealed = scratch.file("sealed", NODE_A.as_bytes());
    fs::set_permissions(&sealed, fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads it all the same.
    if let Err(error) = load(&sealed) {
        assert!(
            error
                .to_string()
                .contains("cannot be read: Permission denied"),
            "{error}"
        );
    }
}

#[test]
fn a_file_too_large_is_refused_without_being_kept() {
    let scratch = Scratch::new("large");
    let path = scratch.0.join("large");
    let file = fs::File::create(&path).unwrap();
    file.set_len(LARGEST_FILE + 1).unwrap();
    assert!(matches!(load(&path), Err(ReadError::TooLarge(_))));
    file.set_len(LARGEST_FILE * 1000).unwrap();
    assert!(matches!(load(&path), Err(ReadError::TooLarge(_))));
}

#[test]
fn what_may_never_end_is_refused_without_waiting_for_it() {
    let scratch = Scratch::new("fifo");
    let fifo = scratch.0.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let link = scratch.0.join("link");
    std::os::unix::fs::symlink(&fifo, &link).unwrap();
    let (reader, _writer) = std::io::pipe().unwrap();
    let pipe = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
    for path in [&fifo, &link, Path::new(&pipe), Path::new("/dev/zero")] {
        let error = load(path).unwrap_err();
        assert!(matches!(error, ReadError::NotAFile(_)), "{error}");
        assert!(error.to_string().contains("not a regular file"), "{error}");
    }
}

#[test]
fn a_file_that_keepalived_would_not_read_is_read_with_a_note() {
    let scratch = Scratch::new("executable");
    let path = scratch.file("a.conf", NODE_A.as_bytes());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let loaded = load(&path).unwrap();
    assert_eq!(loaded.configuration.instances.len(), 1);
    assert_eq!(
        headlines(&loaded),
        [format!(
            "{}: note: the file may be executed, so that keepalived would not read it",
            path.display()
        )]
    );
}

#[test]
fn a_link_to_a_file_is_followed() {
    let scratch = Scratch::new("link");
    let [file, link] = ["file", "link"].map(|name| scratch.0.join(name));
    fs::write(&file, NODE_A).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert_eq!(headlines(&load(&link).unwrap()), [""; 0]);
}

/// The worst that some bytes can do, in bounded time and with bounded output.
fn bounded(bytes: &[u8]) -> Loaded {
    let began = thread_time();
    let loaded = parse_bytes(bytes, "t");
    assert!(thread_time() - began < Duration::from_secs(10));
    assert!(loaded.problems.len() <= 1001);
    loaded
}

#[test]
fn large_nonsense_ends_with_an_error_and_bounded_output() {
    let size = usize::try_from(LARGEST_FILE).unwrap();
    for pattern in [
        "{", "}", "a{", "a\n", "\"", "$", "a ", "\0", "${", "~SEQ(", "$A=\\\n", "#", "@\n",
        "include ",
    ] {
        let bytes = pattern.repeat(size / pattern.len() / 16).into_bytes();
        let loaded = bounded(&bytes);
        // Comments, definitions and lines of other hosts make an empty file,
        // which keepalived starts with.
        let severity = match pattern {
            "#" | "$A=\\\n" | "@\n" => Severity::Warning,
            _ => Severity::Error,
        };
        assert!(loaded.count(severity) > 0, "{pattern:?}");
        let shown: usize = loaded
            .problems
            .iter()
            .map(|problem| problem.render(false).len())
            .sum();
        assert!(shown < 8 << 20, "{pattern:?}: {shown}");
    }
    assert!(bounded(&vec![0xff; size / 16]).count(Severity::Error) > 0);
}

#[test]
fn problems_beyond_the_bound_are_counted() {
    let loaded = bounded("x\n".repeat(5000).as_bytes());
    let headlines = headlines(&loaded);
    assert_eq!(headlines.len(), 1001);
    assert_eq!(
        headlines[1000],
        "t: error: 4001 more problems are not shown"
    );
}

#[test]
fn many_instances_take_little_time() {
    let text = |count: usize| {
        let mut text = String::new();
        for n in 0..count {
            let (high, low) = (n / 250, n % 250);
            text += &instance(
                "priority 100\nadvert_int 1\nauthentication {\nauth_type PASS\nauth_pass 1111\n}",
            )
            .replace(" A {", &format!(" VI_{n} {{"))
            .replace("eth0", &format!("eth{high}"))
            .replace("_id 1", &format!("_id {}", low + 1))
            .replace("192.0.2.1/", &format!("10.{high}.{low}.1/"));
        }
        text
    };
    let took = |count: usize| {
        let text = text(count);
        let began = thread_time();
        let loaded = parse(&text, "t");
        let took = thread_time() - began;
        assert_eq!(headlines(&loaded), [""; 0]);
        assert_eq!(loaded.configuration.instances.len(), count);
        took
    };
    let (few, many) = (took(4_000), took(16_000));
    assert!(many < few * 10, "4,000 take {few:?}, 16,000 take {many:?}");
}

/// keepalived's own example of what a few lines can ask for.
#[test]
fn two_repetitions_make_65_thousand_instances() {
    let text = "$V=vrrp_instance V_${i}_$j { \\
 interface eth$i \\
 virtual_router_id $j \\
 virtual_ipaddress { \\
  10.${i}.${j}.1/24 \\
 } \\
}
~SEQ(i, 0, 255) ~SEQ(j, 1, 254) $V
";
    let loaded = bounded(text.as_bytes());
    assert_eq!(headlines(&loaded), [""; 0]);
    let instances = &loaded.configuration.instances;
    assert_eq!(instances.len(), 65_024);
    let last = &instances[65_023];
    assert_eq!((&*last.name, &*last.interface), ("V_255_254", "eth255"));
    // Its name stands in the definition.
    assert_eq!(last.place.to_string(), "t:1:18");
}

#[test]
fn what_is_included_from_a_host_is_bounded_too() {
    let scratch = Scratch::new("include");
    let file = fs::File::create(scratch.0.join("large.conf")).unwrap();
    file.set_len(100 << 20).unwrap();
    nix::unistd::mkfifo(&scratch.0.join("fifo.conf"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let run = scratch.file("run.conf", b"x");
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
    let path = scratch.file(
        "vip",
        format!("include *.conf\ninclude vip\n{NODE_A}").as_bytes(),
    );
    let loaded = load(&path).unwrap();
    let said: Vec<&str> = loaded.problems.iter().map(|one| one.message()).collect();
    let beginnings = [
        "fifo.conf` is not a regular",
        "large.conf: larger than",
        "run.conf` may be",
        "vip` includes itself",
    ];
    for (said, beginning) in said.iter().zip(beginnings) {
        assert!(said.contains(beginning), "{said}");
    }
    assert_eq!(said.len(), 4, "{said:?}");
    assert_eq!(loaded.configuration.instances.len(), 1);
}

/// Processor time of this thread: what it needs, however busy the host is.
fn thread_time() -> Duration {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    nix::time::clock_gettime(clock).unwrap().into()
}

/// Text that looks like a configuration for long enough to go deep.
fn nearly_a_configuration() -> impl Strategy<Value = String> {
    let words: Vec<&'static str> = crate::config::keywords::TABLE
        .iter()
        .flat_map(|(_, keywords)| keywords.iter().map(|keyword| keyword.name))
        .chain([
            "{",
            "}",
            "{",
            "}",
            "\n",
            "\n",
            "\n",
            "\"",
            "#",
            "!",
            "\\",
            "$A=",
            "$A",
            "${A}",
            "~SEQ(a, 1, 2)",
            "@id",
            "include",
            "192.0.2.1/24",
            "2001:db8::1",
            "eth0",
            "1",
            "255",
            "0.5",
            "MASTER",
            "PASS",
            "é",
            "\u{feff}",
            "\r\n",
            "\t",
            "\0",
            "vrrp_instance A {\n",
            "virtual_ipaddress {\n",
            "authentication {\n",
        ])
        .collect();
    prop::collection::vec(prop::sample::select(words), 0..200).prop_map(|words| words.join(" "))
}

/// Nothing that is read may break what is promised of it.
fn promises_hold(loaded: &Loaded) {
    for problem in &loaded.problems {
        assert!(problem.render(false).contains(problem.message()));
    }
    for instance in &loaded.configuration.instances {
        assert!(instance.addresses.len() <= 255);
        assert!((1..=100).contains(&instance.down_timer_adverts));
        assert!(instance.priority.get() > 0);
        if instance.unusable.is_none() {
            assert!((1..=15).contains(&instance.interface.len()));
        } else {
            assert!(loaded.count(Severity::Error) > 0, "{instance:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        promises_hold(&parse_bytes(&bytes, "t"));
    }

    #[test]
    fn no_nearly_right_text_makes_it_panic(text in nearly_a_configuration()) {
        promises_hold(&parse(&text, "t"));
    }

    #[test]
    fn no_cut_and_no_flipped_byte_makes_it_panic(cut in 0..NODE_A.len(), at in 0..NODE_A.len(), byte: u8) {
        let mut bytes = NODE_A.as_bytes().to_vec();
        bytes[at] = byte;
        promises_hold(&parse_bytes(&bytes, "t"));
        promises_hold(&parse_bytes(&bytes[..cut], "t"));
    }

    #[test]
    fn what_is_fine_stays_fine_however_it_is_spaced(spaces in prop::collection::vec(0usize..4, 40)) {
        let mut spaces = spaces.iter().cycle();
        let mut text = String::new();
        for word in instance("priority 7").split_inclusive([' ', '\n']) {
            text.push_str(word);
            text.push_str(&" \t".repeat(*spaces.next().unwrap_or(&0)));
        }
        let loaded = parse(&text.replace('{', "\n\n{ # note\n"), "t");
        prop_assert_eq!(headlines(&loaded), [""; 0]);
        prop_assert_eq!(loaded.configuration.instances[0].priority.get(), 7);
    }
}
