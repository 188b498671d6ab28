//! dnf and zypper install packages and what they need through the cache.

use std::time::Duration;

use anyhow::{Context, Result};
use e2e::clients::RpmRoot;
use e2e::fixtures::{Lists, RpmDirectory, RpmPackage, RpmRepository};
use e2e::{Profile, Server, eventually, on_both_profiles, remote, virtual_of};
use serde_json::{Value, json};

on_both_profiles! {
    through_a_remote_of_gzip_and_of_xz_lists,
    a_remote_passes_every_byte_on,
    through_a_signed_virtual_whose_members_hold_one_package_each,
    zypper_follows_the_server_s_advice,
    a_signature_that_is_not_ours_is_refused_by_dnf,
    directories_of_a_virtual_are_repositories_of_their_own,
    while_upstream_is_in_the_middle_of_an_update_the_last_good_state_is_served,
    a_package_that_was_replaced_is_fetched_again,
    packages_on_another_host_come_through_the_cache,
    an_upstream_may_be_a_list_of_mirrors,
    what_clients_are_configured_with_leads_to_us,
}

const APPLICATION: &str = "demo-app-1.0^git+1-1.noarch.rpm";
const LIBRARY: &str = "demo-lib-2.0-1.noarch.rpm";

async fn application() -> Result<RpmPackage> {
    RpmPackage::build("demo-app", "1.0^git+1", "app", &["demo-lib"]).await
}

async fn library() -> Result<RpmPackage> {
    RpmPackage::build("demo-lib", "2.0", "library", &[]).await
}

async fn both(lists: Lists) -> Result<RpmDirectory> {
    RpmDirectory::build(&[application().await?, library().await?], lists).await
}

/// What the server tells users: the configuration, and the command that shows that it works.
async fn snippet(server: &Server, repository: &str) -> Result<(String, String)> {
    snippet_for(server, repository, "dnf").await
}

async fn snippet_for(server: &Server, repository: &str, id: &str) -> Result<(String, String)> {
    let answer = server.get(&format!("/api/v2/repositories/{repository}/snippets")).await?;
    let body = answer.json()?;
    let snippets = body.get("snippets").and_then(Value::as_array).context("a list of snippets")?;
    let found = snippets.iter().find(|snippet| snippet.get("id") == Some(&json!(id)));
    let field = |name: &str| Some(found?.get(name)?.as_str()?.to_owned());
    field("body").zip(field("verify")).with_context(|| format!("no snippet {id} in {body}"))
}

/// A new machine, set up as the server says. The packages are not signed, which is not our business.
async fn machine(server: &Server, repository: &str) -> Result<RpmRoot> {
    let (configuration, verify) = snippet(server, repository).await?;
    let root = RpmRoot::new().await?;
    root.configure(&configuration.replace("\ngpgcheck=1", "\ngpgcheck=0"))?;
    root.shell(&verify).await?;
    Ok(root)
}

/// A new machine whose repository is a directory below ours.
async fn machine_below(server: &Server, repository: &str, below: &str) -> Result<RpmRoot> {
    let (configuration, verify) = snippet(server, repository).await?;
    let root = RpmRoot::new().await?;
    let configuration = configuration.replace("\ngpgcheck=1", "\ngpgcheck=0");
    let (before, after) = configuration.split_once("\nenabled").context("an option")?;
    root.configure(&format!("{before}{below}\nenabled{after}"))?;
    root.shell(&verify).await?;
    Ok(root)
}

async fn download(root: &RpmRoot) -> Result<()> {
    root.shell("dnf install --downloadonly demo-app").await?;
    assert_eq!(root.downloaded()?, [APPLICATION, LIBRARY].map(str::to_owned).into());
    Ok(())
}

async fn install(server: &Server, repository: &str) -> Result<()> {
    download(&machine(server, repository).await?).await
}

/// Cold, warm, and with the upstream stopped: three new machines, one set of questions.
async fn survives_its_upstream(
    server: &Server,
    repository: &str,
    mut upstream: RpmRepository,
) -> Result<()> {
    install(server, repository).await?;
    assert_eq!(upstream.package_requests(), 2, "each package once");
    assert_eq!(upstream.requests_of("repodata/repomd.xml"), 1, "the index once");
    let requests = upstream.requests();

    install(server, repository).await?;
    assert_eq!(upstream.requests(), requests, "a warm installation asks upstream nothing");

    upstream.origin.stop().await;
    install(server, repository).await
}

