//! Scripts of a new configuration that cannot be run as this host is: its owner is
//! told so at once, and not when a takeover needs one.

use std::collections::HashSet;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::config::Configuration;
use crate::config::trackers::{Kind, Watch};
use crate::engine::Verdict;
use crate::services::foresight::Known;
use crate::watch::board::{Seen, not_watched};
use crate::watch::child::Launcher;

/// How long a reload waits for it: whoever knows the accounts may be far away.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which scripts can be run as this host is.
#[derive(Clone, Debug, Default)]
pub struct Runnable {
    /// A line for each that cannot, and why.
    pub said: Vec<String>,
    /// The names of `vrrp_script` that cannot, where that could be found out.
    pub refused: Option<HashSet<String>>,
}

impl Runnable {
    /// How trackers stand once they have been looked at again: what cannot be run
    /// counts nothing, and of what can be run again nothing is known yet.
    pub(super) fn known(&self, before: &Known) -> Known {
        let mut known = before.clone();
        let Some(refused) = &self.refused else {
            return known;
        };
        known.retain(|(kind, name), seen| {
            *kind != Kind::Script || seen.verdict != Verdict::Ignored || refused.contains(name)
        });
        for name in refused {
            let ignored = Seen::new(Verdict::Ignored);
            known.insert((Kind::Script, name.clone()), ignored);
        }
        known
    }

    /// Whether any is refused that was not.
    pub(super) fn refuses_more(&self, before: &Known) -> bool {
        let mut refused = self.refused.iter().flatten();
        refused.any(|name| {
            let seen = before.get(&(Kind::Script, name.clone()));
            seen.is_none_or(|seen| seen.verdict != Verdict::Ignored)
        })
    }
}

/// Looks at each script.
pub(in crate::services) async fn runnable(configuration: Configuration) -> Runnable {
    let looked = timeout(PATIENCE, spawn_blocking(move || look(&configuration)));
    match looked.await {
        Ok(Ok(looked)) => looked,
        Ok(Err(_)) | Err(_) => Runnable {
            said: vec![format!(
                "whether its scripts can be run is not known: looking up their users and files takes longer than {} s",
                PATIENCE.as_secs()
            )],
            refused: None,
        },
    }
}

fn look(configuration: &Configuration) -> Runnable {
    let launcher = Launcher::new(&configuration.scripts);
    let mut said = Vec::new();
    let mut refused = HashSet::new();
    for tracker in &configuration.trackers {
        if let Watch::Script(script) = &tracker.watch
            && let Err(why) = launcher.prepare(&script.command)
        {
            let kind = tracker.watch.kind();
            refused.insert(tracker.name.clone());
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
    Runnable {
        said,
        refused: Some(refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn what_can_be_run_again_is_unknown_and_what_cannot_counts_nothing() {
        let name = |name: &str| (Kind::Script, name.to_owned());
        let before = Known::from([
            (name("back"), Seen::new(Verdict::Ignored)),
            (name("gone"), Seen::new(Verdict::Failed)),
            (name("same"), Seen::new(Verdict::Well)),
        ]);
        let looked = |refused: &[&str]| Runnable {
            said: Vec::new(),
            refused: Some(refused.iter().map(|one| (*one).to_owned()).collect()),
        };
        let runnable = looked(&["gone"]);
        let known = runnable.known(&before);
        let verdict = |of: &str| known.get(&name(of)).map(|seen| seen.verdict);
        assert_eq!(verdict("back"), None);
        assert_eq!(verdict("gone"), Some(Verdict::Ignored));
        assert_eq!(verdict("same"), Some(Verdict::Well));
        assert!(runnable.refuses_more(&before));
        assert!(!looked(&["back"]).refuses_more(&before));
        assert_eq!(Runnable::default().known(&before).len(), 3);
    }

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
        let Runnable { said, refused } = runnable(configuration).await;
        assert_eq!(refused, Some(HashSet::from(["chk".to_owned()])));
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
