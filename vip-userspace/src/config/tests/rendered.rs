//! What a person sees.

use super::{headlines, instance};
use crate::config::parse;

/// Everything said about a text, as it is printed.
fn rendered(text: &str) -> String {
    let shown: Vec<String> = parse(text, "node.conf")
        .problems
        .iter()
        .map(ToString::to_string)
        .collect();
    shown.join("\n\n")
}

#[test]
fn a_misspelt_keyword() {
    assert_eq!(
        rendered(
            "vrrp_instance VI_1 {\n\tinterface eth0\n\tvirtual_route_id 51 # 主\n\tvirtual_ipaddress {\n\t\t192.0.2.1\n\t}\n}\n"
        ),
        "\
error: instance `VI_1` has no `virtual_router_id`
 --> node.conf:1:15
  |
1 | vrrp_instance VI_1 {
  |               ^^^^
  |
  = help: keepalived does not start without one

error: unknown keyword `virtual_route_id` in vrrp_instance
 --> node.conf:3:2
  |
3 |     virtual_route_id 51 # 主
  |     ^^^^^^^^^^^^^^^^
  |
  = help: did you mean `virtual_router_id`? (the line is skipped)"
    );
}

#[test]
fn a_number_out_of_range() {
    assert_eq!(
        rendered(&instance("  priority 300")),
        "\
error: `priority` takes a whole number from 1 to 255, not `300`
 --> node.conf:7:12
  |
7 |   priority 300
  |            ^^^
  |
  = help: it is 100 instead, as in keepalived; nodes may come out equal"
    );
}

#[test]
fn two_places_that_belong_together() {
    assert_eq!(
        rendered(&instance("priority 3\npriority 4")),
        "\
warning: `priority` is given again; the last one counts
 --> node.conf:8:1
  |
8 | priority 4
  | ^^^^^^^^^^
  |
note: first given here
 --> node.conf:7:1
  |
7 | priority 3
  | ^^^^^^^^^^"
    );
}

#[test]
fn a_brace_that_is_never_closed() {
    let text = "vrrp_instance A {\n  interface eth0\n  virtual_router_id 1\n  virtual_ipaddress {\n    192.0.2.1\n}\nvrrp_instance B {\n}\n";
    assert_eq!(
        rendered(text),
        "\
error: this brace is never closed
 --> node.conf:1:17
  |
1 | vrrp_instance A {
  |                 ^
  |
  = help: add a `}` where the block ends

error: unknown keyword `vrrp_instance` in vrrp_instance
 --> node.conf:7:1
  |
7 | vrrp_instance B {
  | ^^^^^^^^^^^^^
  |
  = help: it stands outside all blocks: is a `}` missing above? (the whole block is skipped)"
    );
}

#[test]
fn a_file_with_nothing_in_it() {
    let expected = "\
warning: there is no `vrrp_instance`: nothing to run
--> node.conf
 = help: a minimal one names interface, virtual_router_id and virtual_ipaddress";
    for text in ["", "\n\n", "# nothing\n", "\u{feff}"] {
        assert_eq!(rendered(text), expected, "{text:?}");
    }
    assert_eq!(
        headlines(&parse("", "node.conf")),
        ["node.conf: warning: there is no `vrrp_instance`: nothing to run"]
    );
}

#[test]
fn a_terminal_is_not_acted_upon() {
    let shown = rendered("\u{1b}[31mred\u{7} {\n}\n");
    assert!(!shown.contains(['\u{1b}', '\u{7}']), "{shown:?}");
}

#[test]
fn a_line_too_long_to_show_is_named() {
    let text = format!("{} {{\n}}", "a ".repeat(10_000));
    assert!(rendered(&text).starts_with(
        "error: unknown keyword `a` outside all blocks
--> node.conf:1:1
 = help:"
    ));
    let far = format!("{}x\n", " ".repeat(10_000));
    let shown = rendered(&far);
    assert!(shown.contains("node.conf:1:10001"), "{shown}");
    assert!(shown.len() < 1000);
}
