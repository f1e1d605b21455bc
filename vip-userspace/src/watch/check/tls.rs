//! A handshake, and whose certificate is believed.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Failure, reasons};

/// How a check speaks TLS that believes these certificates, or anybody.
pub(super) fn make(believed: Option<Vec<CertificateDer<'static>>>) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| reasons(&error))?;
    let verifier = Verifier {
        known: match believed {
            Some(certificates) => Some(Known::new(certificates, Arc::clone(&provider))?),
            None => None,
        },
        provider,
    };
    let mut made = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // Each try is to see the whole handshake.
    made.resumption = Resumption::disabled();
    Ok(made)
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

/// The certificates of a file: each may be the service's own, and those are believed
/// that come from one of them. Who has written down the very certificate of a service
/// means that one: its name and its dates say nothing more then, and it may be an
/// authority's, which self-signed ones usually are and no other service's may be.
#[derive(Debug)]
struct Known {
    certificates: Vec<CertificateDer<'static>>,
    authorities: Arc<WebPkiServerVerifier>,
}

impl Known {
    fn new(
        certificates: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            let added = roots.add(certificate.clone());
            added.map_err(|error| reasons(&error))?;
        }
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        Ok(Self {
            certificates,
            authorities: authorities.build().map_err(|error| reasons(&error))?,
        })
    }
}

/// Believes what is known, or else any certificate; and in each case that who shows it
/// has its key.
#[derive(Debug)]
struct Verifier {
    known: Option<Known>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.known {
            Some(known) if !known.certificates.contains(certificate) => known
                .authorities
                .verify_server_cert(certificate, more, name, ocsp, now),
            Some(_) | None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
