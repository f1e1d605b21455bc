//! The language, held against what keepalived 2.2.7 makes of the same lines.

use std::path::PathBuf;

use crate::config::diag::{Problem, Sink};
use crate::config::reading::{Files, InMemory, Limits, Reading};
use crate::config::source::Source;
use crate::config::tree::{Statement, Statements};

/// What becomes of a text: its lines with `;` between them and blocks in
/// brackets, words that stood in quotes in quotes; and the problems' headlines.
fn read_with(text: &str, reading: &Reading<'_>) -> (String, Vec<Problem>) {
    let mut sink = Sink::new("t");
    let source = Source::from_bytes("t", text.as_bytes());
    let mut statements = Statements::new(source, reading, &mut sink);
    let mut all = Vec::new();
    while let Some(statement) = statements.next(&mut sink) {
        all.push(statement);
    }
    (show(&all), sink.finish())
}

fn show(statements: &[Statement]) -> String {
    let line = |statement: &Statement| {
        let words = statement.words.iter().map(|word| match word.quoted {
            true => format!("{:?}", word.text),
            false => word.text.to_string(),
        });
        let words: Vec<String> = words.collect();
        match &statement.block {
            Some(body) => format!("{}[{}]", words.join(" "), show(&body.statements)),
            None => words.join(" "),
        }
    };
    let lines: Vec<String> = statements.iter().map(line).collect();
    lines.join("; ")
}

fn reading() -> Reading<'static> {
    Reading {
        id: "here".into(),
        environment: &|name| (name == "HOME").then(|| "/home/me".into()),
        directory: PathBuf::from("/etc/vip"),
        ..Reading::default()
    }
}

fn read(text: &str) -> (String, Vec<String>) {
    let (shown, problems) = read_with(text, &reading());
    (shown, problems.iter().map(Problem::headline).collect())
}

/// What becomes of a text about which there is nothing to say.
fn fine(text: &str) -> String {
    let (shown, said) = read(text);
    assert_eq!(said, [""; 0], "{text}");
    shown
}

/// What becomes of a text about which there is one thing to say, which is this.
fn saying(text: &str, expected: &str) -> String {
    let (shown, said) = read(text);
    assert_eq!(said, [expected], "{text}");
    shown
}

#[test]
fn a_use_ends_with_its_word_or_stands_in_braces() {
    let of = |use_: &str| fine(&format!("$A=foo\n{use_}"));
    assert_eq!(of("$A"), "foo");
    assert_eq!(of("v$A"), "vfoo");
    assert_eq!(of("v$A w"), "vfoo w");
    assert_eq!(of("$A,x"), "foo,x");
    assert_eq!(of("$A)x"), "foo)x");
    assert_eq!(of("${A}x"), "foox");
    assert_eq!(of("${A}${A}"), "foofoo");
    assert_eq!(of("$$A"), "$foo");
    assert_eq!(of(r"\$A"), r"\foo");
    assert_eq!(of("\"$A z\" \"${A}z\""), "\"foo z\" \"fooz\"");
    for (use_, after) in [
        ("$A.x", "."),
        ("$A/x", "/"),
        ("$A-x", "-"),
        ("$A:x", ":"),
        ("$A$", "$"),
        ("\"$A\"", "\""),
        ("$A\"x\"", "\""),
        ("$A{}", "{"),
    ] {
        let (shown, said) = read(&format!("$A=foo\n{use_}"));
        assert!(shown.contains("$A"), "{shown}");
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].ends_with(&format!(
                "warning: `$A` is not replaced, because `{after}` follows"
            )),
            "{said:?}"
        );
    }
}

#[test]
fn what_is_not_defined_stays_as_it_is() {
    assert_eq!(
        fine("a pa$word \"$HOME ${HOME}\" $1 $ $("),
        "a pa$word \"$HOME ${HOME}\" $1 $ $("
    );
    assert_eq!(
        saying("a $X b", "t:1:3: warning: `$X` is not defined"),
        "a $X b"
    );
    assert_eq!(
        saying("a ${X}y b", "t:1:3: error: `${X}` is not defined"),
        "a ${X}y b"
    );
    assert_eq!(
        saying("a ${x-y} b", "t:1:3: error: `${x-y}` is not defined"),
        "a ${x-y} b"
    );
    let (_, problems) = read_with("$VRID=5\na $VRDI", &reading());
    assert_eq!(
        problems[0].help(),
        Some("did you mean `${VRID}`? (it stays as it is)")
    );
}

