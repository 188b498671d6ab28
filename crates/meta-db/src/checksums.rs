//! The stored form of checksums.

use artifact_core::{Algorithm, Digest, Digests};

use crate::error::StoreError;

/// `["sha1:…","sha512:…"]`.
pub(crate) fn write(checksums: &Digests) -> Result<String, StoreError> {
    let texts: Vec<String> = checksums.iter().map(ToString::to_string).collect();
    serde_json::to_string(&texts).map_err(|error| StoreError::malformed("checksum", error))
}

pub(crate) fn read(text: &str) -> Result<Digests, StoreError> {
    let texts: Vec<String> =
        serde_json::from_str(text).map_err(|error| StoreError::malformed("checksum", error))?;
    texts.iter().map(|text| read_checksum(text)).collect()
}

fn read_checksum(text: &str) -> Result<Digest, StoreError> {
    let (algorithm, hex) = text.split_once(':').unwrap_or((text, ""));
    algorithm
        .parse()
        .and_then(|algorithm: Algorithm| Digest::from_hex(algorithm, hex))
        .map_err(|error| StoreError::malformed("checksum", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_of_checksums_stays_as_it_is() {
        let golden = r#"["md5:d41d8cd98f00b204e9800998ecf8427e"]"#;
        let checksums = read(golden).unwrap();
        assert_eq!(
            checksums.get(Algorithm::Md5).map(Digest::to_hex).as_deref(),
            Some("d41d8cd98f00b204e9800998ecf8427e")
        );
        assert_eq!(write(&checksums).unwrap(), golden);
        assert!(read(r#"["md5:00"]"#).is_err());
        assert!(read(r#"["crc:00"]"#).is_err());
    }
}
