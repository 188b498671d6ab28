//! What manifests need, where they will be and how they are described.

#![expect(clippy::unwrap_used, reason = "helpers of tests, not marked as tests themselves")]

use artifact_core::ports::{Absence, Afterwards};
use artifact_core::{
    Algorithm, ArtifactRow, BlobId, Class, Described, Digest, Digests, ErrorKind, Publication,
    Publishing, Reject, RepoPath, RepositoryId, RowKey, Submission, Timestamp, Variant,
};
use bytes::Bytes;
use provider_docker::DockerProvider;
use registry_v2::parse_digest;

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn sha256(digit: char) -> String {
    format!("sha256:{}", String::from(digit).repeat(64))
}

/// Digests as if they were those of the body: the rule book never computes any.
fn digests() -> Digests {
    [
        Digest::from_hex(Algorithm::Sha256, &"e".repeat(64)).unwrap(),
        Digest::from_hex(Algorithm::Sha512, &"f".repeat(128)).unwrap(),
    ]
    .into_iter()
    .collect()
}

fn descriptor(digit: char, size: u64) -> String {
    format!(r#"{{"mediaType":"x/y","digest":"{}","size":{size}}}"#, sha256(digit))
}

fn image() -> String {
    format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{},{}]}}"#,
        descriptor('a', 1),
        descriptor('b', 2),
        descriptor('b', 2)
    )
}

fn read(
    digest: Option<&str>,
    aliases: &[&str],
    content_type: &str,
    body: &str,
) -> Result<Publication, Reject> {
    let submission = Submission {
        name: "team/app".to_owned(),
        digest: digest.map(|text| parse_digest(text).unwrap()),
        aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        content_type: Some(content_type.to_owned()),
        limit: 4 << 20,
    };
    DockerProvider::new().read(&submission, &Bytes::copy_from_slice(body.as_bytes()), &digests())
}

fn needs(publication: &Publication) -> Vec<(Vec<&str>, u64, Afterwards)> {
    publication
        .needs
        .iter()
        .map(|need| {
            let any_of = need.any_of.iter().map(RepoPath::as_str).collect();
            (any_of, need.size, need.afterwards)
        })
        .collect()
}

#[test]
fn an_image_needs_its_blobs_and_is_found_by_digest_and_by_tag() {
    let publication = read(None, &["v1", "latest"], IMAGE, &image()).unwrap();
    let digest = format!("sha256:{}", "e".repeat(64));
    assert_eq!(publication.digest.to_string(), digest);
    assert_eq!(publication.path.as_str(), format!("team/app/_manifests/{digest}"));
    let aliases: Vec<_> = publication.aliases.iter().map(RepoPath::as_str).collect();
    assert_eq!(aliases, ["team/app/_tags/v1", "team/app/_tags/latest"]);
    assert_eq!(publication.content_type, IMAGE);
    assert_eq!(publication.subject, None);
    let blob = |digit| format!("team/app/_blobs/{}", sha256(digit));
    let (config, layer) = (blob('a'), blob('b'));
    assert_eq!(
        needs(&publication),
        [
            (vec![config.as_str()], 1, Afterwards::GivenUp),
            (vec![layer.as_str()], 2, Afterwards::GivenUp),
        ]
    );
    let named: Vec<_> = publication.needs.iter().map(|need| need.digest.to_string()).collect();
    assert_eq!(named, [sha256('a'), sha256('b')]);
}

#[test]
fn a_layer_that_is_fetched_from_elsewhere_stays_if_it_is_here() {
    let layer = |digit| {
        let digest = sha256(digit);
        format!(
            r#"{{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","digest":"{digest}","size":7,"urls":["https://host.example/layer"]}}"#
        )
    };
    let body = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{},{},{}]}}"#,
        descriptor('a', 1),
        layer('b'),
        layer('c'),
        descriptor('c', 7)
    );
    let publication = read(None, &[], IMAGE, &body).unwrap();
    let needs: Vec<_> = publication.needs.iter().map(|need| (&need.digest, need.absence)).collect();
    let digests = ['a', 'c', 'b'].map(|digit| parse_digest(&sha256(digit)).unwrap());
    let absences = [Absence::Refused, Absence::Refused, Absence::Accepted];
    assert_eq!(needs, digests.iter().zip(absences).collect::<Vec<_>>());
    assert!(publication.needs.iter().all(|need| need.afterwards == Afterwards::GivenUp));
}

#[test]
fn an_index_needs_manifests_or_blobs_which_stay_without_it() {
    let body = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, descriptor('c', 3));
    let publication = read(None, &[], INDEX, &body).unwrap();
    let manifest = format!("team/app/_manifests/{}", sha256('c'));
    let blob = format!("team/app/_blobs/{}", sha256('c'));
    assert_eq!(
        needs(&publication),
        [(vec![manifest.as_str(), blob.as_str()], 3, Afterwards::Kept)]
    );
}

