//! `curl`.

use std::path::Path;

use anyhow::Result;

use super::{Output, bare, run};
use crate::Tools;

/// Runs curl in `directory`; an HTTP error is a failure.
pub async fn curl(directory: &Path, arguments: &[&str]) -> Result<Output> {
    let tools = Tools::get().await?;
    let mut command = bare(&tools.curl, directory);
    run(command.current_dir(directory).args(["--fail", "--silent", "--show-error"]).args(arguments))
        .await
}