#[test]
fn a_definition_must_stand_above_its_use() {
    let (shown, said) = read("a $LATE\n$LATE=1\na $LATE");
    assert_eq!(shown, "a $LATE; a 1");
    assert_eq!(
        said,
        [
            "t:1:3: warning: `$LATE` is not defined",
            "t:2:1: warning: `$LATE` is defined here, below a use of it"
        ]
    );
}

#[test]
fn what_a_definition_uses_is_looked_up_where_it_is_used() {
    assert_eq!(fine("$B=q$X\n$X=1\n$B\n$X=2\n$B"), "q1; q2");
    // The text counts as if it stood there.
    let (shown, _) = read("$A=1\n$B=q$A\n${B}y\n${B} y");
    assert_eq!(shown, "q$Ay; q1 y");
}

#[test]
fn what_is_a_definition() {
    assert_eq!(fine("$Z=   lead   trail   # c\n${Z}y"), "lead traily");
    assert_eq!(fine("  $A=1\n$A"), "1");
    assert_eq!(fine("$A_1=1\n$A_1"), "1");
    assert_eq!(fine("$Q=a#b\n$Q"), "a");
    assert_eq!(fine("$Q=\"a#b\"\n$Q"), "\"a#b\"");
    assert_eq!(fine("$D=\"q r\"\n$D"), "\"q r\"");
    assert_eq!(fine("$S='a b'\n$S"), "'a b'");
    assert_eq!(fine("$T=\nx${T}y\n$T\nz"), "xy; z");
    assert_eq!(fine("$T=\n\"$T x\""), "\" x\"");
    assert_eq!(fine("$1A=1\n$1A"), "$1A=1; $1A");
    assert_eq!(fine("$a-b=1"), "$a-b=1");
    assert_eq!(fine("x $A=1"), "x $A=1");
    let (shown, _) = read("$Y =foo\n$X = bar");
    assert_eq!(shown, "$Y =foo; $X = bar");
    // Defined by the text of another.
    assert_eq!(fine("$D1=$E1=5\n$D1\nx $E1"), "x 5");
    // Behind a brace too; it takes the rest of the line, braces included.
    assert_eq!(fine("a { $B=8 } x\n\"${B}\" }"), "a[\"8 } x\"]");
}

#[test]
fn definitions_of_several_lines_are_lines() {
    assert_eq!(
        fine("$M=a \\\n b c \\\n d\nx $M\n$M"),
        "x a; b c; d; a; b c; d"
    );
    assert_eq!(fine("$E=\\\ne1 \\\n\\\n \\\ne2\nx $E"), "x e1; e2");
    assert_eq!(fine("$G=g1\\ \ng2\n$G"), "g1; g2");
    assert_eq!(
        fine("$C=c1 # one \\\nc2 ! two \\\nc3 # end\n$C"),
        "c1; c2; c3"
    );
    assert_eq!(fine("$A=a \\\n\nb\n$A"), "b; a");
    assert_eq!(fine("$A=a \\\n   \nc\n$A"), "c; a");
    assert_eq!(fine("$A=a \\\r\nb\r\n$A # x"), "a; b");
    assert_eq!(fine("$L=last \\"), "");
    assert_eq!(fine("$N=x1 \\\n$M \\\nx2\n$M=a \\\nb\n$N"), "x1; a; b; x2");
    assert_eq!(fine("$I=a \\\n$Y=1 \\\nb\n$I\n$Y"), "a; b; 1");
    // Elsewhere a backslash is a character.
    assert_eq!(fine("a9 \\\ncont x\\"), "a9 \\; cont x\\");
}

#[test]
fn several_lines_do_not_fit_into_one() {
    for use_ in ["x $M post", "x ${M} post", "\"${M}\"", "~SEQ(i, 1) $M x"] {
        let (shown, said) = read(&format!("$M=a \\\nb\n{use_}"));
        assert!(shown.contains('M'), "{shown}");
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].ends_with("error: `${M}` has several lines and is not replaced within a line"),
            "{said:?}"
        );
    }
}

