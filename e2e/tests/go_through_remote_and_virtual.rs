//! The go command downloads, checks and builds modules through the cache.

use anyhow::{Context, Result};
use e2e::clients::ShellHome;
use e2e::fixtures::{ChecksumDatabase, GoModule, serve_modules};
use e2e::{
    Environment, HttpsFront, OpenFront, Profile, Server, Tools, on_both_profiles, remote,
    virtual_of,
};
use serde_json::json;
use testkit::Origin;

on_both_profiles! {
    through_a_remote,
    through_a_virtual,
    a_module_belongs_to_the_first_member_that_has_it,
    sums_are_looked_up_in_a_private_database,
    a_module_that_is_not_the_one_of_the_database_is_refused_by_go,
    a_database_that_upstream_passes_on_is_asked_through_it_alone,
    what_upstream_does_not_have_ends_at_the_cache_and_what_fails_is_no_absence,
    the_snippets_work_as_they_are_printed,
}

const MODULES: &[GoModule] = &[
    GoModule { path: "example.com/lib", version: "v1.0.0", says: "old" },
    GoModule { path: "example.com/lib", version: "v1.2.0", says: "new" },
    GoModule { path: "example.com/lib", version: "v1.3.0-rc.1", says: "too new" },
];

/// Nothing of the machine's settings, no checksum database unless one is named behind this, and files
/// that can be removed. What was compiled is shared by all, or each would compile Go's own packages.
const SETTINGS: &str = concat!(
    "export GOFLAGS=-modcacherw GOTOOLCHAIN=local GOSUMDB=off GOWORK=off GOENV=off GOCACHE='",
    env!("CARGO_TARGET_TMPDIR"),
    "/go-build'",
);

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

async fn through_a_remote(profile: Profile) -> Result<()> {
    let origin = Origin::start().await;
    serve_modules(&origin, "", MODULES)?;
    let server = profile.server().await?;
    let proxy = remote(&server, "go", "goproxy", origin.base_url()).await?;
    survives_its_upstream(&proxy, origin).await
}

async fn through_a_virtual(profile: Profile) -> Result<()> {
    let origin = Origin::start().await;
    serve_modules(&origin, "", MODULES)?;
    let server = profile.server().await?;
    remote(&server, "go", "goproxy", origin.base_url()).await?;
    let proxy = virtual_of(&server, "all", "goproxy", &["go"]).await?;
    survives_its_upstream(&proxy, origin).await
}

