//! What a daemon uses, all its processes together.

use std::fs;

/// Nanoseconds that the processes of a group have run so far, with those of their
/// children that have ended.
pub(crate) fn processor_time(group: i32) -> u64 {
    let all = members(group).into_iter();
    all.map(|process| own(process) + ended(process)).sum()
}

/// Of all threads that a process has, to the nanosecond.
fn own(process: i32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{process}/task"));
    let tasks = tasks.into_iter().flatten().filter_map(Result::ok);
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

/// Of its children that have ended, as coarse as the kernel tells it.
fn ended(process: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    stat.ok().and_then(|stat| of_children(&stat)).unwrap_or(0)
}

/// From `/proc/PID/stat`: the words 16 and 17, in hundredths of a second.
fn of_children(stat: &str) -> Option<u64> {
    const NANOS: u64 = 10_000_000;
    let (_, behind) = stat.rsplit_once(')')?;
    let mut words = behind.split_whitespace().skip(13);
    let user: u64 = words.next()?.parse().ok()?;
    let system: u64 = words.next()?.parse().ok()?;
    Some((user + system) * NANOS)
}

/// Bytes of memory that they have, of shared pages their part.
pub(crate) fn memory(group: i32) -> u64 {
    let rollups = members(group)
        .into_iter()
        .filter_map(|process| fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok());
    rollups.filter_map(|text| proportional(&text)).sum()
}

/// The processes of a group.
pub(crate) fn members(group: i32) -> Vec<i32> {
    let all = fs::read_dir("/proc").into_iter().flatten();
    all.filter_map(|entry| {
        let process = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        (group_of(&stat)? == group).then_some(process)
    })
    .collect()
}

/// From `/proc/PID/stat`: the third word behind the name, which may hold anything.
fn group_of(stat: &str) -> Option<i32> {
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_whitespace().nth(2)?.parse().ok()
}

/// Bytes, from `/proc/PID/smaps_rollup`.
fn proportional(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_parentheses() {
        assert_eq!(group_of("12 (a) b (c) S 1 77 77 0 -1"), Some(77));
        assert_eq!(group_of("12"), None);
    }

    #[test]
    fn children_count_when_they_have_ended() {
        let stat = "7 (k) S 1 7 7 0 -1 4194560 1 2 3 4 50 60 70 80 20 0 1 0 99";
        assert_eq!(of_children(stat), Some(1_500_000_000));
    }

    #[test]
    fn the_proportional_size_is_in_kilobytes() {
        let text = "5-7 ---p 0 00:00 0 [rollup]\nRss:  900 kB\nPss:  12 kB\nPss_Dirty: 3 kB\n";
        assert_eq!(proportional(text), Some(12_288));
    }

    #[test]
    fn this_process_has_run_and_has_memory() {
        let own = nix::unistd::getpgrp().as_raw();
        assert!(processor_time(own) > 0);
        assert!(memory(own) > 0);
    }
}