#[test]
fn whole_blocks_come_out_of_definitions() {
    let text = "
$BLK= \\
 g $G { \\
  group { \\
   w1 w2 # comment \\
   @other w3 \\
   @^other w4 \\
  } \\
 }
$G=GG
$BLK
$G=HH
${BLK}";
    assert_eq!(fine(text), "g GG[group[w1 w2; w4]]; g HH[group[w1 w2; w4]]");
    assert_eq!(
        fine("$D=g { p1 }\n$D\n$E=} h { p3\ng { p5 $E\n}"),
        "g[p1]; g[p5]; h[p3]"
    );
}

#[test]
fn what_contains_itself_is_told() {
    assert_eq!(
        saying("$A=x$B\n$B=y$A\n$A", "t:2:5: error: `${A}` contains itself"),
        "xy$A"
    );
    assert_eq!(
        saying("$D=z \\\n$D\n$D", "t:2:1: error: `${D}` contains itself"),
        "z; $D"
    );
    // But not what is defined anew from its own name's text of before.
    let (shown, said) = read("$A=1\n$A=${A}2\n$A");
    assert_eq!(shown, "${A}2");
    assert_eq!(said.len(), 1);
}

#[test]
fn lines_of_other_hosts_are_left_out() {
    assert_eq!(fine("@here a\n@other b\n@^here c\n@^other d"), "a; d");
    assert_eq!(fine("  @here   a b"), "a b");
    assert_eq!(fine("@here\n@\n@ x\n@^ y\nz"), "y; z");
    assert_eq!(fine("x @other y"), "x @other y");
    assert_eq!(fine("@^other @^other x"), "@^other x");
    assert_eq!(fine("@other $A=1\n@here $A=2\n$A"), "2");
    assert_eq!(fine("$Q=@other x\n$Q\n$R=@here y\n$R"), "y");
    assert_eq!(fine("$M=a \\\n@other b \\\n@here c\n$M"), "a; c");
    assert_eq!(
        fine("~SEQ(i, 2) @here x$i\n@here ~SEQ(i, 2) y$i\n@other ~SEQ(i, 2) z"),
        "x1; x2; y1; y2"
    );
    assert_eq!(
        fine("x { @other y\n} @here z { a\n@other }\n}"),
        "x; z[a]".replace("x;", "x[];")
    );
    // keepalived leaves out the first line alone, and takes the others for lines
    // of the file.
    assert_eq!(fine("@other $M=a \\\nb \\\nc\nd"), "d");
}

#[test]
fn repetitions_take_the_rest_of_their_line() {
    assert_eq!(fine("~SEQ(i,3) a$i"), "a1; a2; a3");
    assert_eq!(fine("~SEQ(i, 2, 2, 6) c${i}x"), "c2x; c4x; c6x");
    assert_eq!(
        fine("~SEQ(i,1,2) ~SEQ(j,1,2) f${i}_$j"),
        "f1_1; f1_2; f2_1; f2_2"
    );
    assert_eq!(
        fine("~SEQ(n,1,2)~SEQ(m,${n},2) k${n}-$m"),
        "k1-1; k1-2; k2-2"
    );
    assert_eq!(fine("~SEQx(i, 0xe, 16) t$i"), "te; tf; t10");
    assert_eq!(fine("~SEQ (i,2)q$i"), "q1; q2");
    assert_eq!(fine("~SEQ(i,2) \"e $i f\" # $i"), "\"e 1 f\"; \"e 2 f\"");
    assert_eq!(fine("~SEQ(i,2) x$i { y$i }"), "x1[y1]; x2[y2]");
    assert_eq!(fine("g { ~SEQ(i,2) x$i\n}"), "g[x1; x2]");
    assert_eq!(fine("~SEQ(i,2)"), "");
    assert_eq!(
        fine("$TOP=2\n~SEQ(n,$TOP) h$n\n~SEQ(n,${TOP}) i$n"),
        "h1; h2; i1; i2"
    );
    assert_eq!(fine("$W=~SEQ(i,2) w$i\n~SEQ(i,9,9) z\n$W"), "z; w1; w2");
    assert_eq!(
        fine("$A=10.0.${i}.$j\n~SEQ(i,2) ~SEQ(j,2) $A"),
        "10.0.1.1; 10.0.1.2; 10.0.2.1; 10.0.2.2"
    );
    // The last value stays.
    assert_eq!(fine("~SEQ(i,2) x\n$i"), "x; x; 2");
    // Only in front of a line.
    assert_eq!(fine("q ~SEQ(i,1,2) q"), "q ~SEQ(i,1,2) q");
    assert_eq!(fine("~seq(i,2) q"), "~seq(i,2) q");
    assert_eq!(fine("~LST(i, a, b) B$i"), "Ba; Bb");
    assert_eq!(fine("~LST({i,j}, {1,2}, {3,4}) d${i}-$j"), "d1-2; d3-4");
    assert_eq!(fine("~LST(n,~SEQ) m$n"), "m~SEQ");
    let text = "$V=inst V_$i { \\\n id $i \\\n}\n~SEQ(i,1,2) $V\n";
    assert_eq!(fine(text), "inst V_1[id 1]; inst V_2[id 2]");
    assert_eq!(
        fine("$X=~SEQ(i,2) A$i \\\n~LST({k,l},{p,q}) B${k}$l \\\nC\n$X"),
        "A1; A2; Bpq; C"
    );
}

