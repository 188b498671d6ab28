//! The tree, the manifests and the lock file.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use spdx::{Expression, ParseMode};

use crate::Workspace;

const TOP_LEVEL: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "bins",
    "compose",
    "crates",
    "docs",
    "e2e",
    "migrations",
    "rustfmt.toml",
];

/// Crates that must not be in the tree, whatever wants them.
const BANNED: &[(&str, &str)] = &[
    ("aws-lc-rs", "one crypto library: ring"),
    ("aws-lc-sys", "one crypto library: ring"),
    ("axum", "our routes are a closed enum parsed before authentication"),
    ("native-tls", "one TLS library: rustls"),
    ("openssl", "one TLS library: rustls"),
    ("openssl-sys", "one TLS library: rustls"),
];

/// Crates that must stay below those that brought them in.
const CONFINED: &[Confined] = &[
    Confined {
        name: "chrono",
        versions: "",
        below: &["rusoto_credential", "rusoto_signature", "s3s", "s3s-fs"],
        reason: "one time library: jiff",
    },
    Confined {
        name: "hyper",
        versions: "0.",
        below: &["hyper-rustls", "rusoto_core", "rusoto_credential", "rusoto_signature"],
        reason: "one HTTP; the old one is the part of rusoto that is not used",
    },
    Confined {
        name: "http",
        versions: "0.",
        below: &["h2", "http-body", "hyper", "rusoto_core", "rusoto_signature"],
        reason: "one HTTP; the old one is the part of rusoto that is not used",
    },
];

/// A crate that only some others may depend on.
struct Confined {
    name: &'static str,
    /// How the versions begin that are meant.
    versions: &'static str,
    below: &'static [&'static str],
    reason: &'static str,
}

impl Confined {
    fn is(&self, package: &Locked) -> bool {
        package.name == self.name && package.version.starts_with(self.versions)
    }
}

/// As in `.deny.toml`.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "bzip2-1.0.6",
    "Zlib",
];

#[test]
fn the_top_level_holds_what_is_drawn_and_dotfiles() -> Result<()> {
    let workspace = Workspace::load()?;
    let listing = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(workspace.root())
        .output()
        .context("run git")?;
    ensure!(listing.status.success(), "{}", String::from_utf8_lossy(&listing.stderr));
    let listing = String::from_utf8(listing.stdout)?;
    let entries: BTreeSet<&str> =
        listing.lines().filter_map(|path| path.split('/').next()).collect();
    let is_foreign = |entry: &&&str| !entry.starts_with('.') && !TOP_LEVEL.contains(*entry);
    let foreign: Vec<_> = entries.iter().filter(is_foreign).collect();
    assert!(foreign.is_empty(), "not drawn in the architecture: {foreign:?}");
    Ok(())
}

#[test]
fn every_member_follows_the_lints_of_the_workspace() -> Result<()> {
    let workspace = Workspace::load()?;
    for member in workspace.members() {
        let manifest = std::fs::read_to_string(&member.manifest_path)?;
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", member.manifest_path);
        assert_eq!(member.license.as_deref(), Some("MIT OR Apache-2.0"), "{}", member.name);
    }
    let root = std::fs::read_to_string(workspace.root().join("Cargo.toml"))?;
    assert!(root.contains("unsafe_code = \"forbid\""), "the lints forbid unsafe code");
    Ok(())
}

#[test]
fn every_member_says_what_it_is_for() -> Result<()> {
    for member in Workspace::load()?.members() {
        let description = member.description.as_deref().unwrap_or_default();
        assert!(!description.is_empty(), "{} has no description", member.name);
    }
    Ok(())
}

#[test]
fn sql_files_are_queries_of_meta_db_or_migrations() -> Result<()> {
    let workspace = Workspace::load()?;
    let listing = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.sql"])
        .current_dir(workspace.root())
        .output()
        .context("run git")?;
    for path in String::from_utf8(listing.stdout)?.lines() {
        let is_home = path.starts_with("crates/meta-db/") || path.starts_with("migrations/");
        assert!(is_home, "{path} belongs to crates/meta-db or migrations");
    }
    Ok(())
}

/// A package in the lock file.
struct Locked {
    name: String,
    version: String,
    /// Names, with a version where there are several.
    dependencies: Vec<String>,
}

