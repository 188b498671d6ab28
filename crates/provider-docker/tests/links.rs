//! Every link that a client is given is understood when it comes back.

#![expect(clippy::unwrap_used, reason = "helpers of tests, not marked as tests themselves")]

use artifact_core::ports::RelatedRow;
use artifact_core::{
    Digest, Intent, ListRequest, Outcome, PackageRequest, Provider, Publication, Publishing,
    Reading, RelationRequest, RepoPath, RepositoryKind, UploadEvent, UploadReference,
};
use http::{HeaderMap, Method};
use proptest::prelude::*;
use provider_docker::DockerProvider;
use registry_v2::parse_digest;

/// What the client means that follows `link`, at whichever place the repository hangs.
fn followed(link: &str, mount: &str) -> Intent {
    let link = link.strip_prefix('<').map_or(link, |rest| rest.split_once('>').unwrap().0);
    let below = link.strip_prefix(mount).unwrap().strip_prefix('/').unwrap();
    let (path, query) = below.split_once('?').map_or((below, None), |(p, q)| (p, Some(q)));
    let path = RepoPath::from_encoded(path, DockerProvider::new().path_rules()).unwrap();
    let request = PackageRequest {
        kind: RepositoryKind::Local,
        method: &Method::GET,
        path: &path,
        query,
        headers: &HeaderMap::new(),
        remote: None,
    };
    DockerProvider::new().intent(&request).unwrap()
}

/// The header of an answer that has a link.
fn linked(outcome: &Outcome<'_>, mount: &str, header: &str) -> String {
    let worded = DockerProvider::new().word(outcome, mount);
    worded.headers.get(header).unwrap().to_str().unwrap().to_owned()
}

fn path(text: &str) -> RepoPath {
    RepoPath::from_decoded(text).unwrap()
}

fn images() -> impl Strategy<Value = String> {
    const PART: &str = "(manifests|blobs|uploads|tags|list|[a-z0-9]{1,4}([._-][a-z0-9]{1,3})?)";
    proptest::collection::vec(PART, 1..4).prop_map(|parts| parts.join("/"))
}

fn digests() -> impl Strategy<Value = Digest> {
    "sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}".prop_map(|text| parse_digest(&text).unwrap())
}

fn mounts() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["/v2/dk", "/v2/v2", "/v2"])
}

proptest! {
    #[test]
    fn an_upload_is_found_again(image in images(), mount in mounts()) {
        let id = "3f2b8c1e-9d4a-4e77-8a55-0c9e1d2f3a4b".parse().unwrap();
        let upload = UploadReference { name: image, id };
        let outcome = Outcome::Upload(&upload, 7, UploadEvent::Begun);
        let link = linked(&outcome, mount, "location");
        prop_assert_eq!(followed(&link, mount), Intent::Ask(upload));
    }

    #[test]
    fn what_was_stored_is_read(image in images(), digest in digests(), mount in mounts()) {
        let outcome = Outcome::FileStored { name: &image, digest: &digest };
        let read = |row: RepoPath| Intent::Read(Reading { path: row, promises: false });
        let blob = DockerProvider::new().file_path(&image, &digest);
        prop_assert_eq!(followed(&linked(&outcome, mount, "location"), mount), read(blob));

        let publication = Publication {
            digest: digest.clone(),
            path: path(&format!("{image}/_manifests/{digest}")),
            aliases: Vec::new(),
            content_type: "x/y".to_owned(),
            needs: Vec::new(),
            subject: None,
        };
        let outcome = Outcome::Published { name: &image, publication: &publication, aliases: &[] };
        let link = linked(&outcome, mount, "location");
        prop_assert_eq!(followed(&link, mount), read(publication.path));
    }

    #[test]
    fn the_next_page_of_tags_goes_on_where_this_one_ends(
        image in images(),
        last in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,10}",
        limit in 1..=1000_usize,
        mount in mounts(),
    ) {
        let request = ListRequest {
            prefix: format!("{image}/_tags/"),
            witness: format!("{image}/_"),
            name: image,
            after: None,
            limit,
        };
        let entries = [last.clone()];
        let outcome = Outcome::List { request: &request, entries: &entries, has_more: true };
        let next = followed(&linked(&outcome, mount, "link"), mount);
        prop_assert_eq!(next, Intent::List(ListRequest { after: Some(last), ..request }));
    }

    #[test]
    fn the_next_page_of_referrers_goes_on_where_this_one_ends(
        image in images(),
        (digest, last) in (digests(), digests()),
        filter in proptest::option::of("[ -~ä]{1,20}"),
        mount in mounts(),
    ) {
        let row = path(&format!("{image}/_manifests/{last}"));
        let request = RelationRequest {
            subject: path(&format!("{image}/_manifests/{digest}")),
            name: image,
            digest,
            filter,
            after: None,
        };
        let rows = [RelatedRow { path: row.clone(), descriptor: "{}".to_owned() }];
        let outcome = Outcome::Related { request: &request, rows: &rows, has_more: true };
        let next = followed(&linked(&outcome, mount, "link"), mount);
        let after = Some(row.as_str().to_owned());
        prop_assert_eq!(next, Intent::Relate(RelationRequest { after, ..request }));
    }
}
