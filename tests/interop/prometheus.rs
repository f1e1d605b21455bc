//! Debian's promtool judges the alerts in `dist/`: whether they are rules, and on series
//! that are made up whether they wait as long as they say and fire when they should.

use std::process::Command;

#[test]
fn the_rules_are_rules_and_wait_as_long_as_they_say() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist/prometheus");
    for arguments in [
        ["check", "rules", "vip.rules.yml"],
        ["test", "rules", "vip.test.yml"],
    ] {
        let done = Command::new("promtool")
            .args(arguments)
            .current_dir(directory)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        assert!(done.status.success(), "{arguments:?}: {said}");
    }
}
