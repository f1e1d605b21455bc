use super::super::command::{self, Command, User};
use super::{place, quietly, read, saying};

fn notify(text: &str) -> Command {
    quietly(text, |words, sink| {
        command::parse(&words[1..], place(words), sink)
    })
}

/// The pieces of a `script`.
fn script(text: &str) -> Vec<String> {
    let text = format!("script {text}");
    quietly(&text, |words, sink| {
        command::parse_bare(&words[1..], place(words), sink)
    })
    .argv
}

/// Each as keepalived 2.2.7 cuts it.
#[test]
fn commands_are_cut_as_keepalived_cuts_them() {
    for (text, argv) in [
        (r#"/bin/true"#, &["/bin/true"][..]),
        (r#""/bin/sh -c 'exit 0'""#, &["/bin/sh", "-c", "exit 0"]),
        (r#"'/bin/sh -c "exit 0"'"#, &["/bin/sh", "-c", "exit 0"]),
        (r#""/bin/sh -c \"exit 0\"""#, &["/bin/sh", "-c", "exit 0"]),
        (r#""/bin/sh '-c' x'y'"z"#, &["/bin/sh", "-c", "xyz"]),
        (r#""   /bin/sh   -c   ""#, &["/bin/sh", "-c"]),
        (r#""/bin/sh '' x""#, &["/bin/sh", "", "x"]),
        (r#""/bin/echo a'b c'd""#, &["/bin/echo", "ab cd"]),
        (r#""/bin/echo a\ b""#, &["/bin/echo", "a", "b"]),
        (r#""/bin/echo x\\ y""#, &["/bin/echo", "x y"]),
        (r#""/bin/echo x\\\ y""#, &["/bin/echo", "x y"]),
        (r#""/bin/echo \x41\101\cA""#, &["/bin/echo", "AA\u{1}"]),
        (r#""/bin/echo '\x41'""#, &["/bin/echo", "A"]),
        (r#""/bin/echo \x414""#, &["/bin/echo", "\u{14}"]),
        (r#""/bin/echo \q\8\x""#, &["/bin/echo", "q8x"]),
        (r#""/bin/echo \a\E""#, &["/bin/echo", "\u{7}\u{1b}"]),
        (r#""/bin/echo 'it\'s'""#, &["/bin/echo", "its"]),
        (r#""/bin/echo \'""#, &["/bin/echo", ""]),
        (r#""/bin/echo 'a\nb'""#, &["/bin/echo", "a\nb"]),
        (r#"/bin/echo\ x"#, &["/bin/echo", "x"]),
        (r#""/bin/echo "'x y'"#, &["/bin/echo", "x", "y"]),
        (r#""/bin/echo 'x y'"'"z w"'"#, &["/bin/echo", "x yz w"]),
        (r#""/bin/echo a#b" #c"#, &["/bin/echo", "a#b"]),
        (r#""/bin/echo {a}""#, &["/bin/echo", "{a}"]),
        (
            r#""/bin/echo $FOO ${FOO}""#,
            &["/bin/echo", "$FOO", "${FOO}"],
        ),
        (r#""/bin/echo \0 x""#, &["/bin/echo"]),
    ] {
        assert_eq!(script(text), argv, "{text}");
    }
}

#[test]
fn behind_a_command_stands_who_runs_it() {
    let ran = |text| {
        let Command { argv, user, .. } = notify(text);
        let user = user.map(|User { name, group, .. }| (name, group));
        (argv.join("|"), user)
    };
    let user = |name: &str, group: Option<&str>| Some((name.into(), group.map(Into::into)));
    assert_eq!(ran("notify /s.sh"), ("/s.sh".into(), None));
    assert_eq!(
        ran("notify \"/s.sh a b\" root"),
        ("/s.sh|a|b".into(), user("root", None))
    );
    assert_eq!(
        ran("notify /s.sh nobody nogroup"),
        ("/s.sh".into(), user("nobody", Some("nogroup")))
    );
    assert_eq!(
        ran("notify \"/s.sh\" \"nobody\" :nogroup"),
        ("/s.sh".into(), user("nobody", Some("nogroup")))
    );
    // Whether there is a user `arg` is for the host to say.
    assert_eq!(ran("notify /s.sh arg"), ("/s.sh".into(), user("arg", None)));
    for (text, what) in [
        (
            "notify /bin/sh -c 'exit 0'",
            "`-c` is not the name of a user",
        ),
        ("notify /s.sh 'a b'", "`a b` is not the name of a user"),
        ("notify /s.sh root /x", "`/x` is not the name of a group"),
        ("notify /s.sh root root x", "warning: `x` is ignored"),
    ] {
        let read = saying(text, &[what], |words, sink| {
            command::parse(&words[1..], place(words), sink)
        });
        assert_eq!(read.is_some(), what.starts_with("warning"), "{text}");
    }
}

#[test]
fn users_are_named_with_their_group() {
    for (text, name, group) in [
        ("user nobody", "nobody", None),
        ("user nobody nogroup", "nobody", Some("nogroup")),
        ("user nobody :nogroup", "nobody", Some("nogroup")),
        ("user nobody:nogroup", "nobody", Some("nogroup")),
        ("user \"nobody\" 100", "nobody", Some("100")),
    ] {
        let user = quietly(text, |words, sink| {
            command::parse_user(&words[1..], place(words), sink)
        });
        assert_eq!(
            (&*user.name, user.group.as_deref()),
            (name, group),
            "{text}"
        );
    }
    for text in ["user", "user ''", "user a:", "user /bin/sh", "user a b c"] {
        let (_, said) = read(text, |words, sink| {
            command::parse_user(&words[1..], place(words), sink)
        });
        assert_eq!(said.len(), 1, "{text}: {said:?}");
    }
}

#[test]
fn what_is_written_for_a_shell_is_said() {
    for (text, what) in [
        ("\"/bin/sh a && b\"", &["`&&` is an argument"][..]),
        (
            "\"pidof x || exit 1\"",
            &["`||`", "\"/bin/sh -c 'pidof x || exit 1'\""],
        ),
        ("\"/bin/echo a; /bin/echo\"", &["`a;`"]),
        ("\"/bin/x > /dev/null 2>&1\"", &["`>`"]),
        ("\"/bin/x >/dev/null\"", &["`>/dev/null`"]),
        ("\"/bin/x $(date)\"", &["`$(date)`"]),
        (
            "\"A=b /bin/x\"",
            &["`A=b` is taken for the program", "/usr/bin/env A=b /bin/x"],
        ),
        ("\"~/x.sh\"", &["`~/x.sh` is not expanded"]),
        (
            "</dev/tcp/127.0.0.1/80",
            &[
                "works in bash only",
                "/bin/bash -c '</dev/tcp/127.0.0.1/80'",
            ],
        ),
        (
            "/bin/x arg",
            &["only `/bin/x` is run", "in one pair of quotes"],
        ),
        (
            "\"/bin/sh\" -c \"exit 0\"",
            &["only `/bin/sh` is run: `-c`"],
        ),
    ] {
        let text = format!("script {text}");
        let read = saying(&text, what, |words, sink| {
            command::parse_bare(&words[1..], place(words), sink)
        });
        assert!(read.is_some(), "{text}");
    }
    assert_eq!(
        script("\"</etc/passwd; exit 3\""),
        ["/bin/sh", "-c", "</etc/passwd; exit 3"]
    );
    assert_eq!(
        script("\"/bin/sh -c 'a || b > /c; d'\""),
        ["/bin/sh", "-c", "a || b > /c; d"]
    );
}

#[test]
fn commands_that_keepalived_leaves_out_are_left_out() {
    for (text, what) in [
        ("script", "a command is missing"),
        ("script \"\"", "this command is empty"),
        ("script \"  \"", "this command is empty"),
        (
            "script \"/bin/echo 'a b\"",
            "a `'` in this command is never closed",
        ),
        (
            r#"script "/bin/echo \'x""#,
            "a `'` in this command is never closed",
        ),
        (r#"script "/bin/echo \\""#, r"this command ends in `\`"),
        (r#"script "/bin/echo \xff""#, "is not UTF-8"),
        ("script \"/bin/echo", "this quote is not closed"),
    ] {
        let read = saying(text, &["error", what], |words, sink| {
            command::parse_bare(&words[1..], place(words), sink)
        });
        assert_eq!(read, None, "{text}");
    }
}

#[test]
fn findings_point_at_their_word() {
    let column = |text: &str| {
        let (words, mut sink) = super::lexed(text);
        command::parse(&words[1..], place(&words), &mut sink);
        let problems = sink.finish();
        problems[0].place().unwrap().column
    };
    assert_eq!(column("notify \"/s.sh a\" a/b"), 18);
    assert_eq!(column("notify \"/s.sh a\" root root more"), 28);
    assert_eq!(column("notify \"/s.sh | b\" root"), 8);
    assert_eq!(column("notify"), 1);
}

#[test]
fn a_pipe_has_a_path_and_perhaps_an_owner() {
    let fifo = quietly("notify_fifo \"/run/a b\" nobody nogroup", |words, sink| {
        command::parse_fifo(&words[1..], place(words), sink)
    });
    assert_eq!(fifo.path, "/run/a b");
    assert_eq!(fifo.user.unwrap().group.as_deref(), Some("nogroup"));
    for (text, what) in [
        ("notify_fifo", "is missing here"),
        ("notify_fifo run/x", "begins with `/`, not as `run/x`"),
    ] {
        let fifo = saying(text, &[what], |words, sink| {
            command::parse_fifo(&words[1..], place(words), sink)
        });
        assert_eq!(fifo, None, "{text}");
    }
}

#[test]
fn commands_may_be_defined() {
    let defined = |text: &str| {
        let command = quietly(text, |words, sink| {
            command::parse_bare(&words[1..], place(words), sink)
        });
        command.argv.join("|")
    };
    assert_eq!(defined("$C=\"/bin/x a 'b c'\"\nscript $C"), "/bin/x|a|b c");
    assert_eq!(defined("$C=/bin/x a\nscript \"$C b\""), "/bin/x|a|b");
    assert_eq!(
        defined("$A=b c\nscript \"/bin/x '${A}' d\""),
        "/bin/x|b c|d"
    );
    assert_eq!(defined("$D=/bin\nscript ${D}/x"), "/bin/x");
    assert_eq!(defined("$C='/bin/x a'\nscript $C"), "/bin/x|a");
}
