//! Every link that is written is understood again.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use artifact_core::{
    Class, Origin, PackageRequest, Provider, Remote, RepoPath, RepositoryKind, RewriteContext,
    Route, Shape, SourceDocument, Target, Timestamp, Variant,
};
use bytes::Bytes;
use http::{HeaderMap, Method};
use proptest::prelude::*;
use provider_rpm::RpmProvider;

fn on_remote(path: &str) -> Target {
    let path = RepoPath::from_decoded(path).unwrap();
    let remote = Remote::new("https://up.example/pub");
    let request = PackageRequest {
        kind: RepositoryKind::Remote,
        method: &Method::GET,
        path: &path,
        query: None,
        headers: &HeaderMap::new(),
        remote: Some(&remote),
    };
    match RpmProvider::new().classify(&request) {
        Ok(Route::Serve(target)) => target,
        other => panic!("{path}: {other:?}"),
    }
}

proptest! {
    #[test]
    fn parts_of_an_index_are_its_own(
        root in "([a-z0-9]{1,5}/){0,3}",
        names in prop::collection::vec("[a-z0-9.+^~-]{1,20}[a-z]", 1..5),
    ) {
        let index = on_remote(&format!("{root}repodata/repomd.xml"));
        let Shape::Document { kind, variant } = &index.shape else { panic!("no document") };
        let record = |name: &String| {
            format!("<data type='primary'><location href='repodata/{name}'/></data>")
        };
        let text: String = names.iter().map(record).collect();
        let body = Bytes::from(format!("<repomd>{text}</repomd>"));
        let url = format!("https://up.example/pub/{root}repodata/repomd.xml");
        let document = SourceDocument {
            kind: *kind,
            path: &index.path,
            source: &Variant::SOURCE,
            member: "up",
            remote: None,
            position: 0,
            url: Some(&url),
            content_type: None,
            body: &body,
        };
        let context = RewriteContext {
            wanted: variant,
            admits: &|_| true,
            secure: true,
            kind: RepositoryKind::Remote,
            path: &index.path,
            changed_at: Timestamp::EPOCH,
            signer: None,
        };
        let provider = RpmProvider::new();
        let rewritten = provider.rewrite(&[document], &context).unwrap();
        prop_assert_eq!(rewritten.renditions[0].body.fill("x"), body.clone());
        let inspection = provider.inspect(&document).unwrap();
        for part in &inspection.parts {
            let target = on_remote(part.target.path.as_str());
            prop_assert_eq!(&target, &part.target, "as a client asks for it");
            let fact = rewritten.facts.find(target.path.as_str());
            prop_assert_eq!(fact.map(|fact| fact.url), Some(part.fact.url.clone()));
        }
    }

    #[test]
    fn packages_of_members_are_files_of_theirs(path in "([a-z0-9.+^~-]{1,8}[a-z]/){0,3}[a-z0-9+^~._-]{1,20}\\.rpm") {
        let target = on_remote(&path);
        prop_assert_eq!(target.path.as_str(), &path);
        prop_assert_eq!(target.class, Class::Immutable);
        prop_assert!(matches!(target.origin, Origin::Upstream(_)));
        let foreign = on_remote(&format!("_ext/0123abcd/{path}"));
        prop_assert_eq!(foreign.class, Class::Immutable);
        let is_listed = matches!(foreign.origin, Origin::Index { unlisted: None, .. });
        prop_assert!(is_listed);
    }
}
