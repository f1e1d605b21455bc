use std::net::IpAddr;

use proptest::prelude::*;

use super::super::super::trackers::{Endpoint, Probe};
use super::super::check::{self, Question, address_of};
use super::{place, quietly, read, saying};

/// What is made of a line that begins with its word.
fn asked(line: &str) -> Probe {
    let (question, rest) = question(line);
    quietly(rest, |words, sink| {
        check::parse(words, question, place(words), sink)
    })
    .probe
}

fn question(line: &str) -> (Question, &str) {
    let (word, rest) = line.split_once(' ').unwrap();
    let question = match word {
        "tcp" => Question::Tcp,
        "tls" => Question::Tls,
        _ => Question::Http,
    };
    (question, rest)
}

fn endpoint(host: &str, port: u16) -> Endpoint {
    Endpoint {
        host: host.into(),
        port,
    }
}

#[test]
fn whom_to_connect_to() {
    for (line, host, port) in [
        ("tcp 127.0.0.1 80", "127.0.0.1", 80),
        ("tcp ::1 65535", "::1", 65535),
        ("tcp [2001:db8::1] 1", "2001:db8::1", 1),
        ("tcp fe80::1%eth0 22", "fe80::1%eth0", 22),
        ("tcp localhost 5432", "localhost", 5432),
        ("tcp db_1.example.net. 5432", "db_1.example.net.", 5432),
    ] {
        assert_eq!(asked(line), Probe::Tcp(endpoint(host, port)), "{line}");
    }
    assert_eq!(
        asked("tls h 443 sni www.example.net ca /etc/ca.pem"),
        Probe::Tls {
            endpoint: endpoint("h", 443),
            name: Some("www.example.net".into()),
            ca: Some("/etc/ca.pem".into()),
        }
    );
    assert_eq!(
        asked("tls h 443"),
        Probe::Tls {
            endpoint: endpoint("h", 443),
            name: None,
            ca: None,
        }
    );
}

#[test]
fn urls_are_taken_apart() {
    for (url, host, port, authority, path) in [
        ("http://h", "h", 80, "h", "/"),
        ("HTTP://h/", "h", 80, "h", "/"),
        (
            "http://10.0.0.1:8080/a/b?c=d",
            "10.0.0.1",
            8080,
            "10.0.0.1:8080",
            "/a/b?c=d",
        ),
        ("http://h?q", "h", 80, "h", "/?q"),
        ("https://h/x", "h", 443, "h", "/x"),
        ("https://[::1]:8443/", "::1", 8443, "[::1]:8443", "/"),
        ("http://[::1]", "::1", 80, "[::1]", "/"),
        (
            "http://[fe80::1%eth0]:81/x",
            "fe80::1%eth0",
            81,
            "[fe80::1]:81",
            "/x",
        ),
    ] {
        assert_eq!(
            asked(&format!("http {url}")),
            Probe::Http {
                endpoint: endpoint(host, port),
                tls: url.starts_with("https"),
                ca: None,
                authority: authority.into(),
                path: path.into(),
                status: vec![],
                body: None,
            },
            "{url}"
        );
    }
}

#[test]
fn what_must_come_back() {
    let probe = asked("http https://h/ status 200-299,301 body \"all is well\" ca /c.pem");
    let Probe::Http {
        status, body, ca, ..
    } = probe
    else {
        panic!("{probe:?}");
    };
    assert_eq!(status, [(200, 299), (301, 301)]);
    assert_eq!(body.as_deref(), Some("all is well"));
    assert_eq!(ca, Some("/c.pem".into()));
}

