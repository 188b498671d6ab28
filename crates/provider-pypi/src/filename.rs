//! What the name of a distribution file says: its version, and which files go with it.

use crate::ProjectName;

/// What upstream stores beside a file, under the file's name and a suffix.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sidecar {
    Metadata,
    Provenance,
    Signature,
}

impl Sidecar {
    pub(crate) const ALL: [Self; 3] = [Self::Metadata, Self::Provenance, Self::Signature];

    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::Metadata => ".metadata",
            Self::Provenance => ".provenance",
            Self::Signature => ".asc",
        }
    }

    /// The sidecar that `filename` names, if it names one.
    pub(crate) fn of(filename: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sidecar| filename.ends_with(sidecar.suffix()))
    }
}

/// Archives that have ever been uploaded as a Python distribution.
const EXTENSIONS: [&str; 14] = [
    ".whl", ".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tar.xz", ".tar.z", ".tar", ".egg", ".exe",
    ".msi", ".rpm", ".deb", ".dmg",
];

/// The extensions behind which a name ends with its version.
const SDISTS: [&str; 7] = [".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tar.xz", ".tar.z", ".tar"];

/// Whether a file may be a distribution, as far as its extension tells.
pub(crate) fn is_distribution(filename: &str) -> bool {
    let lower = filename.to_ascii_lowercase();
    EXTENSIONS.iter().any(|extension| lower.ends_with(extension))
}

/// The version that `filename` names, as text. `None` where the name does not say:
/// installers of other systems, and files of other projects.
pub(crate) fn version_of<'a>(filename: &'a str, project: &ProjectName) -> Option<&'a str> {
    let filename = Sidecar::of(filename)
        .and_then(|sidecar| filename.strip_suffix(sidecar.suffix()))
        .unwrap_or(filename);
    if let Some(stem) = strip_extension(filename, &[".whl", ".egg"]) {
        return after_name(stem, project)?.split('-').next();
    }
    after_name(strip_extension(filename, &SDISTS)?, project)
}

fn strip_extension<'a>(filename: &'a str, extensions: &[&str]) -> Option<&'a str> {
    let lower = filename.to_ascii_lowercase();
    let extension = extensions.iter().find(|extension| lower.ends_with(**extension))?;
    filename.get(..filename.len() - extension.len())
}

/// What follows the project's name and a dash. Names may hold dashes, so every dash is tried.
fn after_name<'a>(stem: &'a str, project: &ProjectName) -> Option<&'a str> {
    stem.match_indices('-').find_map(|(at, _)| {
        let (name, rest) = (stem.get(..at)?, stem.get(at + 1..)?);
        let is_project = name.parse::<ProjectName>().is_ok_and(|name| name == *project);
        (is_project && !rest.is_empty()).then_some(rest)
    })
}

/// A text that is equal for equal versions: `1.0`, `v1.0.0` and `01.0` are one version, and so
/// are the escaped and the plain spelling of one. For comparing only; it has no order.
pub(crate) fn version_key(version: &str) -> String {
    let lower = version.trim().to_ascii_lowercase();
    let plain = lower.strip_prefix('v').unwrap_or(&lower);
    let (epoch, rest) = plain.split_once('!').unwrap_or(("0", plain));
    let (public, local) = rest.split_once('+').unwrap_or((rest, ""));
    let mut tokens = tokens(public);
    drop_trailing_zeros(&mut tokens);
    format!(
        "{}!{}+{}",
        epoch.trim_start_matches('0'),
        tokens.join("."),
        self::tokens(local).join(".")
    )
}

/// Runs of digits and of letters, in canonical spelling.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut separator = None;
    let mut last = None;
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() {
            separator = Some(c);
            continue;
        }
        let kind = c.is_ascii_digit();
        match tokens.last_mut() {
            Some(token) if separator.is_none() && last == Some(kind) => token.push(c),
            _ => {
                // "1.0-1" is "1.0.post1"; a wheel writes the dash as an underscore.
                if kind && last == Some(true) && matches!(separator, Some('-' | '_')) {
                    tokens.push("post".to_owned());
                }
                tokens.push(c.to_string());
            }
        }
        (separator, last) = (None, Some(kind));
    }
    tokens.into_iter().map(|token| canonical_token(&token)).collect()
}

