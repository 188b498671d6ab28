//! Signatures, verified by the programs that clients use.

use std::path::Path;

use artifact_core::{PublicKeys, RsaHash, Signer as _, Timestamp};

use crate::programs::{Gpg, OpenSsl};
use crate::support::{NOW, blocking, replica, store_with_keys};

const DATA: &[u8] = b"<repomd/>\n";

#[tokio::test]
async fn gnupg_accepts_the_certificate_and_both_forms_of_signatures() {
    let Some(gpg) = Gpg::find() else { return };
    let keyring = replica(&store_with_keys().await);
    let work = move || {
        let signed = keyring.sign_openpgp(DATA, NOW).unwrap();
        let armored = keyring.sign_openpgp_armored(DATA, NOW).unwrap();
        (keyring.public_keys().unwrap(), signed, armored)
    };
    let (keys, signed, armored) = blocking(work).await;
    gpg.run(&["--import".as_ref(), gpg.file("key.asc", &keys.openpgp_armored).as_os_str()]);
    let data = gpg.file("data", DATA);
    for signature in [signed, armored] {
        let signature = gpg.file("signature", &signature);
        let status = verified(&gpg, &signature, &data);
        assert!(status.contains(&format!("GOODSIG {}", keys.openpgp_key_id)), "{status}");
        // Class 00, version 4, at the moment that was asked for.
        let valid = status.lines().find(|line| line.contains("VALIDSIG")).unwrap();
        assert!(valid.contains(" 1700000000 0 4 0 1 8 00 "), "{valid}");
    }
}

fn verified(gpg: &Gpg, signature: &Path, data: &Path) -> String {
    let future = format!("{}!", NOW.as_seconds() + 60);
    gpg.run(&[
        "--status-fd=1".as_ref(),
        "--faked-system-time".as_ref(),
        future.as_ref(),
        "--verify".as_ref(),
        signature.as_os_str(),
        data.as_os_str(),
    ])
}

#[tokio::test]
async fn the_openpgp_key_signs_and_certifies_and_never_expires() {
    let Some(gpg) = Gpg::find() else { return };
    let keys = public_keys().await;
    gpg.run(&["--import".as_ref(), gpg.file("key.asc", &keys.openpgp_armored).as_os_str()]);
    let listed = gpg.run(&["--with-colons", "--list-keys"]);
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split(':').collect()).collect();
    let public: Vec<_> = lines.iter().filter(|fields| fields[0] == "pub").collect();
    let created = (NOW.as_seconds() - 3600).to_string();
    assert_eq!(public.len(), 1);
    assert_eq!(public[0][2..7], ["4096", "1", &keys.openpgp_key_id, &created, ""]);
    assert_eq!(public[0][11], "scSC");
    assert!(!lines.iter().any(|fields| fields[0] == "sub"));
    assert_eq!(lines.iter().filter(|fields| fields[0] == "uid").count(), 1);
}

#[tokio::test]
async fn no_signature_is_older_than_its_key() {
    let Some(gpg) = Gpg::find() else { return };
    let keyring = replica(&store_with_keys().await);
    let work = move || {
        let signed = keyring.sign_openpgp(DATA, Timestamp::from_seconds(1_000_000_000)).unwrap();
        (keyring.public_keys().unwrap(), signed)
    };
    let (keys, signed) = blocking(work).await;
    gpg.run(&["--import".as_ref(), gpg.file("key.asc", &keys.openpgp_armored).as_os_str()]);
    let signature = gpg.file("signature", &signed);
    let status = verified(&gpg, &signature, &gpg.file("data", DATA));
    assert!(status.contains(&format!(" {} 0 4 0 ", NOW.as_seconds() - 3600)), "{status}");
}

#[tokio::test]
async fn openssl_verifies_both_kinds_of_rsa_signatures() {
    let Some(openssl) = OpenSsl::find() else { return };
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| std::fs::write(directory.path().join(name), content);
    let keyring = replica(&store_with_keys().await);
    let work = move || {
        let sign = |hash| keyring.sign_rsa(hash, DATA).unwrap();
        (keyring.public_keys().unwrap(), [sign(RsaHash::Sha1), sign(RsaHash::Sha256)])
    };
    let (keys, signatures) = blocking(work).await;
    write("key", &keys.rsa_pem).unwrap();
    write("data", DATA).unwrap();
    for (hash, signature) in ["-sha1", "-sha256"].iter().zip(signatures) {
        assert_eq!(signature.len(), 512);
        write("signature", &signature).unwrap();
        let verify = ["dgst", hash, "-verify", "key", "-signature", "signature", "data"];
        assert_eq!(openssl.run(directory.path(), &verify), "Verified OK\n");
    }
}

#[tokio::test]
async fn the_file_name_of_the_rsa_key_begins_its_digest() {
    let Some(openssl) = OpenSsl::find() else { return };
    let directory = tempfile::tempdir().unwrap();
    let keys = public_keys().await;
    std::fs::write(directory.path().join("key"), &keys.rsa_pem).unwrap();
    openssl
        .run(directory.path(), &["pkey", "-pubin", "-in", "key", "-outform", "DER", "-out", "der"]);
    let digest = openssl.run(directory.path(), &["dgst", "-sha256", "-r", "der"]);
    assert_eq!(keys.rsa_file_name, format!("artifactapi-{}.rsa.pub", &digest[..8]));
}

async fn public_keys() -> PublicKeys {
    let keyring = replica(&store_with_keys().await);
    blocking(move || keyring.public_keys().unwrap()).await
}