#[test]
fn repetitions_that_cannot_be_done_are_told() {
    for (line, why) in [
        (
            "~SEQ(i,a,2) x",
            "error: this repetition cannot be done: `a` is not a number",
        ),
        (
            "~SEQ(i,$U,2) x",
            "error: this repetition cannot be done: `$U` is not a number",
        ),
        (
            "~SEQ(i,1,2 x",
            "error: the `(` of this repetition is not closed on its line",
        ),
        (
            "~SEQy(i,2) x",
            "error: `(` is missing behind the name of a repetition",
        ),
        (
            "~LST(i) x",
            "error: this repetition cannot be done: it has the form (NAME, VALUE, …) or ({A, B}, {1, 2}, …)",
        ),
    ] {
        assert_eq!(
            saying(&format!(" {line}\ny"), &format!("t:1:2: {why}")),
            "y"
        );
    }
}

#[test]
fn names_that_are_built_in() {
    assert_eq!(fine("a${_PWD}b \"${_PWD}\""), "a/etc/vipb \"/etc/vip\"");
    assert_eq!(fine("$_INSTANCE ${_INSTANCE}"), "here here");
    assert_eq!(fine("a${_HASH}b${_BANG}c"), "a#b!c");
    assert_eq!(fine("${_ENV HOME}"), "/home/me");
    assert_eq!(
        saying(
            "a ${_ENV NONE}",
            "t:1:3: warning: there is no `NONE` in the environment"
        ),
        "a ${_ENV NONE}"
    );
    assert_eq!(fine("$_PWD=mine\n${_PWD}"), "mine");
    assert_eq!(fine("${_RANDOM 5 5}"), "5");
    let (first, again) = (
        fine("random_seed 7\n$_RANDOM ${_RANDOM}"),
        fine("random_seed 7\n$_RANDOM ${_RANDOM}"),
    );
    assert_eq!(first, again);
    assert_ne!(
        first,
        fine("random_seed 8\n$_RANDOM ${_RANDOM}").replace("seed 8", "seed 7")
    );
    for number in fine("~SEQ(i, 100) ${_RANDOM 9 3} ${_RANDOM 32760}")
        .split([' ', ';'])
        .filter(|w| !w.is_empty())
    {
        let number: u32 = number.parse().unwrap();
        assert!((3..=9).contains(&number) || (32_760..=32_767).contains(&number));
    }
    saying(
        "x ${_RANDOM 0x10 20}",
        "t:1:3: warning: `${_RANDOM MIN MAX}` takes two decimal numbers",
    );
}

#[test]
fn quotes_and_blanks_and_encodings() {
    assert_eq!(fine("a\"b c\"d"), "a \"b c\" d");
    assert_eq!(fine("x \"\" y"), "x \"\" y");
    assert_eq!(
        fine("x \"{\" \"}\" \"m\\#n\" k\\l"),
        "x \"{\" \"}\" \"m\\\\#n\" k\\l"
    );
    assert_eq!(
        fine("a\tb\r\nc\u{b}d\u{c}e\r\n# caf\u{e9}\nlast"),
        "a b; c d e; last"
    );
    assert_eq!(fine("\u{feff}a"), "a");
    assert_eq!(
        saying(
            "a \"b # c",
            "t:1:3: error: this quote is not closed on its line"
        ),
        "a \"b # c\""
    );
}

