//! The registries that this machine's pip and npm are configured for. Everything else in this
//! suite runs on packages of its own; these two tests show that the real ones are served too.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::clients::{NpmProject, PipTarget};
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
