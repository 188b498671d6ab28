//! The public halves of the installation's keys, at the paths where a type's clients look for them.

use std::sync::Arc;

use artifact_core::{Error, ErrorKind, KeyKind, PublicKeys, Result};

use crate::answer;
use crate::call::Call;
use crate::request::Reply;
use crate::shared::Shared;

/// Serves one public key.
pub(crate) async fn serve(shared: &Arc<Shared>, call: &Call<'_>, kind: KeyKind) -> Result<Reply> {
    let keys = load(shared).await?;
    let (content_type, body) = match kind {
        KeyKind::OpenPgp => ("application/pgp-keys", keys.openpgp_armored),
        // Clients know the key by the name of its file, so that an old name is not this key.
        KeyKind::Rsa if call.path.file_name() != Some(&*keys.rsa_file_name) => {
            return Err(Error::new(ErrorKind::NotFound, "this installation has another key"));
        }
        KeyKind::Rsa => ("application/x-pem-file", keys.rsa_pem),
    };
    Ok(answer::fixed(&call.asking(), content_type, body))
}

/// The public keys, made when nobody has needed them before.
pub(crate) async fn load(shared: &Shared) -> Result<PublicKeys> {
    let signer = shared.parts.signer.clone().ok_or_else(|| {
        Error::new(ErrorKind::Unavailable, "this server has no keys to sign with")
    })?;
    tokio::task::spawn_blocking(move || signer.public_keys()).await.map_err(|error| {
        Error::new(ErrorKind::Internal, "the keys could not be loaded").with_source(error)
    })?
}