#[test]
fn long_lines_are_lines() {
    // keepalived cuts them after 1023 bytes, in the middle of a word.
    let long = "x".repeat(5000);
    assert_eq!(fine(&format!("a {long} b")), format!("a {long} b"));
}

#[test]
fn what_templates_leave_is_told_once() {
    assert_eq!(
        saying(
            "a {{ x }} b\nc",
            "t:1:3: error: `{{ x }}` is left over from a template"
        ),
        "a {{ x }} b; c"
    );
    assert_eq!(
        saying(
            "g v{{ x }} {\na\n}",
            "t:1:4: error: `{{ x }}` is left over from a template"
        )
        .as_str(),
        "g v{{ x }}[a]"
    );
    assert_eq!(
        saying(
            "{% if a { %}\nb",
            "t:1:1: error: this line is left over from a template"
        ),
        "b"
    );
    assert_eq!(
        saying(
            "a <%= @x %>",
            "t:1:3: error: `<%= @x %>` is left over from a template"
        ),
        "a <%= @x %>"
    );
    assert_eq!(fine("# {{ x }}\na \"{{ .State }}\""), "a \"{{ .State }}\"");
}

/// These files, read from `/etc/vip/t`.
fn files(files: &[(&str, &str)]) -> InMemory {
    InMemory(
        files
            .iter()
            .map(|(name, text)| (PathBuf::from("/etc/vip").join(name), (*text).into()))
            .collect(),
    )
}

fn including(text: &str, others: &[(&str, &str)]) -> (String, Vec<String>) {
    let files = files(others);
    let reading = Reading {
        files: &files,
        ..reading()
    };
    let (shown, problems) = read_with(text, &reading);
    (shown, problems.iter().map(Problem::headline).collect())
}

const SOME: [(&str, &str); 5] = [
    ("d/one.conf", "one\ninclude two.conf\nend ${_PWD}"),
    ("d/two.conf", "two"),
    ("d/three.conf", "three {\n3\n}\n"),
    ("d/.hidden.conf", "hidden"),
    (
        "d/sub/four.conf",
        "@here four\n@other five\ninclude ../two.conf",
    ),
];

#[test]
fn files_are_included_where_the_line_stands() {
    for (line, expected) in [
        ("include d/two.conf", "two"),
        ("  include\td/two.conf # x", "two"),
        ("include /etc/vip/d/two.conf", "two"),
        ("include ./d//two.conf", "two"),
        ("include d/one.conf", "one; two; end /etc/vip/d"),
        ("include d/t*.conf", "three[3]; two"),
        ("include d/t{wo,hree}.conf", "two; three[3]"),
        ("include d/[^ot]*.conf", ""),
        ("include d/?wo.conf", "two"),
        ("include d/*/*.conf", "four; two"),
        ("include d/.h*.conf", "hidden"),
        ("include none/*.conf", ""),
        ("g {\n a\n include d/two.conf\n b\n}", "g[a; two; b]"),
        ("g { include d/two.conf\n}", "g[two]"),
        (
            "@here include d/two.conf\n@other include d/three.conf",
            "two",
        ),
        ("$F=d/two.conf\ninclude $F\ninclude ${F}", "two; two"),
        ("$F=include d/two.conf\n$F", "two"),
        ("~LST(f,two,three) include d/${f}.conf", "two; three[3]"),
        ("$M=a \\\ninclude d/two.conf \\\nb\n$M", "a; two; b"),
        ("\"include\" x", "\"include\" x"),
        ("x include y", "x include y"),
        ("includex y", "includex y"),
    ] {
        assert_eq!(including(line, &SOME), (expected.into(), vec![]), "{line}");
    }
}

#[test]
fn definitions_and_braces_go_through_files() {
    let others = [("a", "$A=1\ng {\n x"), ("b", "y $A\n}")];
    assert_eq!(
        including("include a\ninclude b", &others),
        ("g[x; y 1]".into(), vec![])
    );
}

