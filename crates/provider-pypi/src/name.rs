use std::fmt;
use std::str::FromStr;

/// A text that is no project name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidProjectName;

impl fmt::Display for InvalidProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a project name")
    }
}

impl std::error::Error for InvalidProjectName {}

/// A project's name in normalised form: lower case, every run of `-`, `_` and `.` one dash.
/// Two spellings of one project are equal.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ProjectName(String);

impl ProjectName {
    /// The normalised name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProjectName {
    type Err = InvalidProjectName;

    /// Reads any spelling: ASCII letters, digits, `.`, `-` and `_`, the first and the last a
    /// letter or a digit.
    fn from_str(name: &str) -> Result<Self, InvalidProjectName> {
        let is_edge_sound = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let is_sound = |c: char| c.is_ascii_alphanumeric() || is_separator(c);
        if !is_edge_sound(name.chars().next())
            || !is_edge_sound(name.chars().next_back())
            || !name.chars().all(is_sound)
        {
            return Err(InvalidProjectName);
        }
        let words: Vec<&str> = name.split(is_separator).filter(|word| !word.is_empty()).collect();
        Ok(Self(words.join("-").to_ascii_lowercase()))
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_separator(c: char) -> bool {
    matches!(c, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_one_name() {
        for spelling in ["foo-bar-baz", "Foo.Bar_baz", "FOO--BAR..baz", "foo-_.bar-baz"] {
            assert_eq!(spelling.parse::<ProjectName>().unwrap().as_str(), "foo-bar-baz");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "-a", "a-", ".", "a b", "a/b", "ä", "a+b", "_"] {
            assert_eq!(text.parse::<ProjectName>(), Err(InvalidProjectName), "{text}");
        }
    }
}