async fn through_a_remote_of_gzip_and_of_xz_lists(profile: Profile) -> Result<()> {
    for lists in [Lists::Gzip, Lists::Xz] {
        let upstream = RpmRepository::start(&both(lists).await?).await?;
        let server = profile.server().await?;
        remote(&server, "el9", "rpm", upstream.origin.base_url()).await?;
        survives_its_upstream(&server, "el9", upstream).await?;
    }
    Ok(())
}

async fn a_remote_passes_every_byte_on(profile: Profile) -> Result<()> {
    let directory = both(Lists::Zstandard).await?;
    let upstream = RpmRepository::start(&directory).await?;
    upstream.publish_file("repodata/repomd.xml.asc", "the vendor's signature".into());
    let server = profile.server().await?;
    let repository = remote(&server, "el9", "rpm", upstream.origin.base_url()).await?;
    for (path, bytes) in directory.files()? {
        let encoded = path.replace('^', "%5e").replace('+', "%2b");
        let answer = server.http().get(&format!("{repository}/{encoded}")).await?;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.body, bytes, "{path}");
    }
    let signature = server.http().get(&format!("{repository}/repodata/repomd.xml.asc")).await?;
    assert_eq!(signature.text(), "the vendor's signature");
    let key = server.http().get(&format!("{repository}/repodata/repomd.xml.key")).await?;
    assert_eq!(key.status, 404, "upstream has none");
    Ok(())
}

async fn through_a_signed_virtual_whose_members_hold_one_package_each(
    profile: Profile,
) -> Result<()> {
    let first = RpmDirectory::build(&[application().await?], Lists::Gzip).await?;
    let second = RpmDirectory::build(&[library().await?], Lists::Zstandard).await?;
    let mut applications = RpmRepository::start(&first).await?;
    let mut libraries = RpmRepository::start(&second).await?;
    let server = profile.server().await?;
    remote(&server, "applications", "rpm", applications.origin.base_url()).await?;
    remote(&server, "libraries", "rpm", libraries.origin.base_url()).await?;
    virtual_of(&server, "el9", "rpm", &["applications", "libraries"]).await?;
    let (configuration, _) = snippet(&server, "el9").await?;
    assert!(configuration.contains("repo_gpgcheck=1"), "dnf verifies the index: {configuration}");

    install(&server, "el9").await?;
    assert_eq!((applications.package_requests(), libraries.package_requests()), (1, 1));
    let requests = (applications.requests(), libraries.requests());

    install(&server, "el9").await?;
    assert_eq!((applications.requests(), libraries.requests()), requests, "nothing when warm");

    applications.origin.stop().await;
    libraries.origin.stop().await;
    install(&server, "el9").await
}

async fn zypper_follows_the_server_s_advice(profile: Profile) -> Result<()> {
    let mut upstream = RpmRepository::start(&both(Lists::Gzip).await?).await?;
    let server = profile.server().await?;
    remote(&server, "member", "rpm", upstream.origin.base_url()).await?;
    virtual_of(&server, "leap", "rpm", &["member"]).await?;
    zypper_downloads(&server).await?;
    upstream.origin.stop().await;
    zypper_downloads(&server).await
}

/// A new machine, set up as the server says.
async fn zypper_downloads(server: &Server) -> Result<()> {
    let (advice, verify) = snippet_for(server, "leap", "zypper").await?;
    let root = RpmRoot::new().await?;
    root.shell(&advice).await?;
    root.shell(&verify).await?;
    // The packages are not signed, which is not our business.
    root.shell("zypper modifyrepo --gpgcheck-allow-unsigned-package leap").await?;
    root.shell("zypper install --download-only demo-app").await?;
    assert_eq!(root.downloaded()?, [APPLICATION, LIBRARY].map(str::to_owned).into());
    Ok(())
}

async fn a_signature_that_is_not_ours_is_refused_by_dnf(profile: Profile) -> Result<()> {
    let upstream = RpmRepository::start(&both(Lists::Gzip).await?).await?;
    let (server, other) = (profile.server().await?, profile.server().await?);
    for server in [&server, &other] {
        remote(server, "member", "rpm", upstream.origin.base_url()).await?;
        virtual_of(server, "el9", "rpm", &["member"]).await?;
    }
    let (configuration, verify) = snippet(&server, "el9").await?;
    let root = RpmRoot::new().await?;
    let key = |server: &Server| format!("{}/gpgkey.asc", server.repository("virtual", "el9"));
    root.configure(&configuration.replace(&key(&server), &key(&other)))?;
    // Depending on its configuration dnf leaves a repository out that it does not trust.
    let refreshed = root.shell(&verify).await;
    let installed = root.shell("dnf install --downloadonly demo-app").await;
    assert!(refreshed.is_err() || installed.is_err(), "the key of another installation");
    Ok(())
}

