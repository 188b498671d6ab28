//! What happened, to the letter of the protocol.

#![expect(clippy::unwrap_used, reason = "helpers of tests, not marked as tests themselves")]

use artifact_core::ports::RelatedRow;
use artifact_core::{
    ListRequest, Outcome, Publication, Publishing, RelationRequest, RepoPath, Subject, UploadEvent,
    UploadReference, Worded,
};
use provider_docker::DockerProvider;
use registry_v2::parse_digest;

const ID: &str = "3f2b8c1e-9d4a-4e77-8a55-0c9e1d2f3a4b";
const MOUNT: &str = "/v2/dk";

fn sha256(digit: char) -> String {
    format!("sha256:{}", String::from(digit).repeat(64))
}

fn path(text: &str) -> RepoPath {
    RepoPath::from_decoded(text).unwrap()
}

fn word(outcome: &Outcome<'_>, mount: &str) -> Worded {
    let worded = DockerProvider::new().word(outcome, mount);
    let version = worded.headers.get("docker-distribution-api-version");
    assert_eq!(version.unwrap(), "registry/2.0");
    worded
}

/// The answer as text: status, headers in order of name without the one that all have, body.
fn written(worded: &Worded) -> String {
    let mut lines: Vec<_> = worded
        .headers
        .iter()
        .filter(|(name, _)| *name != "docker-distribution-api-version")
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    let body = String::from_utf8(worded.body.to_vec()).unwrap();
    let status = worded.status.as_u16().to_string();
    let all = [status].into_iter().chain(lines).chain((!body.is_empty()).then_some(body));
    all.collect::<Vec<_>>().join("\n")
}

fn upload(size: u64, event: UploadEvent) -> String {
    let reference = UploadReference { name: "team/app".to_owned(), id: ID.parse().unwrap() };
    written(&word(&Outcome::Upload(&reference, size, event), MOUNT))
}

fn going_on(status: u16, range: &str) -> String {
    format!(
        "{status}\ndocker-upload-uuid: {ID}\nlocation: /v2/dk/team/app/blobs/uploads/{ID}\nrange: {range}"
    )
}

#[test]
fn an_upload_says_where_it_goes_on_and_how_far_it_is() {
    for (size, event, expected) in [
        (0, UploadEvent::Begun, going_on(202, "0-0")),
        (200_266, UploadEvent::Continued, going_on(202, "0-200265")),
        (0, UploadEvent::Continued, going_on(202, "0-0")),
        (1, UploadEvent::Asked, going_on(204, "0-0")),
        (10, UploadEvent::Asked, going_on(204, "0-9")),
        (0, UploadEvent::Cancelled, format!("204\ndocker-upload-uuid: {ID}")),
    ] {
        assert_eq!(upload(size, event), expected, "{event:?}");
    }
}

#[test]
fn bytes_that_belong_elsewhere_are_refused_with_the_true_range() {
    assert_eq!(
        upload(10, UploadEvent::OutOfRange),
        format!(
            "416\ncontent-type: application/json\ndocker-upload-uuid: {ID}\n\
             location: /v2/dk/team/app/blobs/uploads/{ID}\nrange: 0-9\n{}",
            concat!(
                r#"{"errors":[{"code":"BLOB_UPLOAD_INVALID","#,
                r#""message":"the bytes do not continue the upload, which has 10 so far"}]}"#
            )
        )
    );
}

#[test]
fn a_stored_blob_says_where_it_is() {
    let digest = parse_digest(&sha256('a')).unwrap();
    let outcome = Outcome::FileStored { name: "team/app", digest: &digest };
    for (mount, location) in [
        (MOUNT, format!("/v2/dk/team/app/blobs/{digest}")),
        ("/v2", format!("/v2/team/app/blobs/{digest}")),
    ] {
        assert_eq!(
            written(&word(&outcome, mount)),
            format!("201\ndocker-content-digest: {digest}\nlocation: {location}")
        );
    }
}

#[test]
fn a_published_manifest_names_its_digest_its_subject_and_its_tags() {
    let (own, other) = (parse_digest(&sha256('a')).unwrap(), parse_digest(&sha256('b')).unwrap());
    let publication = |subject| Publication {
        digest: own.clone(),
        path: path(&format!("app/_manifests/{own}")),
        aliases: Vec::new(),
        content_type: "x/y".to_owned(),
        needs: Vec::new(),
        subject,
    };
    let answer = |subject, aliases: &[String]| {
        let publication = publication(subject);
        let outcome = Outcome::Published { name: "app", publication: &publication, aliases };
        written(&word(&outcome, MOUNT))
    };
    let start = format!("201\ndocker-content-digest: {own}\nlocation: /v2/dk/app/manifests/{own}");
    assert_eq!(answer(None, &[]), start);
    let subject = Subject {
        digest: other.clone(),
        path: path(&format!("app/_manifests/{other}")),
        descriptor: "{}".to_owned(),
    };
    let aliases = ["v1".to_owned(), "latest".to_owned()];
    assert_eq!(
        answer(Some(subject), &aliases),
        format!("{start}\noci-subject: {other}\noci-tag: latest\noci-tag: v1")
    );
}

