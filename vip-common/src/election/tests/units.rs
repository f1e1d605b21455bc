//! Numbers: the skew at its ends, and what version 2 does not learn.

use super::*;

/// RFC 9568 section 6.1: `(256 - Priority) * Active_Adver_Interval / 256`.
#[test]
fn skew_is_exact_at_one_a_hundred_and_4095_centiseconds() {
    let skew = |priority, interval| params(priority).skew_time(centis(interval)).as_nanos();
    assert_eq!(skew(1, 1), 9_960_937);
    assert_eq!(skew(100, 1), 6_093_750);
    assert_eq!(skew(254, 1), 78_125);
    assert_eq!(skew(255, 1), 39_062);
    assert_eq!(skew(1, 100), 996_093_750);
    assert_eq!(skew(100, 100), 609_375_000);
    assert_eq!(skew(254, 100), 7_812_500);
    assert_eq!(skew(1, 4095), 40_790_039_062);
    assert_eq!(skew(100, 4095), 24_953_906_250);
    assert_eq!(skew(254, 4095), 319_921_875);
}

/// RFC 9568 section 6.1: three intervals and the skew.
#[test]
fn down_interval_counts_the_adverts_configured() {
    let mut params = params(128);
    assert_eq!(params.active_down_interval(centis(1)).as_micros(), 35_000);
    params.down_timer_adverts = 5;
    assert_eq!(params.active_down_interval(centis(1)).as_micros(), 55_000);
}

/// RFC 3768 section 6.1: version 2 uses its own interval, whatever was heard.
#[test]
fn version_2_does_not_learn() {
    let mut params = params(128);
    assert_eq!(params.learned(centis(7)), centis(7));
    params.version = Version::V2;
    assert_eq!(params.learned(centis(7)), Centis::ONE_SECOND);
}

#[test]
fn only_255_owns_and_the_owner_preempts_whatever_is_set() {
    let mut backup = params(254);
    backup.preempt = false;
    assert!(!backup.is_owner());
    assert!(!backup.preempts());
    let mut owner = params(255);
    owner.preempt = false;
    assert!(owner.is_owner());
    assert!(owner.preempts());
    assert!(params(254).preempts());
}
