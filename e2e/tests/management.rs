//! The management API as an operator meets it, errors first.

use anyhow::Result;
use e2e::{Server, local, remote, virtual_of};
use serde_json::{Value, json};

const UPSTREAM: &str = "https://registry.invalid";

fn valid(name: &str) -> Value {
    json!({"name": name, "package_type": "generic", "base_url": UPSTREAM})
}

#[tokio::test]
async fn three_fields_make_a_remote_and_the_rest_has_defaults() -> Result<()> {
    let server = Server::start().await?;
    let created = server.http().post_json(&server.url("/api/v2/remotes"), valid("files")).await?;
    assert_eq!(created.status, 201, "{}", created.text());
    assert!(created.header("location").ends_with("/api/v2/remotes/files"));
    assert!(!created.header("etag").is_empty());

    let got = server.get("/api/v2/remotes/files").await?;
    assert_eq!(got.header("etag"), created.header("etag"));
    let got = got.json()?;
    for (field, expected) in [
        ("name", json!("files")),
        ("package_type", json!("generic")),
        ("base_url", json!(UPSTREAM)),
        ("patterns", json!([])),
        ("blocklist", json!([])),
        ("immutable_ttl", json!(0)),
        ("has_password", json!(false)),
    ] {
        assert_eq!(got.get(field), Some(&expected), "{field} in {got}");
    }
    let list = server.get("/api/v2/remotes").await?.json()?;
    assert_eq!(list.pointer("/items/0/name"), Some(&json!("files")), "{list}");
    Ok(())
}

#[tokio::test]
async fn all_wrong_fields_are_named_at_once() -> Result<()> {
    let server = Server::start().await?;
    let body = json!({
        "name": "No Good", "package_type": "nonsense", "base_url": "ftp://x",
        "patterns": ["("], "mutable_ttl": -1, "colour": "blue",
    });
    let answer = server.http().post_json(&server.url("/api/v2/remotes"), body).await?;
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let pointers = answer.problem_pointers()?;
    for pointer in
        ["#/name", "#/package_type", "#/base_url", "#/patterns/0", "#/mutable_ttl", "#/colour"]
    {
        assert!(pointers.iter().any(|named| named == pointer), "{pointer} not in {pointers:?}");
    }
    assert_eq!(server.get("/api/v2/remotes").await?.json()?.get("items"), Some(&json!([])));
    Ok(())
}

#[tokio::test]
async fn one_wrong_field_is_one_error() -> Result<()> {
    let server = Server::start().await?;
    let cases = [
        ("name", json!("UPPER"), "#/name"),
        ("name", json!("a/b"), "#/name"),
        ("package_type", json!("nonsense"), "#/package_type"),
        ("base_url", json!("not a url"), "#/base_url"),
        ("blocklist", json!(["ok", "["]), "#/blocklist/1"),
        ("unknown", json!(1), "#/unknown"),
    ];
    for (field, value, pointer) in cases {
        let mut body = valid("files");
        if let Some(fields) = body.as_object_mut() {
            fields.insert(field.to_owned(), value);
        }
        let answer = server.http().post_json(&server.url("/api/v2/remotes"), &body).await?;
        assert_eq!(answer.status, 422, "{body}: {}", answer.text());
        assert_eq!(answer.problem_pointers()?, [pointer], "{body}");
    }
    Ok(())
}

