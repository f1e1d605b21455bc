use super::super::interface::{self, LinkMethod};
use super::{quietly, saying};

#[test]
fn a_link_is_asked_for_in_one_way() {
    let method = |text| quietly(text, interface::linkbeat).method;
    assert_eq!(method("eth0"), None);
    assert_eq!(method("eth0 MII"), Some(LinkMethod::Mii));
    assert_eq!(method("eth0 ETHTOOL"), Some(LinkMethod::Ethtool));
    assert_eq!(method("eth0 IOCTL"), Some(LinkMethod::Ioctl));
    for (text, what, method) in [
        ("eth0 mii", "did you mean `MII`?", None),
        ("eth0 eth1", "unknown word `eth1`", None),
        ("eth0 MII IOCTL", "in one way only", Some(LinkMethod::Mii)),
    ] {
        let line = saying(text, &[what], interface::linkbeat).unwrap();
        assert_eq!(line.method, method, "{text}");
    }
    assert_eq!(
        saying("a/b", &["is not an interface name"], interface::linkbeat),
        None
    );
}
