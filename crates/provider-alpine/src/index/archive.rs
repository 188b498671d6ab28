//! The archive around an index: `signatures || content`, both a gzip member with a tar archive,
//! the first one without an end, so that together they are one archive.

use artifact_core::{DocumentError, Error, RsaHash, Signer};
use formats::archive::{ArchiveError, Entries, EntryKind, TarWriter, compress, members};

/// What an index may decompress to; the largest of the distribution has 15 MiB.
const LARGEST: u64 = 64 << 20;
/// What clients show of a description.
const LONGEST_DESCRIPTION: usize = 160;

/// The text of the index in the archive.
pub(super) fn index_text(archive: &[u8]) -> Result<Vec<u8>, DocumentError> {
    let malformed = |error: ArchiveError| DocumentError::Malformed(error.to_string());
    let found = members(archive, LARGEST).map_err(malformed)?;
    let content: Vec<u8> = found.into_iter().flat_map(|member| member.content).collect();
    for entry in Entries::new(&content) {
        let entry = entry.map_err(malformed)?;
        let is_plain = entry.kind == EntryKind::File && entry.prefix.is_empty();
        if is_plain && entry.name == "APKINDEX" {
            return Ok(entry.content.to_vec());
        }
    }
    Err(DocumentError::Malformed("the archive holds no APKINDEX".to_owned()))
}

/// What clients print about an index made of those of `members`.
pub(super) fn description(members: &[&str]) -> String {
    let mut text = format!("ArtifactAPI ({})", members.join(", "));
    if text.len() > LONGEST_DESCRIPTION {
        let end = (0..LONGEST_DESCRIPTION).rev().find(|&end| text.is_char_boundary(end));
        text.truncate(end.unwrap_or_default());
    }
    text
}

/// An index with the signatures that old and new clients look for.
pub(super) fn signed(
    description: &str,
    index: &[u8],
    signer: &dyn Signer,
) -> Result<Vec<u8>, DocumentError> {
    let mut content = TarWriter::new();
    content.file("DESCRIPTION", description.as_bytes()).map_err(unwritable)?;
    content.file("APKINDEX", index).map_err(unwritable)?;
    let content = compress(&content.finish()).map_err(unwritable)?;

    let unsigned = |error: Error| DocumentError::Unsigned(error.public().to_owned());
    let key = signer.public_keys().map_err(unsigned)?.rsa_file_name;
    let mut signatures = TarWriter::new();
    for (algorithm, hash) in [("RSA256", RsaHash::Sha256), ("RSA", RsaHash::Sha1)] {
        let signature = signer.sign_rsa(hash, &content).map_err(unsigned)?;
        signatures.file(&format!(".SIGN.{algorithm}.{key}"), &signature).map_err(unwritable)?;
    }
    let mut archive = compress(&signatures.without_end()).map_err(unwritable)?;
    archive.extend_from_slice(&content);
    Ok(archive)
}

fn unwritable(error: impl std::fmt::Display) -> DocumentError {
    DocumentError::Unusable(format!("the merged index cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = TarWriter::new();
        for (name, content) in files {
            writer.file(name, content).unwrap();
        }
        compress(&writer.finish()).unwrap()
    }

    #[test]
    fn an_index_is_found_with_and_without_a_signature() {
        let content = archive(&[("DESCRIPTION", b"d"), ("APKINDEX", b"text")]);
        assert_eq!(index_text(&content).unwrap(), b"text");
        let mut signature = TarWriter::new();
        signature.file(".SIGN.RSA.a.rsa.pub", b"s").unwrap();
        let signature = compress(&signature.without_end()).unwrap();
        assert_eq!(index_text(&[signature, content].concat()).unwrap(), b"text");
    }

    #[test]
    fn what_is_no_index_is_refused_with_a_reason() {
        let bomb = archive(&[("APKINDEX", &vec![b'\n'; 65 << 20])]);
        for (bad, reason) in [
            (&b"<html>not found</html>"[..], "the gzip member at byte 0 is damaged"),
            (&[], "the gzip member at byte 0 is damaged"),
            (&archive(&[]), "holds no APKINDEX"),
            (&archive(&[("../APKINDEX", b"")]), "holds no APKINDEX"),
            (&compress(&[b'x'; 600]).unwrap(), "the tar entry at byte 0 is damaged"),
            (&bomb, "decompresses to more than"),
        ] {
            let error = index_text(bad).unwrap_err();
            assert!(matches!(error, DocumentError::Malformed(_)));
            assert!(error.to_string().contains(reason), "{error}");
        }
    }

    #[test]
    fn a_description_is_short_enough_to_be_shown() {
        assert_eq!(description(&["one", "two"]), "ArtifactAPI (one, two)");
        let long = description(&["a-name-of-some-length"; 40]);
        assert!(long.len() < LONGEST_DESCRIPTION && long.len() > 100);
    }
}
