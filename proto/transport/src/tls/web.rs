//! TLS for the directory's REST interface: certificate and key from two PEM files, as any web server takes them.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{InconsistentKeys, ServerConfig};

use super::{ALPN_HTTP1, ALPN_HTTP2, provider};

/// Why the two files make no TLS server. Each text names the file, the fault and the next step.
#[derive(Debug, thiserror::Error)]
pub enum WebTlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}; name a PEM file that this user may read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The certificate file holds no certificate.
    #[error("{} holds no certificate; a PEM file with `BEGIN CERTIFICATE` is expected, the server's own first", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key file holds no private key.
    #[error("{} holds no private key; a PEM file with an unencrypted `BEGIN PRIVATE KEY` is expected", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A file is PEM, but damaged.
    #[error("{} is damaged: {why}; export it anew as PEM", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Both files are sound, but do not belong together.
    #[error(
        "the key in {} is not the one that the certificate in {} was made for; name the two files of one pair",
        key.display(), certificate.display()
    )]
    Mismatch {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// rustls refuses the pair: an algorithm it does not know, a certificate it cannot read.
    #[error("cannot serve TLS with {} and {}: {source}; RSA, ECDSA and Ed25519 are supported", certificate.display(), key.display())]
    Unsupported {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
}

/// TLS 1.2 and 1.3 for browsers and HTTP clients, HTTP/2 preferred over HTTP/1.1; clients present no certificate.
/// Blocking, and meant for the start of a program.
pub fn web_server_config(certificate: &Path, key: &Path) -> Result<ServerConfig, WebTlsError> {
    let chain = read_certificates(certificate)?;
    let secret =
        PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, error, |path| WebTlsError::NoKey { path }))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("it has suites for TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|source| refused(certificate, key, source))?;
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
    Ok(config)
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, WebTlsError> {
    let none = |path| WebTlsError::NoCertificate { path };
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(path, error, none))?;
    if chain.is_empty() { Err(none(path.to_owned())) } else { Ok(chain) }
}

fn unusable(path: &Path, error: PemError, none: impl FnOnce(PathBuf) -> WebTlsError) -> WebTlsError {
    let path = path.to_owned();
    match error {
        PemError::Io(source) => WebTlsError::Unreadable { path, source },
        PemError::NoItemsFound => none(path),
        other => WebTlsError::Damaged { path, why: other.to_string() },
    }
}

fn refused(certificate: &Path, key: &Path, source: rustls::Error) -> WebTlsError {
    let (certificate, key) = (certificate.to_owned(), key.to_owned());
    match source {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => WebTlsError::Mismatch { certificate, key },
        source => WebTlsError::Unsupported { certificate, key, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files {
        folder: tempfile::TempDir,
    }

    impl Files {
        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&self, name: &str, content: &str) -> PathBuf {
            std::fs::write(self.path(name), content).unwrap();
            self.path(name)
        }
    }

    fn pair(files: &Files, name: &str) -> (PathBuf, PathBuf) {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        (
            files.write(&format!("{name}.crt"), &certificate.pem()),
            files.write(&format!("{name}.key"), &key.serialize_pem()),
        )
    }

    fn files() -> Files {
        Files { folder: tempfile::tempdir().unwrap() }
    }

    #[test]
    fn a_pair_serves() {
        let files = files();
        let (certificate, key) = pair(&files, "one");
        let config = web_server_config(&certificate, &key).unwrap();
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }

    #[test]
    fn what_cannot_serve_is_named() {
        let files = files();
        let (certificate, key) = pair(&files, "one");
        let (_, other_key) = pair(&files, "two");
        let missing = files.path("missing.pem");
        let empty = files.write("empty.pem", "");
        let broken = files.write("broken.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
        let nonsense = files.write("nonsense.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");

        let fault = |certificate: &Path, key: &Path| web_server_config(certificate, key).unwrap_err();
        assert!(matches!(fault(&missing, &key), WebTlsError::Unreadable { path, .. } if path == missing));
        assert!(matches!(fault(&certificate, &missing), WebTlsError::Unreadable { path, .. } if path == missing));
        assert!(matches!(fault(&empty, &key), WebTlsError::NoCertificate { path } if path == empty));
        assert!(matches!(fault(&key, &key), WebTlsError::NoCertificate { path } if path == key));
        assert!(matches!(fault(&certificate, &certificate), WebTlsError::NoKey { path } if path == certificate));
        assert!(matches!(fault(&broken, &key), WebTlsError::Damaged { path, .. } if path == broken));
        assert!(matches!(fault(&nonsense, &key), WebTlsError::Unsupported { .. }));
        assert!(matches!(fault(&certificate, &other_key), WebTlsError::Mismatch { .. }));
    }
}
