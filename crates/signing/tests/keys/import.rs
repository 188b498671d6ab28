//! Keys from files.

use std::path::{Path, PathBuf};

use artifact_core::{Error, PublicKeys, RsaHash, Signer as _, Timestamp};
use signing::{Keyring, SigningSettings};

use crate::programs::{Gpg, OpenSsl};
use crate::support::{NOW, blocking, imported, openpgp, rsa};

const USER: &str = "packages@example.com";

/// A key made by `gpg`, with this passphrase and the other arguments of `--quick-generate-key`.
fn generated(gpg: &Gpg, passphrase: &str, arguments: &[&str]) {
    let mut all = vec!["--passphrase", passphrase, "--quick-generate-key", USER];
    all.extend(arguments);
    gpg.run(&all);
}

fn exported(gpg: &Gpg, passphrase: &str, command: &str) -> PathBuf {
    let text = gpg.run(&["--passphrase", passphrase, "--armor", command, USER]);
    gpg.file("exported.asc", text.as_bytes())
}

fn present() -> Timestamp {
    artifact_core::Clock::now(&artifact_core::SystemClock)
}

fn refused(settings: &SigningSettings) -> String {
    refused_at(settings, present())
}

fn refused_at(settings: &SigningSettings, now: Timestamp) -> String {
    imported(settings, now).unwrap_err().to_string()
}

/// What `gpg` says of a signature of this keyring.
async fn verified(gpg: &Gpg, keyring: Keyring) -> String {
    let signed = blocking(move || keyring.sign_openpgp_armored(b"data", present()).unwrap()).await;
    let (signature, data) = (gpg.file("signature", &signed), gpg.file("data", b"data"));
    gpg.run(&[
        "--status-fd=1".as_ref(),
        "--verify".as_ref(),
        signature.as_os_str(),
        data.as_os_str(),
    ])
}

