//! Finding the programs of this machine.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::ServiceError;

/// Says where to look when a service is not there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) service: &'static str,
    pub(crate) hint: &'static str,
}

impl Wanted {
    /// Passes on what was found. Absence is an error where the environment requires backends.
    pub(crate) fn or_missing<T>(self, found: Option<T>) -> Result<Option<T>, ServiceError> {
        let Self { service, hint } = self;
        if found.is_none() {
            if is_set(std::env::var_os("REQUIRE_BACKENDS").as_deref()) {
                return Err(ServiceError::NotInstalled { service, hint });
            }
            #[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
            {
                eprintln!("not tested: {service} is not installed ({hint})");
            }
        }
        Ok(found)
    }
}

fn is_set(value: Option<&OsStr>) -> bool {
    value.is_some_and(|value| !value.is_empty() && value != "0")
}

/// The program called `name` on the search path.
pub(crate) fn on_search_path(name: &str) -> Option<PathBuf> {
    let directories = std::env::var_os("PATH")?;
    std::env::split_paths(&directories)
        .map(|directory| directory.join(name))
        .find(|it| it.is_file())
}

/// The entries of `directory` that hold `program`, the highest version last.
pub(crate) fn versions_with(directory: &Path, program: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let candidates = entries.filter_map(|entry| Some(entry.ok()?.path().join(program)));
    let mut found: Vec<_> = candidates.filter(|candidate| candidate.is_file()).collect();
    found.sort_by_cached_key(|path| numbers_in(&path.to_string_lossy()));
    found
}

/// The numbers of a version, so that 9 comes before 15.
fn numbers_in(text: &str) -> Vec<u64> {
    text.split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::{is_set, versions_with};

    #[test]
    fn empty_and_zero_require_nothing() {
        for (value, expected) in [(None, false), (Some(""), false), (Some("0"), false)] {
            assert_eq!(is_set(value.map(OsStr::new)), expected, "{value:?}");
        }
        assert!(is_set(Some(OsStr::new("1"))));
    }

    #[test]
    fn the_highest_version_that_has_the_program_comes_last() {
        let directory = tempfile::tempdir().unwrap();
        for version in ["9", "15", "17"] {
            std::fs::create_dir(directory.path().join(version)).unwrap();
        }
        for version in ["9", "15"] {
            std::fs::write(directory.path().join(version).join("postgres"), "").unwrap();
        }
        let found = versions_with(directory.path(), "postgres");
        assert_eq!(found.last(), Some(&directory.path().join("15/postgres")));
        assert_eq!(found.len(), 2);
    }
}