#[test]
fn a_manifest_has_the_digest_by_which_it_is_published() {
    let long = format!("sha512:{}", "f".repeat(128));
    let publication = read(Some(&long), &["v1"], IMAGE, &image()).unwrap();
    assert_eq!(publication.digest.to_string(), long);
    assert_eq!(publication.path.as_str(), format!("team/app/_manifests/{long}"));
    for wrong in [sha256('a'), format!("sha512:{}", "a".repeat(128))] {
        let reject = read(Some(&wrong), &[], IMAGE, &image()).unwrap_err();
        assert_eq!((reject.kind, reject.code), (ErrorKind::BadRequest, Some("DIGEST_INVALID")));
    }
}

#[test]
fn what_a_manifest_says_of_another_one_is_listed_there() {
    let body = format!(
        r#"{{"schemaVersion":2,"artifactType":"a/b","config":{},"subject":{},"annotations":{{"k":"v"}}}}"#,
        descriptor('a', 1),
        descriptor('d', 9)
    );
    let subject = read(None, &[], IMAGE, &body).unwrap().subject.unwrap();
    assert_eq!(subject.digest.to_string(), sha256('d'));
    assert_eq!(subject.path.as_str(), format!("team/app/_manifests/{}", sha256('d')));
    assert_eq!(
        subject.descriptor,
        format!(
            r#"{{"mediaType":"{IMAGE}","size":{},"digest":"sha256:{}","artifactType":"a/b","annotations":{{"k":"v"}}}}"#,
            body.len(),
            "e".repeat(64)
        )
    );
}

#[test]
fn a_refused_manifest_is_refused_in_the_words_of_the_protocol() {
    let conflicting = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
        descriptor('a', 1),
        descriptor('a', 2)
    );
    let large = format!("{}{}", image(), " ".repeat(4 << 20));
    for (content_type, body, kind, code) in [
        (INDEX, image().as_str(), ErrorKind::BadRequest, "MANIFEST_INVALID"),
        ("text/plain", &image(), ErrorKind::BadRequest, "MANIFEST_INVALID"),
        (IMAGE, "", ErrorKind::BadRequest, "MANIFEST_INVALID"),
        (IMAGE, &conflicting, ErrorKind::BadRequest, "SIZE_INVALID"),
        (IMAGE, &large, ErrorKind::TooLarge, "MANIFEST_INVALID"),
    ] {
        let reject = read(None, &[], content_type, body).unwrap_err();
        assert_eq!((reject.kind, reject.code), (kind, Some(code)), "{body:.60}");
    }
}

#[test]
fn a_file_is_visible_where_it_is_looked_for() {
    let digest = parse_digest(&sha256('a')).unwrap();
    let path = DockerProvider::new().file_path("team/app", &digest);
    assert_eq!(path.as_str(), format!("team/app/_blobs/{digest}"));
    assert!(DockerProvider::new().file_path("a//b", &digest).is_root());
}

fn row(path: &str, content_type: Option<&str>, upstream_etag: Option<&str>) -> ArtifactRow {
    ArtifactRow {
        key: RowKey {
            repository: RepositoryId(1),
            path: RepoPath::from_decoded(path).unwrap(),
            variant: Variant::SOURCE,
        },
        blob: BlobId::from_bytes([0xee; 32]),
        size: 1,
        class: Class::Immutable,
        content_type: content_type.map(str::to_owned),
        upstream_etag: upstream_etag.map(str::to_owned),
        upstream_last_modified: None,
        upstream_url: None,
        checksums: Digests::new(),
        fetched_at: Timestamp::from_millis(0),
        validated_at: Timestamp::from_millis(0),
        expires_at: None,
        generation: 1,
    }
}

#[test]
fn rows_are_described_by_their_canonical_digest() {
    const BLOB: Option<&str> = Some("application/octet-stream");
    let own = format!("sha256:{}", "e".repeat(64));
    let long = format!("sha512:{}", "f".repeat(128));
    let quoted = format!("\"{long}\"");
    for (path, content_type, etag, digest, expected_type) in [
        (format!("a/_blobs/{own}"), None, None, &own, BLOB),
        (format!("a/_blobs/{long}"), Some("text/html"), None, &long, BLOB),
        (format!("a/_manifests/{own}"), Some(IMAGE), None, &own, Some(IMAGE)),
        (format!("a/_manifests/{long}"), Some("a/b; charset=utf-8"), None, &long, Some("a/b")),
        ("a/_tags/v1".to_owned(), Some(IMAGE), None, &own, Some(IMAGE)),
        ("a/_tags/v1".to_owned(), Some(IMAGE), Some(long.as_str()), &long, Some(IMAGE)),
        // What upstream calls its entity tag is not the digest that was pushed.
        ("a/_tags/v1".to_owned(), None, Some(quoted.as_str()), &own, None),
        ("a/_tags/v1".to_owned(), None, Some("W/\"x\""), &own, None),
    ] {
        let headers =
            DockerProvider::new().describe(&Described::of(&row(&path, content_type, etag)));
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(text("docker-content-digest"), Some(digest.as_str()), "{path}");
        assert_eq!(text("etag"), Some(&*format!("\"{digest}\"")), "{path}");
        assert_eq!(text("content-type"), expected_type, "{path}");
        assert_eq!(text("accept-ranges"), Some("bytes"));
        assert_eq!(text("docker-distribution-api-version"), Some("registry/2.0"));
    }
    let other = DockerProvider::new().describe(&Described::of(&row("a/_list", None, None)));
    assert_eq!(other.len(), 1, "{other:?}");
}
