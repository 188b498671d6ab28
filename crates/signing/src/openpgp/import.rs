//! Which key of an operator's certificate signs.

use artifact_core::Secret;
use pgp::composed::SignedSecretKey;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, KeyVersion, Password, Timestamp};

use super::Which;
use crate::key::Reason;

/// The first key that may sign, whose time has not run out and that can be unlocked; and the moment
/// from which it may sign. It is left unlocked.
pub(super) fn choose(
    secret: &mut SignedSecretKey,
    passphrase: Option<&Secret>,
    now: Timestamp,
) -> Result<(Which, Timestamp), Reason> {
    if !secret.details.revocation_signatures.is_empty() {
        return Err(Reason::new("it is revoked"));
    }
    let mut refusal = Reason::new("none of its keys is for signing");
    for (which, candidate) in candidates(secret, now) {
        match candidate.and_then(|from| unlock(secret, which, passphrase).map(|()| from)) {
            Ok(from) => return Ok((which, from)),
            Err(reason) => refusal = reason,
        }
    }
    Err(refusal)
}

/// The keys that are for signing, with the moment from which they sign or what is wrong with them.
fn candidates(secret: &SignedSecretKey, now: Timestamp) -> Vec<(Which, Result<Timestamp, Reason>)> {
    let mut found = Vec::new();
    let primary = &secret.primary_key;
    let own = own_signatures(secret);
    if is_for_signing(&own) {
        found.push((Which::Primary, judge(primary, &own, now)));
    }
    for (index, subkey) in secret.secret_subkeys.iter().enumerate() {
        let bindings: Vec<&Signature> = subkey.signatures.iter().collect();
        let is_revoked =
            bindings.iter().any(|binding| binding.typ() == Some(SignatureType::SubkeyRevocation));
        if !is_revoked && bindings.iter().any(|binding| binding.key_flags().sign()) {
            found.push((Which::Subkey(index), judge(&subkey.key, &bindings, now)));
        }
    }
    found
}

/// What the primary key says of itself.
fn own_signatures(secret: &SignedSecretKey) -> Vec<&Signature> {
    let fingerprint = secret.primary_key.fingerprint();
    let key_id = secret.primary_key.legacy_key_id();
    let users = secret.details.users.iter().flat_map(|user| &user.signatures);
    users
        .chain(&secret.details.direct_signatures)
        .filter(|made| {
            made.issuer_fingerprint().contains(&&fingerprint)
                || made.issuer_key_id().contains(&&key_id)
        })
        .collect()
}

/// A key that does not say what it is for is for everything.
fn is_for_signing(own: &[&Signature]) -> bool {
    let says = |made: &&Signature| {
        let flags = made.key_flags();
        flags.certify() || flags.sign() || flags.authentication()
    };
    own.iter().any(|made| made.key_flags().sign()) || !own.iter().any(says)
}

fn judge(
    key: &impl KeyDetails,
    signatures: &[&Signature],
    now: Timestamp,
) -> Result<Timestamp, Reason> {
    if key.version() != KeyVersion::V4 {
        return Err(Reason::new("it is not of version 4, and clients understand no other"));
    }
    match key.algorithm() {
        PublicKeyAlgorithm::RSA | PublicKeyAlgorithm::EdDSALegacy | PublicKeyAlgorithm::ECDSA => {}
        other => return Err(Reason::new(format!("its algorithm {other:?} is not supported"))),
    }
    let newest = signatures.iter().max_by_key(|made| made.created());
    let lifetime = newest.and_then(|made| made.key_expiration_time());
    let span = lifetime.map(pgp::types::Duration::as_secs);
    let created = key.created_at().as_secs();
    if span.is_some_and(|span| span > 0 && created.saturating_add(span) <= now.as_secs()) {
        return Err(Reason::new("it has expired"));
    }
    let oldest = signatures.iter().filter_map(|made| made.created()).min();
    Ok(key.created_at().max(oldest.unwrap_or_default()))
}

fn unlock(
    secret: &mut SignedSecretKey,
    which: Which,
    passphrase: Option<&Secret>,
) -> Result<(), Reason> {
    let password = passphrase.map_or_else(Password::empty, |text| Password::from(text.expose()));
    let unlocked = match which {
        Which::Primary => secret.primary_key.remove_password(&password),
        Which::Subkey(index) => match secret.secret_subkeys.get_mut(index) {
            Some(subkey) => subkey.key.remove_password(&password),
            None => return Err(Reason::new("its signing subkey is missing")),
        },
    };
    unlocked.map_err(|_| match passphrase {
        Some(_) => Reason::new("the passphrase is wrong, or the secret key is not in the file"),
        None => Reason::new("it has a passphrase, and none is given"),
    })
}
