//! The document of `vip trace --json`: one object a line, schema 1
//! ([`super::SCHEMA`]). The first is a `start`, the last a `summary`.

use serde::Serialize;
use vip_common::time::MonoTime;

use super::claims::Claimed;
use super::clock::Wall;
use super::news::{News, SCHEMA};
use super::summary::Summary;
use super::tap::Tapped;

/// The first line.
#[derive(Clone, Debug, Serialize)]
pub struct Start<'a> {
    /// `start`.
    pub event: &'static str,
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of this program.
    pub version: &'static str,
    /// When, in ns of `CLOCK_MONOTONIC`.
    pub stamp_ns: u64,
    /// The same as a time of day.
    pub time: String,
    /// Where each interface is looked at.
    pub interfaces: &'a [Tapped],
    /// Why it is not seen what the kernel throws away, if it is not.
    pub no_drops: Option<String>,
    /// Why it is not seen what leaves past the queues, if it is not.
    pub no_direct: Option<String>,
}

impl<'a> Start<'a> {
    /// At `stamp`.
    #[must_use]
    pub fn new(
        stamp: MonoTime,
        wall: Wall,
        interfaces: &'a [Tapped],
        drops: Result<(), String>,
        direct: Result<(), String>,
    ) -> Self {
        Self {
            event: "start",
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            stamp_ns: stamp.as_nanos(),
            time: wall.date(stamp),
            interfaces,
            no_drops: drops.err(),
            no_direct: direct.err(),
        }
    }
}

/// A line with the time of day beside its stamp.
#[derive(Serialize)]
struct Timed<'a, T> {
    time: String,
    #[serde(flatten)]
    news: &'a T,
}

/// A claim names its event itself.
#[derive(Serialize)]
struct Named<'a, T> {
    event: &'static str,
    #[serde(flatten)]
    news: &'a T,
}

/// The last line.
#[derive(Serialize)]
struct End<'a> {
    event: &'static str,
    schema: u32,
    #[serde(flatten)]
    summary: &'a Summary,
}

/// The first line.
///
/// # Errors
/// None that can be thought of.
pub fn start(start: &Start<'_>) -> serde_json::Result<String> {
    serde_json::to_string(start)
}

/// A line for what there is to tell.
///
/// # Errors
/// None that can be thought of.
pub fn line(news: &News, wall: Wall) -> serde_json::Result<String> {
    let time = wall.date(MonoTime::from_nanos(news.stamp_ns));
    serde_json::to_string(&Timed { time, news })
}

/// A line for a claim.
///
/// # Errors
/// None that can be thought of.
pub fn claim(news: &Claimed, wall: Wall) -> serde_json::Result<String> {
    let time = wall.date(MonoTime::from_nanos(news.stamp_ns));
    let news = &Named {
        event: "claim",
        news,
    };
    serde_json::to_string(&Timed { time, news })
}

/// The last line.
///
/// # Errors
/// None that can be thought of.
pub fn summary(summary: &Summary) -> serde_json::Result<String> {
    let end = End {
        event: "summary",
        schema: SCHEMA,
        summary,
    };
    serde_json::to_string(&end)
}
