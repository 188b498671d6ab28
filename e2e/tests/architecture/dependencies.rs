//! Who may depend on whom, and on what.

use anyhow::Result;

use crate::Workspace;

const ADAPTERS: &[&str] = &["cas-store", "meta-db", "ttl-cache", "upstream"];

/// Protocols that are a crate of their own, and the one provider that speaks each.
const WIRES: &[(&str, &str)] = &[("registry-v2", "provider-docker")];

/// Asserts that the workspace members behind `name` are among `allowed`.
fn assert_knows_only(workspace: &Workspace, name: &str, allowed: &[&str]) -> Result<()> {
    let known = workspace.members_behind(workspace.member(name)?);
    let forbidden: Vec<_> =
        known.iter().filter(|known| !allowed.contains(&known.as_str())).collect();
    assert!(forbidden.is_empty(), "{name} may know {allowed:?} and depends on {forbidden:?}");
    Ok(())
}

/// Asserts that all `users` are among `allowed` or are no part of the product.
fn assert_only(users: &[String], allowed: &[&str], what: &str) {
    let is_forbidden = |user: &&String| {
        !allowed.contains(&user.as_str()) && !["e2e", "testkit"].contains(&user.as_str())
    };
    let forbidden: Vec<_> = users.iter().filter(is_forbidden).collect();
    assert!(forbidden.is_empty(), "only {allowed:?} may {what}, but {forbidden:?} do");
}

fn is_binary(workspace: &Workspace, name: &str) -> bool {
    let directory = workspace.root().join("bins");
    workspace.member(name).is_ok_and(|member| member.manifest_path.starts_with(&directory))
}

#[test]
fn the_core_is_known_by_all_and_knows_none() -> Result<()> {
    assert_knows_only(&Workspace::load()?, "artifact-core", &[])
}

#[test]
fn adapters_know_only_the_core() -> Result<()> {
    let workspace = Workspace::load()?;
    ADAPTERS.iter().try_for_each(|name| assert_knows_only(&workspace, name, &["artifact-core"]))
}

#[test]
fn only_signing_knows_the_formats_of_keys() -> Result<()> {
    let workspace = Workspace::load()?;
    assert_knows_only(&workspace, "signing", &["artifact-core"])?;
    let users = workspace.users_of(&["pgp", "rsa"]);
    assert!(users.iter().any(|user| user == "signing"), "{users:?}");
    assert_only(&users, &["signing"], "know the formats of keys");
    Ok(())
}

#[test]
fn protocols_know_only_the_core() -> Result<()> {
    let workspace = Workspace::load()?;
    WIRES.iter().try_for_each(|(wire, _)| assert_knows_only(&workspace, wire, &["artifact-core"]))
}

#[test]
fn providers_know_only_the_core_the_formats_and_their_protocol() -> Result<()> {
    let workspace = Workspace::load()?;
    let members = workspace.members();
    let providers = members.iter().filter(|member| member.name.starts_with("provider-"));
    let mut count = 0;
    for provider in providers {
        let own = WIRES.iter().filter(|(_, speaker)| *speaker == provider.name.as_str());
        let allowed: Vec<_> =
            ["artifact-core", "formats"].into_iter().chain(own.map(|(wire, _)| *wire)).collect();
        assert_knows_only(&workspace, &provider.name, &allowed)?;
        count += 1;
    }
    assert!(count > 0, "the rule has something to hold for");
    Ok(())
}

#[test]
fn providers_protocols_and_formats_do_no_input_or_output() -> Result<()> {
    let workspace = Workspace::load()?;
    let users = workspace.users_of(&["tokio", "hyper", "hyper-util", "rusqlite", "async-std"]);
    let is_wire = |name: &String| WIRES.iter().any(|(wire, _)| name == wire);
    let pure =
        |name: &&String| name.starts_with("provider-") || *name == "formats" || is_wire(name);
    let forbidden: Vec<_> = users.iter().filter(pure).collect();
    assert!(forbidden.is_empty(), "{forbidden:?} decide and must not await");
    Ok(())
}

