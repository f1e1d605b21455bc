//! Nudges: how soon they are answered, and how many tries they can cause.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_nudge_is_answered_late_rather_than_never() {
    let (_listener, address) = hung();
    let rare = Check {
        interval: Duration::from_secs(20),
        ..check(Probe::Tcp(at(address)), PATIENCE)
    };
    let (mut tries, nudge) = asking(rare);
    tries.recv().await.unwrap();
    // One after the other, each as soon as the one before is answered.
    let begun = Instant::now();
    let mut waited = Vec::new();
    for _ in 0..8 {
        nudge.notify_one();
        let (at, _) = tries.recv().await.unwrap();
        waited.push((at - begun).as_millis() / 10 * 10);
    }
    assert_eq!(waited, [0, 0, 0, 0, 100, 200, 300, 400]);
}

#[tokio::test(start_paused = true)]
async fn whoever_nudges_without_end_causes_ten_tries_a_second_and_one_at_the_end() {
    let (_listener, address) = hung();
    let rare = Check {
        interval: Duration::from_secs(20),
        ..check(Probe::Tcp(at(address)), PATIENCE)
    };
    let (mut tries, nudge) = asking(rare);
    tries.recv().await.unwrap();
    for _ in 0..1_000 {
        nudge.notify_one();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let last = Instant::now();
    let mut count = 0;
    let mut end = None;
    while let Ok(Some((at, _))) = timeout(Duration::from_secs(5), tries.recv()).await {
        count += 1;
        end = Some(at);
    }
    assert!((10..=16).contains(&count), "{count}");
    let after = end.unwrap().saturating_duration_since(last);
    assert!(end.unwrap() >= last, "the last nudge was forgotten");
    assert!(after <= Duration::from_millis(110), "{after:?}");
}

#[tokio::test]
async fn tries_out_of_turn_do_not_use_up_fall() {
    use crate::engine::Verdict;
    use crate::watch::board::Shared;
    let (out, _told) = mpsc::channel(99);
    let mut asked = check(Probe::Tcp(at(closed())), PATIENCE);
    asked.streak.fall = 3;
    let tracker = crate::config::trackers::Tracker {
        name: "web".into(),
        watch: crate::config::trackers::Watch::Check(asked),
    };
    let shared = Shared::new(Verdict::Well);
    let mut reporter = Reporter::new(7, &tracker, &shared, &out);
    for (is_extra, expected) in [
        (true, Verdict::Well),
        (true, Verdict::Well),
        (true, Verdict::Well),
        (false, Verdict::Well),
        (true, Verdict::Well),
        (false, Verdict::Failed),
    ] {
        let failed = Finding::failed("refused", Duration::ZERO);
        reporter.result(Finding { is_extra, ..failed }).await;
        assert_eq!(reporter.verdict(), expected);
    }
}