async fn directories_of_a_virtual_are_repositories_of_their_own(profile: Profile) -> Result<()> {
    let first = RpmDirectory::build(&[application().await?], Lists::Gzip).await?;
    let second = RpmDirectory::build(&[library().await?], Lists::Gzip).await?;
    let applications = RpmRepository::start_below("9/os/", &first).await?;
    let libraries = RpmRepository::start_below("9/os/", &second).await?;
    let server = profile.server().await?;
    remote(&server, "applications", "rpm", applications.origin.base_url()).await?;
    remote(&server, "libraries", "rpm", libraries.origin.base_url()).await?;
    virtual_of(&server, "el", "rpm", &["applications", "libraries"]).await?;
    download(&machine_below(&server, "el", "$releasever/os/").await?).await?;
    assert_eq!((applications.package_requests(), libraries.package_requests()), (1, 1));
    Ok(())
}

async fn while_upstream_is_in_the_middle_of_an_update_the_last_good_state_is_served(
    profile: Profile,
) -> Result<()> {
    let upstream = RpmRepository::start(&both(Lists::Gzip).await?).await?;
    let server = profile.server().await?;
    let body = json!({
        "name": "member", "package_type": "rpm", "mutable_ttl": 0,
        "base_url": upstream.origin.base_url().as_str(),
    });
    let created = server.http().post_json(&server.url("/api/v2/remotes"), body).await?;
    assert_eq!(created.status, 201, "{}", created.text());
    virtual_of(&server, "el9", "rpm", &["member"]).await?;
    for repository in ["member", "el9"] {
        install(&server, repository).await?;
    }

    let newer = RpmPackage::build("demo-app", "3.0", "newer", &["demo-lib"]).await?;
    let update = RpmDirectory::build(&[newer, library().await?], Lists::Gzip).await?;
    let index = update.files()?.into_iter().find(|(path, _)| path.ends_with("repomd.xml"));
    let (path, index) = index.context("an index")?;
    let newest = index.clone();
    upstream.publish_file(&path, index);
    for repository in ["member", "el9"] {
        install(&server, repository).await?;
    }

    upstream.publish(&update)?;
    // A failure answers for those who come in the next moments.
    let url = format!("{}/repodata/repomd.xml", server.repository("remote", "member"));
    let is_newer = async || {
        let served = server.http().get(&url).await?;
        Ok((served.body == newest).then_some(()))
    };
    eventually("the update is seen", Duration::from_secs(30), is_newer).await?;
    for repository in ["member", "el9"] {
        let root = machine(&server, repository).await?;
        root.shell("dnf install --downloadonly demo-app").await?;
        let downloaded = root.downloaded()?;
        assert!(downloaded.contains("demo-app-3.0-1.noarch.rpm"), "{downloaded:?}");
    }
    Ok(())
}

async fn a_package_that_was_replaced_is_fetched_again(profile: Profile) -> Result<()> {
    let upstream = RpmRepository::start(&both(Lists::Gzip).await?).await?;
    let server = profile.server().await?;
    let body = json!({
        "name": "el9", "package_type": "rpm", "mutable_ttl": 0,
        "base_url": upstream.origin.base_url().as_str(),
    });
    let created = server.http().post_json(&server.url("/api/v2/remotes"), body).await?;
    assert_eq!(created.status, 201, "{}", created.text());
    install(&server, "el9").await?;

    let replaced = RpmPackage::build("demo-lib", "2.0", "built again", &[]).await?;
    let packages = [application().await?, replaced.clone()];
    upstream.publish(&RpmDirectory::build(&packages, Lists::Gzip).await?)?;
    let root = machine(&server, "el9").await?;
    download(&root).await?;
    assert_eq!(root.package(LIBRARY)?, replaced.bytes());
    Ok(())
}

