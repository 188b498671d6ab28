//! Images are pulled through the cache, from one registry and over several.

use anyhow::{Context, Result};
use e2e::{Exchange, Profile, Server, local, on_both_profiles, remote, virtual_of};
use http::header::{CONTENT_TYPE, LINK, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderName, Method, StatusCode};
use ring::digest::{SHA256, digest as hash};
use serde_json::{Value, json};
use testkit::{Origin, Script};

on_both_profiles! {
    a_pull_asks_upstream_once_and_then_nobody,
    a_tag_is_confirmed_by_its_digest_and_fetched_when_that_changed,
    bytes_that_are_not_those_of_the_digest_are_never_served_whole,
    a_token_is_fetched_where_upstream_wants_one,
    upstreams_refusal_is_an_absence_and_asks_nobody_for_credentials,
    banned_tags_and_images_that_no_pattern_admits_are_refused_unasked,
    of_two_registries_the_first_that_has_an_image_owns_it,
    an_image_that_is_hosted_is_asked_of_no_registry,
    what_a_tag_led_to_is_asked_of_the_member_that_had_the_tag,
    no_upstream_is_asked_for_a_digest_that_a_member_holds,
    tags_are_listed_in_pages_and_without_those_that_are_banned,
    a_list_of_tags_outlives_its_registry_and_says_so,
    referrers_are_followed_over_upstreams_pages_and_filtered_here,
    referrers_of_a_registry_that_cannot_list_them_are_those_under_their_tag,
    a_member_that_fails_is_never_passed_over,
    pushes_to_a_remote_are_unsupported,
    a_push_to_a_virtual_repository_goes_to_its_deployment_member,
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn digest(bytes: impl AsRef<[u8]>) -> String {
    format!("sha256:{}", hex::encode(hash(&SHA256, bytes.as_ref())))
}

/// An image of one layer at `origin`, with a tag. Returns the manifest.
fn publish(origin: &Origin, image: &str, tag: &str, layer: &str) -> String {
    let config = "{}";
    let descriptor = |media_type: &str, bytes: &str| json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    })
    .to_string();
    for blob in [config, layer] {
        origin.on(&format!("/v2/{image}/blobs/{}", digest(blob)), Script::ok(blob.to_owned()));
    }
    for reference in [tag, &digest(&manifest)] {
        origin.on(&format!("/v2/{image}/manifests/{reference}"), manifest_script(&manifest));
    }
    manifest
}

fn manifest_script(manifest: &str) -> Script {
    Script::ok(manifest.to_owned())
        .header(CONTENT_TYPE, MANIFEST)
        .header(HeaderName::from_static("docker-content-digest"), &digest(manifest))
}

/// What `origin` says when it is asked for the tags of an image.
fn list_tags(origin: &Origin, image: &str, tags: &[&str]) {
    let list = |tags: &[&str]| Script::ok(json!({"name": image, "tags": tags}).to_string());
    origin.on(&format!("/v2/{image}/tags/list"), Script::sequence([list(tags), list(&[])]));
}

/// The tags of an image as the server lists them.
async fn tags(server: &Server, image: &str) -> Result<Vec<String>> {
    let (listed, _) = page(server, &format!("/v2/{image}/tags/list")).await?;
    assert_eq!(listed.pointer("/name"), Some(&json!(image)));
    Ok(serde_json::from_value(listed.pointer("/tags").context("no tags")?.clone())?)
}

/// A virtual repository of whose names nobody owns one.
async fn united(server: &Server, name: &str, members: &[&str]) -> Result<()> {
    let body = json!({
        "name": name, "package_type": "docker", "members": members, "merge_versions": true,
    });
    let made = server.http().post_json(&server.url("/api/v2/virtuals"), &body).await?;
    assert_eq!(made.status, 201, "{}", made.text());
    Ok(())
}

