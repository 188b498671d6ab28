//! Where the signing keys come from.

use std::path::PathBuf;

use signing::{OpenPgpFile, SigningSettings};

use super::problems::Problems;
use super::set;
use crate::command_line::KeySettings;

/// The key files, as far as some are named. They are read when the server starts.
pub(super) fn load(
    settings: &KeySettings,
    problems: &mut Problems,
    environment: &impl Fn(&str) -> Option<String>,
) -> SigningSettings {
    let file = |path: &Option<String>| {
        let path = set(path.as_deref(), "");
        (!path.is_empty()).then(|| PathBuf::from(path))
    };
    let passphrase = problems.secret("TF_SIGNING_KEY_PASSPHRASE", environment);
    SigningSettings {
        openpgp: file(&settings.tf_signing_key_path).map(|path| OpenPgpFile { path, passphrase }),
        rsa: file(&settings.apk_signing_key_path),
    }
}
