//! What an upload says its bytes are. Every header in use, because clients of other registries
//! upload here too; one that is malformed or contradicts another refuses the upload: whoever
//! sends a digest wants it checked.

use artifact_core::{Algorithm, Digest, Digests, Reject};
use http::HeaderMap;

/// Headers with one hexadecimal digest.
const HEXADECIMAL: [(&str, Algorithm); 4] = [
    ("x-checksum-md5", Algorithm::Md5),
    ("x-checksum-sha1", Algorithm::Sha1),
    ("x-checksum-sha256", Algorithm::Sha256),
    ("x-checksum-sha512", Algorithm::Sha512),
];

/// Dictionaries of byte sequences (RFC 9530).
const DICTIONARIES: [&str; 2] = ["repr-digest", "content-digest"];

/// The digests that the headers of an upload demand.
pub(crate) fn expected(headers: &HeaderMap) -> Result<Digests, Reject> {
    let mut digests = Digests::new();
    for text in values(headers, "content-md5")? {
        add(&mut digests, "content-md5", Digest::from_base64(Algorithm::Md5, text).ok())?;
    }
    for (name, algorithm) in HEXADECIMAL {
        for text in values(headers, name)? {
            add(&mut digests, name, Digest::from_hex(algorithm, text).ok())?;
        }
    }
    for name in DICTIONARIES {
        for text in values(headers, name)? {
            add_members(&mut digests, name, text, byte_sequence)?;
        }
    }
    for text in values(headers, "digest")? {
        add_members(&mut digests, "digest", text, |value| Some(value.trim()))?;
    }
    Ok(digests)
}

fn values<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Vec<&'a str>, Reject> {
    let texts = headers.get_all(name).iter().map(|value| value.to_str());
    texts.collect::<Result<_, _>>().map_err(|_| malformed(name))
}

/// Reads `algorithm=value, …`. Algorithms that we do not compute are passed over, as the
/// specifications ask.
fn add_members(
    digests: &mut Digests,
    name: &'static str,
    text: &str,
    base64_of: impl Fn(&str) -> Option<&str>,
) -> Result<(), Reject> {
    for member in text.split(',') {
        let (key, value) = member.trim().split_once('=').ok_or_else(|| malformed(name))?;
        let Some(algorithm) = algorithm(key) else { continue };
        let digest =
            base64_of(value).and_then(|base64| Digest::from_base64(algorithm, base64).ok());
        add(digests, name, digest)?;
    }
    Ok(())
}

/// The inside of `:…:`, parameters left aside.
fn byte_sequence(value: &str) -> Option<&str> {
    let item = value.split(';').next()?.trim();
    item.strip_prefix(':')?.strip_suffix(':')
}

fn algorithm(key: &str) -> Option<Algorithm> {
    match key.trim().to_ascii_lowercase().as_str() {
        "md5" => Some(Algorithm::Md5),
        "sha" | "sha1" | "sha-1" => Some(Algorithm::Sha1),
        "sha-256" | "sha256" => Some(Algorithm::Sha256),
        "sha-512" | "sha512" => Some(Algorithm::Sha512),
        _ => None,
    }
}

fn add(digests: &mut Digests, name: &'static str, digest: Option<Digest>) -> Result<(), Reject> {
    let digest = digest.ok_or_else(|| malformed(name))?;
    if digests.get(digest.algorithm()).is_some_and(|known| *known != digest) {
        let algorithm = digest.algorithm().name();
        return Err(Reject::bad_request(format!(
            "the request's headers give different {algorithm} digests"
        )));
    }
    digests.insert(digest);
    Ok(())
}

fn malformed(name: &str) -> Reject {
    Reject::bad_request(format!("the header {name} holds no valid digest"))
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";
    const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const SHA256_BASE64: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    fn of(headers: &[(&str, &str)]) -> Result<Digests, Reject> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        expected(&map)
    }

    #[test]
    fn every_spelling_of_a_digest_is_read() {
        for (name, value, algorithm, hex) in [
            ("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg==", Algorithm::Md5, MD5),
            ("X-Checksum-Md5", MD5, Algorithm::Md5, MD5),
            ("X-Checksum-Sha256", &SHA256.to_uppercase(), Algorithm::Sha256, SHA256),
            ("Repr-Digest", &format!("sha-256=:{SHA256_BASE64}:"), Algorithm::Sha256, SHA256),
            (
                "Content-Digest",
                &format!("unixsum=1, sha-256=:{SHA256_BASE64}:;a=1"),
                Algorithm::Sha256,
                SHA256,
            ),
            ("Digest", &format!("SHA-256={SHA256_BASE64}"), Algorithm::Sha256, SHA256),
        ] {
            let digests = of(&[(name, value)]).unwrap();
            assert_eq!(digests.get(algorithm).unwrap().to_hex(), hex, "{name}");
        }
    }

    #[test]
    fn a_malformed_digest_refuses_the_upload() {
        for (name, value) in [
            ("Content-MD5", "xyz"),
            ("Content-MD5", MD5),
            ("X-Checksum-Sha256", "abc"),
            ("X-Checksum-Sha1", SHA256),
            ("Repr-Digest", "sha-256"),
            ("Repr-Digest", &format!("sha-256={SHA256_BASE64}")),
            ("Digest", "sha-256=AAAA"),
        ] {
            assert!(of(&[(name, value)]).is_err(), "{name}: {value}");
        }
    }

    #[test]
    fn headers_may_agree_but_not_contradict() {
        let base64 = format!("sha-256=:{SHA256_BASE64}:");
        assert!(of(&[("X-Checksum-Sha256", SHA256), ("Repr-Digest", &base64)]).is_ok());
        let other = "0".repeat(64);
        assert!(of(&[("X-Checksum-Sha256", &other), ("Repr-Digest", &base64)]).is_err());
    }

    #[test]
    fn no_header_demands_nothing() {
        assert!(of(&[("Content-Type", "text/plain")]).unwrap().is_empty());
    }
}