async fn packages_on_another_host_come_through_the_cache(profile: Profile) -> Result<()> {
    let built = [application().await?, library().await?];
    let packages = RpmDirectory::build(&built, Lists::Gzip).await?;
    let mut elsewhere = RpmRepository::start_below("cdn/", &packages).await?;
    let base = elsewhere.origin.url("/cdn/");
    let arguments = ["--baseurl", base.as_str()];
    let index = RpmDirectory::build_with(&built, Lists::Gzip, &arguments).await?;
    let mut upstream = RpmRepository::start(&index).await?;
    let server = profile.server().await?;
    let body = json!({
        "name": "member", "package_type": "rpm",
        "base_url": upstream.origin.base_url().as_str(),
        "allowed_hosts": [elsewhere.origin.address().to_string()],
    });
    let created = server.http().post_json(&server.url("/api/v2/remotes"), body).await?;
    assert_eq!(created.status, 201, "{}", created.text());
    virtual_of(&server, "el9", "rpm", &["member"]).await?;

    for repository in ["member", "el9"] {
        install(&server, repository).await?;
    }
    assert_eq!(elsewhere.package_requests(), 2, "by us, once each, and by nobody else");
    assert_eq!(upstream.package_requests(), 0);
    elsewhere.origin.stop().await;
    upstream.origin.stop().await;
    for repository in ["member", "el9"] {
        install(&server, repository).await?;
    }
    Ok(())
}

async fn an_upstream_may_be_a_list_of_mirrors(profile: Profile) -> Result<()> {
    let directory = both(Lists::Gzip).await?;
    for list in ["metalink", "mirrorlist"] {
        let upstream = RpmRepository::start_below("mirror/", &directory).await?;
        let root = upstream.origin.url("/mirror/");
        let body = match list {
            "metalink" => metalink(&root, &directory)?,
            _ => format!("# mirrors\n{root}\n"),
        };
        let url = format!("/{list}?repo=demo&arch=noarch");
        upstream.origin.on(&url, testkit::Script::ok(body));
        let server = profile.server().await?;
        remote(&server, "el9", "rpm", upstream.origin.url(&url)).await?;
        survives_its_upstream_below(&server, upstream).await?;
    }
    Ok(())
}

async fn survives_its_upstream_below(server: &Server, mut upstream: RpmRepository) -> Result<()> {
    install(server, "el9").await?;
    let requests = upstream.requests();
    install(server, "el9").await?;
    assert_eq!(upstream.requests(), requests, "a warm installation asks upstream nothing");
    upstream.origin.stop().await;
    install(server, "el9").await
}

fn metalink(root: &str, directory: &RpmDirectory) -> Result<String> {
    let files = directory.files()?;
    let index = files.iter().find(|(path, _)| path.ends_with("repomd.xml"));
    let (_, index) = index.context("an index")?;
    let digest = hex::encode(ring::digest::digest(&ring::digest::SHA256, index));
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<metalink version=\"3.0\" \
         xmlns=\"http://www.metalinker.org/\"><files><file name=\"repomd.xml\"><size>{}</size>\
         <verification><hash type=\"sha256\">{digest}</hash></verification><resources>\
         <url protocol=\"rsync\" preference=\"100\">rsync://127.0.0.1/x/repodata/repomd.xml</url>\
         <url protocol=\"http\" preference=\"99\">{root}repodata/repomd.xml</url>\
         </resources></file></files></metalink>\n",
        index.len()
    ))
}

async fn what_clients_are_configured_with_leads_to_us(profile: Profile) -> Result<()> {
    let upstream = RpmRepository::start_below("el9/", &both(Lists::Gzip).await?).await?;
    let base = upstream.origin.url("/el9/");
    let configuration = format!(
        "[demo]\nname=demo\nbaseurl={base}\nmirrorlist={base}mirrorlist\nenabled=1\ngpgcheck=0\n"
    );
    upstream.publish_file("demo.repo", configuration.into());
    upstream.publish_file("mirrorlist", base.into());
    let server = profile.server().await?;
    let repository = remote(&server, "vendor", "rpm", upstream.origin.base_url()).await?;
    let file = server.http().get(&format!("{repository}/el9/demo.repo")).await?;
    assert_eq!(file.status, 200, "{}", file.text());
    let root = RpmRoot::new().await?;
    root.configure(&file.text())?;
    download(&root).await?;
    let list = format!("{repository}/el9/mirrorlist");
    assert_eq!(server.http().get(&list).await?.text(), format!("{repository}/el9/\n"));
    let root = RpmRoot::new().await?;
    root.configure(&format!("[demo]\nname=demo\nmirrorlist={list}\nenabled=1\ngpgcheck=0\n"))?;
    download(&root).await?;
    assert_eq!(upstream.package_requests(), 2, "each package once, and through the cache");
    Ok(())
}
