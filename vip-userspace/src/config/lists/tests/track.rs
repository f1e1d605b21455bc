use super::super::track::{self, InitFile, TrackLine, Tracked, Weight};
use super::{place, quietly, read, saying};

fn counted(text: &str, tracked: Tracked) -> Option<(i16, bool)> {
    let line = quietly(text, |words, sink| track::parse(words, tracked, sink));
    assert_eq!(&*line.name.text, text.split(' ').next().unwrap());
    line.weight.map(|weight| (weight.value, weight.reverse))
}

#[test]
fn trackers_have_a_name_and_perhaps_a_weight() {
    let all = [
        Tracked::Interface,
        Tracked::Script,
        Tracked::File,
        Tracked::Process,
        Tracked::Bfd,
    ];
    for tracked in all {
        assert_eq!(counted("eth1", tracked), None);
        assert_eq!(counted("eth1 weight 0", tracked), Some((0, false)));
        assert_eq!(counted("eth1 weight +5", tracked), Some((5, false)));
        assert_eq!(counted("eth1 weight -253", tracked), Some((-253, false)));
        assert_eq!(counted("eth1 weight 10 reverse", tracked), Some((10, true)));
        assert_eq!(
            counted("eth1 weight 10 noreverse", tracked),
            Some((10, false))
        );
    }
    assert_eq!(counted("f weight -254", Tracked::File), Some((-254, false)));
    assert_eq!(
        counted("p weight 254", Tracked::Process),
        Some((254, false))
    );
}

fn script(text: &str, what: &[&str]) -> Option<TrackLine> {
    saying(text, what, |words, sink| {
        track::parse(words, Tracked::Script, sink)
    })
}

#[test]
fn what_keepalived_skips_is_skipped() {
    for (text, what) in [
        (
            "c reverse",
            &["`reverse` behind a name", "weight N reverse"][..],
        ),
        ("c 10", &["`10` behind a name", "write `weight 10`"]),
        ("c wieght 10", &["did you mean `weight`?"]),
        ("c other", &["each name stands on a line of its own"]),
        ("c weight", &["error: `weight` needs a value"]),
    ] {
        assert_eq!(script(text, what), None, "{text}");
    }
    let name = "averyveryverylongname";
    let read = saying(name, &["is not an interface name"], |words, sink| {
        track::parse(words, Tracked::Interface, sink)
    });
    assert_eq!(read, None);
    assert_eq!(counted(name, Tracked::Script), None);
}

#[test]
fn weights_out_of_range_are_said_and_do_what_keepalived_does() {
    for (text, weight, what) in [
        (
            "c weight 254",
            Some((253, false)),
            "error: a weight of 254 is beyond 253; it is 253",
        ),
        (
            "c weight -254 reverse",
            Some((-253, true)),
            "it is -253 instead",
        ),
        (
            "c weight 255",
            None,
            "error: a weight is a whole number from -253 to 253, not `255`",
        ),
        ("c weight 10.5", None, "not `10.5`"),
        ("c weight 0x10", None, "not `0x10`"),
        ("c weight high", None, "not `high`"),
        (
            "c weight 10 revers",
            Some((10, false)),
            "did you mean `reverse`?",
        ),
        (
            "c weight 10 reverse twice",
            Some((10, true)),
            "warning: `twice` is ignored",
        ),
        ("c weight 99999999999999999999", None, "a whole number"),
    ] {
        let line = script(text, &[what]).unwrap();
        let read = line.weight.map(|weight| (weight.value, weight.reverse));
        assert_eq!(read, weight, "{text}");
    }
}

#[test]
fn a_weight_stands_alone_in_the_block_of_its_tracker() {
    let weight = |text| {
        let (read, said) = read(text, |words, sink| {
            track::weight(&words[1..], 253, place(words), sink)
        });
        (
            read.map(|Weight { value, reverse, .. }| (value, reverse)),
            said.len(),
        )
    };
    assert_eq!(weight("weight -2"), (Some((-2, false)), 0));
    assert_eq!(weight("weight 2 reverse"), (Some((2, true)), 0));
    assert_eq!(weight("weight"), (None, 1));
    assert_eq!(weight("weight 1000"), (None, 1));
    assert_eq!(weight("weight 254"), (Some((253, false)), 1));
}

#[test]
fn a_tracked_file_may_be_made() {
    for (text, value, overwrite) in [
        ("init_file", 0, false),
        ("init_file 5 overwrite", 5, true),
        ("init_file overwrite -7", -7, true),
        ("init_file -2147483648", i32::MIN, false),
    ] {
        let init = quietly(text, |words, sink| track::init_file(&words[1..], sink));
        assert_eq!(init, InitFile { value, overwrite }, "{text}");
    }
    for (text, what) in [
        ("init_file 99999999999", "not `99999999999`"),
        ("init_file x", "not `x`"),
        ("init_file ovrwrite", "did you mean `overwrite`?"),
    ] {
        let init = saying(text, &[what], |words, sink| {
            track::init_file(&words[1..], sink)
        });
        assert_eq!(init, Some(InitFile::default()), "{text}");
    }
}
