//! Which features of dependencies end up in what ships.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::Workspace;

/// Who wants the crate `fail`, and with which features, in a build of `what`.
fn fail_points_in(workspace: &Workspace, what: &[&str]) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .args(["tree", "--locked", "--invert", "fail"])
        .args(what)
        .current_dir(workspace.root())
        .output()
        .context("run cargo tree")?;
    ensure!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    Ok(String::from_utf8(tree.stdout)?)
}

#[test]
fn fail_points_are_in_the_tests_and_not_in_what_ships() -> Result<()> {
    const ACTIVE: &str = "fail feature \"failpoints\"";
    let workspace = Workspace::load()?;
    let shipped =
        ["--package", "artifactapi-server", "--edges", "normal,build,features", "--all-features"];
    let shipped = fail_points_in(&workspace, &shipped)?;
    assert!(shipped.contains("fail feature"), "the rule has nothing to hold for: {shipped}");
    assert!(!shipped.contains(ACTIVE), "the server can be stopped at fail points: {shipped}");
    for package in ["artifact-engine", "meta-db"] {
        let tested = ["--package", package, "--edges", "normal,build,dev,features"];
        let tested = fail_points_in(&workspace, &tested)?;
        assert!(
            tested.contains(ACTIVE),
            "the tests of {package} run without fail points: {tested}"
        );
    }
    Ok(())
}
