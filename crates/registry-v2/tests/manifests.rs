//! What may be published as a manifest, and what it names.

use proptest::prelude::*;
use registry_v2::{ErrorCode, Manifest, ManifestType, Referrer, Refusal};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";

fn digest(digit: char) -> String {
    format!("sha256:{}", String::from(digit).repeat(64))
}

/// Writes `$a` to `$f` as descriptors of digests that are made of that digit.
fn filled(template: &str) -> String {
    let mut text = template.to_owned();
    for digit in ['a', 'b', 'c', 'd'] {
        let descriptor = format!(
            r#"{{"mediaType":"application/octet-stream","digest":"{}","size":7}}"#,
            digest(digit)
        );
        text = text.replace(&format!("${digit}"), &descriptor);
    }
    text
}

fn read(content_type: Option<&str>, template: &str) -> Result<Manifest, Refusal> {
    Manifest::read(content_type, filled(template).as_bytes())
}

fn digits(descriptors: &[registry_v2::Descriptor]) -> String {
    let last = |descriptor: &registry_v2::Descriptor| descriptor.digest.to_hex().pop();
    descriptors.iter().filter_map(last).collect()
}

#[test]
fn every_type_names_its_files() {
    for (content_type, template, blobs, children) in [
        (IMAGE, r#"{"schemaVersion":2,"config":$a,"layers":[$b,$c]}"#, "abc", ""),
        (DOCKER, r#"{"schemaVersion":2,"config":$a,"layers":[$b,$c]}"#, "abc", ""),
        (INDEX, r#"{"schemaVersion":2,"manifests":[$a,$b]}"#, "", "ab"),
        (DOCKER_LIST, r#"{"schemaVersion":2,"manifests":[$a,$b]}"#, "", "ab"),
        (ARTIFACT, r#"{"blobs":[$a,$b]}"#, "ab", ""),
        // Nothing, in every spelling.
        (IMAGE, r#"{"schemaVersion":2,"config":$a,"layers":[]}"#, "a", ""),
        (IMAGE, r#"{"schemaVersion":2,"config":$a,"layers":null}"#, "a", ""),
        (IMAGE, r#"{"schemaVersion":2,"config":$a}"#, "a", ""),
        (INDEX, r#"{"schemaVersion":2,"manifests":[]}"#, "", ""),
        (INDEX, r#"{"schemaVersion":2,"manifests":null}"#, "", ""),
        (ARTIFACT, r#"{"subject":$a}"#, "", ""),
        // One layer several times, and the config as a layer.
        (IMAGE, r#"{"schemaVersion":2,"config":$a,"layers":[$b,$b,$a]}"#, "ab", ""),
        // What nobody asked for.
        (
            IMAGE,
            r#"{"schemaVersion":2,"config":$a,"layers":[],"x":{"layers":[1]},"org.y":[null,1.5e3]}"#,
            "a",
            "",
        ),
    ] {
        let manifest = read(Some(content_type), template).unwrap();
        assert_eq!(manifest.manifest_type.name(), content_type, "{template}");
        assert_eq!(digits(&manifest.blobs), blobs, "{template}");
        assert_eq!(digits(&manifest.children), children, "{template}");
    }
}

#[test]
fn the_type_is_what_header_and_document_agree_on() {
    let with = |media_type: &str| {
        format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}","config":$a,"layers":[]}}"#)
    };
    let upper_case = IMAGE.to_uppercase();
    for (content_type, written, expected) in [
        (Some(IMAGE), IMAGE, Some(ManifestType::OciManifest)),
        (Some(upper_case.as_str()), IMAGE, Some(ManifestType::OciManifest)),
        (Some(DOCKER), DOCKER, Some(ManifestType::DockerManifest)),
        (None, DOCKER, Some(ManifestType::DockerManifest)),
        (Some(IMAGE), "", Some(ManifestType::OciManifest)),
        (None, "", None),
        (Some(DOCKER), IMAGE, None),
        (Some(IMAGE), DOCKER, None),
        (Some(IMAGE), INDEX, None),
        (Some("application/json"), "", None),
        (Some("application/json"), IMAGE, None),
        (Some("application/vnd.docker.distribution.manifest.v1+json"), "", None),
        (Some("application/vnd.docker.distribution.manifest.v1+prettyjws"), "", None),
    ] {
        let found = read(content_type, &with(written)).map(|manifest| manifest.manifest_type);
        assert_eq!(found.as_ref().ok(), expected.as_ref(), "{content_type:?} {written:?}");
        if let Err(refusal) = found {
            assert_eq!((refusal.code, refusal.status.as_u16()), (ErrorCode::ManifestInvalid, 400));
        }
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for (content_type, template) in [
        (IMAGE, r#"{"schemaVersion":2,"config":$a,"layers":[],"manifests":[$b]}"#),
        (INDEX, r#"{"schemaVersion":2,"manifests":[$b],"config":$a}"#),
        (INDEX, r#"{"schemaVersion":2,"manifests":[$b],"layers":[$a]}"#),
        (INDEX, r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#),
        (INDEX, r#"{"schemaVersion":2,"config":$a,"layers":[]}"#),
        (IMAGE, r#"{"schemaVersion":2,"manifests":[$b]}"#),
        (IMAGE, r#"{"schemaVersion":2,"config":$a,"Manifests":[$b]}"#),
        (IMAGE, r#"{"schemaVersion":2,"config":$a,"layers":[$b],"layers":[$c]}"#),
        (IMAGE, r#"{"schemaVersion":2,"config":$a,"fsLayers":[]}"#),
        (ARTIFACT, r#"{"blobs":[$a],"manifests":[$b]}"#),
        (ARTIFACT, r#"{"config":$a}"#),
    ] {
        assert_eq!(
            read(Some(content_type), template).unwrap_err().code,
            ErrorCode::ManifestInvalid,
            "{template}"
        );
    }
}

#[test]
fn what_is_no_manifest_is_refused() {
    let deep = format!(
        r#"{{"schemaVersion":2,"config":$a,"x":{}{}}}"#,
        "[".repeat(500_000),
        "]".repeat(500_000)
    );
    for template in [
        "",
        "null",
        "[]",
        "\"x\"",
        "{",
        r#"{"schemaVersion":2,"config":$a} x"#,
        r#"{"config":$a}"#,
        r#"{"schemaVersion":1,"config":$a}"#,
        r#"{"schemaVersion":"2","config":$a}"#,
        r#"{"schemaVersion":-2,"config":$a}"#,
        r#"{"schemaVersion":2}"#,
        r#"{"schemaVersion":2,"config":[]}"#,
        r#"{"schemaVersion":2,"config":$a,"layers":{}}"#,
        r#"{"schemaVersion":2,"config":$a,"layers":[null]}"#,
        r#"{"schemaVersion":2,"config":$a,"annotations":{"a":1}}"#,
        r#"{"schemaVersion":2,"config":{"size":1}}"#,
        &deep,
    ] {
        let refusal = read(Some(IMAGE), template).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::ManifestInvalid, "{template:.80}");
        assert_eq!(refusal.status.as_u16(), 400);
    }
    let latin = b"{\"schemaVersion\":2,\"x\":\"\xe4\"}";
    assert!(Manifest::read(Some(IMAGE), latin).is_err());
}

#[test]
fn digests_and_sizes_of_descriptors_are_bounded() {
    let good = digest('a');
    let long = format!("sha512:{}", "a".repeat(128));
    let upper_case = good.to_uppercase();
    for (digest, size, is_sound) in [
        (good.as_str(), "0", true),
        (&good, "9223372036854775807", true),
        (&long, "1", true),
        (&good, "9223372036854775808", false),
        (&good, "-1", false),
        (&good, "1.5", false),
        (&good, "1e3", false),
        (&good, "\"1\"", false),
        (&good, "null", false),
        ("sha256:baddigeststring", "1", false),
        ("md5:d41d8cd98f00b204e9800998ecf8427e", "1", false),
        (&upper_case, "1", false),
        ("", "1", false),
    ] {
        let descriptor = format!(r#"{{"digest":"{digest}","size":{size}}}"#);
        for template in [
            format!(r#"{{"schemaVersion":2,"config":{descriptor}}}"#),
            format!(r#"{{"schemaVersion":2,"config":$b,"layers":[{descriptor}]}}"#),
            format!(r#"{{"schemaVersion":2,"config":$b,"subject":{descriptor}}}"#),
        ] {
            assert_eq!(read(Some(IMAGE), &template).is_ok(), is_sound, "{template}");
        }
    }
}

#[test]
fn one_digest_has_one_size() {
    let other = format!(r#"{{"digest":"{}","size":8}}"#, digest('b'));
    let template = format!(r#"{{"schemaVersion":2,"config":$a,"layers":[$b,{other}]}}"#);
    assert_eq!(read(Some(IMAGE), &template).unwrap_err().code, ErrorCode::SizeInvalid);
}

#[test]
fn a_layer_that_is_not_to_be_distributed_need_not_be_here() {
    const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    const GZIP: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    const ORDINARY: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    let layer = |media_type: &str, urls: &str| {
        let digest = digest('b');
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":7,"urls":{urls}}}"#)
    };
    let url = r#"["https://host.example/layer"]"#;
    for (media_type, urls, expected) in [
        (FOREIGN, url, Some(("ab", "b"))),
        (GZIP, url, Some(("ab", "b"))),
        (&GZIP.replace("+gzip", ""), url, Some(("ab", "b"))),
        (&GZIP.replace("gzip", "zstd"), url, Some(("ab", "b"))),
        // Nobody could have it from anywhere.
        (FOREIGN, "[]", Some(("ab", ""))),
        (FOREIGN, "null", Some(("ab", ""))),
        // An ordinary layer has to be here wherever else it may be.
        (ORDINARY, url, Some(("ab", ""))),
        (ORDINARY, r#"["ftp://host.example/layer"]"#, Some(("ab", ""))),
        (FOREIGN, r#"["ftp://host.example/layer"]"#, None),
        (FOREIGN, r#"["https://host.example/layer#part"]"#, None),
        (FOREIGN, r#"["https://host.example/layer", "/layer"]"#, None),
        (FOREIGN, r#"["file:///etc/passwd"]"#, None),
    ] {
        let template =
            format!(r#"{{"schemaVersion":2,"config":$a,"layers":[{}]}}"#, layer(media_type, urls));
        let named = read(Some(DOCKER), &template).ok().map(|manifest| {
            let elsewhere: Vec<_> =
                manifest.blobs.iter().filter(|blob| blob.is_elsewhere()).cloned().collect();
            (digits(&manifest.blobs), digits(&elsewhere))
        });
        let named = named.as_ref().map(|(all, elsewhere)| (all.as_str(), elsewhere.as_str()));
        assert_eq!(named, expected, "{media_type} {urls}");
    }
}

#[test]
fn the_type_of_an_artifact_is_its_own_or_that_of_its_config() {
    let config = |media_type: &str| {
        format!(r#"{{"mediaType":"{media_type}","digest":"{}","size":2}}"#, digest('a'))
    };
    for (content_type, template, expected) in [
        (IMAGE, format!(r#"{{"schemaVersion":2,"config":{}}}"#, config("a/b")), Some("a/b")),
        (
            IMAGE,
            format!(r#"{{"schemaVersion":2,"artifactType":"c/d","config":{}}}"#, config("a/b")),
            Some("c/d"),
        ),
        (
            IMAGE,
            format!(r#"{{"schemaVersion":2,"artifactType":"","config":{}}}"#, config("a/b")),
            Some("a/b"),
        ),
        (IMAGE, format!(r#"{{"schemaVersion":2,"config":{}}}"#, config("")), None),
        (INDEX, r#"{"schemaVersion":2,"manifests":[]}"#.to_owned(), None),
        (
            INDEX,
            r#"{"schemaVersion":2,"artifactType":"c/d","manifests":[]}"#.to_owned(),
            Some("c/d"),
        ),
    ] {
        let manifest = read(Some(content_type), &template).unwrap();
        assert_eq!(manifest.artifact_type.as_deref(), expected, "{template}");
    }
}

#[test]
fn a_manifest_is_listed_with_its_annotations_by_what_it_refers_to() {
    let template = r#"{"schemaVersion":2,"artifactType":"c/d","config":$a,"layers":[],
        "subject":$b,"annotations":{"z":"1","a":"\"ü\""}}"#;
    let manifest = read(Some(IMAGE), template).unwrap();
    assert_eq!(manifest.subject.as_ref().unwrap().digest.to_string(), digest('b'));
    let own = registry_v2::parse_digest(&digest('c')).unwrap();
    assert_eq!(
        Referrer::new(&manifest, &own, 9).to_json(),
        format!(
            r#"{{"mediaType":"{IMAGE}","size":9,"digest":"{own}","artifactType":"c/d","annotations":{{"a":"\"ü\"","z":"1"}}}}"#
        )
    );
    let plain = read(Some(INDEX), r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
    assert_eq!(
        Referrer::new(&plain, &own, 9).to_json(),
        format!(r#"{{"mediaType":"{INDEX}","size":9,"digest":"{own}"}}"#)
    );
}

#[test]
fn a_manifest_of_four_mebibytes_is_read_and_no_larger_one() {
    let limit = usize::try_from(Manifest::MAX_SIZE).unwrap();
    let start = filled(r#"{"schemaVersion":2,"config":$a,"annotations":{"x":""#);
    let of_size =
        |size: usize| format!("{start}{}\"}}}}", "y".repeat(size - start.len() - "\"}}".len()));
    assert_eq!(of_size(limit).len(), limit);
    assert!(Manifest::read(Some(IMAGE), of_size(limit).as_bytes()).is_ok());
    let refusal = Manifest::read(Some(IMAGE), of_size(limit + 1).as_bytes()).unwrap_err();
    assert_eq!((refusal.code, refusal.status.as_u16()), (ErrorCode::ManifestInvalid, 413));
}

#[test]
fn the_files_of_a_manifest_are_bounded() {
    let layer = |number: usize| format!(r#"{{"digest":"sha256:{number:064x}","size":1}}"#);
    let of = |count: usize| {
        let layers: Vec<_> = (0..count).map(layer).collect();
        let manifests = layers.join(",");
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{manifests}]}}"#);
        Manifest::read(Some(INDEX), text.as_bytes())
    };
    assert_eq!(of(Manifest::MAX_DESCRIPTORS).unwrap().children.len(), Manifest::MAX_DESCRIPTORS);
    assert!(of(Manifest::MAX_DESCRIPTORS + 1).is_err());
}

proptest! {
    #[test]
    fn reading_is_total(
        content_type in proptest::option::of("[a-z/+.]{0,12}|application/vnd\\.oci\\.image\\.(index|manifest)\\.v1\\+json"),
        body in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let first = Manifest::read(content_type.as_deref(), &body);
        prop_assert_eq!(first, Manifest::read(content_type.as_deref(), &body));
    }

    #[test]
    fn what_is_published_is_never_an_image_and_an_index(
        fields in proptest::sample::subsequence(
            vec![r#""schemaVersion":2"#, r#""config":$a"#, r#""layers":[$b]"#, r#""manifests":[$c]"#, r#""blobs":[$d]"#],
            0..=5,
        ),
        content_type in proptest::sample::select(vec![IMAGE, INDEX, DOCKER, DOCKER_LIST, ARTIFACT]),
    ) {
        let template = format!("{{{}}}", fields.join(","));
        if let Ok(manifest) = read(Some(content_type), &template) {
            let has = |name: &str| fields.iter().any(|field| field.contains(name));
            prop_assert!(!(has("manifests") && (has("config") || has("layers"))));
            prop_assert!(manifest.blobs.is_empty() || manifest.children.is_empty());
            prop_assert!(!manifest.blobs.is_empty() || !has("config"));
        }
    }
}