async fn push_blob(server: &Server, image: &str, blob: &str) -> Result<()> {
    let path = format!("/v2/{image}/blobs/uploads/?digest={}", digest(blob));
    let stored = server.http().send(Method::POST, &server.url(&path), &[], blob.to_owned()).await?;
    assert_eq!(stored.status, 201, "{}", stored.text());
    Ok(())
}

/// Pushes an image of no platform, which needs no blobs.
async fn push_index(server: &Server, image: &str, tag: &str) -> Result<String> {
    let body = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).to_string();
    let url = server.url(&format!("/v2/{image}/manifests/{tag}"));
    let typed = [("content-type", INDEX)];
    let stored = server.http().send(Method::PUT, &url, &typed, body.clone()).await?;
    assert_eq!(stored.status, 201, "{}", stored.text());
    Ok(body)
}

async fn head(server: &Server, path: &str) -> Result<Exchange> {
    server.http().head(&server.url(path)).await
}

fn header<'a>(answer: &'a Exchange, name: &str) -> Option<&'a str> {
    answer.headers.get(name)?.to_str().ok()
}

fn error_code(answer: &Exchange) -> Result<String> {
    let body: Value = serde_json::from_str(&answer.text())?;
    let code = body.pointer("/errors/0/code").and_then(Value::as_str);
    Ok(code.context("no code")?.to_owned())
}

fn asked(origin: &Origin) -> Vec<String> {
    let line = |request: &testkit::OriginRequest| format!("{} {}", request.method, request.path);
    origin.requests().iter().map(line).collect()
}

async fn a_pull_asks_upstream_once_and_then_nobody(profile: Profile) -> Result<()> {
    let server = profile.server().await?;
    let mut origin = Origin::start().await;
    let manifest = publish(&origin, "team/app", "v1", "a layer");
    remote(&server, "hub", "docker", origin.base_url()).await?;
    let tag = "/v2/hub/team/app/manifests/v1";
    let by_digest = format!("/v2/hub/team/app/manifests/{}", digest(&manifest));
    let layer = format!("/v2/hub/team/app/blobs/{}", digest("a layer"));
    for _ in 0..2 {
        let seen = head(&server, tag).await?;
        assert_eq!(seen.status, 200);
        assert_eq!(header(&seen, "docker-content-digest"), Some(&*digest(&manifest)));
        assert_eq!(header(&seen, "content-type"), Some(MANIFEST));
        assert_eq!(header(&seen, "content-length"), Some(&*manifest.len().to_string()));
        for path in [tag, &by_digest] {
            let answer = server.get(path).await?;
            assert_eq!((answer.status.as_u16(), answer.text()), (200, manifest.clone()), "{path}");
            assert_eq!(header(&answer, "docker-content-digest"), Some(&*digest(&manifest)));
        }
        let answer = server.get(&layer).await?;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "a layer".to_owned()));
        assert_eq!(header(&answer, "docker-content-digest"), Some(&*digest("a layer")));
        assert_eq!(header(&answer, "content-type"), Some("application/octet-stream"));
    }
    assert_eq!(origin.requests().len(), 2, "{:?}", asked(&origin));
    origin.stop().await;
    assert_eq!(server.get(&layer).await?.status, 200);
    assert_eq!(server.get(tag).await?.status, 200);
    Ok(())
}

async fn a_tag_is_confirmed_by_its_digest_and_fetched_when_that_changed(
    profile: Profile,
) -> Result<()> {
    let server = profile.server().await?;
    let mut origin = Origin::start().await;
    let first = publish(&origin, "app", "latest", "one");
    let body = json!({
        "name": "hub", "package_type": "docker", "base_url": origin.base_url().as_str(), "mutable_ttl": 0,
    });
    let made = server.http().post_json(&server.url("/api/v2/remotes"), &body).await?;
    assert_eq!(made.status, 201, "{}", made.text());
    let tag = "/v2/hub/app/manifests/latest";
    assert_eq!(server.get(tag).await?.text(), first);
    assert_eq!(server.get(tag).await?.text(), first);
    let path = "/v2/app/manifests/latest";
    assert_eq!(asked(&origin), [format!("GET {path}"), format!("HEAD {path}")]);
    let second = publish(&origin, "app", "latest", "two");
    let answer = server.get(tag).await?;
    assert_eq!(answer.text(), second);
    assert_eq!(header(&answer, "docker-content-digest"), Some(&*digest(&second)));
    let later = asked(&origin).split_off(2);
    assert_eq!(later, [format!("HEAD {path}"), format!("GET {path}")]);
    origin.on(path, Script::too_many_requests("60"));
    let stale = server.get(tag).await?;
    assert_eq!((stale.status.as_u16(), stale.text()), (200, second));
    assert!(header(&stale, "warning").is_some_and(|text| text.starts_with("299 - \"")));
    origin.stop().await;
    assert_eq!(server.get(tag).await?.status, 200);
    Ok(())
}

