//! Collecting everything that is wrong.

use std::fmt;

use artifact_core::Secret;

/// All mistakes of a configuration, one line each.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    /// `name` has a problem that `hint` says how to end.
    pub(super) fn add(&mut self, name: &str, problem: impl fmt::Display, hint: &str) {
        self.0.push(format!("{name}: {problem} ({hint})"));
    }

    fn note<T>(&mut self, name: &str, judged: Result<T, String>) -> Option<T> {
        judged.map_err(|problem| self.0.push(format!("{name}: {problem}"))).ok()
    }

    /// The value, or a default that is never used because the problem is reported.
    pub(super) fn or_default<T: Default>(
        &mut self,
        name: &str,
        text: &str,
        judge: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        self.note(name, judge(text)).unwrap_or_default()
    }

    /// The value, if one is set.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        text: Option<&str>,
        judge: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = text.filter(|text| !text.is_empty())?;
        self.note(name, judge(text))
    }

    /// The secret, if it passes.
    pub(super) fn keep(
        &mut self,
        name: &str,
        secret: Option<Secret>,
        judge: impl Fn(&Secret) -> Result<(), String>,
    ) -> Option<Secret> {
        let secret = secret?;
        self.note(name, judge(&secret).map(|()| secret))
    }

    /// A secret from the variable `name` or from the file that `name` with `_FILE` names. Never
    /// from a flag, which every user of the machine could read.
    pub(super) fn secret(
        &mut self,
        name: &str,
        environment: &impl Fn(&str) -> Option<String>,
    ) -> Option<Secret> {
        let filled = |name: &str| environment(name).filter(|value| !value.is_empty());
        let file_name = format!("{name}_FILE");
        match (filled(name), filled(&file_name)) {
            (None, None) => None,
            (Some(value), None) => Some(Secret::new(value)),
            (None, Some(path)) => {
                let read = std::fs::read_to_string(&path);
                let read = read.map_err(|error| format!("cannot read {path}: {error}"));
                self.note(&file_name, read).map(|text| Secret::new(text.trim()))
            }
            (Some(_), Some(_)) => {
                self.add(name, format!("is set, and {file_name} too"), "unset one of them");
                None
            }
        }
    }

    /// `value` if nothing is wrong.
    pub(super) fn none_or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let noun = if count == 1 { "setting is" } else { "settings are" };
        write!(f, "{count} {noun} not valid")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}
