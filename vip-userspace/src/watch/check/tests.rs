//! Checks against services in this process: well-meaning, sick and hostile ones.

mod certificates;
mod nudges;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::*;
use crate::config::trackers::Streak;

/// How long anything may take that is not meant to fail by time.
const PATIENCE: Duration = Duration::from_secs(20);

fn check(probe: Probe, timeout: Duration) -> Check {
    Check {
        probe,
        interval: Duration::from_secs(1),
        timeout,
        streak: Streak {
            rise: 1,
            fall: 1,
            init_fail: false,
        },
    }
}

fn at(address: SocketAddr) -> Endpoint {
    Endpoint {
        host: address.ip().to_string(),
        port: address.port(),
    }
}

fn page(address: SocketAddr, status: &[(u16, u16)], body: Option<&str>) -> Probe {
    Probe::Http {
        endpoint: at(address),
        tls: false,
        ca: None,
        authority: "example.net:8080".into(),
        path: "/health?deep=1".into(),
        status: status.to_vec(),
        body: body.map(str::to_owned),
    }
}

async fn ask(probe: Probe) -> Result<Duration, Failure> {
    Prober::new(check(probe, PATIENCE), &Renewal::default())
        .attempt()
        .await
}

/// What a try comes to, in words.
async fn outcome(probe: Probe) -> String {
    match ask(probe).await {
        Ok(_) => "well".into(),
        Err(failure) => failure.to_string(),
    }
}

/// A service that deals with one connection.
fn service(deal: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        if let Ok((stream, _)) = listener.accept() {
            deal(stream);
        }
    });
    address
}

/// A service that answers with these bytes, and what it was asked.
fn answering(answer: impl Into<Vec<u8>>) -> (SocketAddr, Receiver<String>) {
    let (told, asked) = channel();
    let answer = answer.into();
    let address = service(move |mut stream| {
        let _ = told.send(head(&mut stream));
        let _ = stream.write_all(&answer);
    });
    (address, asked)
}

/// What is sent up to the first empty line.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

/// A service that says one thing, and then another again and again.
fn never_ending(first: &'static [u8], again: &'static [u8]) -> SocketAddr {
    service(move |mut stream| {
        head(&mut stream);
        let _ = stream.write_all(first);
        while stream.write_all(again).is_ok() {}
    })
}

/// A port that nobody listens on.
fn closed() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn a_connection_is_enough_for_tcp() {
    for ip in ["127.0.0.1", "::1"] {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let probe = Probe::Tcp(at(listener.local_addr().unwrap()));
        assert!(ask(probe).await.is_ok(), "{ip}");
    }
    let refused = outcome(Probe::Tcp(at(closed()))).await;
    assert!(
        refused.contains("cannot connect to 127.0.0.1:"),
        "{refused}"
    );
    assert!(refused.contains("efused"), "{refused}");
}

#[tokio::test]
async fn a_connection_that_is_reset_at_once_was_one() {
    for (connected, is_well) in [
        (io::ErrorKind::ConnectionReset, true),
        (io::ErrorKind::BrokenPipe, true),
        (io::ErrorKind::ConnectionRefused, false),
        (io::ErrorKind::HostUnreachable, false),
    ] {
        let judged = connect::accepted(Err(connected.into()));
        assert_eq!(judged.is_ok(), is_well, "{connected}");
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
    });
    for _ in 0..500 {
        assert_eq!(outcome(Probe::Tcp(at(address))).await, "well");
    }
}

#[tokio::test]
async fn a_name_is_looked_up_and_one_of_its_addresses_is_enough() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let named = |host: &str| {
        Probe::Tcp(Endpoint {
            host: host.into(),
            port,
        })
    };
    assert_eq!(outcome(named("localhost")).await, "well");
    let nowhere = outcome(named("no.such.name.invalid")).await;
    assert!(
        nowhere.starts_with("cannot look up no.such.name.invalid: "),
        "{nowhere}"
    );
}

#[test]
fn who_is_asked_at_no_address_in_particular_is_here() {
    for (address, expected) in [
        ("0.0.0.0:80", true),
        ("[::]:80", true),
        ("127.0.0.1:80", true),
        ("192.0.2.1:80", false),
    ] {
        let address: SocketAddr = address.parse().unwrap();
        assert_eq!(connect::is_here(&address), expected, "{address}");
    }
}

/// The kernel's table of connections: 06 is TIME_WAIT.
fn waits_for_its_end(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let port = format!(":{port:04X}");
    table.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let of_port = |at: usize| words.get(at).is_some_and(|word| word.ends_with(&port));
        (of_port(1) || of_port(2)) && words.get(3) == Some(&"06")
    })
}

