//! The little that is spoken of HTTP: one question on each connection, answered or
//! let go within a bounded time.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::{Format, Scrape, families};

/// Clients that are answered at a time; whoever comes beyond is let go.
const MOST_CLIENTS: usize = 8;
/// How long a client may take to say what it wants.
const HEAD_PATIENCE: Duration = Duration::from_secs(2);
/// How long it may take with all, reading the answer included.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a question may be, with its headers; the least that hyper takes.
const LONGEST_HEAD: usize = 8 * 1024;
/// How long no client is taken after one could not be: descriptors may be out.
const BREATH: Duration = Duration::from_millis(100);

/// Answers whoever comes, for ever.
pub(super) async fn serve(
    listener: TcpListener,
    ask: mpsc::Sender<Scrape>,
    turned_away: Arc<AtomicU64>,
) {
    let places = Arc::new(Semaphore::new(MOST_CLIENTS));
    loop {
        let Ok((client, _)) = listener.accept().await else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            turned_away.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let ask = ask.clone();
        tokio::spawn(async move {
            let _ = timeout(PATIENCE, attend(client, ask)).await;
            drop(place);
        });
    }
}

async fn attend(client: TcpStream, ask: mpsc::Sender<Scrape>) {
    let service = service_fn(move |request| {
        let ask = ask.clone();
        async move { Ok::<_, Infallible>(answer(&request, &ask).await) }
    });
    // A client that breaks off, or talks nonsense, is no concern.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(LONGEST_HEAD)
        // A place is not kept for whoever may ask again.
        .keep_alive(false)
        .serve_connection(TokioIo::new(client), service)
        .await;
}

async fn answer(request: &Request<Incoming>, ask: &mpsc::Sender<Scrape>) -> Response<String> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n");
        let allowed = hyper::header::HeaderValue::from_static("GET, HEAD");
        refused.headers_mut().insert(ALLOW, allowed);
        return refused;
    }
    match request.uri().path() {
        "/metrics" => {}
        "/" => return plain(StatusCode::OK, "vip: /metrics\n"),
        _ => return plain(StatusCode::NOT_FOUND, "there is /metrics\n"),
    }
    let accepted = request.headers().get(ACCEPT);
    let accepted = accepted.and_then(|value| value.to_str().ok());
    let format = Format::accepted(accepted.unwrap_or_default());
    let (reply, gathered) = oneshot::channel();
    if ask.send(reply).await.is_err() {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "vip leaves\n");
    }
    match gathered.await {
        Ok(gathered) => page(format, families::page(&gathered, format)),
        Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "vip leaves\n"),
    }
}

fn page(format: Format, text: String) -> Response<String> {
    let mut response = Response::new(text);
    let kind = hyper::header::HeaderValue::from_static(format.content_type());
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn plain(status: StatusCode, text: &str) -> Response<String> {
    let mut response = Response::new(text.to_owned());
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
