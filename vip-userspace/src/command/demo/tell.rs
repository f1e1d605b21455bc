//! What the demo prints: numbered parts, measured lines, checks that count.

use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

use super::{DemoArgs, Fault};

/// Prints and keeps count. Plain text unless a terminal looks on.
pub(super) struct Teller {
    colour: bool,
    parts: usize,
    checks: usize,
    failed: usize,
}

impl Teller {
    pub(super) fn new() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            colour: wanted && stdout().is_terminal(),
            parts: 0,
            checks: 0,
            failed: 0,
        }
    }

    /// A reader that has gone is no reason to stop: cleaning up comes last.
    fn print(text: &str) {
        let mut out = stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Begins a numbered part.
    pub(super) fn heading(&mut self, text: &str) {
        self.parts += 1;
        let text = format!("{}. {text}", self.parts);
        Self::print(&format!("\n{}", self.paint("1", &text)));
    }

    /// A line without a part.
    pub(super) fn title(&self, text: &str) {
        Self::print(&self.paint("1", text));
    }

    /// Something measured or said, not judged.
    pub(super) fn line(&self, text: &str) {
        Self::print(&format!("     {text}"));
    }

    /// Something that was looked at and must be so.
    pub(super) fn check(&mut self, so: bool, text: &str) {
        self.checks += 1;
        let mark = if so {
            self.paint("32", "✓")
        } else {
            self.failed += 1;
            self.paint("31", "✗")
        };
        Self::print(&format!("   {mark} {text}"));
    }

    pub(super) fn all_well(&self) -> bool {
        self.failed == 0
    }

    /// The sum, and what to try next.
    pub(super) fn end(&self, took: Duration, arguments: &DemoArgs) {
        let program = std::env::args().next().unwrap_or_else(|| "vip".into());
        let sum = if self.all_well() {
            let text = format!("All {} checks passed", self.checks);
            self.paint("32", &text)
        } else {
            let text = format!("{} of {} checks FAILED", self.failed, self.checks);
            self.paint("31", &text)
        };
        Self::print(&format!(
            "\n{sum}, {:.1} s.\n\nTry next:",
            took.as_secs_f64()
        ));
        let mut next = Vec::new();
        if arguments.interval.get() == 100 {
            next.push(("demo --interval 10ms", "the same a hundred times faster"));
        } else {
            next.push((
                "demo",
                "the same at 1 s, with the files of a first walk-through",
            ));
        }
        if arguments.fault == Fault::Stop {
            next.push(("demo --fault kill", "the daemon dies, its host does not"));
        } else {
            next.push((
                "demo --fault stop",
                "a planned leave; also: kill, hang, link",
            ));
        }
        next.push(("check /etc/keepalived/keepalived.conf", "your own file"));
        for (arguments, what) in next {
            Self::print(&format!("     {program} {arguments:40} {what}"));
        }
    }
}

/// A span as a person compares it with another: seconds with microseconds.
pub(super) fn seconds(span: Duration) -> String {
    format!("{:.6} s", span.as_secs_f64())
}

/// A short span in microseconds, a longer one in milliseconds.
pub(super) fn short(span: Duration) -> String {
    if span < Duration::from_millis(1) {
        format!("{} us", span.as_micros())
    } else {
        format!("{:.2} ms", span.as_secs_f64() * 1e3)
    }
}
