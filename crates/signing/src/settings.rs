//! Keys from files of the operator.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use artifact_core::Secret;

use crate::SigningError;
use crate::key::Reason;

/// What a key file may have: a thousand times what a key needs.
const LARGEST_FILE: u64 = 4 << 20;

/// Where keys come from. What is not set is made when it is first needed and kept in the metadata
/// store; a file has to be the same on every replica.
#[derive(Clone, Debug, Default)]
pub struct SigningSettings {
    /// The OpenPGP key.
    pub openpgp: Option<OpenPgpFile>,
    /// A file with the RSA key, in PEM (PKCS#8 or PKCS#1) and without a passphrase.
    pub rsa: Option<PathBuf>,
}

/// A file with an OpenPGP secret key, ASCII-armoured, as `gpg --export-secret-keys --armor` writes it.
#[derive(Clone, Debug)]
pub struct OpenPgpFile {
    /// The file.
    pub path: PathBuf,
    /// The passphrase of the key.
    pub passphrase: Option<Secret>,
}

/// The text of the key file at `path`.
pub(crate) fn read(path: &Path) -> Result<Secret, SigningError> {
    let failed = |source| SigningError::File { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    let read = file.take(LARGEST_FILE + 1).read_to_string(&mut text);
    let text = match read {
        Ok(length) if length as u64 > LARGEST_FILE => Err(Reason::new("it is too large for a key")),
        Ok(_) => Ok(Secret::new(text)),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(Reason::new("it is not text; a key has to be exported with --armor, or in PEM"))
        }
        Err(error) => return Err(failed(error)),
    };
    text.map_err(|reason| reason.about(name(path)))
}

/// What a key file is called in errors.
pub(crate) fn name(path: &Path) -> String {
    format!("the key in {}", path.display())
}