fn canonical_token(token: &str) -> String {
    let canonical = match token {
        "alpha" => "a",
        "beta" => "b",
        "c" | "pre" | "preview" => "rc",
        "rev" | "r" => "post",
        _ if token.starts_with('0') => match token.trim_start_matches('0') {
            "" => "0",
            number => number,
        },
        _ => token,
    };
    canonical.to_owned()
}

/// Drops zeros from the end of the release segment: the numbers before the first word.
fn drop_trailing_zeros(tokens: &mut Vec<String>) {
    let release_end = tokens
        .iter()
        .position(|token| token.starts_with(|c: char| c.is_ascii_alphabetic()))
        .unwrap_or(tokens.len());
    let suffix = tokens.split_off(release_end);
    while tokens.last().is_some_and(|token| token == "0") {
        tokens.pop();
    }
    tokens.extend(suffix);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_tells_its_version() {
        for (project, filename, version) in [
            ("foo", "foo-1.0-py3-none-any.whl", Some("1.0")),
            ("foo", "foo-1.0-1-py3-none-any.whl", Some("1.0")),
            ("foo", "foo-1.0-py3-none-any.whl.metadata", Some("1.0")),
            ("torch", "torch-2.4.0+cu121-cp312-cp312-linux_x86_64.whl", Some("2.4.0+cu121")),
            ("foo-bar", "foo_bar-1!2.0.tar.gz", Some("1!2.0")),
            ("foo-bar", "Foo-Bar-1.0.zip", Some("1.0")),
            ("foo-bar", "foo.bar-1.0-rc1.tar.bz2", Some("1.0-rc1")),
            ("foo-2", "foo-2-1.0.tgz", Some("1.0")),
            ("foo", "foo-1.0.tar.gz.asc", Some("1.0")),
            ("foo", "foo-1.0-py2.7.egg", Some("1.0")),
            ("foo", "foo-1.0.win32-py2.7.exe", None),
            ("foo", "bar-1.0.tar.gz", None),
            ("foo", "foo.tar.gz", None),
            ("foo", "foo-.tar.gz", None),
        ] {
            assert_eq!(version_of(filename, &project.parse().unwrap()), version, "{filename}");
        }
    }

    #[test]
    fn equal_versions_have_equal_keys() {
        for (a, b) in [
            ("1.0", "1.0.0"),
            ("1", "v1.0"),
            ("1.0rc1", "1.0.RC-1"),
            ("1.0c1", "1.0pre1"),
            ("1.0alpha1", "1.0a1"),
            ("1.0-1", "1.0.post1"),
            ("1.0_1", "1.0.post1"),
            ("0!1.0", "1.0"),
            ("1.0+cu_121", "1.0+cu.121"),
            ("2024.01.05", "2024.1.5"),
        ] {
            assert_eq!(version_key(a), version_key(b), "{a} {b}");
        }
    }

    #[test]
    fn different_versions_have_different_keys() {
        for (a, b) in [
            ("1.0", "1.0.1"),
            ("1.0", "10"),
            ("1.0-1", "1.0.1"),
            ("1!1.0", "1.0"),
            ("1.0", "1.0+cu121"),
            ("1.0a1", "1.0.1"),
            ("1.0rc1", "1.0"),
        ] {
            assert_ne!(version_key(a), version_key(b), "{a} {b}");
        }
    }

    #[test]
    fn archives_are_known_by_their_extension() {
        assert!(is_distribution("Foo-1.0.TAR.GZ"));
        assert!(is_distribution("foo-1.0-py3-none-any.whl"));
        assert!(!is_distribution("forgot-password"));
        assert!(!is_distribution("help.html"));
    }
}
