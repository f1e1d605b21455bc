//! What files out there look like: by hand, by templates, by other programs.

use super::*;

/// A small file, as most are.
const PLAIN: &str = r#"global_defs {
    router_id left
}

vrrp_instance web {
    state BACKUP
    interface eth0
    virtual_router_id 7
    priority 120
    advert_int 2
    nopreempt
    authentication {
        auth_type PASS
        auth_pass s3same
    }
    virtual_ipaddress {
        192.0.2.7/24 dev eth0 label eth0:7
        192.0.2.8/24
    }
}
"#;

/// The instances of a file about which nothing is to be said.
fn instances(bytes: &[u8]) -> Vec<Instance> {
    let loaded = parse_bytes(bytes, "t");
    assert_eq!(headlines(&loaded), [""; 0]);
    loaded.configuration.instances
}

#[test]
fn the_same_file_however_it_is_written() {
    let quoted = PLAIN
        .replace("priority 120", "priority \"120\"")
        .replace("interface eth0", "interface \"eth0\"")
        .replace("state BACKUP", "state \"BACKUP\"")
        .replace("192.0.2.8/24", "\"192.0.2.8/24\"");
    let mut foreign = b"# Priorit\xe4t f\xfcr Z\xfcrich\n".to_vec();
    foreign.extend_from_slice(PLAIN.replace("120", "120 # h\u{f6}her").as_bytes());
    let wanted = instances(PLAIN.as_bytes());
    for (how, bytes) in [
        ("CRLF", PLAIN.replace('\n', "\r\n").into_bytes()),
        ("a mark in front", format!("\u{feff}{PLAIN}").into_bytes()),
        ("no end of line", PLAIN.trim_end().as_bytes().to_vec()),
        ("tabs", PLAIN.replace("    ", "\t").into_bytes()),
        ("flat", PLAIN.replace("    ", "").into_bytes()),
        ("quotes", quoted.into_bytes()),
        ("Latin-1", foreign),
        ("braces below", PLAIN.replace(" {", "\n\n{").into_bytes()),
        ("braces glued", PLAIN.replace(" {", "{").into_bytes()),
        ("blocks glued", PLAIN.replace("}\n", "}").into_bytes()),
    ] {
        let mut found = instances(&bytes);
        assert_eq!(found.len(), 1, "{how}");
        found[0].place = wanted[0].place.clone();
        assert_eq!(found, wanted, "{how}");
    }
}

#[test]
fn what_is_not_supported_does_not_make_a_file_wrong() {
    for lines in [
        "use_ipvlan",
        "vrf red",
        "authentication {\nauth_type AH\nauth_pass x\n}",
    ] {
        let loaded = parse(&instance(lines), "t");
        let worst = loaded.problems.iter().map(Problem::severity).max();
        assert_eq!(worst, Some(Severity::Warning), "{lines}");
        // It would decide who holds the address, so this one waits.
        assert!(
            loaded.configuration.instances[0].unusable.is_some(),
            "{lines}"
        );
    }
}

#[test]
fn a_script_that_is_defined_twice_is_a_warning() {
    let text =
        "vrrp_script up {\nscript /bin/true\n}\n".repeat(2) + &instance("track_script {\nup\n}");
    let said = headlines(&parse(&text, "t"));
    assert!(
        said.contains(&"t:4:13: warning: a second vrrp_script `up` is ignored".to_owned()),
        "{said:?}"
    );
}

/// What is said about a text, with the help of each.
fn advice(text: &str) -> Vec<(String, String)> {
    let loaded = parse(text, "t");
    let told = loaded.problems.iter().map(|problem| {
        let help = problem.help().unwrap_or_default().to_owned();
        (problem.message().to_owned(), help)
    });
    told.collect()
}

#[test]
fn other_notations_are_told_how_this_one_goes() {
    for (lines, said) in [
        (
            "<<<<<<< HEAD\npriority 1\n=======\n>>>>>>> b",
            "a merge was left unfinished here",
        ),
        (
            "priority=100",
            "write `priority` and its value with a blank",
        ),
        (
            "priority: 100",
            "write `priority` and its value with a blank",
        ),
        ("priority 100;", "lines end without `;`"),
        (
            "virtual_ipaddress {\n192.0.2.9;\n}",
            "without dashes, commas or `;`",
        ),
        (
            "virtual_ipaddress {\n- 192.0.2.9\n}",
            "without dashes, commas or `;`",
        ),
    ] {
        let advice = advice(&instance(lines));
        assert!(advice[0].1.contains(said), "{lines}: {advice:?}");
    }
    let fenced = advice(&format!("```\n{}```\n", instance("")));
    assert_eq!(fenced.len(), 2, "{fenced:?}");
    assert!(fenced[0].1.contains("take the line out"), "{fenced:?}");
}

#[test]
fn a_template_is_said_to_be_one_and_not_line_by_line() {
    let text: String = (0..40)
        .map(|n| {
            format!(
                "{{% if {n} %}}\nvrrp_instance {{{{ name }}}} {{\n  interface {{{{ nic }}}}\n}}\n"
            )
        })
        .collect();
    let advice = advice(&text);
    let summary = ("a template has left ", "render it");
    let told = advice
        .iter()
        .filter(|(message, help)| message.starts_with(summary.0) && help.contains(summary.1));
    assert_eq!(told.count(), 1, "{advice:?}");
    let one_by_one = |(message, _): &&(String, String)| message.contains("left over");
    assert_eq!(advice.iter().filter(one_by_one).count(), 5, "{advice:?}");
}

#[test]
fn a_placeholder_between_at_signs_does_not_vanish() {
    let text = instance("track_interface {\n@NIC@\n}\n@elsewhere priority 3");
    let loaded = parse(&text, "t");
    let errors = loaded
        .problems
        .iter()
        .filter(|one| one.severity() == Severity::Error);
    let errors: Vec<String> = errors.map(Problem::headline).collect();
    assert_eq!(
        errors,
        ["t:8:1: error: `@NIC@` is left over from a template"]
    );
}

#[test]
fn a_hundred_thousand_unknown_words_do_not_take_long() {
    let text = instance(&"prioritty 5\n".repeat(100_000));
    let started = std::time::Instant::now();
    let loaded = parse(&text, "t");
    assert!(loaded.problems.len() <= 1001);
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
}
