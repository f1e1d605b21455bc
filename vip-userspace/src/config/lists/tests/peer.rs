use super::super::peer::{self, PeerLine};
use super::{quietly, saying};

fn with(text: &str, what: &str) -> Option<PeerLine> {
    saying(text, &[what], peer::parse)
}

fn bounds(line: &PeerLine) -> (Option<u8>, Option<u8>) {
    (line.min_ttl, line.max_ttl)
}

#[test]
fn a_peer_is_an_address_and_perhaps_bounds() {
    let line = quietly("192.0.2.9", peer::parse);
    assert_eq!(line.address.to_string(), "192.0.2.9");
    assert_eq!(bounds(&line), (None, None));
    let line = quietly("2001:db8::9 min_ttl 0 max_ttl 255", peer::parse);
    assert_eq!(line.address.to_string(), "2001:db8::9");
    assert_eq!(bounds(&line), (Some(0), Some(255)));
}

#[test]
fn what_is_wrong_with_a_peer_is_said() {
    for text in [
        "foo",
        "224.0.0.18",
        "0.0.0.0",
        "ff02::12",
        "255.255.255.255",
        "eth0 192.0.2.1",
    ] {
        assert_eq!(with(text, "is not the address of a peer"), None, "{text}");
    }
    for (text, what, read) in [
        (
            "192.0.2.9/24",
            "warning: the prefix of a peer",
            (None, None),
        ),
        (
            "192.0.2.9 min_ttl 256",
            "from 0 to 255, not `256`",
            (None, None),
        ),
        ("192.0.2.9 max_ttl", "`max_ttl` needs a value", (None, None)),
        ("192.0.2.9 min_tll", "did you mean `min_ttl`?", (None, None)),
        (
            "192.0.2.9 192.0.2.10",
            "stands on a line of its own",
            (None, None),
        ),
        (
            "192.0.2.9 max_ttl 20 min_ttl 30",
            "nothing it sends is taken",
            (Some(30), Some(20)),
        ),
    ] {
        let line = with(text, what).unwrap();
        assert_eq!(bounds(&line), read, "{text}");
    }
}