async fn bytes_that_are_not_those_of_the_digest_are_never_served_whole(
    profile: Profile,
) -> Result<()> {
    let server = profile.server().await?;
    let origin = Origin::start().await;
    remote(&server, "hub", "docker", origin.base_url()).await?;
    let right = "x".repeat(500_000);
    let path = format!("/v2/hub/app/blobs/{}", digest(&right));
    let upstream = format!("/v2/app/blobs/{}", digest(&right));
    let wrong = format!("{}y", &right[1..]);
    origin.on(&upstream, Script::ok(wrong));
    let broken = server.get(&path).await;
    assert!(
        broken.is_err() || broken.is_ok_and(|answer| answer.status == 502 || !answer.is_complete)
    );
    let manifest = format!("/v2/hub/app/manifests/{}", digest("{}"));
    origin.on(&format!("/v2/app/manifests/{}", digest("{}")), Script::ok("{ }"));
    assert_eq!(server.get(&manifest).await?.status, 502);
    let objects = server.get("/api/v2/remotes/hub/objects").await?;
    let objects: Value = serde_json::from_str(&objects.text())?;
    assert_eq!(objects.pointer("/items"), Some(&json!([])));
    Ok(())
}

async fn a_token_is_fetched_where_upstream_wants_one(profile: Profile) -> Result<()> {
    let server = profile.server().await?;
    let origin = Origin::start().await;
    let manifest = publish(&origin, "app", "v1", "layer");
    let challenge = format!(
        "Bearer realm=\"{}\",service=\"registry\",scope=\"repository:app:pull\"",
        origin.url("/token")
    );
    let refused = Script::status(StatusCode::UNAUTHORIZED).header(WWW_AUTHENTICATE, &challenge);
    origin.on("/v2/app/manifests/v1", Script::sequence([refused, manifest_script(&manifest)]));
    origin.on("/token", Script::ok(r#"{"token":"t1","expires_in":300}"#));
    remote(&server, "hub", "docker", origin.base_url()).await?;
    assert_eq!(server.get("/v2/hub/app/manifests/v1").await?.text(), manifest);
    let layer = format!("/v2/hub/app/blobs/{}", digest("layer"));
    assert_eq!(server.get(&layer).await?.text(), "layer");
    assert_eq!(origin.count("/token"), 1);
    let requests = origin.requests();
    let last = requests.last().context("no request")?;
    let shown = last.headers.get("authorization").context("no token")?;
    assert_eq!(shown, "Bearer t1");
    Ok(())
}

async fn upstreams_refusal_is_an_absence_and_asks_nobody_for_credentials(
    profile: Profile,
) -> Result<()> {
    let server = profile.server().await?;
    let origin = Origin::start().await;
    let status = |code: u16| StatusCode::from_u16(code).map(Script::status);
    origin.on("/v2/app/manifests/v1", status(401)?);
    origin.on("/v2/app/manifests/v2", status(403)?);
    origin.on("/v2/app/manifests/v3", Script::too_many_requests("7"));
    remote(&server, "hub", "docker", origin.base_url()).await?;
    for tag in ["v1", "v2"] {
        let answer = server.get(&format!("/v2/hub/app/manifests/{tag}")).await?;
        assert_eq!(
            (answer.status.as_u16(), error_code(&answer)?.as_str()),
            (404, "MANIFEST_UNKNOWN")
        );
        assert_eq!(header(&answer, "www-authenticate"), None);
    }
    let answer = server.get("/v2/hub/app/manifests/v3").await?;
    assert_eq!((answer.status.as_u16(), error_code(&answer)?.as_str()), (429, "TOOMANYREQUESTS"));
    assert!(header(&answer, "retry-after").is_some());
    Ok(())
}

async fn banned_tags_and_images_that_no_pattern_admits_are_refused_unasked(
    profile: Profile,
) -> Result<()> {
    let server = profile.server().await?;
    let origin = Origin::start().await;
    let manifest = publish(&origin, "good/app", "v1", "layer");
    publish(&origin, "good/app", "latest", "layer");
    publish(&origin, "bad/app", "v1", "layer");
    let body = json!({
        "name": "hub", "package_type": "docker", "base_url": origin.base_url().as_str(),
        "patterns": ["^good/app$"], "ban_tags_enabled": true, "ban_tags": ["latest"],
    });
    let made = server.http().post_json(&server.url("/api/v2/remotes"), &body).await?;
    assert_eq!(made.status, 201, "{}", made.text());
    for path in ["bad/app/manifests/v1", "good/app/manifests/latest"] {
        let answer = server.get(&format!("/v2/hub/{path}")).await?;
        assert_eq!(
            (answer.status.as_u16(), error_code(&answer)?.as_str()),
            (403, "DENIED"),
            "{path}"
        );
    }
    assert_eq!(origin.requests().len(), 0);
    let by_digest = format!("/v2/hub/good/app/manifests/{}", digest(&manifest));
    assert_eq!(server.get("/v2/hub/good/app/manifests/v1").await?.status, 200);
    assert_eq!(server.get(&by_digest).await?.status, 200, "digests stay pullable");
    Ok(())
}

async fn of_two_registries_the_first_that_has_an_image_owns_it(profile: Profile) -> Result<()> {
    let server = profile.server().await?;
    let (one, other) = (Origin::start().await, Origin::start().await);
    let first = publish(&one, "app", "v1", "of the first");
    publish(&other, "app", "v1", "of the second");
    let second = publish(&other, "app", "v2", "only there");
    let tool = publish(&other, "tool", "v1", "a tool");
    list_tags(&one, "app", &["v1"]);
    list_tags(&other, "app", &["v1", "v2"]);
    list_tags(&other, "tool", &["v1"]);
    remote(&server, "one", "docker", one.base_url()).await?;
    remote(&server, "other", "docker", other.base_url()).await?;
    virtual_of(&server, "all", "docker", &["one", "other"]).await?;
    let absent = server.get("/v2/all/app/manifests/v2").await?;
    let found = (absent.status.as_u16(), error_code(&absent)?);
    assert_eq!(found, (404, "MANIFEST_UNKNOWN".to_owned()));
    assert_eq!(server.get("/v2/all/app/manifests/v1").await?.text(), first);
    assert_eq!(tags(&server, "all/app").await?, ["v1"]);
    assert_eq!(other.requests().len(), 0, "{:?}", asked(&other));
    assert_eq!(server.get("/v2/all/tool/manifests/v1").await?.text(), tool);
    assert_eq!(tags(&server, "all/tool").await?, ["v1"]);

    united(&server, "both", &["one", "other"]).await?;
    assert_eq!(server.get("/v2/both/app/manifests/v1").await?.text(), first);
    assert_eq!(server.get("/v2/both/app/manifests/v2").await?.text(), second);
    let layer = format!("/v2/both/app/blobs/{}", digest("only there"));
    assert_eq!(server.get(&layer).await?.text(), "only there");
    assert_eq!(tags(&server, "both/app").await?, ["v1", "v2"]);
    Ok(())
}

async fn an_image_that_is_hosted_is_asked_of_no_registry(profile: Profile) -> Result<()> {
    let server = profile.server().await?;
    let origin = Origin::start().await;
    let theirs = publish(&origin, "app", "v1", "a layer");
    list_tags(&origin, "app", &["v1"]);
    remote(&server, "hub", "docker", origin.base_url()).await?;
    local(&server, "own", "docker").await?;
    virtual_of(&server, "all", "docker", &["hub", "own"]).await?;
    united(&server, "both", &["hub", "own"]).await?;
    // Of a push that has not ended yet there are only blobs, and they own nothing.
    push_blob(&server, "own/app", "{}").await?;
    assert_eq!(server.get("/v2/all/app/manifests/v1").await?.text(), theirs);
    let before = origin.requests().len();

    let ours = push_index(&server, "own/app", "mine").await?;
    let unknown = digest("nobody has this");
    for path in [
        "manifests/v1".to_owned(),
        "manifests/v2".to_owned(),
        format!("manifests/{unknown}"),
        format!("blobs/{unknown}"),
    ] {
        assert_eq!(server.get(&format!("/v2/all/app/{path}")).await?.status, 404, "{path}");
    }
    assert_eq!(server.get("/v2/all/app/manifests/mine").await?.text(), ours);
    assert_eq!(tags(&server, "all/app").await?, ["mine"]);
    assert_eq!(
        referrers(&server, &format!("/v2/all/app/referrers/{unknown}")).await?,
        (vec![], None)
    );
    assert_eq!(origin.requests().len(), before, "{:?}", asked(&origin));

    // What a member holds is right by its digest, whoever owns the name.
    let by_digest = format!("/v2/all/app/manifests/{}", digest(&theirs));
    assert_eq!(server.get(&by_digest).await?.text(), theirs);
    assert_eq!(server.get("/v2/both/app/manifests/v1").await?.text(), theirs);
    assert_eq!(tags(&server, "both/app").await?, ["mine", "v1"]);
    Ok(())
}

async fn what_a_tag_led_to_is_asked_of_the_member_that_had_the_tag(profile: Profile) -> Result<()> {
    let server = profile.server().await?;
    let (one, other) = (Origin::start().await, Origin::start().await);
    let manifest = publish(&other, "app", "v1", "a layer");
    remote(&server, "one", "docker", one.base_url()).await?;
    remote(&server, "other", "docker", other.base_url()).await?;
    virtual_of(&server, "all", "docker", &["one", "other"]).await?;
    let seen = head(&server, "/v2/all/app/manifests/v1").await?;
    let found = header(&seen, "docker-content-digest").context("no digest")?.to_owned();
    assert_eq!(found, digest(&manifest));
    let by_digest = server.get(&format!("/v2/all/app/manifests/{found}")).await?;
    assert_eq!(by_digest.text(), manifest);
    for blob in ["a layer", "{}"] {
        let answer = server.get(&format!("/v2/all/app/blobs/{}", digest(blob))).await?;
        assert_eq!(answer.text(), blob);
        assert_eq!(header(&answer, "x-artifact-member"), Some("other"));
    }
    // Whether the image is that registry's is known then, and not asked again for what has a digest.
    assert_eq!(asked(&one), ["GET /v2/app/manifests/v1", "GET /v2/app/tags/list"]);
    Ok(())
}

async fn no_upstream_is_asked_for_a_digest_that_a_member_holds(profile: Profile) -> Result<()> {
    let server = profile.server().await?;
    let (mut one, other) = (Origin::start().await, Origin::start().await);
    let manifest = publish(&other, "app", "v1", "cached");
    let (manifest, layer) = (digest(&manifest), digest("cached"));
    remote(&server, "one", "docker", one.base_url()).await?;
    remote(&server, "other", "docker", other.base_url()).await?;
    local(&server, "own", "docker").await?;
    virtual_of(&server, "all", "docker", &["one", "other", "own"]).await?;
    push_blob(&server, "own/app", "pushed").await?;
    for path in [format!("manifests/{manifest}"), format!("blobs/{layer}")] {
        assert_eq!(server.get(&format!("/v2/other/app/{path}")).await?.status, 200);
    }
    let before = other.requests().len();
    for (path, member) in [
        (format!("manifests/{manifest}"), "other"),
        (format!("blobs/{layer}"), "other"),
        (format!("blobs/{}", digest("pushed")), "own"),
    ] {
        for method in [Method::HEAD, Method::GET] {
            let url = server.url(&format!("/v2/all/app/{path}"));
            let answer = server.http().send(method, &url, &[], "").await?;
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(header(&answer, "x-artifact-member"), Some(member), "{path}");
        }
    }
    assert_eq!((one.requests().len(), other.requests().len()), (0, before));
    one.stop().await;
    assert_eq!(server.get(&format!("/v2/all/app/blobs/{layer}")).await?.status, 200);
    Ok(())
}

/// The tags on a page, and the link to the next one.
async fn page(server: &Server, path: &str) -> Result<(Value, Option<String>)> {
    let answer = server.get(path).await?;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let link = header(&answer, "link").map(ToOwned::to_owned);
    Ok((serde_json::from_str(&answer.text())?, link))
}

async fn tags_are_listed_in_pages_and_without_those_that_are_banned(
    profile: Profile,
) -> Result<()> {
    let server = profile.server().await?;
    let (one, other) = (Origin::start().await, Origin::start().await);
    list_tags(&one, "app", &["b", "a", "bad"]);
    list_tags(&other, "app", &["c"]);
    let body = json!({
        "name": "one", "package_type": "docker", "base_url": one.base_url().as_str(),
        "ban_tags_enabled": true, "ban_tags": ["bad"],
    });
    let made = server.http().post_json(&server.url("/api/v2/remotes"), &body).await?;
    assert_eq!(made.status, 201, "{}", made.text());
    remote(&server, "other", "docker", other.base_url()).await?;
    united(&server, "all", &["one", "other"]).await?;
    for query in ["n=-1", "n=x"] {
        let refused = server.get(&format!("/v2/all/app/tags/list?{query}")).await?;
        let found = (refused.status.as_u16(), error_code(&refused)?);
        assert_eq!(found, (400, "PAGINATION_NUMBER_INVALID".to_owned()));
    }
    assert_eq!(one.requests().len(), 0);
    let next = |path: &str| Some(format!("</v2/{path}>; rel=\"next\""));
    for (path, tags, link) in [
        ("all/app/tags/list", json!(["a", "b", "c"]), None),
        ("all/app/tags/list?n=2", json!(["a", "b"]), next("all/app/tags/list?last=b&n=2")),
        ("all/app/tags/list?last=b&n=2", json!(["c"]), None),
        ("all/app/tags/list?n=0", json!([]), None),
        ("one/app/tags/list?n=1", json!(["a"]), next("one/app/tags/list?last=a&n=1")),
        ("one/app/tags/list?last=a&n=1", json!(["b"]), None),
    ] {
        let name = path.split_once("/tags").map(|(name, _)| name);
        let found = page(&server, &format!("/v2/{path}")).await?;
        assert_eq!(found, (json!({"name": name, "tags": tags}), link), "{path}");
    }
    assert_eq!((one.requests().len(), other.requests().len()), (2, 2), "{:?}", asked(&one));
    Ok(())
}

async fn a_list_of_tags_outlives_its_registry_and_says_so(profile: Profile) -> Result<()> {
    let server = profile.server().await?;
    let mut origin = Origin::start().await;
    list_tags(&origin, "app", &["v1"]);
    let body = json!({
        "name": "hub", "package_type": "docker", "base_url": origin.base_url().as_str(), "mutable_ttl": 0,
    });
    let made = server.http().post_json(&server.url("/api/v2/remotes"), &body).await?;
    assert_eq!(made.status, 201, "{}", made.text());
    let path = "/v2/hub/app/tags/list";
    let fresh = server.get(path).await?;
    assert_eq!((fresh.status.as_u16(), header(&fresh, "warning")), (200, None));
    origin.stop().await;
    let stale = server.get(path).await?;
    assert_eq!((stale.status.as_u16(), stale.text()), (200, fresh.text()));
    assert!(header(&stale, "warning").is_some_and(|text| text.starts_with("299 - \"")));
    Ok(())
}

fn index(descriptors: &[&Value]) -> Script {
    let body = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors});
    Script::ok(body.to_string()).header(CONTENT_TYPE, INDEX)
}

