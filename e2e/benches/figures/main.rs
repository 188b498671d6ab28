//! `make bench`: what the project promises about speed and memory, measured in one run.
//!
//! Exists so that a promise is a figure that anybody can repeat. Speed is a ratio to nginx's
//! `proxy_cache` in alternating rounds on the same machine, because absolute figures of a
//! noisy machine say nothing. Invariant: a target that is missed is printed as missed and is
//! no failure of the run; a run that could not measure is.

mod crowd;
mod document;
mod machine;
mod nginx;
mod process;
mod report;
mod start;
mod subject;
mod warm;
mod wrk;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use report::Report;

#[tokio::main]
async fn main() -> Result<()> {
    let began = Instant::now();
    let mut report = Report::begin(&machine::facts(&server_binary()?).await?)?;
    report.section("warm files, ratio to nginx proxy_cache", warm::measure().await?)?;
    report.section("50 clients ask for one uncached 256 MiB file", crowd::measure().await?)?;
    report.section("a packument of 20 MB", document::measure().await?)?;
    report.section("start and rest with 100 000 cached files", start::measure().await?)?;
    report.end(began.elapsed())
}

/// The optimised binary under test, named by the environment: `make bench` builds it.
fn server_binary() -> Result<PathBuf> {
    let path = std::env::var_os("ARTIFACTAPI_SERVER").map(PathBuf::from);
    let path = path.context("ARTIFACTAPI_SERVER is not set: run `make bench`")?;
    path.canonicalize().with_context(|| format!("find {}", path.display()))
}
