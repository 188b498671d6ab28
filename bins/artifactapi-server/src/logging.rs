//! Log lines on standard output.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::configuration::LogFormat;

/// Installs the subscriber of this process.
pub(crate) fn install(format: LogFormat, level: &str) -> anyhow::Result<()> {
    let lines = tracing_subscriber::fmt().with_env_filter(EnvFilter::try_new(level)?);
    let is_pretty = match format {
        LogFormat::Pretty => true,
        LogFormat::Json => false,
        LogFormat::Auto => io::stdout().is_terminal(),
    };
    let installed = if is_pretty {
        lines.with_ansi(io::stdout().is_terminal()).try_init()
    } else {
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    };
    installed.map_err(|error| anyhow::anyhow!(error))
}
