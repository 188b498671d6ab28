//! The archive that is served, judged without our own readers.

use std::ffi::OsStr;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use artifact_core::{PublicKeys, Result, RsaHash, Signer, Timestamp};
use bytes::Bytes;

use crate::support::{Asking, Index, KEY_FILE, Scribe, body, merged, record, text};

/// Signs with a key of the `openssl` program.
#[derive(Debug)]
struct OpenSsl {
    directory: tempfile::TempDir,
}

impl OpenSsl {
    /// `None` if it is not installed, unless it has to be.
    #[expect(clippy::print_stdout, reason = "who runs the tests has to know what was not tested")]
    fn find() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            let is_required = std::env::var("REQUIRE_BACKENDS").is_ok_and(|value| value == "1");
            assert!(!is_required, "openssl is not installed");
            println!("openssl is not installed, nothing is tested");
            return None;
        }
        let found = Self { directory: tempfile::tempdir().unwrap() };
        found.run(&["genrsa", "-out", "key", "2048"]);
        found.run(&["rsa", "-in", "key", "-pubout", "-out", "public"]);
        Some(found)
    }

    fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Vec<u8> {
        run("openssl", self.directory.path(), arguments)
    }

    fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.directory.path().join(name), content).unwrap();
    }
}

fn run<S: AsRef<OsStr>>(program: &str, directory: &Path, arguments: &[S]) -> Vec<u8> {
    let output = Command::new(program).current_dir(directory).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

impl Signer for OpenSsl {
    fn sign_openpgp(&self, data: &[u8], moment: Timestamp) -> Result<Bytes> {
        Scribe.sign_openpgp(data, moment)
    }

    fn sign_openpgp_armored(&self, data: &[u8], moment: Timestamp) -> Result<Bytes> {
        Scribe.sign_openpgp_armored(data, moment)
    }

    fn sign_rsa(&self, hash: RsaHash, data: &[u8]) -> Result<Bytes> {
        self.write("data", data);
        let hash = if hash == RsaHash::Sha1 { "-sha1" } else { "-sha256" };
        Ok(self.run(&["dgst", hash, "-sign", "key", "data"]).into())
    }

    fn public_keys(&self) -> Result<PublicKeys> {
        Scribe.public_keys()
    }
}

/// The gzip members, by flate2 alone: as they stand, and what they hold.
fn split(mut rest: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let mut decoder = flate2::bufread::GzDecoder::new(rest);
        let mut content = Vec::new();
        decoder.read_to_end(&mut content).unwrap();
        let after = decoder.into_inner();
        let (compressed, _) = rest.split_at(rest.len() - after.len());
        found.push((compressed.to_vec(), content));
        rest = after;
    }
    found
}

#[test]
fn openssl_verifies_the_signatures_over_the_compressed_content() {
    let Some(openssl) = OpenSsl::find() else { return };
    let index = Index::of("one", &record("a", "1", "x86_64", "abc"));
    let asking = Asking { signer: Some(&openssl), ..Asking::default() };
    let archive = body(&asking.rewrite(&[index]).unwrap());
    let [(_, signatures), (content, _)] = split(&archive).try_into().unwrap();
    openssl.write("content", &content);
    for (at, hash, algorithm) in [(0, "-sha256", "RSA256"), (1024, "-sha1", "RSA")] {
        let name = format!(".SIGN.{algorithm}.{KEY_FILE}\0");
        assert!(signatures[at..].starts_with(name.as_bytes()), "{algorithm}");
        openssl.write("signature", &signatures[at + 512..at + 512 + 256]);
        let verify = ["dgst", hash, "-verify", "public", "-signature", "signature", "content"];
        assert_eq!(openssl.run(&verify), b"Verified OK\n");
    }
}

#[test]
fn the_archive_has_the_exact_form_that_apk_insists_on() {
    let index = Index::of("one", &record("a", "1", "x86_64", "abc"));
    let archive = body(&merged(&[index]));
    let [(_, signatures), (_, content)] = split(&archive).try_into().unwrap();
    // Two headers and two contents: no end mark, or apk would stop reading here.
    assert_eq!(signatures.len(), 4 * 512);
    assert!(signatures.chunks(512).all(|block| block.iter().any(|byte| *byte != 0)));
    assert!(content.ends_with(&[0; 1024]));
    for header in
        [&signatures[..512], &signatures[1024..1536], &content[..512], &content[1024..1536]]
    {
        assert_eq!(header[156], b'0');
        assert_eq!(&header[257..265], b"ustar\x0000");
        assert_eq!(&header[100..107], b"0000644");
    }
    assert!(content.starts_with(b"DESCRIPTION\0"));
    assert!(content[512..].starts_with(b"ArtifactAPI (one)\0"));
    assert!(content[1024..].starts_with(b"APKINDEX\0"));
}

#[test]
fn another_program_reads_the_index_out_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let index = Index::of("one", &record("a", "1", "noarch", "abc"));
    let archive = body(&merged(&[index]));
    std::fs::write(directory.path().join("APKINDEX.tar.gz"), &archive).unwrap();
    let read = run("tar", directory.path(), &["-xzOf", "APKINDEX.tar.gz", "APKINDEX"]);
    assert_eq!(String::from_utf8(read).unwrap(), text(&archive));
    let listed = run("tar", directory.path(), &["-tzf", "APKINDEX.tar.gz"]);
    let names = format!(".SIGN.RSA256.{KEY_FILE}\n.SIGN.RSA.{KEY_FILE}\nDESCRIPTION\nAPKINDEX\n");
    assert_eq!(String::from_utf8(listed).unwrap(), names);
}
