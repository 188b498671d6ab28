//! The go command downloads, checks and builds modules through the cache.

use anyhow::Result;
use e2e::clients::ShellHome;
use e2e::fixtures::{GoModule, serve_modules};
use e2e::{Server, Tools, remote, virtual_of};
use testkit::Origin;

const MODULES: &[GoModule] = &[
    GoModule { path: "example.com/lib", version: "v1.0.0", says: "old" },
    GoModule { path: "example.com/lib", version: "v1.2.0", says: "new" },
    GoModule { path: "example.com/lib", version: "v1.3.0-rc.1", says: "too new" },
];

/// Nothing of the machine's settings, no public checksum database, and files that can be removed.
const SETTINGS: &str =
    "export GOFLAGS=-modcacherw GOTOOLCHAIN=local GOSUMDB=off GOWORK=off GOENV=off";

async fn new_machine() -> Result<ShellHome> {
    let home = ShellHome::new(&[("go", &Tools::get().await?.go)])?;
    home.write("app/go.mod", "module example.com/app\n\ngo 1.21\n")?;
    let program = "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/lib\"\n)\n\nfunc main() { fmt.Print(lib.Says()) }\n";
    home.write("app/main.go", program)?;
    Ok(home)
}

/// Resolves, downloads, builds and runs; then again with the checksums that were written, from nothing.
async fn build(proxy: &str) -> Result<()> {
    let home = new_machine().await?;
    let go = |commands: &str| format!("{SETTINGS} GOPROXY={proxy}\ncd app\n{commands}");
    let said = home.shell(&go("go get example.com/lib@latest\ngo run .")).await?;
    assert!(said.stdout.ends_with("new"), "{said:?}");
    let listed = home.shell(&go("go list -m -versions example.com/lib")).await?;
    assert!(listed.stdout.contains("v1.0.0 v1.2.0"), "{listed:?}");
    let again =
        home.shell(&go("go clean -modcache\ngo build -o app .\n./app\ngo mod verify")).await?;
    assert!(again.stdout.starts_with("new"), "{again:?}");
    assert!(again.stdout.contains("all modules verified"), "{again:?}");
    Ok(())
}

/// Cold, warm, and with the upstream stopped: three new machines, one download.
async fn survives_its_upstream(proxy: &str, mut origin: Origin) -> Result<()> {
    build(proxy).await?;
    let zip = "/example.com/lib/@v/v1.2.0.zip";
    assert_eq!(origin.count(zip), 1);
    let requests = origin.requests().len();
    build(proxy).await?;
    assert_eq!(origin.count(zip), 1, "a warm build asks upstream for no file");
    assert_eq!(origin.requests().len(), requests, "and for nothing that is fresh");
    origin.stop().await;
    build(proxy).await
}

#[tokio::test]
async fn through_a_remote() -> Result<()> {
    let origin = Origin::start().await;
    serve_modules(&origin, "", MODULES)?;
    let server = Server::start().await?;
    let proxy = remote(&server, "go", "goproxy", origin.base_url()).await?;
    survives_its_upstream(&proxy, origin).await
}

#[tokio::test]
async fn through_a_virtual() -> Result<()> {
    let origin = Origin::start().await;
    serve_modules(&origin, "", MODULES)?;
    let server = Server::start().await?;
    remote(&server, "go", "goproxy", origin.base_url()).await?;
    let proxy = virtual_of(&server, "all", "goproxy", &["go"]).await?;
    survives_its_upstream(&proxy, origin).await
}

#[tokio::test]
async fn a_module_belongs_to_the_first_member_that_has_it() -> Result<()> {
    let origin = Origin::start().await;
    let ours = [GoModule { path: "example.com/lib", version: "v1.2.0", says: "new" }];
    let theirs = [GoModule { path: "example.com/lib", version: "v9.0.0", says: "theirs" }];
    serve_modules(&origin, "/ours", &ours)?;
    serve_modules(&origin, "/theirs", &theirs)?;
    let server = Server::start().await?;
    remote(&server, "ours", "goproxy", origin.url("/ours/")).await?;
    remote(&server, "theirs", "goproxy", origin.url("/theirs/")).await?;
    let proxy = virtual_of(&server, "all", "goproxy", &["ours", "theirs"]).await?;
    let home = new_machine().await?;
    let get = |version: &str| {
        format!("{SETTINGS} GOPROXY={proxy}\ncd app\ngo get example.com/lib@{version}\ngo run .")
    };
    assert!(home.shell(&get("latest")).await?.stdout.ends_with("new"));
    let refused = home.shell(&get("v9.0.0")).await;
    assert!(refused.is_err(), "a later member cannot add versions to a name of an earlier one");
    assert_eq!(origin.count("/theirs/example.com/lib/@v/list"), 0);
    Ok(())
}

#[tokio::test]
async fn what_upstream_does_not_have_ends_at_the_cache_and_what_fails_is_no_absence() -> Result<()>
{
    let mut origin = Origin::start().await;
    serve_modules(&origin, "", MODULES)?;
    let server = Server::start().await?;
    let proxy = remote(&server, "go", "goproxy", origin.base_url()).await?;
    let http = server.http();
    let absent = http.get(&format!("{proxy}/example.com/none/@v/list")).await?;
    assert_eq!(absent.status, 404, "{}", absent.text());
    for database in ["sum.golang.org", "sum.golang.google.cn"] {
        let supported = http.get(&format!("{proxy}/sumdb/{database}/supported")).await?;
        assert_eq!(supported.status, 200, "{database}");
        assert!(supported.body.is_empty());
    }
    origin.stop().await;
    let failed = http.get(&format!("{proxy}/example.com/other/@v/list")).await?;
    assert!(failed.status.is_server_error(), "{}", failed.status);
    Ok(())
}

#[tokio::test]
async fn the_snippets_work_as_they_are_printed() -> Result<()> {
    let origin = Origin::start().await;
    serve_modules(&origin, "", MODULES)?;
    let server = Server::start().await?;
    remote(&server, "go", "goproxy", origin.base_url()).await?;
    virtual_of(&server, "all", "goproxy", &["go"]).await?;
    for repository in ["go", "all"] {
        let url = server.url(&format!("/api/v2/repositories/{repository}/snippets"));
        let snippets = server.http().get(&url).await?.json()?;
        let snippets = snippets.pointer("/snippets").and_then(|it| it.as_array()).cloned();
        let snippets = snippets.unwrap_or_default();
        assert!(!snippets.is_empty());
        for snippet in snippets {
            let body = snippet.pointer("/body").and_then(|it| it.as_str()).unwrap_or_default();
            let home = new_machine().await?;
            let settings = SETTINGS.replace(" GOENV=off", "");
            let commands = format!("{settings}\ncd app\n{body}\ngo get example.com/lib\ngo run .");
            assert!(home.shell(&commands).await?.stdout.ends_with("new"), "{body}");
        }
    }
    Ok(())
}
