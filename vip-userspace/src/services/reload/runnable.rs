//! Scripts of a new configuration that cannot be run as this host is: its owner is
//! told so at once, and not when a takeover needs one.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::config::Configuration;
use crate::config::trackers::Watch;
use crate::watch::board::not_watched;
use crate::watch::child::Launcher;

/// How long a reload waits for it: whoever knows the accounts may be far away.
const PATIENCE: Duration = Duration::from_secs(5);

/// A line for each script that cannot be run, and why.
pub(in crate::services) async fn unrunnable(configuration: Configuration) -> Vec<String> {
    let looked = timeout(PATIENCE, spawn_blocking(move || look(&configuration)));
    match looked.await {
        Ok(Ok(said)) => said,
        Ok(Err(_)) | Err(_) => vec![format!(
            "whether its scripts can be run is not known: looking up their users and files takes longer than {} s",
            PATIENCE.as_secs()
        )],
    }
}

fn look(configuration: &Configuration) -> Vec<String> {
    let launcher = Launcher::new(&configuration.scripts);
    let mut said = Vec::new();
    for tracker in &configuration.trackers {
        if let Watch::Script(script) = &tracker.watch
            && let Err(why) = launcher.prepare(&script.command)
        {
            let kind = tracker.watch.kind();
            said.push(not_watched(kind, &tracker.name, &why.to_string()));
        }
    }
    let instances = configuration.instances.iter();
    let instances = instances.map(|one| (&one.name, &one.notify));
    let groups = configuration.sync_groups.iter();
    for (name, notify) in instances.chain(groups.map(|one| (&one.name, &one.notify))) {
        for (keyword, command) in notify.commands() {
            if let Err(why) = launcher.prepare(command) {
                said.push(format!(
                    "({name}) {keyword}: '{command}' will not be run: {why}"
                ));
            }
        }
    }
    for fifo in &configuration.telling.fifos {
        if let Some(command) = &fifo.script
            && let Err(why) = launcher.prepare(command)
        {
            let path = &fifo.path;
            said.push(format!("{path}: '{command}' will not be run: {why}"));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[tokio::test]
    async fn what_cannot_be_run_is_said_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing");
        let missing = missing.display();
        let text = format!(
            "global_defs {{\nnotify_fifo /run/p\nnotify_fifo_script {missing}\n}}\n\
             vrrp_script chk {{\nscript \"{missing} -q\"\n}}\n\
             vrrp_script good {{\nscript /bin/true\n}}\n\
             vrrp_sync_group G {{\ngroup {{\nA\nB\n}}\nnotify {missing}\n}}\n\
             vrrp_instance A {{\ninterface eth0\nvirtual_router_id 51\n\
             virtual_ipaddress {{\n192.0.2.1/24\n}}\ntrack_script {{\nchk\ngood\n}}\n\
             notify_master {missing}\nnotify_backup /bin/true\n}}\n\
             vrrp_instance B {{\ninterface eth0\nvirtual_router_id 52\n\
             virtual_ipaddress {{\n192.0.2.2/24\n}}\n}}\n"
        );
        let configuration = config::parse(&text, "t").configuration;
        let said = unrunnable(configuration).await;
        let expected = [
            "vrrp_script chk is not watched and counts nothing: ".to_owned(),
            format!("(A) notify_master: '{missing}' will not be run: "),
            format!("(G) notify: '{missing}' will not be run: "),
            format!("/run/p: '{missing}' will not be run: "),
        ];
        assert_eq!(said.len(), expected.len(), "{said:?}");
        for (said, begin) in said.iter().zip(&expected) {
            assert!(said.starts_with(begin), "{said}");
            assert!(said.contains("No such file"), "{said}");
        }
    }
}
