//! The registries that this machine's pip, npm and go are configured for. Everything else in this
//! suite runs on packages of its own; these tests show that the real ones are served too.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::clients::{NpmProject, PipTarget, ShellHome};
use e2e::{Server, Tools, virtual_of};
use tokio::process::Command;

/// Creates the remote for the registry that serves `package`, and a virtual over it.
async fn public(server: &Server, package_type: &str, package: &str) -> Result<[String; 2]> {
    let tools = Tools::get().await?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("registries.py");
    let output =
        Command::new(&tools.python).arg(script).args([package_type, package]).output().await?;
    let talk = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the configured registry cannot be read:\n{talk}");
    let body = String::from_utf8(output.stdout)?;
    let created = server.http().post_json(&server.url("/api/v2/remotes"), &body).await?;
    ensure!(created.status == 201, "POST {body}: {}", created.text());
    let name = format!("{package_type}-public");
    let all = virtual_of(server, "all", package_type, &[&name]).await?;
    Ok([server.repository("remote", &name), all])
}

#[tokio::test]
async fn pip_installs_a_package_with_a_dependency() -> Result<()> {
    let server = Server::start().await?;
    for repository in public(&server, "pypi", "jinja2").await? {
        let target = PipTarget::new()?;
        target.install(&repository, "jinja2").await.context(repository)?;
        let printed =
            target.python("import jinja2; print(jinja2.Template('{{ 6 * 7 }}').render())");
        assert_eq!(printed.await?, "42");
    }
    Ok(())
}

#[tokio::test]
async fn npm_installs_a_package_with_a_dependency() -> Result<()> {
    let server = Server::start().await?;
    for repository in public(&server, "npm", "is-odd").await? {
        let project = NpmProject::new()?;
        project.install(&repository, "is-odd").await.context(repository)?;
        assert_eq!(project.node("console.log(require('is-odd')(3))").await?, "true");
    }
    Ok(())
}

/// The sums are looked up as this machine looks them up.
#[tokio::test]
async fn go_builds_with_a_module_whose_sums_are_checked() -> Result<()> {
    let go = &Tools::get().await?.go;
    let output = Command::new(go).args(["env", "GOSUMDB", "GONOSUMDB"]).output().await?;
    let settings = String::from_utf8(output.stdout)?;
    let (database, unchecked) = settings.trim_end().split_once('\n').unwrap_or((&settings, ""));
    let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/go-build");
    let server = Server::start().await?;
    for repository in public(&server, "goproxy", "github.com/google/uuid").await? {
        let home = ShellHome::new(&[("go", go)])?;
        home.write("go.mod", "module example.com/app\n\ngo 1.21\n")?;
        home.write(
            "main.go",
            "package main\n\nimport \"github.com/google/uuid\"\n\nfunc main() { print(uuid.Nil.String()) }\n",
        )?;
        let commands = format!(
            "export GOFLAGS=-modcacherw GOTOOLCHAIN=local GOWORK=off GOENV=off GOCACHE='{cache}'\n\
             export GOPROXY={repository} GOSUMDB='{database}' GONOSUMDB='{unchecked}'\n\
             go get github.com/google/uuid@latest\ngo run ."
        );
        let printed = home.shell(&commands).await.context(repository)?.stderr;
        assert!(printed.ends_with("00000000-0000-0000-0000-000000000000"), "{printed}");
    }
    Ok(())
}
