//! The machine and the programs that take part, for whoever compares two reports.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use tokio::process::Command;

/// One line each.
pub(crate) async fn facts(server: &Path) -> Result<Vec<String>> {
    let cores = std::thread::available_parallelism()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split_whitespace().next().unwrap_or_default();
    Ok(vec![
        format!("machine   {cores} cores, {}, kernel {}", field("/proc/cpuinfo", "model name"), kernel.trim()),
        format!("memory    {}", field("/proc/meminfo", "MemTotal")),
        format!("load      {load} before the first round"),
        format!("server    {}", first_line(server, "--version").await?),
        format!("nginx     {}", first_line(crate::nginx::program()?.as_path(), "-v").await?),
        format!("wrk       {}", first_line(Path::new("wrk"), "-v").await?),
        "setting   loopback, origin, clients and servers share the cores; neither side writes an access log".to_owned(),
    ])
}

fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| Some(line.strip_prefix(name)?.split_once(':')?.1));
    value.map_or_else(|| format!("unknown {name}"), |value| value.trim().to_owned())
}

/// What a program says about its version, wherever it says it and whatever it returns.
async fn first_line(program: &Path, argument: &str) -> Result<String> {
    let output = Command::new(program).arg(argument).output().await;
    let output = output.with_context(|| format!("run {}", program.display()))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().next().unwrap_or_default();
    Ok(line.split(" Copyright").next().unwrap_or_default().trim().to_owned())
}