async fn a_module_belongs_to_the_first_member_that_has_it(profile: Profile) -> Result<()> {
    let origin = Origin::start().await;
    let ours = [GoModule { path: "example.com/lib", version: "v1.2.0", says: "new" }];
    let theirs = [GoModule { path: "example.com/lib", version: "v9.0.0", says: "theirs" }];
    serve_modules(&origin, "/ours", &ours)?;
    serve_modules(&origin, "/theirs", &theirs)?;
    let server = profile.server().await?;
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

/// A module proxy, a checksum database on another host, and a server that may ask both.
struct Checked {
    proxy: Origin,
    database: Origin,
    key: String,
    server: Server,
    /// The database is asked over https.
    _front: OpenFront,
}

impl Checked {
    /// With the sums of `known` while the proxy has `served`.
    async fn start(profile: Profile, known: &[GoModule], served: &[GoModule]) -> Result<Self> {
        let (vendor, proxy, database) =
            (Origin::start().await, Origin::start().await, Origin::start().await);
        serve_modules(&vendor, "", known)?;
        serve_modules(&proxy, "", served)?;
        let front = HttpsFront::new().await?;
        let name = front.origin().replace("https://localhost", "127.0.0.1");
        let sums = ChecksumDatabase::build(&name, &vendor, known).await?;
        sums.serve(&database);
        let front = front.open(&database.address().to_string());
        let authority = front.authority().display().to_string();
        let environment = Environment::from([("SSL_CERT_FILE".to_owned(), authority)]);
        let server = profile.server_with(&environment).await?;
        let body = json!({
            "name": "go", "package_type": "goproxy", "base_url": proxy.base_url().as_str(),
            "allowed_hosts": [name],
        });
        let created = server.http().post_json(&server.url("/api/v2/remotes"), body).await?;
        assert_eq!(created.status, 201, "{}", created.text());
        virtual_of(&server, "all", "goproxy", &["go"]).await?;
        Ok(Self { proxy, database, key: sums.key().to_owned(), server, _front: front })
    }

    fn repositories(&self) -> [String; 2] {
        [self.server.repository("remote", "go"), self.server.repository("virtual", "all")]
    }
}

/// Downloads with every sum looked up, on a new machine.
async fn download_checked(proxy: &str, key: &str) -> Result<()> {
    let home = new_machine().await?;
    let go = format!("{SETTINGS} GOPROXY={proxy} GOSUMDB='{key}'\ncd app");
    home.shell(&format!("{go}\ngo get example.com/lib@latest\ngo mod download\ngo run .")).await?;
    let sums = std::fs::read_to_string(home.place("app/go.sum"))?;
    assert!(sums.contains("example.com/lib v1.2.0 h1:"), "{sums}");
    let heads = home.shell("cat go/pkg/sumdb/*/latest").await?.stdout;
    assert!(heads.starts_with("go.sum database tree\n"), "a signed head was verified: {heads}");
    Ok(())
}

async fn sums_are_looked_up_in_a_private_database(profile: Profile) -> Result<()> {
    let mut checked = Checked::start(profile, MODULES, MODULES).await?;
    for (number, repository) in checked.repositories().iter().enumerate() {
        download_checked(repository, &checked.key).await.context("cold")?;
        let lookups = checked.database.count("/lookup/example.com/lib@v1.2.0");
        assert_eq!(lookups, 1, "by repository {number}, of which the first asked");
        let requests = (checked.database.requests().len(), checked.proxy.requests().len());
        download_checked(repository, &checked.key).await.context("warm")?;
        let again = (checked.database.requests().len(), checked.proxy.requests().len());
        assert_eq!(again, requests, "a warm repository asks nobody");
    }
    checked.database.stop().await;
    checked.proxy.stop().await;
    for repository in checked.repositories() {
        download_checked(&repository, &checked.key).await.context("upstream stopped")?;
    }
    Ok(())
}

async fn a_module_that_is_not_the_one_of_the_database_is_refused_by_go(
    profile: Profile,
) -> Result<()> {
    let forged = MODULES.iter().map(|module| GoModule { says: "forged", ..*module });
    let checked = Checked::start(profile, MODULES, &forged.collect::<Vec<_>>()).await?;
    for repository in checked.repositories() {
        let refused = download_checked(&repository, &checked.key).await;
        let said = refused.err().context("it was taken")?.to_string();
        assert!(said.contains("SECURITY ERROR"), "{said}");
        assert!(said.contains("checksum mismatch"), "{said}");
    }
    Ok(())
}

async fn a_database_that_upstream_passes_on_is_asked_through_it_alone(
    profile: Profile,
) -> Result<()> {
    let mut origin = Origin::start().await;
    serve_modules(&origin, "", MODULES)?;
    // Nothing of this name can be reached.
    let name = "sums.invalid";
    let sums = ChecksumDatabase::build(name, &origin, MODULES).await?;
    sums.relay(&origin);
    let server = profile.server().await?;
    let body = json!({
        "name": "go", "package_type": "goproxy", "base_url": origin.base_url().as_str(),
        "allowed_hosts": [name],
    });
    let created = server.http().post_json(&server.url("/api/v2/remotes"), body).await?;
    assert_eq!(created.status, 201, "{}", created.text());
    let all = virtual_of(&server, "all", "goproxy", &["go"]).await?;
    let repositories = [server.repository("remote", "go"), all];
    for repository in &repositories {
        download_checked(repository, sums.key()).await?;
    }
    let lookup = format!("/sumdb/{name}/lookup/example.com/lib@v1.2.0");
    assert_eq!(origin.count(&lookup), 1);
    origin.stop().await;
    for repository in &repositories {
        download_checked(repository, sums.key()).await.context("upstream stopped")?;
    }
    Ok(())
}

async fn what_upstream_does_not_have_ends_at_the_cache_and_what_fails_is_no_absence(
    profile: Profile,
) -> Result<()> {
    let mut origin = Origin::start().await;
    serve_modules(&origin, "", MODULES)?;
    let server = profile.server().await?;
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

async fn the_snippets_work_as_they_are_printed(profile: Profile) -> Result<()> {
    let origin = Origin::start().await;
    serve_modules(&origin, "", MODULES)?;
    let server = profile.server().await?;
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
