//! A handshake, and whose certificate is believed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Failure, reasons};

/// How a check speaks TLS. It is made once; where that fails, at each try anew.
pub(super) async fn configuration(
    kept: &mut Option<Arc<ClientConfig>>,
    ca: Option<&Path>,
) -> Result<Arc<ClientConfig>, Failure> {
    if let Some(kept) = kept {
        return Ok(Arc::clone(kept));
    }
    let ca = ca.map(Path::to_owned);
    // The file may lie on a disk that does not answer.
    let made = spawn_blocking(move || make(ca)).await;
    let made = Arc::new(made.map_err(|error| Failure::Tls(reasons(&error)))??);
    Ok(Arc::clone(kept.insert(made)))
}

fn make(ca: Option<PathBuf>) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Tls(reasons(&error)))?;
    let mut made = match ca {
        Some(path) => builder
            .with_root_certificates(roots(path)?)
            .with_no_client_auth(),
        None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth(),
    };
    // Each try is to see the whole handshake.
    made.resumption = Resumption::disabled();
    Ok(made)
}

fn roots(path: PathBuf) -> Result<RootCertStore, Failure> {
    let unusable = |why: String, path| Failure::Certificates { path, why };
    let mut roots = RootCertStore::empty();
    let found = match CertificateDer::pem_file_iter(&path) {
        Ok(found) => found,
        Err(error) => return Err(unusable(reasons(&error), path)),
    };
    for certificate in found {
        let added = certificate
            .map_err(|error| reasons(&error))
            .and_then(|one| roots.add(one).map_err(|error| reasons(&error)));
        if let Err(why) = added {
            return Err(unusable(why, path));
        }
    }
    if roots.is_empty() {
        return Err(unusable("there are none in it".into(), path));
    }
    Ok(roots)
}

/// Whom to ask for: a host by its name, or an address.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, Failure> {
    let (host, _) = host.split_once('%').unwrap_or((host, ""));
    let host = host.strip_suffix('.').unwrap_or(host);
    ServerName::try_from(host.to_owned()).map_err(|error| Failure::Tls(reasons(&error)))
}

pub(super) async fn shake_hands(
    configuration: Arc<ClientConfig>,
    name: ServerName<'static>,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Failure> {
    let connector = TlsConnector::from(configuration);
    let shaken = connector.connect(name, stream).await;
    shaken.map_err(|error| Failure::Tls(reasons(&error)))
}

/// Ends in order what was begun in order: servers complain of a reset right behind
/// the handshake.
pub(super) async fn say_goodbye(mut stream: TlsStream<TcpStream>) {
    let _ = stream.shutdown().await;
}

/// Believes any certificate, and still that who shows it has its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
