//! Merges the repositories in directories into a third: `merge_repodata OUTPUT MEMBER…`. For measuring.

mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use artifact_core::{Generation, Provider};
use provider_rpm::RpmProvider;
use support::{DirectoryGeneration, DirectoryOutput, HashSigner, context};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let directories: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let Some((output, members)) = directories.split_first().filter(|(_, rest)| !rest.is_empty())
    else {
        return Ok(ExitCode::from(2));
    };
    merge(output, members)?;
    Ok(ExitCode::SUCCESS)
}

fn merge(output: &Path, members: &[PathBuf]) -> Result<(), Box<dyn std::error::Error>> {
    let mut generations: Vec<Box<dyn Generation>> = Vec::new();
    for (position, directory) in members.iter().enumerate() {
        generations.push(Box::new(DirectoryGeneration::open(directory, &format!("m{position}"))?));
    }
    let mut output = DirectoryOutput::create(output)?;
    let provider = RpmProvider::new();
    let assembly = provider.assembly().ok_or("this type assembles nothing")?;
    Ok(assembly.assemble(&mut generations, &context(&HashSigner), &mut output)?)
}