fn descriptor(name: &str, artifact_type: &str) -> Value {
    json!({"mediaType": MANIFEST, "digest": digest(name), "size": 1, "artifactType": artifact_type})
}

/// The digests that are listed, and the filter that was applied.
async fn referrers(server: &Server, path: &str) -> Result<(Vec<String>, Option<String>)> {
    let answer = server.get(path).await?;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    assert_eq!(header(&answer, "content-type"), Some(INDEX), "{path}");
    let body: Value = serde_json::from_str(&answer.text())?;
    let listed = body.pointer("/manifests").and_then(Value::as_array).context("no list")?;
    let digests = listed.iter().filter_map(|entry| entry.get("digest")?.as_str());
    let filter = header(&answer, "oci-filters-applied").map(ToOwned::to_owned);
    Ok((digests.map(ToOwned::to_owned).collect(), filter))
}

async fn referrers_are_followed_over_upstreams_pages_and_filtered_here(
    profile: Profile,
) -> Result<()> {
    let server = profile.server().await?;
    let origin = Origin::start().await;
    let subject = digest("subject");
    let (signature, bill) = (descriptor("s", "signature"), descriptor("b", "bill"));
    let first = format!("/v2/app/referrers/{subject}");
    let link = "</v2/app/referrers/second?page=2>; rel=\"next\"";
    origin.on(&first, index(&[&signature]).header(LINK, link));
    origin.on("/v2/app/referrers/second", index(&[&bill]));
    remote(&server, "hub", "docker", origin.base_url()).await?;
    virtual_of(&server, "all", "docker", &["hub"]).await?;
    let mut both = vec![digest("s"), digest("b")];
    both.sort();
    for name in ["hub", "all"] {
        let path = format!("/v2/{name}/app/referrers/{subject}");
        assert_eq!(referrers(&server, &path).await?, (both.clone(), None));
        let filtered = referrers(&server, &format!("{path}?artifactType=bill")).await?;
        assert_eq!(filtered, (vec![digest("b")], Some("artifactType".to_owned())));
    }
    assert_eq!(origin.requests().len(), 2, "{:?}", asked(&origin));
    Ok(())
}

