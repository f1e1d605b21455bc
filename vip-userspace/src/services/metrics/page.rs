//! The text that Prometheus reads, in either of its two formats.

use std::fmt::{self, Write as _};

use super::families::{Family, Kind};
use crate::engine::meter::Counts;

/// How it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// Prometheus' own, version 0.0.4, which the textfile collector takes too.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// What a client would rather have, by its Accept header.
    pub(crate) fn accepted(header: &str) -> Self {
        let wants = |one: &str| one.trim().starts_with("application/openmetrics-text");
        if header.split(',').any(wants) {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// The media type.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Value {
    Int(u64),
    Real(f64),
}

impl Value {
    /// Nanoseconds as seconds.
    pub(super) fn seconds(nanos: u64) -> Self {
        Self::Real(nanos as f64 / 1e9)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Int(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Int(value as u64)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(u64::from(value))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Real(value) => value.fmt(f),
        }
    }
}

/// A page that is being written.
pub(super) struct Page {
    format: Format,
    text: String,
    family: Option<&'static Family>,
}

impl Page {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            text: String::with_capacity(32 * 1024),
            family: None,
        }
    }

    /// What comes next is of this family.
    pub(super) fn begin(&mut self, family: &'static Family) {
        self.family = Some(family);
        let (name, kind) = match (self.format, family.kind) {
            (Format::Prometheus, Kind::Info | Kind::Gauge) => (family.name, "gauge"),
            (Format::Prometheus, Kind::Counter) => (family.name, "counter"),
            (_, Kind::Histogram) => (family.name, "histogram"),
            (Format::OpenMetrics, Kind::Gauge) => (family.name, "gauge"),
            (Format::OpenMetrics, Kind::Info) => (stem(family.name, "_info"), "info"),
            (Format::OpenMetrics, Kind::Counter) => (stem(family.name, "_total"), "counter"),
        };
        let _ = writeln!(self.text, "# HELP {name} {}", family.help);
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
    }

    /// One value, with the values of the family's labels in their order.
    pub(super) fn put(&mut self, labels: &[&str], value: impl Into<Value>) {
        self.line("", labels, None, value.into());
    }

    /// One histogram.
    pub(super) fn put_counts(&mut self, labels: &[&str], counts: &Counts) {
        for (bound, count) in &counts.up_to {
            let bound = le(*bound);
            self.line("_bucket", labels, Some(&bound), (*count).into());
        }
        self.line("_bucket", labels, Some("+Inf"), counts.count.into());
        self.line("_sum", labels, None, Value::seconds(counts.sum));
        self.line("_count", labels, None, counts.count.into());
    }

    fn line(&mut self, suffix: &str, labels: &[&str], le: Option<&str>, value: Value) {
        let Some(family) = self.family else { return };
        self.text.push_str(family.name);
        self.text.push_str(suffix);
        let names = family.labels.iter().copied().chain(le.map(|_| "le"));
        let values = labels.iter().copied().chain(le);
        let mut is_first = true;
        for (name, value) in names.zip(values) {
            self.text.push(if is_first { '{' } else { ',' });
            is_first = false;
            let _ = write!(self.text, "{name}=\"");
            escape(&mut self.text, value);
            self.text.push('"');
        }
        if !is_first {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// The whole of it.
    pub(super) fn end(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

fn stem(name: &'static str, suffix: &str) -> &'static str {
    name.strip_suffix(suffix).unwrap_or(name)
}

/// A bound in seconds, as OpenMetrics writes floats.
fn le(nanos: u64) -> String {
    let seconds = nanos as f64 / 1e9;
    let text = seconds.to_string();
    if text.contains('.') {
        text
    } else {
        text + ".0"
    }
}

fn escape(text: &mut String, value: &str) {
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_gets_what_it_asks_for() {
        let wants = Format::accepted;
        assert_eq!(wants("*/*"), Format::Prometheus);
        assert_eq!(wants(""), Format::Prometheus);
        assert_eq!(
            wants("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"),
            Format::OpenMetrics
        );
    }

    #[test]
    fn labels_are_escaped() {
        let mut text = String::new();
        escape(&mut text, "a\\b\"c\nd");
        assert_eq!(text, "a\\\\b\\\"c\\nd");
    }

    #[test]
    fn bounds_are_floats() {
        assert_eq!(le(10_000), "0.00001");
        assert_eq!(le(2_500_000), "0.0025");
        assert_eq!(le(1_000_000_000), "1.0");
    }
}
