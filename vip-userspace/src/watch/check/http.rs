//! One page, on one connection.

use std::future::poll_fn;
use std::pin::{Pin, pin};

use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Failure, reasons};
use crate::config::trackers::Probe;

/// How much of a body is looked through.
const BODY: usize = 64 * 1024;
/// How much is kept of what has not been understood yet: the head of an answer must
/// fit in.
const HEAD: usize = 16 * 1024;
/// Who asks.
const AGENT: &str = concat!("vip/", env!("CARGO_PKG_VERSION"));

/// What is well where a check does not say.
const USUAL: [(u16, u16); 1] = [(200, 399)];

/// Asks for the page of a check, and looks at what comes back.
pub(super) async fn ask<S>(stream: S, probe: &Probe) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Probe::Http {
        authority,
        path,
        status,
        body,
        ..
    } = probe
    else {
        return Err(Failure::Http("it does not ask for a page".into()));
    };
    let request = Request::get(path)
        .header(HOST, authority)
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close")
        .body(String::new())
        .map_err(|error| Failure::Http(reasons(&error)))?;
    let not_http = |error: hyper::Error| Failure::Http(reasons(&error));
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD)
        .handshake::<_, String>(TokioIo::new(stream))
        .await
        .map_err(not_http)?;
    let mut exchange = pin!(async {
        let answer = sender.send_request(request).await.map_err(not_http)?;
        judge(answer, status, body.as_deref()).await
    });
    // It moves the bytes; what the exchange says counts.
    // Nor does it end the connection: that is left to the reset.
    let mut connection = pin!(connection.without_shutdown());
    let mut is_open = true;
    loop {
        tokio::select! {
            biased;
            done = &mut exchange => return done,
            _ = &mut connection, if is_open => is_open = false,
        }
    }
}

async fn judge(
    answer: Response<Incoming>,
    status: &[(u16, u16)],
    text: Option<&str>,
) -> Result<(), Failure> {
    let code = answer.status().as_u16();
    let wanted = if status.is_empty() {
        &USUAL[..]
    } else {
        status
    };
    if !wanted
        .iter()
        .any(|(from, to)| (*from..=*to).contains(&code))
    {
        return Err(Failure::Status(code));
    }
    match text {
        None => Ok(()),
        Some(text) => find(answer.into_body(), text.as_bytes()).await,
    }
}

/// Looks for a text in the beginning of a body, as far as that is needed.
async fn find(mut body: Incoming, text: &[u8]) -> Result<(), Failure> {
    let mut seen: Vec<u8> = Vec::new();
    loop {
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        let Some(frame) = frame else {
            return Err(Failure::Body);
        };
        let frame = frame.map_err(|error| Failure::Http(reasons(&error)))?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        // The text may have begun in what came before.
        let from = seen.len().saturating_sub(text.len());
        let room = BODY.saturating_sub(seen.len());
        seen.extend(data.iter().take(room));
        let new = seen.get(from..).unwrap_or_default();
        if new.windows(text.len().max(1)).any(|part| part == text) {
            return Ok(());
        }
        if seen.len() >= BODY {
            return Err(Failure::Body);
        }
    }
}