#[test]
fn the_engine_sees_only_the_core_and_the_management_types() -> Result<()> {
    assert_knows_only(&Workspace::load()?, "artifact-engine", &["artifact-core", "admin-types"])
}

#[test]
fn the_http_surface_sees_only_the_engine_below_it() -> Result<()> {
    let allowed = ["artifact-core", "artifact-engine", "admin-types"];
    assert_knows_only(&Workspace::load()?, "artifact-http", &allowed)
}

#[test]
fn the_management_client_needs_no_server() -> Result<()> {
    let workspace = Workspace::load()?;
    assert_knows_only(&workspace, "admin-types", &["artifact-core"])?;
    assert_knows_only(&workspace, "admin-client", &["admin-types", "artifact-core"])
}

#[test]
fn nothing_that_ships_depends_on_the_test_tools() -> Result<()> {
    let workspace = Workspace::load()?;
    let users = workspace.users_of(&["testkit", "e2e"]);
    assert_eq!(users, ["e2e"], "only the end-to-end suite is built on them");
    Ok(())
}

#[test]
fn only_artifact_http_serves_http() -> Result<()> {
    let workspace = Workspace::load()?;
    let serving = |feature: &String| feature.starts_with("server");
    let users = workspace.users_where(|dependency| {
        ["hyper", "hyper-util"].contains(&dependency.name.as_str())
            && dependency.features.iter().any(serving)
    });
    assert!(users.iter().any(|user| user == "artifact-http"), "{users:?}");
    assert_only(&users, &["artifact-http"], "serve HTTP");
    for member in workspace.members() {
        if ["artifact-http", "e2e", "testkit"].contains(&member.name.as_str()) {
            continue;
        }
        for file in Workspace::shipped_sources(member)? {
            let places = file.paths("hyper::server");
            assert!(places.is_empty(), "only artifact-http serves HTTP: {places:?}");
        }
    }
    Ok(())
}

/// `admin-client` is a client by its nature, every adapter of the one system that it adapts;
/// towards upstreams there is one way out.
#[test]
fn only_adapters_and_the_management_client_open_connections() -> Result<()> {
    let allowed: Vec<_> = ADAPTERS.iter().chain(&["admin-client"]).copied().collect();
    let workspace = Workspace::load()?;
    let calling = |feature: &String| feature.starts_with("client");
    let users = workspace.users_where(|dependency| match dependency.name.as_str() {
        "hyper" | "hyper-util" => dependency.features.iter().any(calling),
        name => ["hyper-rustls", "tokio-rustls", "rustls", "reqwest", "ureq"].contains(&name),
    });
    assert_only(&users, &allowed, "open connections");
    for member in workspace.members() {
        if allowed.contains(&member.name.as_str())
            || ["e2e", "testkit"].contains(&member.name.as_str())
        {
            continue;
        }
        for file in Workspace::shipped_sources(member)? {
            let places = file.paths("TcpStream::connect");
            assert!(places.is_empty(), "only {allowed:?} open connections: {places:?}");
        }
    }
    Ok(())
}

#[test]
fn only_meta_db_depends_on_databases() -> Result<()> {
    let workspace = Workspace::load()?;
    let databases =
        ["rusqlite", "refinery", "tokio-postgres", "deadpool-postgres", "sqlx", "diesel"];
    assert_only(&workspace.users_of(&databases), &["meta-db"], "know a database");
    Ok(())
}

#[test]
fn only_ttl_cache_knows_redis() -> Result<()> {
    let workspace = Workspace::load()?;
    assert_only(&workspace.users_of(&["fred", "redis"]), &["ttl-cache"], "know Redis");
    Ok(())
}

#[test]
fn only_binaries_have_anonymous_errors() -> Result<()> {
    let workspace = Workspace::load()?;
    let users = workspace.users_of(&["anyhow", "eyre"]);
    let libraries: Vec<_> =
        users.iter().filter(|user| *user != "e2e" && !is_binary(&workspace, user)).collect();
    assert!(libraries.is_empty(), "a library names its errors: {libraries:?}");
    Ok(())
}
