//! What the usual generator writes is merged into what the usual reader understands.
//!
//! Needs `createrepo_c` and `rpmbuild`. Without them the tests say so and pass, unless
//! `REQUIRE_BACKENDS` is set.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "../examples/support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use artifact_core::{FileFact, Generation, Provider};
use provider_rpm::RpmProvider;
use support::{DirectoryGeneration, DirectoryOutput, HashSigner, context};
use tempfile::TempDir;

const TOOLS: [&str; 3] = ["createrepo_c", "sqliterepo_c", "rpmbuild"];

/// Whether the tools are there; if not, whether that may be.
fn tools_are_here() -> bool {
    let missing = TOOLS.iter().find(|tool| Command::new(tool).arg("--version").output().is_err());
    let Some(missing) = missing else { return true };
    assert!(std::env::var_os("REQUIRE_BACKENDS").is_none(), "{missing} is not installed");
    say_that_nothing_was_checked(missing);
    false
}

#[expect(clippy::print_stderr, reason = "a test that checks nothing must say so")]
fn say_that_nothing_was_checked(missing: &str) {
    eprintln!("NOTICE: {missing} is not installed, nothing was checked");
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// A repository with packages of these names, and one advisory more than none.
fn repository(names: &[&str], arguments: &[&str]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for name in names {
        build(directory.path(), name);
    }
    run(Command::new("createrepo_c").args(arguments).arg(directory.path()));
    directory
}

fn build(directory: &Path, name: &str) {
    let work = TempDir::new().unwrap();
    let spec = work.path().join("package.spec");
    let text = format!(
        "Name: {name}\nVersion: 1.0^git+1\nRelease: 1\nSummary: {name} <&> \u{e4}\nLicense: MIT\n\
         BuildArch: noarch\n%description\nText.\n%install\nmkdir -p %{{buildroot}}/usr/share/{name}\n\
         echo {name} > %{{buildroot}}/usr/share/{name}/a\n%files\n/usr/share/{name}/a\n%changelog\n\
         * Thu Jan 01 2026 A B <a@b.example> - 1.0-1\n- first\n"
    );
    fs::write(&spec, text).unwrap();
    let packages = directory.join("Packages");
    run(Command::new("rpmbuild")
        .arg("-bb")
        .args(["--define", &format!("_topdir {}", work.path().display())])
        .args(["--define", &format!("_rpmdir {}", packages.display())])
        .arg(spec));
}

fn merged(members: &[(&str, &Path)]) -> TempDir {
    let mut generations: Vec<Box<dyn Generation>> = Vec::new();
    for (name, directory) in members {
        generations.push(Box::new(DirectoryGeneration::open(directory, name).unwrap()));
    }
    let directory = TempDir::new().unwrap();
    let mut output = DirectoryOutput::create(directory.path()).unwrap();
    let provider = RpmProvider::new();
    let assembly = provider.assembly().unwrap();
    assembly.assemble(&mut generations, &context(&HashSigner), &mut output).unwrap();
    directory
}

#[test]
fn a_merge_is_read_by_the_usual_reader() {
    if !tools_are_here() {
        return;
    }
    let one = repository(&["alpha", "beta"], &[]);
    let two = repository(&["gamma"], &["--general-compress-type=xz", "--checksum=sha512"]);
    let three = repository(&["delta"], &["--compress-type=bz2", "--simple-md-filenames"]);
    let directory = merged(&[("one", one.path()), ("two", two.path()), ("three", three.path())]);
    // Reads all three lists with its own parser and refuses lists that do not fit together.
    run(Command::new("sqliterepo_c").arg("--force").arg(directory.path()));
    let index = fs::read_to_string(directory.path().join("repodata/repomd.xml")).unwrap();
    for kind in ["primary_db", "filelists_db", "other_db"] {
        assert!(index.contains(&format!("type=\"{kind}\"")), "{index}");
    }
}

#[test]
fn every_package_is_told_with_its_digest_and_size() {
    if !tools_are_here() {
        return;
    }
    let one = repository(&["alpha", "beta"], &["--general-compress-type=xz"]);
    let mut generation = DirectoryGeneration::open(one.path(), "one").unwrap();
    let provider = RpmProvider::new();
    let mut found: Vec<(String, FileFact)> = Vec::new();
    let mut note = |path: &str, fact| found.push((path.to_owned(), fact));
    let survey = provider.assembly().unwrap().survey(&mut generation, &mut note).unwrap();
    assert!(!survey.leads_elsewhere);
    assert_eq!(found.len(), 2);
    for (path, fact) in found {
        let bytes = fs::read(one.path().join(&path)).unwrap();
        assert_eq!(fact.size, Some(bytes.len() as u64));
        let digest = fact.digests.blob_id().unwrap();
        assert_eq!(digest.as_bytes()[..], HashSigner::over(&bytes)[..]);
        assert!(fact.url.contains("1.0%5Egit%2B1"), "{}", fact.url);
    }
}
