//! The conformance suites of the distribution specification, both generations.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, Result, ensure};
use e2e::clients::ShellHome;
use e2e::{Profile, Tools, local, on_both_profiles};

on_both_profiles! {
    the_suite_as_it_will_be_passes,
    the_suite_as_it_will_be_passes_for_the_released_version,
    the_released_suite_passes,
}

/// What the released version does not have.
const TO_COME: [&str; 2] = [
    "OCI Conformance Test/sha256 blobs/post cancel/blob-post-cancel",
    "OCI Conformance Test/sha512 blobs/post cancel/blob-post-cancel",
];

/// What the released suite does in other configurations than this one.
const FOR_OTHERS: [&str; 4] = [
    "[It] OCI Distribution Conformance Tests Pull Setup Get tag name from environment",
    "[It] OCI Distribution Conformance Tests Push Cross-Repository Blob Mount Cross-mounting of \
     nonexistent blob should yield session id",
    "[It] OCI Distribution Conformance Tests Push Cross-Repository Blob Mount Cross-mounting without \
     from, and automatic content discovery disabled should return a 202",
    "[It] OCI Distribution Conformance Tests Content Discovery Setup Populate registry with test tags \
     (no push)",
];

async fn the_suite_as_it_will_be_passes(profile: Profile) -> Result<()> {
    let report = run_coming_suite(profile, "dev").await?;
    assert_eq!(report.others, skipped(&[]));
    ensure!(report.passed >= 791, "only {} tests", report.passed);
    // The specification leaves it to the registry, so it is switched off unless it is asked for.
    assert_eq!(report.not_passed_features, ["Sparse Manifests: Disabled"]);
    Ok(())
}

async fn the_suite_as_it_will_be_passes_for_the_released_version(profile: Profile) -> Result<()> {
    let report = run_coming_suite(profile, "1.1").await?;
    assert_eq!(report.others, skipped(&TO_COME));
    // Anything less means that a part of it was never run.
    ensure!(report.passed >= 690, "only {} tests", report.passed);
    Ok(())
}

/// The verdict on these tests.
fn skipped(names: &[&str]) -> BTreeMap<String, String> {
    names.iter().map(|name| ((*name).to_owned(), "skipped".to_owned())).collect()
}

async fn the_released_suite_passes(profile: Profile) -> Result<()> {
    let server = profile.server().await?;
    local(&server, "dk", "docker").await?;
    let suite = &Tools::get().await?.oci_released_conformance;
    let home = ShellHome::new(&[("suite", suite)])?;
    home.shell(&format!(
        "export OCI_ROOT_URL={} OCI_NAMESPACE=dk/conf/one OCI_CROSSMOUNT_NAMESPACE=dk/conf/two\n\
         export OCI_TEST_PULL=1 OCI_TEST_PUSH=1 OCI_TEST_CONTENT_DISCOVERY=1\n\
         export OCI_TEST_CONTENT_MANAGEMENT=1 OCI_AUTOMATIC_CROSSMOUNT=1\n\
         export OCI_DELETE_MANIFEST_BEFORE_BLOBS=1 OCI_REPORT_DIR=\"$HOME\"\n\
         suite >said 2>&1 || true",
        server.url("")
    ))
    .await?;
    let report = Report::read(&home, "")?;
    report.print("the released suite")?;
    assert_eq!(report.others, skipped(&FOR_OTHERS));
    ensure!(report.passed >= 75, "only {} tests", report.passed);
    Ok(())
}

async fn run_coming_suite(profile: Profile, version: &str) -> Result<Report> {
    let server = profile.server().await?;
    local(&server, "dk", "docker").await?;
    let home = ShellHome::new(&[("suite", &Tools::get().await?.oci_conformance)])?;
    home.shell(&format!(
        "export OCI_REGISTRY={} OCI_TLS=disabled OCI_REPO1=dk/conf/one OCI_REPO2=dk/conf/two\n\
         export OCI_USERNAME= OCI_PASSWORD= OCI_VERSION={version} OCI_RESULTS_DIR=\"$HOME/results\"\n\
         mkdir results\n\
         suite >said 2>&1 || true",
        server.authority()
    ))
    .await?;
    let report = Report::read(&home, "results/")?;
    report.print(&format!("the coming suite for version {version}"))?;
    Ok(report)
}

/// What a suite wrote down.
struct Report {
    passed: usize,
    /// The verdicts that are not `passed`, by the names of the tests.
    others: BTreeMap<String, String>,
    /// The features that are not passed, as they are summed up.
    not_passed_features: Vec<String>,
}

impl Report {
    fn read(home: &ShellHome, directory: &str) -> Result<Self> {
        let file = |name: &str| std::fs::read_to_string(home.place(&format!("{directory}{name}")));
        let said = || std::fs::read_to_string(home.place("said")).unwrap_or_default();
        let tests =
            file("junit.xml").with_context(|| format!("no report; it said:\n{}", said()))?;
        let mut report =
            Self { passed: 0, others: BTreeMap::new(), not_passed_features: Vec::new() };
        for test in tests.split("<testcase ").skip(1) {
            let head = test.split_once('>').context("a test without an end")?.0;
            match attribute(head, "status")? {
                "passed" => report.passed += 1,
                other => {
                    let name = attribute(head, "name")?.to_owned();
                    report.others.insert(name, other.to_owned());
                }
            }
        }
        // Only one of the suites sums up.
        let summary = file("results.yaml").unwrap_or_default();
        let verdicts = summary
            .lines()
            .skip_while(|line| *line != "apis:")
            .filter(|line| line.starts_with("  ") && !line.ends_with(": Pass"));
        report.not_passed_features.extend(verdicts.map(|line| line.trim().to_owned()));
        Ok(report)
    }

    /// Tells the figures of a suite. What is printed with a macro the test harness keeps to itself.
    fn print(&self, suite: &str) -> Result<()> {
        let Self { passed, others, .. } = self;
        Ok(writeln!(
            std::io::stdout(),
            "{suite}: {passed} passed, {} others {others:?}",
            others.len()
        )?)
    }
}

/// The value of an attribute as it is written.
fn attribute<'a>(head: &'a str, name: &str) -> Result<&'a str> {
    let start = format!("{name}=\"");
    let (_, rest) = head.split_once(&start).with_context(|| format!("no {name} in {head}"))?;
    Ok(rest.split_once('"').with_context(|| format!("no end of {name}"))?.0)
}
