//! What a list of adverts says, computed from their stamps alone.

use std::time::Duration;

use vip_common::time::MonoTime;

use crate::takeover::between;

/// By how much each advert of one sender came later than an interval after the one
/// before, in signed nanoseconds.
pub(crate) fn lateness(stamps: &[MonoTime], interval: Duration) -> Vec<i64> {
    let interval = i64::try_from(interval.as_nanos()).unwrap_or(i64::MAX);
    let pairs = stamps.iter().zip(stamps.iter().skip(1));
    pairs
        .map(|(one, next)| between(*one, *next) - interval)
        .collect()
}

/// How many adverts are missing in between: whole intervals in which none came.
pub(crate) fn missing(lateness: &[i64], interval: Duration) -> i64 {
    let interval = i64::try_from(interval.as_nanos())
        .unwrap_or(i64::MAX)
        .max(1);
    lateness
        .iter()
        .map(|late| (late + interval / 2).div_euclid(interval).max(0))
        .sum()
}

/// How often a backup took over while its master lived: how often it began to speak
/// after the master had.
pub(crate) fn takeovers(master: &[MonoTime], backup: &[MonoTime]) -> i64 {
    let master = master.iter().map(|stamp| (*stamp, false));
    let mut all: Vec<_> = master
        .chain(backup.iter().map(|stamp| (*stamp, true)))
        .collect();
    all.sort_unstable();
    let mut before = false;
    let mut count = 0;
    for (_, is_backup) in all {
        count += i64::from(is_backup && !before);
        before = is_backup;
    }
    count
}

/// Makes the checksum of an IPv4 header right.
pub(crate) fn set_header_checksum(header: &mut [u8]) {
    header[10..12].fill(0);
    let words = header.chunks_exact(2);
    let mut sum: u32 = words
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    header[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(10);

    fn at(millis: &[u64]) -> Vec<MonoTime> {
        let nanos = millis.iter().map(|millis| millis * 1_000_000);
        nanos.map(MonoTime::from_nanos).collect()
    }

    #[test]
    fn lateness_is_what_a_gap_has_above_the_interval() {
        assert_eq!(
            lateness(&at(&[0, 10, 23, 30]), INTERVAL),
            [0, 3_000_000, -3_000_000]
        );
        assert!(lateness(&at(&[5]), INTERVAL).is_empty());
    }

    #[test]
    fn a_late_advert_is_not_a_missing_one() {
        assert_eq!(missing(&lateness(&at(&[0, 14, 20]), INTERVAL), INTERVAL), 0);
        assert_eq!(missing(&lateness(&at(&[0, 20, 50]), INTERVAL), INTERVAL), 3);
        assert_eq!(missing(&lateness(&at(&[0, 1, 2]), INTERVAL), INTERVAL), 0);
    }

    #[test]
    fn each_time_that_the_backup_begins_counts_once() {
        let master = at(&[0, 10, 60, 70, 200]);
        assert_eq!(takeovers(&master, &at(&[])), 0);
        assert_eq!(takeovers(&master, &at(&[40, 50])), 1);
        assert_eq!(takeovers(&master, &at(&[40, 50, 65, 100, 110])), 3);
        assert_eq!(takeovers(&at(&[]), &at(&[3, 4])), 1);
    }

    #[test]
    fn the_header_s_checksum_is_that_of_the_textbook() {
        let mut header = [
            0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 7, 7, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0,
            0xc7,
        ];
        set_header_checksum(&mut header);
        assert_eq!(header[10..12], [0xb8, 0x61]);
    }
}
