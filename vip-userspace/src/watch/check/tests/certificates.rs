//! The file with the certificates: whatever it is, and whatever becomes of it.

use std::fs;
use std::path::Path;

use nix::sys::stat::Mode;

use super::*;

fn believing(address: SocketAddr, ca: &Path) -> Check {
    let probe = Probe::Tls {
        endpoint: at(address),
        name: None,
        ca: Some(ca.into()),
    };
    check(probe, Duration::from_secs(4))
}

async fn said(prober: &mut Prober) -> String {
    match prober.attempt().await {
        Ok(_) => "well".into(),
        Err(failure) => failure.to_string(),
    }
}

#[tokio::test]
async fn a_file_that_has_changed_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    let address = tls_service("127.0.0.1").await;
    fs::copy(pem("another.pem"), &ca).unwrap();
    let mut prober = Prober::new(believing(address, &ca), &Renewal::default());
    let refused = said(&mut prober).await;
    assert!(refused.starts_with("no TLS: "), "{refused}");
    // Written over, and put in its place.
    fs::copy(pem("authority.pem"), &ca).unwrap();
    assert_eq!(said(&mut prober).await, "well");
    let new = directory.path().join("new.pem");
    fs::copy(pem("another.pem"), &new).unwrap();
    fs::rename(&new, &ca).unwrap();
    let refused = said(&mut prober).await;
    assert!(refused.starts_with("no TLS: "), "{refused}");
}

#[tokio::test]
async fn what_was_believed_is_believed_while_the_file_cannot_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    let address = tls_service("127.0.0.1").await;
    fs::copy(pem("authority.pem"), &ca).unwrap();
    let mut prober = Prober::new(believing(address, &ca), &Renewal::default());
    assert_eq!(said(&mut prober).await, "well");
    assert_eq!(prober.trust.trouble(), None);
    fs::write(&ca, "-----BEGIN CERTIFICATE-----\n").unwrap();
    assert_eq!(said(&mut prober).await, "well");
    assert!(prober.trust.trouble().is_some());
    fs::remove_file(&ca).unwrap();
    assert_eq!(said(&mut prober).await, "well");
    let trouble = prober.trust.trouble().unwrap();
    assert!(
        trouble.starts_with("cannot use the certificates in "),
        "{trouble}"
    );
    fs::copy(pem("another.pem"), &ca).unwrap();
    let refused = said(&mut prober).await;
    assert!(refused.starts_with("no TLS: "), "{refused}");
    assert_eq!(prober.trust.trouble(), None);
}

#[tokio::test]
async fn a_file_that_is_none_or_has_no_end_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let large = directory.path().join("large");
    let sparse = fs::File::create(&large).unwrap();
    sparse.set_len(3 << 30).unwrap();
    let address = tls_service("127.0.0.1").await;
    for (path, why) in [
        (pipe.as_path(), "it is not a regular file"),
        (Path::new("/dev/zero"), "it is not a regular file"),
        (directory.path(), "it is a directory"),
        (&large, "it is larger than 1024 KiB"),
        (
            &directory.path().join("missing"),
            "No such file or directory",
        ),
    ] {
        let mut prober = Prober::new(believing(address, path), &Renewal::default());
        let said = said(&mut prober).await;
        let expected = format!("cannot use the certificates in {}: {why}", path.display());
        assert!(said.starts_with(&expected), "{said}");
        let error = usable(path).unwrap_err().to_string();
        assert!(error.starts_with(why), "{error}");
    }
    assert!(usable(&pem("authority.pem")).is_ok());
}

#[tokio::test]
async fn a_reload_has_the_file_read_again_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    let address = tls_service("127.0.0.1").await;
    fs::copy(pem("authority.pem"), &ca).unwrap();
    let rare = Check {
        interval: Duration::from_secs(3_600),
        ..believing(address, &ca)
    };
    let renewal = Renewal::default();
    let mut asker = Asker::new(rare, 0, renewal.clone());
    assert!(asker.next().await.outcome.is_ok());
    fs::copy(pem("another.pem"), &ca).unwrap();
    renewal.ask();
    let next = timeout(PATIENCE, asker.next()).await.unwrap();
    assert!(next.outcome.is_err());
}

// The pool of this runtime has one thread, and that is busy.
#[test]
fn neither_files_nor_names_need_the_pool_that_all_share() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (release, released) = channel::<()>();
    runtime.block_on(async {
        tokio::task::spawn_blocking(move || released.recv());
        let address = tls_service("127.0.0.1").await;
        let ca = pem("authority.pem");
        let mut prober = Prober::new(believing(address, &ca), &Renewal::default());
        assert_eq!(said(&mut prober).await, "well");
        let named = Probe::Tcp(Endpoint {
            host: "localhost".into(),
            port: address.port(),
        });
        assert_eq!(outcome(named).await, "well");
    });
    drop(release);
}