#[tokio::test]
async fn a_key_with_a_passphrase_signs() {
    let Some(gpg) = Gpg::find() else { return };
    generated(&gpg, "hunter2", &["rsa2048", "sign", "never"]);
    let path = exported(&gpg, "hunter2", "--export-secret-keys");
    let keyring = imported(&openpgp(path.clone(), Some("hunter2")), present()).unwrap();
    assert!(verified(&gpg, keyring).await.contains("GOODSIG"));

    let text = refused(&openpgp(path.clone(), None));
    assert!(text.ends_with("cannot be used: it has a passphrase, and none is given"), "{text}");
    let text = refused(&openpgp(path.clone(), Some("wrong")));
    assert!(text.contains(&path.display().to_string()), "{text}");
    assert!(text.contains("the passphrase is wrong") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_key_of_an_elliptic_curve_signs() {
    let Some(gpg) = Gpg::find() else { return };
    generated(&gpg, "", &["ed25519", "sign", "never"]);
    let path = exported(&gpg, "", "--export-secret-keys");
    let keyring = imported(&openpgp(path, None), present()).unwrap();
    assert!(verified(&gpg, keyring).await.contains("GOODSIG"));
}

#[tokio::test]
async fn where_the_primary_key_only_certifies_its_subkey_signs() {
    let Some(gpg) = Gpg::find() else { return };
    generated(&gpg, "", &["ed25519", "cert", "never"]);
    let path = exported(&gpg, "", "--export-secret-keys");
    let text = refused(&openpgp(path, None));
    assert!(text.ends_with("none of its keys is for signing"), "{text}");

    let listed = gpg.run(&["--with-colons", "--list-keys"]);
    let fingerprint = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
    let fingerprint = fingerprint.split(':').nth(9).unwrap();
    gpg.run(&["--passphrase", "", "--quick-add-key", fingerprint, "rsa2048", "sign", "never"]);
    // With the primary key kept elsewhere, too.
    for command in ["--export-secret-keys", "--export-secret-subkeys"] {
        let path = exported(&gpg, "", command);
        let keyring = imported(&openpgp(path, None), present()).unwrap();
        let status = verified(&gpg, keyring).await;
        assert!(status.contains("GOODSIG") && status.contains(fingerprint), "{command}: {status}");
    }
}

#[tokio::test]
async fn an_expired_key_is_refused() {
    let Some(gpg) = Gpg::find() else { return };
    generated(&gpg, "", &["ed25519", "sign", "1d"]);
    let path = exported(&gpg, "", "--export-secret-keys");
    assert!(imported(&openpgp(path.clone(), None), present()).is_ok());
    let later = present().plus(std::time::Duration::from_secs(2 * 86_400));
    let text = refused_at(&openpgp(path, None), later);
    assert!(text.ends_with("it has expired"), "{text}");
}

#[tokio::test]
async fn what_is_not_a_secret_key_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let file = |content: &[u8]| {
        let path = directory.path().join("some-key.asc");
        std::fs::write(&path, content).unwrap();
        path
    };
    let public = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n";
    for (content, reason) in [
        (&b""[..], "it is not an ASCII-armoured OpenPGP secret key"),
        (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n", "it is not an ASCII-armoured"),
        (public.as_bytes(), "it is only a public key"),
        (b"\x95\x03\xff\xfe", "it is not text"),
        (&vec![b'a'; 5 << 20], "it is too large for a key"),
    ] {
        let text = refused(&openpgp(file(content), None));
        assert!(text.contains("some-key.asc") && text.contains(reason), "{text}");
    }
    for content in
        [&b""[..], b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"]
    {
        let text = refused(&rsa(file(content)));
        assert!(text.contains("it is not an RSA private key in PEM"), "{text}");
    }
    let text = refused(&rsa(directory.path().join("missing")));
    assert!(text.starts_with("read the key file ") && text.ends_with("missing"), "{text}");
}

/// A key made by `openssl`.
fn pem(openssl: OpenSsl, directory: &Path, arguments: &[&str]) -> PathBuf {
    let path = directory.join("apk.rsa");
    let (command, options) = arguments.split_first().unwrap();
    let mut all = vec![*command, "-out", "apk.rsa"];
    all.extend(options);
    openssl.run(directory, &all);
    path
}

#[tokio::test]
async fn an_rsa_key_of_either_form_signs() {
    let Some(openssl) = OpenSsl::find() else { return };
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    for form in [&["genrsa", "2048"][..], &["genrsa", "-traditional", "2048"]] {
        let path = pem(openssl, directory, form);
        let keyring = imported(&rsa(path), NOW).unwrap();
        let work = move || (keyring.sign_rsa(RsaHash::Sha256, b"data"), keyring.public_keys());
        let (signed, keys): (_, Result<PublicKeys, Error>) = blocking(work).await;
        std::fs::write(directory.join("signature"), signed.unwrap()).unwrap();
        std::fs::write(directory.join("key"), keys.unwrap().rsa_pem).unwrap();
        std::fs::write(directory.join("data"), "data").unwrap();
        let verify = ["dgst", "-sha256", "-verify", "key", "-signature", "signature", "data"];
        assert_eq!(openssl.run(directory, &verify), "Verified OK\n");
    }
}

#[tokio::test]
async fn rsa_keys_that_clients_could_not_use_are_refused() {
    let Some(openssl) = OpenSsl::find() else { return };
    let directory = tempfile::tempdir().unwrap();
    let curve = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    for (arguments, reason) in [
        (&["genrsa", "1024"][..], "it has 1024 bits"),
        (&["genrsa", "-aes256", "-passout", "pass:hunter2", "2048"], "it has a passphrase"),
        (&curve, "it is not an RSA private key"),
    ] {
        let text = refused(&rsa(pem(openssl, directory.path(), arguments)));
        assert!(text.contains(reason) && text.contains("apk.rsa"), "{text}");
    }
}
