//! What `cargo metadata` knows about the workspace.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::{Dependency, DependencyKind, Metadata, MetadataCommand, Package};

use crate::SourceFile;

pub(crate) struct Workspace {
    metadata: Metadata,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self> {
        let mut command = MetadataCommand::new();
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        Ok(Self { metadata: command.exec()? })
    }

    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Everything that is compiled in, from registries and from here.
    pub(crate) fn packages(&self) -> &[Package] {
        &self.metadata.packages
    }

    pub(crate) fn members(&self) -> Vec<&Package> {
        self.metadata.workspace_packages()
    }

    pub(crate) fn member(&self, name: &str) -> Result<&Package> {
        let found = self.members().into_iter().find(|package| package.name.as_str() == name);
        found.with_context(|| format!("no workspace member {name}"))
    }

    /// The workspace members among what `package` ships with.
    pub(crate) fn members_behind(&self, package: &Package) -> Vec<String> {
        let members: Vec<_> = self.members().iter().map(|member| member.name.to_string()).collect();
        let shipped = shipped_dependencies(package).map(|dependency| dependency.name.clone());
        shipped.filter(|name| members.contains(name)).collect()
    }

    /// The members that ship with one of the external crates `names`.
    pub(crate) fn users_of(&self, names: &[&str]) -> Vec<String> {
        self.users_where(|dependency| names.contains(&dependency.name.as_str()))
    }

    /// The members that ship with a dependency which is as described.
    pub(crate) fn users_where(&self, is_meant: impl Fn(&Dependency) -> bool) -> Vec<String> {
        let users = self.members().into_iter();
        let users = users.filter(|member| shipped_dependencies(member).any(&is_meant));
        users.map(|member| member.name.to_string()).collect()
    }

    /// The sources that end up in what `package` ships: its `src`, without tests.
    pub(crate) fn shipped_sources(package: &Package) -> Result<Vec<SourceFile>> {
        let directory = package.manifest_path.parent().context("a manifest has a directory")?;
        let mut paths = Vec::new();
        collect_rust_files(&directory.join("src").into_std_path_buf(), &mut paths)?;
        paths.into_iter().map(SourceFile::parse).collect()
    }

    /// The integration tests of `package`.
    pub(crate) fn test_sources(package: &Package) -> Result<Vec<SourceFile>> {
        let directory = package.manifest_path.parent().context("a manifest has a directory")?;
        let tests = directory.join("tests");
        let mut paths = Vec::new();
        if tests.is_dir() {
            collect_rust_files(tests.as_std_path(), &mut paths)?;
        }
        paths.into_iter().map(SourceFile::parse_with_tests).collect()
    }

    /// Every Rust file of `package`, its tests included.
    pub(crate) fn all_sources(package: &Package) -> Result<Vec<SourceFile>> {
        let directory = package.manifest_path.parent().context("a manifest has a directory")?;
        let mut paths = Vec::new();
        collect_rust_files(directory.as_std_path(), &mut paths)?;
        paths.into_iter().map(SourceFile::parse_with_tests).collect()
    }
}

/// Dependencies other than those of tests.
fn shipped_dependencies(package: &Package) -> impl Iterator<Item = &Dependency> {
    package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development)
}

fn collect_rust_files(directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect_rust_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(())
}