#[tokio::test]
async fn no_connection_waits_for_its_end() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    for _ in 0..20 {
        ask(Probe::Tcp(at(address))).await.unwrap();
    }
    assert!(!waits_for_its_end(address.port()));
    let (address, _) = answering("HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(outcome(page(address, &[], None)).await, "well");
    assert!(!waits_for_its_end(address.port()));
}

#[tokio::test]
async fn a_page_is_asked_for_as_browsers_do() {
    let (address, asked) = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(outcome(page(address, &[], None)).await, "well");
    let asked = asked.recv_timeout(PATIENCE).unwrap().to_lowercase();
    let mut lines = asked.trim_end().split("\r\n");
    assert_eq!(lines.next(), Some("get /health?deep=1 http/1.1"));
    let agent = format!("user-agent: vip/{}", env!("CARGO_PKG_VERSION"));
    let mut rest: Vec<&str> = lines.collect();
    rest.sort_unstable();
    assert_eq!(
        rest,
        [
            "accept: */*",
            "connection: close",
            "host: example.net:8080",
            &agent,
        ]
    );
}

#[tokio::test]
async fn the_status_decides() {
    for (answered, wanted, outcome_) in [
        (200, &[][..], "well"),
        (204, &[], "well"),
        (301, &[], "well"),
        (399, &[], "well"),
        (400, &[], "HTTP status 400"),
        (500, &[], "HTTP status 500"),
        (500, &[(500, 503)], "well"),
        (301, &[(200, 299)], "HTTP status 301"),
        (301, &[(200, 299), (301, 301)], "well"),
        (200, &[(301, 301)], "HTTP status 200"),
    ] {
        let answer = format!("HTTP/1.1 {answered} X\r\nLocation: /other\r\n\r\n");
        let (address, _) = answering(answer);
        assert_eq!(
            outcome(page(address, wanted, None)).await,
            outcome_,
            "{answered} {wanted:?}"
        );
    }
}