#[tokio::test]
async fn broken_json_is_told_with_line_and_column() -> Result<()> {
    let server = Server::start().await?;
    let broken = "{\n  \"name\": \"files\",\n  \"package_type\" \"generic\"\n}";
    let answer = server.http().post_json(&server.url("/api/v2/remotes"), broken).await?;
    assert_eq!(answer.status, 400);
    let text = answer.text();
    assert!(text.contains("line 3") && text.contains("column"), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_name_is_taken_once_across_all_kinds() -> Result<()> {
    let server = Server::start().await?;
    local(&server, "files", "generic").await?;
    let answer = server.http().post_json(&server.url("/api/v2/remotes"), valid("files")).await?;
    assert_eq!(answer.status, 409, "{}", answer.text());
    Ok(())
}

#[tokio::test]
async fn a_put_is_idempotent_and_guarded_by_its_etag() -> Result<()> {
    let server = Server::start().await?;
    let http = server.http();
    let url = server.url("/api/v2/remotes/files");
    let created = http.put_json(&url, &[], &valid("files")).await?;
    assert_eq!(created.status, 201, "{}", created.text());
    let again = http.put_json(&url, &[], &valid("files")).await?;
    assert_eq!((again.status.as_u16(), again.header("etag")), (200, created.header("etag")));

    let mut changed = valid("files");
    if let Some(fields) = changed.as_object_mut() {
        fields.insert("description".to_owned(), json!("changed"));
    }
    let stale = http.put_json(&url, &[("if-match", "\"another\"")], &changed).await?;
    assert_eq!(stale.status, 412);
    let seen = [("if-match", created.header("etag"))];
    let saved = http.put_json(&url, &seen, &changed).await?;
    assert_eq!(saved.status, 200, "{}", saved.text());
    assert_ne!(saved.header("etag"), created.header("etag"));
    let taken = http.put_json(&url, &[("if-none-match", "*")], &changed).await?;
    assert_eq!(taken.status, 412);
    Ok(())
}

#[tokio::test]
async fn a_dry_run_validates_and_stores_nothing() -> Result<()> {
    let server = Server::start().await?;
    let url = server.url("/api/v2/remotes?dry_run=true");
    let accepted = server.http().post_json(&url, valid("files")).await?;
    assert!(accepted.status.is_success(), "{}", accepted.text());
    assert_eq!(accepted.json()?.get("name"), Some(&json!("files")));
    assert_eq!(server.get("/api/v2/remotes/files").await?.status, 404);
    let refused = server.http().post_json(&url, json!({"name": "files"})).await?;
    assert_eq!(refused.status, 422);
    Ok(())
}

#[tokio::test]
async fn a_password_is_never_shown_again() -> Result<()> {
    let server = Server::start().await?;
    let mut body = valid("files");
    if let Some(fields) = body.as_object_mut() {
        fields.insert("username".to_owned(), json!("reader"));
        fields.insert("password".to_owned(), json!("correct-horse"));
    }
    let created = server.http().post_json(&server.url("/api/v2/remotes"), body).await?;
    assert_eq!(created.status, 201, "{}", created.text());
    let got = server.get("/api/v2/remotes/files").await?;
    assert_eq!(got.json()?.get("has_password"), Some(&json!(true)));
    assert!(!created.text().contains("correct-horse") && !got.text().contains("correct-horse"));
    Ok(())
}

#[tokio::test]
async fn members_must_exist_and_share_the_type() -> Result<()> {
    let server = Server::start().await?;
    remote(&server, "wheels", "pypi", UPSTREAM).await?;
    remote(&server, "modules", "npm", UPSTREAM).await?;
    for member in ["absent", "modules"] {
        let body = json!({"name": "all", "package_type": "pypi", "members": ["wheels", member]});
        let answer = server.http().post_json(&server.url("/api/v2/virtuals"), body).await?;
        assert_eq!(answer.status, 422, "{member}: {}", answer.text());
        assert_eq!(answer.problem_pointers()?, ["#/members/1"], "{member}");
    }
    Ok(())
}

#[tokio::test]
async fn a_member_is_removed_only_after_its_virtual() -> Result<()> {
    let server = Server::start().await?;
    remote(&server, "wheels", "pypi", UPSTREAM).await?;
    virtual_of(&server, "python", "pypi", &["wheels"]).await?;
    let http = server.http();
    let (member, container) =
        (server.url("/api/v2/remotes/wheels"), server.url("/api/v2/virtuals/python"));
    let refused = http.delete(&member).await?;
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("python"), "{}", refused.text());
    assert_eq!(http.delete(&container).await?.status, 204);
    assert_eq!(http.delete(&member).await?.status, 204);
    assert_eq!(http.delete(&member).await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn evicting_needs_a_path_or_a_prefix() -> Result<()> {
    let server = Server::start().await?;
    remote(&server, "files", "generic", UPSTREAM).await?;
    let answer = server.http().delete(&server.url("/api/v2/remotes/files/objects")).await?;
    assert_eq!(answer.status, 400, "{}", answer.text());
    Ok(())
}

#[tokio::test]
async fn objects_are_browsed_one_level_at_a_time() -> Result<()> {
    let server = Server::start().await?;
    let repository = local(&server, "files", "generic").await?;
    for path in ["top.txt", "a/one.txt", "a/two.txt"] {
        server.http().put(&format!("{repository}/{path}"), path).await?;
    }
    let level = server.get("/api/v2/locals/files/objects?delimiter=/").await?.json()?;
    assert_eq!(level.pointer("/items/0/path"), Some(&json!("top.txt")), "{level}");
    assert_eq!(level.pointer("/prefixes/0/prefix"), Some(&json!("a/")), "{level}");
    assert_eq!(level.pointer("/prefixes/0/objects"), Some(&json!(2)), "{level}");
    Ok(())
}

#[tokio::test]
async fn writing_to_a_remote_or_a_virtual_is_not_allowed() -> Result<()> {
    let server = Server::start().await?;
    let files = remote(&server, "files", "generic", UPSTREAM).await?;
    let all = virtual_of(&server, "all", "generic", &["files"]).await?;
    for repository in [files, all] {
        let answer = server.http().put(&format!("{repository}/x"), "x").await?;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET, HEAD"));
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_repository_is_absent_in_every_kind() -> Result<()> {
    let server = Server::start().await?;
    for kind in ["remote", "virtual", "local"] {
        let answer = server.get(&format!("/api/v1/{kind}/nobody/x")).await?;
        assert_eq!(answer.status, 404, "{kind}");
    }
    Ok(())
}

#[tokio::test]
async fn health_and_stats_answer_from_the_first_moment() -> Result<()> {
    let server = Server::start().await?;
    assert_eq!(server.get("/healthz").await?.status, 200);
    let health = server.get("/api/v2/health").await?;
    assert_eq!(health.status, 200);
    assert!(health.json()?.get("status").is_some(), "{}", health.text());
    let stats = server.get("/api/v2/stats").await?;
    assert_eq!(stats.json()?.get("hit_ratio"), Some(&Value::Null), "no traffic, no ratio");
    Ok(())
}
