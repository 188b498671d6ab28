//! The files of `compose/` agree with each other and with what the tests run against.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn text(path: &str) -> Result<String> {
    std::fs::read_to_string(file(path)).with_context(|| path.to_owned())
}

/// What follows `before` in `text`, up to a quote or the end of the line.
fn value_after<'text>(text: &'text str, before: &str) -> Result<&'text str> {
    let (_, rest) = text.split_once(before).with_context(|| format!("no {before}"))?;
    rest.split(['"', '\n']).next().context("no value")
}

#[test]
fn the_replicas_store_what_the_tests_have_tried() -> Result<()> {
    let (tested, shipped) = (text("e2e/setup.sh")?, text("compose/minio.Dockerfile")?);
    let tested = value_after(&tested, "minio_version=\"")?;
    assert!(tested.starts_with('v'), "{tested}");
    assert_eq!(tested, value_after(&shipped, "MINIO_VERSION=")?);
    Ok(())
}

/// The names in `${NAME…}`.
fn variables_of(services: &str) -> BTreeSet<&str> {
    let names = services.split("${").skip(1);
    names.filter_map(|rest| rest.split([':', '}']).next()).collect()
}

#[test]
fn every_variable_of_the_services_file_is_in_the_example_and_none_other() -> Result<()> {
    let (services, example) = (text("compose/docker-compose.yml")?, text("compose/.env.example")?);
    let settings = example.lines().filter_map(|line| line.split_once('='));
    let documented: BTreeSet<_> = settings.map(|(name, _)| name.trim_start_matches('#')).collect();
    assert!(documented.len() > 1, "{documented:?}");
    assert_eq!(variables_of(&services), documented);
    Ok(())
}

#[test]
fn configure_makes_new_secrets_once_for_their_owner_alone() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let configure = || -> Result<String> {
        let directory = tempfile::tempdir()?;
        for name in ["configure", ".env.example"] {
            std::fs::copy(file("compose").join(name), directory.path().join(name))?;
        }
        let run = || Command::new(directory.path().join("configure")).status();
        assert!(run()?.success());
        let path = directory.path().join(".env");
        let written = std::fs::read_to_string(&path)?;
        assert!(run()?.success());
        assert_eq!(std::fs::read_to_string(&path)?, written, "an existing file stays as it is");
        assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
        Ok(written)
    };
    let (one, other) = (configure()?, configure()?);
    for name in ["ADMIN_TOKEN=", "SECRET_KEY=", "POSTGRES_PASSWORD=", "MINIO_SECRET_KEY="] {
        let line = format!("\n{name}");
        let (secret, another) = (value_after(&one, &line)?, value_after(&other, &line)?);
        assert!(secret.len() >= 44, "{name} is too short: {secret}");
        assert_ne!(secret, another, "{name}");
    }
    Ok(())
}