async fn referrers_of_a_registry_that_cannot_list_them_are_those_under_their_tag(
    profile: Profile,
) -> Result<()> {
    let server = profile.server().await?;
    let origin = Origin::start().await;
    let signature = descriptor("s", "signature");
    let see_other = Script::status(StatusCode::SEE_OTHER);
    origin.on(
        &format!("/v2/app/referrers/{}", digest("two")),
        see_other.header(LOCATION, "/elsewhere"),
    );
    for subject in ["one", "two"] {
        let tag = digest(subject).replace(':', "-");
        origin.on(&format!("/v2/app/manifests/{tag}"), index(&[&signature]));
    }
    remote(&server, "hub", "docker", origin.base_url()).await?;
    virtual_of(&server, "all", "docker", &["hub"]).await?;
    for (subject, listed) in
        [("one", vec![digest("s")]), ("two", vec![digest("s")]), ("three", vec![])]
    {
        for name in ["hub", "all"] {
            let path = format!("/v2/{name}/app/referrers/{}", digest(subject));
            assert_eq!(referrers(&server, &path).await?, (listed.clone(), None), "{path}");
        }
        let upstream = format!("/v2/app/referrers/{}", digest(subject));
        assert_eq!(origin.count(&upstream), 1, "an absence is remembered");
        let tag = digest(subject).replace(':', "-");
        assert_eq!(origin.count(&format!("/v2/app/manifests/{tag}")), 1);
    }
    assert_eq!(origin.count("/elsewhere"), 0);
    Ok(())
}

