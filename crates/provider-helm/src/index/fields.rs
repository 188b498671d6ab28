//! What Helm knows of a chart, and as which kind of value: everything else makes it refuse the
//! whole index.

use formats::json::{JsonError, Kind, Reader};

/// A kind of value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Field {
    /// Any scalar, as text.
    Text,
    /// A moment in RFC 3339.
    Moment,
    /// Whether or not.
    Flag,
    /// A list of texts.
    Texts,
    /// Texts by name.
    TextsByName,
    /// A list of objects.
    Objects(Table),
    /// What a dependency's values are imported as: a list of texts and of texts by name.
    Imports,
    /// The digest of the file.
    Digest,
    /// Where the file is.
    Links,
}

/// The objects that have fields.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Table {
    Version,
    Maintainer,
    Dependency,
}

const VERSION: &[(&str, Field)] = &[
    ("name", Field::Text),
    ("version", Field::Text),
    ("urls", Field::Links),
    ("digest", Field::Digest),
    ("created", Field::Moment),
    ("removed", Field::Flag),
    ("home", Field::Text),
    ("sources", Field::Texts),
    ("description", Field::Text),
    ("keywords", Field::Texts),
    ("maintainers", Field::Objects(Table::Maintainer)),
    ("icon", Field::Text),
    ("apiVersion", Field::Text),
    ("condition", Field::Text),
    ("tags", Field::Text),
    ("appVersion", Field::Text),
    ("deprecated", Field::Flag),
    ("annotations", Field::TextsByName),
    ("kubeVersion", Field::Text),
    ("dependencies", Field::Objects(Table::Dependency)),
    ("type", Field::Text),
    // What Helm 2 wrote.
    ("checksum", Field::Text),
    ("engine", Field::Text),
    ("tillerVersion", Field::Text),
];

const MAINTAINER: &[(&str, Field)] =
    &[("name", Field::Text), ("email", Field::Text), ("url", Field::Text)];

const DEPENDENCY: &[(&str, Field)] = &[
    ("name", Field::Text),
    ("version", Field::Text),
    ("repository", Field::Text),
    ("condition", Field::Text),
    ("tags", Field::Texts),
    ("enabled", Field::Flag),
    ("import-values", Field::Imports),
    ("alias", Field::Text),
];

impl Table {
    /// The field called `key`, and its position in the table.
    pub(super) fn find(self, key: &str) -> Option<(usize, Field)> {
        let fields = match self {
            Self::Version => VERSION,
            Self::Maintainer => MAINTAINER,
            Self::Dependency => DEPENDENCY,
        };
        let position = fields.iter().position(|(name, _)| *name == key)?;
        fields.get(position).map(|(_, field)| (position, *field))
    }
}

/// Calls `visit` for every element of a list; steps over anything else. Says whether it was a list.
pub(super) fn list<'t>(
    value: &mut Reader<'t>,
    visit: impl FnMut(&mut Reader<'t>) -> Result<(), JsonError>,
) -> Result<bool, JsonError> {
    let is_list = value.kind()? == Kind::Array;
    if is_list {
        value.array(visit)?;
    } else {
        value.skip()?;
    }
    Ok(is_list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_bit_of_its_own() {
        for (table, fields) in [
            (Table::Version, VERSION),
            (Table::Maintainer, MAINTAINER),
            (Table::Dependency, DEPENDENCY),
        ] {
            assert!(fields.len() <= 64);
            for (position, (name, field)) in fields.iter().enumerate() {
                assert_eq!(table.find(name), Some((position, *field)), "{name}");
            }
            assert_eq!(table.find("x-unknown"), None);
        }
    }
}
