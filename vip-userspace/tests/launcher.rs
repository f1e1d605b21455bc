//! Programs that vip runs, started by the real launcher: rights, output, time limits,
//! and what is left of them.

#![expect(
    clippy::expect_used,
    reason = "a test says what it needs by failing without it"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use nix::unistd::geteuid;
use vip::config::reaction::{Account, Command, ScriptRules};
use vip::watch::account::Refusal;
use vip::watch::child::{Ended, Job, Launcher, Outcome};

fn launcher(rules: &ScriptRules) -> Launcher {
    Launcher::with_program(rules, Path::new(env!("CARGO_BIN_EXE_vip")))
}

fn command(argv: &[&str]) -> Command {
    Command {
        argv: argv.iter().map(ToString::to_string).collect(),
        user: None,
    }
}

fn job(argv: &[&str]) -> Job {
    let prepared = launcher(&ScriptRules::default()).prepare(&command(argv));
    prepared.expect("it can be run").job
}

fn shell(script: &str) -> Job {
    job(&["/bin/sh", "-c", script])
}

/// On a runtime as the services have it.
fn on_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(work)
}

fn run(job: &Job, limit: Option<Duration>) -> Ended {
    on_runtime(job.run(limit))
}

#[test]
fn the_end_and_the_output_of_a_program_are_told() {
    let ended = run(&shell("echo one; echo two >&2; exit 3"), None);
    assert_eq!(ended.outcome, Outcome::Exited(3));
    assert_eq!(ended.output, "one\ntwo\n");
    assert_eq!(ended.first_line(), Some("one"));
    let ended = run(&shell("kill -9 $$"), None);
    assert_eq!(ended.outcome, Outcome::Signalled(9));
}

#[test]
fn arguments_arrive_as_they_are() {
    let job = shell("for one; do echo \"[$one]\"; done").with([]);
    let words = ["ignored", "a b", "", "$HOME", "ü"].map(String::from);
    let ended = run(&job.with(words), None);
    assert_eq!(ended.output, "[a b]\n[]\n[$HOME]\n[ü]\n");
}

#[test]
fn what_is_no_program_says_why_it_did_not_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = directory.path().join("script");
    let text = "#!/no/such/interpreter\n";
    std::fs::write(&script, text).expect("a file");
    let rights = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, rights).expect("its rights");
    let ended = run(&job(&[script.to_str().expect("a plain path")]), None);
    let Outcome::NotStarted(why) = ended.outcome else {
        panic!("it started: {ended:?}");
    };
    assert!(why.contains("cannot run"), "{why}");
    assert!(why.contains("No such file"), "{why}");
}

#[test]
fn root_runs_nothing_that_others_can_change_by_now() {
    if !geteuid().is_root() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let script = directory.path().join("script");
    std::fs::write(&script, "#!/bin/sh\nexit 0\n").expect("a file");
    let rights = |mode| {
        let rights = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&script, rights).expect("its rights");
    };
    rights(0o755);
    let rules = ScriptRules {
        security: true,
        user: Some(Account {
            user: "root".into(),
            group: None,
        }),
        ..ScriptRules::default()
    };
    let prepared = launcher(&rules).prepare(&command(&[script.to_str().expect("a plain path")]));
    let job = prepared.expect("it can be run").job;
    assert_eq!(run(&job, None).outcome, Outcome::Exited(0));
    rights(0o777);
    let Outcome::NotStarted(why) = run(&job, None).outcome else {
        panic!("it was run");
    };
    assert!(why.contains("can be written by everybody"), "{why}");
    rights(0o755);
    assert_eq!(run(&job, None).outcome, Outcome::Exited(0));
}

#[test]
fn a_background_process_delays_nothing_and_may_write() {
    let directory = tempfile::tempdir().expect("a directory");
    let done = directory.path().join("done");
    let script = format!(
        "echo begun; (read go < {0}.fifo; head -c 300000 /dev/zero && touch {0}) & exit 0",
        done.display()
    );
    let fifo = format!("{}.fifo", done.display());
    nix::unistd::mkfifo(fifo.as_str(), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    on_runtime(async {
        let ended = shell(&script).run(Some(Duration::from_secs(20))).await;
        assert_eq!(ended.outcome, Outcome::Exited(0));
        assert_eq!(ended.output, "begun\n");
        assert!(ended.took < Duration::from_secs(10), "{ended:?}");
        let release = move || std::fs::write(fifo, "go\n");
        let released = tokio::task::spawn_blocking(release).await;
        released.expect("a thread").expect("it is read");
        let written = async {
            while !done.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let written = tokio::time::timeout(Duration::from_secs(20), written).await;
        written.expect("it could write all of it");
    });
}

/// The processes of a group, zombies aside.
fn group(pgid: i32) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").expect("/proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_in = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let mut rest = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let state = rest.next();
        let group = rest.nth(1).and_then(|group| group.parse().ok());
        group == Some(pgid) && state != Some("Z")
    };
    pids.filter(is_in).collect()
}

