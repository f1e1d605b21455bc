//! Our own words, hidden from keepalived in a file that both read, as
//! `docs/configuration.md` shows it.

use anyhow::{Result, ensure};
use vip::config::Severity;
use vip::config::trackers::Kind;

use super::oracle::{Oracle, Verdict};

/// The file; what `@vip` hides stands in three others.
const SHARED: &str = "\
@vip include checks.conf

@^vip include scripts.conf

vrrp_instance V1 {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress {
        192.168.8.10/24
    }
    @vip include track.conf
    @^vip track_script {
    @^vip     web
    @^vip }
}
";

const BESIDE: [(&str, &str); 3] = [
    (
        "checks.conf",
        "vrrp_check web {\n    http http://127.0.0.1/health\n    interval 0.05\n}\n",
    ),
    ("track.conf", "track_check {\n    web\n}\n"),
    (
        "scripts.conf",
        "vrrp_script web {\n    script /bin/true\n    user root\n}\n",
    ),
];

#[test]
fn keepalived_does_not_see_what_is_hidden_from_it() -> Result<()> {
    let oracle = Oracle::new()?;
    for (name, text) in BESIDE {
        oracle.write(name, text)?;
    }
    let (verdict, said) = oracle.verdict(SHARED)?;
    ensure!(verdict == Verdict::Good, "keepalived says: {said}");
    // It would have complained.
    let (verdict, said) = oracle.verdict(&SHARED.replace("@vip ", ""))?;
    ensure!(
        verdict != Verdict::Good,
        "keepalived knows our words: {said}"
    );

    let ours = oracle.ours_as(SHARED, Some("vip"))?.0;
    ensure!(ours.count(Severity::Error) == 0, "{:?}", ours.problems);
    let of_kind = |kind| {
        let trackers = ours.configuration.trackers.iter();
        trackers.filter(|one| one.watch.kind() == kind).count()
    };
    ensure!((of_kind(Kind::Check), of_kind(Kind::Script)) == (1, 0));
    // And so it is for us under another name.
    let ours = oracle.ours_as(SHARED, None)?.0.configuration;
    let kinds: Vec<Kind> = ours.trackers.iter().map(|one| one.watch.kind()).collect();
    ensure!(kinds == [Kind::Script], "{kinds:?}");
    Ok(())
}