#[test]
fn what_is_not_there_to_include_is_told_as_strictly_as_asked_for() {
    let said = |line: &str| including(line, &SOME).1;
    let warning = ["t:1:9: warning: there is no file `none.conf`"];
    assert_eq!(said("include none.conf"), warning);
    assert_eq!(
        said("includer none.conf"),
        ["t:1:10: warning: there is no file `none.conf`"]
    );
    assert_eq!(
        said("includem none.conf"),
        ["t:1:10: error: there is no file `none.conf`"]
    );
    assert_eq!(
        said("includew none.conf"),
        ["t:1:10: error: there is no file `none.conf`"]
    );
    assert_eq!(said("includem d/z*.conf"), [""; 0]);
    assert_eq!(
        said("includew d/z*.conf"),
        ["t:1:10: error: no file matches `d/z*.conf`"]
    );
    assert_eq!(
        said("includem d/{two,six}.conf"),
        ["t:1:10: warning: there is no file `d/six.conf`"]
    );
    assert_eq!(
        said("includeb d/{two,six}.conf"),
        ["t:1:10: error: there is no file `d/six.conf`"]
    );
    assert_eq!(
        said("includea d/{two,six}.conf"),
        ["t:1:10: error: there is no file `d/six.conf`"]
    );
    assert_eq!(
        said("includea d/z*"),
        ["t:1:10: error: no file matches `d/z*`"]
    );
    assert_eq!(
        said("include_check match\ninclude none.conf"),
        ["t:2:9: error: there is no file `none.conf`"]
    );
    assert_eq!(
        said("include_check -match +wildcard_match\ninclude d/z*"),
        ["t:2:9: error: no file matches `d/z*`"]
    );
    assert_eq!(said("include"), ["t:1:1: error: `include` names no file"]);
    assert_eq!(
        said("include \"d/two.conf\""),
        ["t:1:9: error: an `include` takes no quotes; they are part of the name"]
    );
    assert_eq!(
        said("include d/two.conf }"),
        ["t:1:9: warning: there is no file `d/two.conf }`"]
    );
    assert_eq!(
        said("include d"),
        ["t:1:9: warning: `/etc/vip/d` is a directory: it is not included"]
    );
}

#[test]
fn loops_of_files_end() {
    let others = [("a", "x\ninclude b"), ("b", "y\ninclude a\nz")];
    assert_eq!(
        including("include a\nend", &others),
        (
            "x; y; z; end".into(),
            vec!["/etc/vip/b:2:9: error: `/etc/vip/a` includes itself".into()]
        )
    );
    let itself = [("t", "")];
    assert_eq!(
        including("include t", &itself).1,
        ["t:1:9: error: `/etc/vip/t` includes itself"]
    );
    let deep: Vec<(String, String)> = (0..100)
        .map(|n| (format!("f{n}"), format!("include f{}", n + 1)))
        .collect();
    let deep: Vec<(&str, &str)> = deep.iter().map(|(a, b)| (&**a, &**b)).collect();
    let said = including("include f0", &deep).1;
    assert_eq!(
        said,
        ["/etc/vip/f31:1:9: error: files include each other deeper than 32"]
    );
}

#[test]
fn problems_point_at_what_was_written_and_tell_how_it_was_reached() {
    let places = |text: &str, others: &[(&str, &str)]| {
        let files = files(others);
        let reading = Reading {
            files: &files,
            ..reading()
        };
        let (_, problems) = read_with(text, &reading);
        let [problem] = &problems[..] else {
            panic!("{problems:?}");
        };
        let related = problem
            .related()
            .map(|(at, words)| format!("{} {words}", at.place()));
        let mut places = vec![problem.place().unwrap().to_string()];
        places.extend(related);
        places
    };
    // A NUL is reported with the place of its word.
    assert_eq!(places("a  b\0", &[]), ["t:1:4"]);
    assert_eq!(
        places("$A=x b\0\nfoo $A", &[]),
        ["t:1:6", "t:2:5 expanded from here"]
    );
    assert_eq!(places("$A=b\0\nfoo x${A}y", &[]), ["t:2:5"]);
    assert_eq!(
        places("$A=b\0\n$B=c \\\n  d $A\n  $B", &[]),
        ["t:1:4", "t:4:3 expanded from here"]
    );
    assert_eq!(
        places("$A=b\0\n$B=c x${A}\n$B", &[]),
        ["t:2:6", "t:3:1 expanded from here"]
    );
    assert_eq!(places("~SEQ(i,1)  x${i}\0 b", &[]), ["t:1:12"]);
    assert_eq!(
        places("\n\ninclude f", &[("f", "\n b\0")]),
        ["/etc/vip/f:2:2", "t:3:9 included from here"]
    );
    assert_eq!(
        places("$A=b\0\ninclude f", &[("f", "$A")]),
        [
            "t:1:4",
            "/etc/vip/f:1:1 expanded from here",
            "t:2:9 included from here"
        ]
    );
}