#[test]
fn each_slip_is_said_with_what_to_write() {
    for (line, what) in [
        (
            "tcp 127.0.0.1",
            &["a port is missing", "`tcp HOST PORT`"][..],
        ),
        (
            "tcp 127.0.0.1:80",
            &["not `127.0.0.1:80`", "`127.0.0.1 80`"],
        ),
        (
            "tcp 127.0.0.1 0",
            &["a port is a whole number from 1 to 65535, not `0`"],
        ),
        ("tcp 127.0.0.1 65536", &["from 1 to 65535, not `65536`"]),
        ("tcp 127.0.0.1 http", &["from 1 to 65535, not `http`"]),
        ("tcp 127.0.0.1 +80", &["from 1 to 65535, not `+80`"]),
        (
            "tcp 10.0.0.256 80",
            &["an address or the name of a host, not `10.0.0.256`"],
        ),
        ("tcp a..b 80", &["not `a..b`"]),
        ("tcp -h 80", &["not `-h`"]),
        (
            "tcp http://h/x 80",
            &["a URL is for `http`; the host is `h`"],
        ),
        (
            "tcp 2001:db8::1%eth0 80",
            &["only a link-local address has an interface"],
        ),
        ("tcp fe80::1%a/b 80", &["the interface cannot be"]),
        ("tcp h 80 90", &["`90` behind the port"]),
        ("tcp h 80 sni x", &["`sni` behind the port"]),
        (
            "tls h 443 snl x",
            &["unknown word `snl`", "did you mean `sni`?"],
        ),
        ("tls h 443 sni", &["`sni` needs a value"]),
        (
            "tls h 443 sni 10.0.0.1",
            &["`sni` takes the name of a host, not `10.0.0.1`"],
        ),
        (
            "tls h 443 ca ca.pem",
            &["`ca` takes the path of a file, from `/` on"],
        ),
        ("tls h 443 body x", &["unknown word `body`"]),
        ("http h/x", &["write `http://h/x`"]),
        (
            "http ftp://h/x",
            &["it begins with `http://` or `https://`"],
        ),
        ("http http://", &["the host is missing"]),
        ("http http:///x", &["the host is missing"]),
        ("http http://:80/x", &["an address or the name of a host"]),
        ("http http://h:0/", &["a port is a whole number"]),
        ("http http://h:x/", &["a port is a whole number"]),
        ("http http://u:p@h/", &["a user in it is not sent"]),
        (
            "http \"http://h/#top\"",
            &["what follows a `#` is not sent"],
        ),
        ("http \"http://h/a b\"", &["write `%20` for ` `"]),
        ("http http://h/é", &["write `%C3%A9` for `é`"]),
        ("http http://::1/x", &["stands in brackets"]),
        ("http http://h/ ca /c.pem", &["`ca` is for `https://` only"]),
        (
            "http http://h/ status 99",
            &["from 100 to 599 and ranges of them, not `99`"],
        ),
        ("http http://h/ status 200-600", &["not `200-600`"]),
        ("http http://h/ status 2xx", &["not `2xx`", "200-299,301"]),
        ("http http://h/ status 200,", &["not `200,`"]),
        ("http http://h/ status 299-200", &["write `200-299`"]),
        ("http http://h/ status +20", &["not `+20`"]),
        (
            "http http://h/ body \"\"",
            &["`body` takes the text to be found"],
        ),
        ("http http://h/ 200", &["unknown word `200`"]),
    ] {
        let (question, rest) = question(line);
        let read = saying(rest, what, |words, sink| {
            check::parse(words, question, place(words), sink)
        });
        assert_eq!(read, None, "{line}");
    }
}

#[test]
fn an_address_is_known_in_each_of_its_forms() {
    for (host, address) in [
        ("192.0.2.1", Some("192.0.2.1")),
        ("::ffff:192.0.2.1", Some("192.0.2.1")),
        ("2001:DB8::1", Some("2001:db8::1")),
        ("fe80::1%eth0", Some("fe80::1")),
        ("localhost", None),
    ] {
        let address: Option<IpAddr> = address.map(|text| text.parse().unwrap());
        assert_eq!(address_of(&endpoint(host, 1)), address, "{host}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_url_panic_and_what_is_read_can_be_sent(
        rest in "[a-z0-9:/?#@%.\\[\\] é-]{0,40}",
        scheme in prop::sample::select(vec!["http://", "https://", ""]),
    ) {
        let line = format!("\"{scheme}{rest}\"");
        let (read, said) = read(&line, |words, sink| {
            check::parse(words, Question::Http, place(words), sink)
        });
        prop_assert_eq!(read.is_some(), said.is_empty());
        if let Some(Probe::Http { endpoint, authority, path, .. }) = read.map(|line| line.probe) {
            prop_assert!(endpoint.port > 0 && !endpoint.host.is_empty());
            prop_assert!(path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(!authority.is_empty());
            prop_assert!(path.parse::<hyper::http::uri::PathAndQuery>().is_ok(), "{path}");
            prop_assert!(authority.parse::<hyper::http::uri::Authority>().is_ok(), "{authority}");
        }
    }
}