impl Locked {
    fn depends_on(&self, other: &Self) -> bool {
        let with_version = format!("{} {}", other.name, other.version);
        self.dependencies.iter().any(|name| *name == other.name || *name == with_version)
    }
}

fn locked(workspace: &Workspace) -> Result<Vec<Locked>> {
    let lock_file = std::fs::read_to_string(workspace.root().join("Cargo.lock"))?;
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
        line.and_then(|line| line.strip_suffix('"')).map(str::to_owned)
    };
    let dependency = |line: &str| Some(line.strip_prefix(" \"")?.strip_suffix("\",")?.to_owned());
    let package = |block: &str| {
        let dependencies = block.lines().filter_map(dependency).collect();
        Some(Locked {
            name: value(block, "name")?,
            version: value(block, "version")?,
            dependencies,
        })
    };
    let packages: Vec<_> = lock_file.split("[[package]]").skip(1).filter_map(package).collect();
    ensure!(!packages.is_empty(), "the lock file was not understood");
    Ok(packages)
}

#[test]
fn banned_crates_are_not_in_the_lock_file() -> Result<()> {
    for Locked { name, version, .. } in locked(&Workspace::load()?)? {
        let reason = BANNED.iter().find(|(banned, _)| *banned == name).map(|(_, reason)| reason);
        assert!(reason.is_none(), "{name} {version} is banned: {reason:?}");
    }
    Ok(())
}

#[test]
fn confined_crates_stay_below_those_that_brought_them_in() -> Result<()> {
    let packages = locked(&Workspace::load()?)?;
    for confined in CONFINED {
        let meant: Vec<_> = packages.iter().filter(|package| confined.is(package)).collect();
        assert!(!meant.is_empty(), "{} is gone: so should its rule be", confined.name);
        let uses = |user: &&Locked| meant.iter().any(|package| user.depends_on(package));
        for user in packages.iter().filter(uses) {
            let is_allowed = confined.below.contains(&user.name.as_str());
            let (name, reason) = (confined.name, confined.reason);
            assert!(is_allowed, "{} {} depends on {name}: {reason}", user.name, user.version);
        }
    }
    Ok(())
}

#[test]
fn rustls_and_ring_are_of_the_present_generation() -> Result<()> {
    for Locked { name, version, .. } in locked(&Workspace::load()?)? {
        let allowed = match name.as_str() {
            "rustls" => version.starts_with("0.23."),
            "ring" => version.starts_with("0.17."),
            _ => true,
        };
        assert!(allowed, "{name} {version} is too old or not yet looked at");
    }
    Ok(())
}

#[test]
fn every_licence_in_the_tree_is_on_the_list() -> Result<()> {
    for package in Workspace::load()?.packages() {
        let licence = package.license.as_deref();
        let licence = licence.with_context(|| format!("{} names no licence", package.name))?;
        let expression = Expression::parse_mode(licence, ParseMode::LAX)
            .map_err(|error| anyhow::anyhow!("{}: {licence}: {error}", package.name))?;
        let is_allowed = expression.evaluate(|requirement| {
            requirement.license.id().is_some_and(|id| LICENCES.contains(&id.name))
        });
        assert!(is_allowed, "{} {}: {licence}", package.name, package.version);
    }
    Ok(())
}

#[test]
fn the_list_of_licences_is_the_one_in_the_deny_file() -> Result<()> {
    let deny = std::fs::read_to_string(Workspace::load()?.root().join(".deny.toml"))?;
    for licence in LICENCES {
        assert!(deny.contains(&format!("\"{licence}\"")), "{licence} is missing in .deny.toml");
    }
    for (banned, _) in BANNED {
        assert!(
            deny.contains(&format!("name = \"{banned}\"")),
            "{banned} is missing in .deny.toml"
        );
    }
    for confined in CONFINED {
        let below: Vec<_> = confined.below.iter().map(|name| format!("\"{name}\"")).collect();
        let wrappers = format!("wrappers = [{}]", below.join(", "));
        let is_in_line = |line: &str| {
            line.contains(&format!("name = \"{}\"", confined.name)) && line.contains(&wrappers)
        };
        assert!(deny.lines().any(is_in_line), "{} is not below {below:?}", confined.name);
    }
    Ok(())
}
