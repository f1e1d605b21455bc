//! What the other commands answer, by their exit codes.

use vip::lab::pair::{Pair, VIRTUAL};
use vip::lab::{Host, LabError, PATIENCE};
use vip_tests::Tested;
use vip_tests::scene::{Scene, fast, vip_program};

/// Runs `vip` on a host; its exit code and both its streams.
fn ask(pair: &Pair, host: &Host, arguments: &[&str]) -> Result<(Option<i32>, String), LabError> {
    let asked = pair.vip(host, arguments)?;
    let ended = asked.wait(PATIENCE)?;
    Ok((ended.code, asked.stdout() + &asked.stderr()))
}

#[test]
fn where_no_daemon_answers() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let (code, said) = ask(&pair, &pair.a, &["status"])?;
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("/run/vip"), "{said}");
    // Nothing to release is nothing wrong.
    let (code, said) = ask(&pair, &pair.a, &["release"])?;
    assert_eq!(code, Some(0), "{said}");
    Ok(())
}

#[test]
fn status_answers_yes_and_no() -> Tested {
    let scene = Scene::elected("auto")?;
    let Pair { a, b, .. } = &scene.pair;
    for (host, question, answer) in [
        (a, &["status", "--is", "MASTER"][..], 0),
        (a, &["status", "VI_1", "--is", "master"], 0),
        (a, &["status", "--is", "BACKUP"], 3),
        (b, &["status", "--is", "BACKUP"], 0),
        (b, &["status", "VI_9"], 3),
        (b, &["status", "--is", "SLEEPING"], 2),
    ] {
        let (code, said) = ask(&scene.pair, host, question)?;
        assert_eq!(code, Some(answer), "{question:?}: {said}");
    }
    let (code, text) = ask(&scene.pair, b, &["status"])?;
    assert_eq!(code, Some(0));
    for words in [
        "VI_1: BACKUP: ",
        "master: 192.168.8.4 (priority 100)",
        "heard by xdp-native",
    ] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
    Ok(())
}

#[test]
fn check_shows_the_place() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let program = pair.program.display().to_string();
    let check = |text: &str| -> Result<(Option<i32>, String), LabError> {
        pair.a.write("/run/one.conf", text)?;
        let checked = pair.a.output([&program, "check", "/run/one.conf"])?;
        Ok((checked.code(), checked.stdout + &checked.stderr))
    };
    assert_eq!(check(&fast(100))?.0, Some(0));
    let (code, said) = check(&fast(100).replace("priority", "bogus_word 7\n    priority"))?;
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("/run/one.conf:6:5"), "{said}");
    assert!(said.contains("bogus_word 7"), "{said}");
    assert!(!said.contains(&VIRTUAL.to_string()), "{said}");
    Ok(())
}
