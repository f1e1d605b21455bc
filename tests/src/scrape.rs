//! Asks a `vip` for its metrics, as Prometheus would.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use vip::lab::{Host, LabError, PATIENCE};

/// An answer of HTTP.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its head, from the status line on.
    pub head: String,
    /// What follows.
    pub body: String,
}

/// Gets a page from within a host.
///
/// # Errors
/// When the host's thread has died; an answer that does not come is [`None`].
pub fn get(host: &Host, at: &str, path: &str, accept: &str) -> Result<Option<Answer>, LabError> {
    let question = format!(
        "GET {path} HTTP/1.1\r\nHost: {at}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    );
    let at: SocketAddr = at.parse().unwrap_or_else(|_| SocketAddr::from(([0; 4], 0)));
    host.run(move || exchange(at, question.as_bytes()).ok())
}

fn exchange(at: SocketAddr, question: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&at, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(question)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let is_chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    let body = if is_chunked {
        joined(body).ok_or(io::ErrorKind::UnexpectedEof)?
    } else {
        body.to_owned()
    };
    Ok(Answer {
        head: head.to_owned(),
        body,
    })
}

/// A body that came in pieces, each with its length before it.
fn joined(mut rest: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (length, after) = rest.split_once("\r\n")?;
        let length = usize::from_str_radix(length.trim(), 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.push_str(after.get(..length)?);
        rest = after.get(length + 2..)?;
    }
}

/// The metrics of a host, in Prometheus' format; empty where nobody answers.
///
/// # Errors
/// As [`get`].
pub fn metrics(host: &Host, at: &str) -> Result<String, LabError> {
    Ok(get(host, at, "/metrics", "*/*")?.map_or_else(String::new, |answer| answer.body))
}

/// The value of a series, as it is written on the page with its labels.
#[must_use]
pub fn value(page: &str, series: &str) -> Option<f64> {
    let line = page.lines().find_map(|line| {
        let rest = line.strip_prefix(series)?;
        rest.strip_prefix(' ')
    });
    line?.parse().ok()
}

/// Waits until a page says what is wanted, and returns it.
///
/// # Errors
/// With the last page when it does not in time.
pub fn wait_for(
    host: &Host,
    at: &str,
    what: &str,
    wanted: impl Fn(&str) -> bool,
) -> Result<String, LabError> {
    let end = Instant::now() + PATIENCE;
    loop {
        let page = metrics(host, at)?;
        if wanted(&page) {
            return Ok(page);
        }
        if Instant::now() > end {
            return Err(LabError::TooLate {
                what: format!("{what}; the last page was:\n{page}"),
                bound: PATIENCE,
            });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What `promtool check metrics` has against a page; nothing where it is well.
///
/// # Errors
/// When it cannot be run.
pub fn promtool_says(page: &str) -> Result<Option<String>, LabError> {
    let check = || -> io::Result<Option<String>> {
        let mut checking = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut input) = checking.stdin.take() {
            input.write_all(page.as_bytes())?;
        }
        let done = checking.wait_with_output()?;
        let said = [done.stdout, done.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        Ok((!done.status.success() || !said.trim().is_empty()).then_some(said))
    };
    check().map_err(|source| LabError::System {
        step: "run promtool",
        source,
    })
}