#[test]
fn bombs_end_with_one_error() {
    // Definitions that double each other.
    let mut text = String::from("$A0=xxxxxxxxxxxxxxxx\n");
    for n in 1..30 {
        text += &format!("$A{n}=${{A{}}}${{A{}}}\n", n - 1, n - 1);
    }
    text += "before\nfoo $A29\nafter";
    let (shown, said) = read(&text);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].ends_with("definitions make this line longer than 1024 KiB"),
        "{said:?}"
    );
    assert!(shown.starts_with("before; foo xxxx"));
    assert!(shown.ends_with("; after"));

    // Lines that double each other, empty ones too, and endless repetitions.
    let lines = |leaf: &str| {
        let mut text = format!("$A0={leaf}\n");
        for n in 1..30 {
            text += &format!("$A{n}=$A{} \\\n$A{}\n", n - 1, n - 1);
        }
        text + "$A29"
    };
    let reading = Reading {
        limits: Limits {
            expanded: 1 << 20,
            words: 10_000,
            ..Limits::default()
        },
        ..reading()
    };
    for (text, end) in [
        (lines(""), "what is included and expanded exceeds 1 MiB"),
        (lines("x"), "there are more than 10000 words"),
        (
            "~SEQ(i,4000000000) @other x".into(),
            "what is included and expanded exceeds 1 MiB",
        ),
        (
            "~SEQ(i,4000000000)".into(),
            "what is included and expanded exceeds 1 MiB",
        ),
        (
            "~SEQ(i,2000000000) x".into(),
            "there are more than 10000 words",
        ),
        (
            "~SEQ(i,4000000000) ~SEQ(j,a) x".into(),
            "what is included and expanded exceeds 1 MiB",
        ),
    ] {
        let (_, problems) = read_with(&text, &reading);
        let ends = problems.iter().filter(|one| one.message() == end);
        assert_eq!(ends.count(), 1, "{text}");
    }
    // What is between parentheses is bounded by itself.
    let mut text = String::from("$A0=1\n");
    for n in 1..30 {
        text += &format!("$A{n}=${{A{}}}${{A{}}}\n", n - 1, n - 1);
    }
    assert_eq!(
        read(&(text + "~SEQ(i,$A29) x")).1,
        ["t:31:1: error: this repetition cannot be done: there are too many definitions in it"]
    );
}

#[test]
fn what_is_wrong_in_a_line_used_often_is_told_once() {
    let text = "$M=a \\\nb \"c\n~SEQ(i, 9) $M";
    assert_eq!(
        read(text).1,
        ["t:2:3: error: this quote is not closed on its line"]
    );
}

#[test]
fn files_are_bounded_in_number_and_size() {
    let others = [("a", "x\n")];
    let files = files(&others);
    let text = "~SEQ(i,1000) include a";
    for (limits, end) in [
        (
            Limits {
                files: 11,
                ..Limits::default()
            },
            "more than 11 files are included",
        ),
        (
            Limits {
                bytes: 1 << 10,
                ..Limits::default()
            },
            "the files have more than 0 MiB altogether",
        ),
    ] {
        let reading = Reading {
            files: &files,
            limits,
            ..reading()
        };
        let (shown, problems) = read_with(text, &reading);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].message(), end);
        assert!(shown.starts_with("x; x"));
    }
    assert!(files.names(&PathBuf::from("/etc/vip")).is_ok());
}
