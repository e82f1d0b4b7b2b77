//! The key file: made once and atomically, read only while nobody else can.
//!
//! A crash while it is made leaves either no key file or a whole one, beside it at worst a closed temporary file. What is
//! checked is checked on the open file, never on the name, so that nothing can be swapped in between.

use std::fs::{File, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use super::IdentityError;

/// A PEM file with one key has about 120 bytes; comments may stand around it.
const LARGEST: u64 = 16 * 1024;

/// The content of the key file; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, IdentityError> {
    // NONBLOCK: opening a pipe that was put there must not wait for its writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(rustix::io::Errno::LOOP) => return Err(IdentityError::NotAFile { path: path.to_owned() }),
        Err(errno) => return Err(failed("open", path, errno.into())),
    };
    check(&file, path)?;
    let mut text = Zeroizing::new(String::new());
    match (&file).take(LARGEST).read_to_string(&mut text) {
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            Err(IdentityError::Malformed { path: path.to_owned(), why: "it is not text".to_owned() })
        }
        Err(error) => Err(failed("read", path, error)),
    }
}

/// Makes a key and its file, and gives back what is there in the end: if another process was faster, its key.
pub(super) fn create(path: &Path) -> Result<Zeroizing<String>, IdentityError> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)
        .map_err(|error| failed("draw", path, std::io::Error::other(error)))?;
    let pem = Zeroizing::new(key.serialize_pem());
    match write(path, &pem) {
        Ok(()) => Ok(pem),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            read(path)?.ok_or_else(|| failed("create", path, error))
        }
        Err(error) => Err(failed("create", path, error)),
    }
}

/// The one private key in a PEM text.
pub(super) fn decode(pem: &str) -> Result<PrivatePkcs8KeyDer<'static>, String> {
    PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => "there is no `BEGIN PRIVATE KEY` in it".to_owned(),
        other => other.to_string(),
    })
}

/// Durable when it returns: content first, then the name, then the folder.
fn write(path: &Path, pem: &str) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut temporary =
        tempfile::Builder::new().prefix(".identity-").permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
    temporary.write_all(pem.as_bytes())?;
    temporary.as_file().sync_all()?;
    temporary.persist_noclobber(path).map_err(|refused| refused.error)?;
    File::open(folder)?.sync_all()
}

fn check(file: &File, path: &Path) -> Result<(), IdentityError> {
    let facts = file.metadata().map_err(|error| failed("examine", path, error))?;
    let user = rustix::process::geteuid().as_raw();
    let path = path.to_owned();
    if !facts.is_file() {
        Err(IdentityError::NotAFile { path })
    } else if facts.uid() != user {
        Err(IdentityError::Owner { path, owner: facts.uid(), user })
    } else if facts.mode() & 0o077 != 0 {
        Err(IdentityError::Exposed { path, mode: facts.mode() & 0o7777 })
    } else {
        Ok(())
    }
}

fn failed(action: &'static str, path: &Path, source: std::io::Error) -> IdentityError {
    IdentityError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::os::unix::fs::{chown, symlink};

    use super::super::Identity;
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn the_key_is_made_once_closed_and_kept() {
        let folder = folder();
        let path = folder.path().join("identity.pem");
        let made = Identity::load_or_create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
        assert_eq!(Identity::load_or_create(&path).unwrap().public_key(), made.public_key());
    }

    #[test]
    fn many_first_starts_at_once_agree() {
        let folder = folder();
        let path = folder.path().join("identity.pem");
        let ids: HashSet<_> = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..8).map(|_| scope.spawn(|| Identity::load_or_create(&path).unwrap().peer_id())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert_eq!(ids.len(), 1);
    }

    #[test]
    fn wider_permissions_are_refused_with_the_remedy() {
        let folder = folder();
        let path = folder.path().join("key");
        Identity::load_or_create(&path).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = Identity::load_or_create(&path).unwrap_err();
            assert!(matches!(error, IdentityError::Exposed { mode: shown, .. } if shown == mode), "{error}");
            assert!(error.to_string().contains(&format!("chmod 600 {}", path.display())), "{error}");
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        assert!(Identity::load_or_create(&path).is_ok(), "read-only for the owner is closed enough");
    }

    #[test]
    fn a_link_a_folder_and_a_pipe_are_refused() {
        let folder = folder();
        let target = folder.path().join("target");
        Identity::load_or_create(&target).unwrap();
        let (link, pipe) = (folder.path().join("link"), folder.path().join("pipe"));
        symlink(&target, &link).unwrap();
        symlink(folder.path().join("nowhere"), folder.path().join("dangling")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        for path in [link, folder.path().join("dangling"), pipe, folder.path().to_owned()] {
            let error = Identity::load_or_create(&path).unwrap_err();
            assert!(matches!(error, IdentityError::NotAFile { .. }), "{error}");
        }
    }

    #[test]
    fn another_owner_is_refused() {
        let folder = folder();
        let path = folder.path().join("key");
        Identity::load_or_create(&path).unwrap();
        if rustix::process::geteuid().is_root() {
            chown(&path, Some(12_345), None).unwrap();
            let error = Identity::load_or_create(&path).unwrap_err();
            assert!(matches!(error, IdentityError::Owner { owner: 12_345, user: 0, .. }), "{error}");
        } else {
            // Only root gives files away, but root's own are at hand everywhere.
            let error = read(Path::new("/etc/passwd")).unwrap_err();
            assert!(matches!(error, IdentityError::Owner { owner: 0, .. }), "{error}");
        }
    }

    #[test]
    fn garbage_is_refused_and_left_alone() {
        let folder = folder();
        let path = folder.path().join("key");
        let pkcs8_of_nothing = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let ecdsa = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
        for content in [b"".as_slice(), b"hello", b"\xff\xfe", pkcs8_of_nothing.as_bytes(), ecdsa.as_bytes()] {
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let error = Identity::load_or_create(&path).unwrap_err();
            assert!(matches!(error, IdentityError::Malformed { .. }), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), content);
        }
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = folder();
        let path = folder.path().join("missing/key");
        let error = Identity::load_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("cannot create") && error.contains("missing/key"), "{error}");
    }
}