#[test]
fn who_overruns_his_time_has_failed_at_once_and_is_gone_after_the_grace() {
    on_runtime(async {
        let stubborn = shell("trap '' TERM; sleep 60 & echo $$; while :; do sleep 60; done");
        let began = Instant::now();
        let mut ended = stubborn.run(Some(Duration::from_millis(300))).await;
        let took = began.elapsed();
        assert_eq!(ended.outcome, Outcome::TimedOut(Duration::from_millis(300)));
        assert!(took < Duration::from_millis(1500), "{took:?}");
        let pgid: i32 = ended.output.trim().parse().expect("its number");
        assert!(!group(pgid).is_empty(), "it ignores the first signal");
        let remains = ended.remains.as_mut().expect("it is being ended");
        let gone = tokio::time::timeout(Duration::from_secs(20), remains.gone()).await;
        gone.expect("it is gone");
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(2300), "{took:?}");
        // Those whom it started are ended by the same signal, and buried by others.
        while !group(pgid).is_empty() {
            assert!(began.elapsed() < Duration::from_secs(20), "some remain");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

#[test]
fn who_obeys_is_gone_without_waiting_for_the_grace() {
    on_runtime(async {
        let mut ended = shell("exec sleep 60")
            .run(Some(Duration::from_millis(200)))
            .await;
        let began = Instant::now();
        ended
            .remains
            .as_mut()
            .expect("it is being ended")
            .gone()
            .await;
        assert!(began.elapsed() < Duration::from_millis(1500));
    });
}

#[test]
fn the_end_of_the_runtime_is_the_end_of_what_runs() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("pid");
    let script = format!(
        "trap '' TERM; sleep 60 & echo $$ > {}; wait; sleep 60",
        file.display()
    );
    let read = || std::fs::read_to_string(&file).unwrap_or_default();
    on_runtime(async {
        let job = shell(&script);
        tokio::spawn(async move { job.run(None).await });
        while !read().ends_with('\n') {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let pgid: i32 = read().trim().parse().expect("its number");
    let began = Instant::now();
    while !group(pgid).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20), "some remain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_script_user_has_his_own_rights_and_no_other() {
    if !geteuid().is_root() {
        return;
    }
    let rules = ScriptRules {
        user: Some(Account {
            user: "nobody".into(),
            group: None,
        }),
        ..ScriptRules::default()
    };
    let script = "id -u; id -G; umask; sed -n '/^Cap[IPEA]/s/[^0-9a-f]*//p' /proc/self/status; \
                  cat /proc/self/oom_score_adj; nice; ls /proc/self/fd | wc -l";
    let prepared = launcher(&rules).prepare(&command(&["/bin/sh", "-c", script]));
    let ended = run(&prepared.expect("it can be run").job, None);
    let lines: Vec<&str> = ended.output.lines().collect();
    let [uid, gid, mask, caps @ .., oom, nice, open] = &*lines else {
        panic!("{ended:?}");
    };
    assert_eq!((*uid, *gid), ("65534", "65534"));
    assert_eq!((*mask, *oom, *nice), ("0177", "0", "0"));
    assert_eq!(caps.len(), 4, "{caps:?}");
    assert!(
        caps.iter().all(|set| set.ends_with("0000000000000000")),
        "{caps:?}"
    );
    // Three streams, and the directory that is listed.
    assert_eq!(*open, "4");
}

#[test]
fn security_refuses_what_others_could_change() {
    if !geteuid().is_root() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let script = directory.path().join("script");
    std::fs::write(&script, "#!/bin/sh\n").expect("a file");
    let rights = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&script, rights).expect("its rights");
    let command = command(&[script.to_str().expect("a plain path")]);
    let mut rules = ScriptRules {
        user: Some(Account {
            user: "root".into(),
            group: None,
        }),
        ..ScriptRules::default()
    };
    let prepared = launcher(&rules).prepare(&command).expect("it is only told");
    let warning = prepared.warning.expect("a warning");
    assert!(warning.contains("written by everybody"), "{warning}");
    rules.security = true;
    let refused = launcher(&rules).prepare(&command);
    assert!(
        matches!(refused, Err(Refusal::Unsafe { .. })),
        "{refused:?}"
    );
}