async fn a_member_that_fails_is_never_passed_over(profile: Profile) -> Result<()> {
    let server = profile.server().await?;
    let (mut inner, public) = (Origin::start().await, Origin::start().await);
    publish(&public, "app", "v1", "somebody else's");
    remote(&server, "inner", "docker", inner.base_url()).await?;
    remote(&server, "public", "docker", public.base_url()).await?;
    virtual_of(&server, "all", "docker", &["inner", "public"]).await?;
    inner.stop().await;
    let answer = server.get("/v2/all/app/manifests/v1").await?;
    assert!(answer.status.is_server_error(), "{}", answer.status);
    assert_eq!(public.requests().len(), 0);
    Ok(())
}

async fn pushes_to_a_remote_are_unsupported(profile: Profile) -> Result<()> {
    let server = profile.server().await?;
    let origin = Origin::start().await;
    remote(&server, "hub", "docker", origin.base_url()).await?;
    let uploads = server.url("/v2/hub/app/blobs/uploads/");
    let answer = server.http().send(Method::POST, &uploads, &[], "").await?;
    assert_eq!((answer.status.as_u16(), error_code(&answer)?.as_str()), (405, "UNSUPPORTED"));
    assert_eq!(origin.requests().len(), 0);
    Ok(())
}

async fn a_push_to_a_virtual_repository_goes_to_its_deployment_member(
    profile: Profile,
) -> Result<()> {
    let server = profile.server().await?;
    let origin = Origin::start().await;
    let upstreams = publish(&origin, "app", "v1", "a layer");
    remote(&server, "hub", "docker", origin.base_url()).await?;
    local(&server, "own", "docker").await?;
    let collection = server.url("/api/v2/virtuals");
    let virtual_ = |deployment: &str| {
        json!({
            "name": "all", "package_type": "docker", "members": ["own", "hub"],
            "deployment": deployment,
        })
    };
    let refused = server.http().post_json(&collection, &virtual_("hub")).await?;
    assert_eq!(refused.problem_pointers()?, ["#/deployment"]);
    let made = server.http().post_json(&collection, &virtual_("own")).await?;
    assert_eq!(made.status, 201, "{}", made.text());

    let send = async |method: Method, path: &str, headers: &[(&str, &str)], body: String| {
        server.http().send(method, &server.url(path), headers, body).await
    };
    assert_eq!(server.get("/v2/all/app/manifests/v1").await?.text(), upstreams);
    let layer = format!("/v2/all/app/blobs/{}", digest("a layer"));
    assert_eq!(send(Method::HEAD, &layer, &[], String::new()).await?.status, 404);
    for blob in ["a layer", "{}"] {
        let uploads = "/v2/all/app/blobs/uploads/";
        let begun = send(Method::POST, uploads, &[], String::new()).await?;
        let location = begun.header("location");
        assert!(location.starts_with(uploads), "{location}");
        let closing = format!("{location}?digest={}", digest(blob));
        let stored = send(Method::PUT, &closing, &[], blob.to_owned()).await?;
        assert_eq!(stored.header("location"), format!("/v2/all/app/blobs/{}", digest(blob)));
    }
    let typed = [("content-type", MANIFEST)];
    let manifest = "/v2/all/app/manifests/mine";
    let stored = send(Method::PUT, manifest, &typed, upstreams.clone()).await?;
    assert_eq!(stored.status, 201, "{}", stored.text());
    for path in [manifest, "/v2/own/app/manifests/mine"] {
        assert_eq!(server.get(path).await?.text(), upstreams, "{path}");
    }
    // The image is ours from now on.
    assert_eq!(server.get("/v2/all/app/manifests/v1").await?.status, 404);
    assert_eq!(server.get("/v2/hub/app/manifests/mine").await?.status, 404);
    Ok(())
}