#[test]
fn a_removal_is_accepted() {
    assert_eq!(written(&word(&Outcome::Removed, MOUNT)), "202");
}

#[test]
fn a_page_of_tags_has_the_name_that_the_client_wrote_and_leads_to_the_next() {
    let list = |limit, entries: &[&str], has_more, mount| {
        let request = ListRequest {
            name: "team/app".to_owned(),
            prefix: "team/app/_tags/".to_owned(),
            witness: "team/app/_".to_owned(),
            after: None,
            limit,
        };
        let entries: Vec<_> = entries.iter().map(|&entry| entry.to_owned()).collect();
        written(&word(&Outcome::List { request: &request, entries: &entries, has_more }, mount))
    };
    let json = "content-type: application/json";
    for (limit, entries, has_more, mount, expected) in [
        (
            1000,
            ["a", "b"].as_slice(),
            false,
            MOUNT,
            format!("200\n{json}\n{}", r#"{"name":"dk/team/app","tags":["a","b"]}"#),
        ),
        (
            2,
            &["a", "b"],
            true,
            MOUNT,
            format!(
                "200\n{json}\nlink: </v2/dk/team/app/tags/list?last=b&n=2>; rel=\"next\"\n{}",
                r#"{"name":"dk/team/app","tags":["a","b"]}"#
            ),
        ),
        // At the root of a host the repository is not part of the name.
        (
            1,
            &["a"],
            true,
            "/v2",
            format!(
                "200\n{json}\nlink: </v2/team/app/tags/list?last=a&n=1>; rel=\"next\"\n{}",
                r#"{"name":"team/app","tags":["a"]}"#
            ),
        ),
        // Nothing was asked for, so nothing follows.
        (0, &[], true, MOUNT, format!("200\n{json}\n{}", r#"{"name":"dk/team/app","tags":[]}"#)),
    ] {
        assert_eq!(list(limit, entries, has_more, mount), expected);
    }
}

fn related(filter: Option<&str>, descriptors: &[(char, &str)], has_more: bool) -> String {
    let subject = parse_digest(&sha256('0')).unwrap();
    let request = RelationRequest {
        name: "app".to_owned(),
        subject: path(&format!("app/_manifests/{subject}")),
        digest: subject,
        filter: filter.map(str::to_owned),
        after: None,
    };
    let row = |(digit, descriptor): &(char, &str)| RelatedRow {
        path: path(&format!("app/_manifests/{}", sha256(*digit))),
        descriptor: (*descriptor).to_owned(),
    };
    let rows: Vec<_> = descriptors.iter().map(row).collect();
    written(&word(&Outcome::Related { request: &request, rows: &rows, has_more }, MOUNT))
}

/// An index of these descriptors.
fn index(manifests: &str) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{manifests}]}}"#
    )
}

const TYPE: &str = "content-type: application/vnd.oci.image.index.v1+json";
const ONE: &str = r#"{"digest":"1","artifactType":"a/b+c"}"#;
const TWO: &str = r#"{"digest":"2"}"#;

#[test]
fn referrers_are_an_index_also_where_there_are_none() {
    assert_eq!(related(None, &[], false), format!("200\n{TYPE}\n{}", index("")));
    assert_eq!(
        related(None, &[('1', ONE), ('2', TWO)], false),
        format!("200\n{TYPE}\n{}", index(&format!("{ONE},{TWO}")))
    );
}

#[test]
fn a_filter_is_applied_and_said_to_be() {
    assert_eq!(
        related(Some("a/b+c"), &[('1', ONE), ('2', TWO)], false),
        format!("200\n{TYPE}\noci-filters-applied: artifactType\n{}", index(ONE))
    );
    assert_eq!(
        related(Some("x"), &[('1', ONE)], false),
        format!("200\n{TYPE}\noci-filters-applied: artifactType\n{}", index(""))
    );
}

#[test]
fn a_page_of_referrers_leads_behind_the_last_one_that_was_looked_at() {
    let link = |parameters: &str| {
        let subject = sha256('0');
        format!("link: </v2/dk/app/referrers/{subject}?{parameters}>; rel=\"next\"")
    };
    let last = |digit| format!("last={}", sha256(digit).replace(':', "%3A"));
    assert_eq!(
        related(None, &[('1', ONE), ('2', TWO)], true),
        format!("200\n{TYPE}\n{}\n{}", link(&last('2')), index(&format!("{ONE},{TWO}")))
    );
    // The one that is not of the kind was looked at as well.
    assert_eq!(
        related(Some("a/b+c"), &[('1', ONE), ('2', TWO)], true),
        format!(
            "200\n{TYPE}\n{}\noci-filters-applied: artifactType\n{}",
            link(&format!("artifactType=a%2Fb%2Bc&{}", last('2'))),
            index(ONE)
        )
    );
    // A page ends before it is larger than what clients read.
    let large = format!(r#"{{"digest":"{}"}}"#, "0".repeat(2 << 20));
    let answer = related(None, &[('1', &large), ('2', &large), ('3', TWO)], false);
    assert_eq!(answer, format!("200\n{TYPE}\n{}\n{}", link(&last('1')), index(&large)));
}