#[tokio::test]
async fn a_text_is_found_wherever_the_body_is_cut() {
    const NOT_FOUND: &str = "the text is not in the first 64 KiB of the answer";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5\r\nall i\r\n3\r\ns w\r\n3\r\nell\r\n0\r\n\r\n";
    let filled = |before: usize| {
        let filling = "x".repeat(before);
        format!("HTTP/1.0 200 OK\r\n\r\n{filling}all is well")
    };
    for (answer, expected) in [
        (chunked.to_owned(), "well"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nall is well".into(),
            "well",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nall is ill".into(), NOT_FOUND),
        ("HTTP/1.1 200 OK\r\n\r\n".into(), NOT_FOUND),
        (filled(64 * 1024 - 11), "well"),
        (filled(64 * 1024 - 10), NOT_FOUND),
        (
            "HTTP/1.1 503 X\r\n\r\nall is well".into(),
            "HTTP status 503",
        ),
    ] {
        let (address, _) = answering(answer.clone());
        let probe = page(address, &[], Some("all is well"));
        let beginning: String = answer.chars().take(90).collect();
        assert_eq!(outcome(probe).await, expected, "{beginning}");
    }
}

#[tokio::test]
async fn what_never_ends_is_cut_off() {
    for (first, again, why) in [
        (
            &b"HTTP/1.1 200 OK\r\n"[..],
            &b"X-More: of it\r\n"[..],
            "no HTTP answer",
        ),
        (
            b"HTTP/1.1 200 OK\r\nX: ",
            b"xxxxxxxxxxxxxxxx",
            "no HTTP answer",
        ),
        (b"HTTP/1.1 200 ", b"OK", "no HTTP answer"),
        (b"", b"garbage", "no HTTP answer"),
        (b"SSH-2.0-OpenSSH\r\n", b"\r\n", "no HTTP answer"),
        (
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"xxxxxxxxxxxxxxxx",
            "the text is not in",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1\r\nx\r\n",
            "the text is not in",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
            b"extension",
            "no HTTP answer",
        ),
    ] {
        let said = outcome(page(never_ending(first, again), &[], Some("well"))).await;
        let first = String::from_utf8_lossy(first);
        assert!(said.starts_with(why), "{first}: {said}");
    }
}

#[tokio::test]
async fn announcements_without_end_end_with_the_timeout() {
    let address = never_ending(b"", b"HTTP/1.1 100 Continue\r\n\r\n");
    let timeout = Duration::from_millis(200);
    let mut prober = Prober::new(
        check(page(address, &[], None), timeout),
        &Renewal::default(),
    );
    let begun = std::time::Instant::now();
    let failure = prober.attempt().await.unwrap_err();
    assert_eq!(failure.to_string(), "no answer within 0.2 s");
    assert!(begun.elapsed() < PATIENCE);
}

#[tokio::test]
async fn who_hangs_up_is_not_well() {
    let reset = service(|stream| {
        SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    });
    let hung_up = service(|mut stream| drop(head(&mut stream)));
    let half = service(|mut stream| {
        head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le");
    });
    for address in [reset, hung_up, half] {
        let said = outcome(page(address, &[], None)).await;
        // A reset may come before the kernel has told of the connection.
        let is_ill = ["no HTTP answer: ", "cannot connect to "].map(|why| said.starts_with(why));
        assert!(is_ill.contains(&true), "{said}");
    }
    let short = service(|mut stream| {
        head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nal");
    });
    let said = outcome(page(short, &[], Some("all"))).await;
    assert!(said.starts_with("no HTTP answer: "), "{said}");
}

/// Accepts nobody: the kernel does, until the queue is full.
fn hung() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

// The clock stands still while something can happen, and jumps to the next deadline
// when nothing does.
#[tokio::test(start_paused = true)]
async fn who_does_not_answer_is_not_well() {
    let (_listener, address) = hung();
    let tls = Probe::Tls {
        endpoint: at(address),
        name: None,
        ca: None,
    };
    for probe in [page(address, &[], None), tls] {
        let begun = Instant::now();
        let mut prober = Prober::new(
            check(probe, Duration::from_millis(1500)),
            &Renewal::default(),
        );
        let failure = prober.attempt().await.unwrap_err();
        assert_eq!(failure.to_string(), "no answer within 1.5 s");
        assert_eq!(begun.elapsed().as_millis() / 10, 150);
    }
}

fn pem(name: &str) -> PathBuf {
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/src/watch/check/tests");
    PathBuf::from(tests).join(name)
}

/// A service with the certificate of `service.test`, 127.0.0.1 and ::1, that
/// answers each request with 200.
async fn tls_service(ip: &str) -> SocketAddr {
    tls_service_with(ip, "service.pem", "service.key.pem").await
}

/// The same with other certificates and a key, which need not be that of the first.
async fn tls_service_with(ip: &str, chain: &str, key: &str) -> SocketAddr {
    let chain = CertificateDer::pem_file_iter(pem(chain)).unwrap();
    let key = PrivateKeyDer::from_pem_file(pem(key)).unwrap();
    let key = ring::sign::any_supported_type(&key).unwrap();
    let shown = CertifiedKey::new(chain.map(Result::unwrap).collect(), key);
    let configuration = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(configuration));
    let listener = tokio::net::TcpListener::bind((ip, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let answer = b"HTTP/1.1 200 OK\r\n\r\nall is well";
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    address
}

#[tokio::test]
async fn without_authorities_any_certificate_will_do() {
    for ip in ["127.0.0.1", "::1"] {
        let endpoint = at(tls_service(ip).await);
        let tls = |name: Option<&str>, ca: Option<&str>| Probe::Tls {
            endpoint: endpoint.clone(),
            name: name.map(str::to_owned),
            ca: ca.map(pem),
        };
        for (name, ca, expected) in [
            (None, None, "well"),
            (Some("elsewhere.test"), None, "well"),
            (None, Some("authority.pem"), "well"),
            (Some("service.test"), Some("authority.pem"), "well"),
            (Some("elsewhere.test"), Some("authority.pem"), "no TLS: "),
            (None, Some("another.pem"), "no TLS: "),
            (None, Some("missing.pem"), "cannot use the certificates in "),
            (
                None,
                Some("service.key.pem"),
                "cannot use the certificates in ",
            ),
        ] {
            let said = outcome(tls(name, ca)).await;
            assert!(said.starts_with(expected), "{ip} {name:?} {ca:?}: {said}");
        }
    }
}

// It is an authority's, as self-signed ones are, and expired in 2021.
#[tokio::test]
async fn the_very_certificate_of_a_service_is_believed() {
    for (key, ca, name, expected) in [
        ("own.key.pem", "own.pem", "own.test", "well"),
        ("own.key.pem", "own.pem", "elsewhere.test", "well"),
        ("own.key.pem", "another.pem", "own.test", "no TLS: "),
        // Whoever shows it without its key.
        ("service.key.pem", "own.pem", "own.test", "no TLS: "),
    ] {
        let address = tls_service_with("127.0.0.1", "own.pem", key).await;
        let said = outcome(Probe::Tls {
            endpoint: at(address),
            name: Some(name.into()),
            ca: Some(pem(ca)),
        })
        .await;
        assert!(said.starts_with(expected), "{key} {ca} {name}: {said}");
    }
}

#[tokio::test]
async fn a_page_is_asked_for_over_tls() {
    let address = tls_service("127.0.0.1").await;
    for (ca, text, expected) in [
        (None, "is well", "well"),
        (Some("authority.pem"), "is well", "well"),
        (Some("authority.pem"), "is ill", "the text is not in"),
        (Some("another.pem"), "is well", "no TLS: "),
    ] {
        let Probe::Http {
            endpoint,
            authority,
            path,
            status,
            ..
        } = page(address, &[], None)
        else {
            unreachable!();
        };
        let probe = Probe::Http {
            endpoint,
            tls: true,
            ca: ca.map(pem),
            authority,
            path,
            status,
            body: Some(text.into()),
        };
        let said = outcome(probe).await;
        assert!(said.starts_with(expected), "{ca:?} {text}: {said}");
    }
}

#[tokio::test]
async fn what_is_not_tls_is_not_well() {
    let plain = service(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let endless = service(|mut stream| {
        // Records of a handshake that never comes to its end.
        let record = [
            &[22, 3, 3, 0x40, 0][..],
            &[2, 0xff, 0xff, 0xff],
            &[0; 0x3ffc],
        ]
        .concat();
        while stream.write_all(&record).is_ok() {}
    });
    let gone = service(drop);
    for address in [plain, endless, gone] {
        let probe = Probe::Tls {
            endpoint: at(address),
            name: Some("service.test".into()),
            ca: None,
        };
        let said = outcome(probe).await;
        assert!(said.starts_with("no TLS: "), "{said}");
    }
}

/// Keeps asking in the background; when each try came to its end, and the nudge.
fn asking(check: Check) -> (mpsc::UnboundedReceiver<(Instant, bool)>, Arc<Notify>) {
    let (told, tries) = mpsc::unbounded_channel();
    let mut asker = Asker::new(check, 0, Renewal::default());
    let nudge = Arc::clone(asker.nudge());
    tokio::spawn(async move {
        loop {
            let is_well = asker.next().await.outcome.is_ok();
            let _ = told.send((Instant::now(), is_well));
        }
    });
    (tries, nudge)
}

#[tokio::test(start_paused = true)]
async fn tries_begin_an_interval_apart_and_at_once_when_nudged() {
    let (_listener, address) = hung();
    let begun = Instant::now();
    let (mut tries, nudge) = asking(check(Probe::Tcp(at(address)), PATIENCE));
    let mut seconds = Vec::new();
    for _ in 0..3 {
        let (at, is_well) = tries.recv().await.unwrap();
        assert!(is_well);
        seconds.push((at - begun).as_secs_f64().round());
    }
    assert_eq!(seconds, [0.0, 1.0, 2.0]);
    for _ in 0..4 {
        let before = Instant::now();
        nudge.notify_one();
        let (at, _) = tries.recv().await.unwrap();
        assert!(at - before < Duration::from_millis(50));
    }
    // The rhythm is what it was.
    let (at, _) = tries.recv().await.unwrap();
    assert_eq!((at - begun).as_secs_f64().round(), 3.0);
}

#[tokio::test(start_paused = true)]
async fn a_late_try_never_piles_up() {
    let (_listener, address) = hung();
    let begun = Instant::now();
    let late = check(page(address, &[], None), Duration::from_millis(2500));
    let (mut tries, _nudge) = asking(late);
    let mut ends = Vec::new();
    for _ in 0..3 {
        let (at, is_well) = tries.recv().await.unwrap();
        assert!(!is_well);
        ends.push(((at - begun).as_secs_f64() * 10.0).round());
    }
    assert_eq!(ends, [25.0, 50.0, 75.0]);
}

#[test]
fn many_checks_do_not_begin_at_one_moment() {
    let interval = Duration::from_secs(1);
    let mut starts: Vec<Duration> = (0..200).map(|n| head_start(n, interval)).collect();
    starts.sort_unstable();
    assert!(starts.iter().all(|start| *start <= SPREAD));
    let gaps = starts.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(gaps.max().unwrap() < Duration::from_millis(3));
    let in_one = starts
        .windows(2)
        .filter(|pair| pair[1] - pair[0] < Duration::from_micros(300));
    assert_eq!(in_one.count(), 0);
    assert!(head_start(199, Duration::from_millis(10)) <= Duration::from_millis(10));
}
