//! Which fields of an object a client wants: `include_fields` and `exclude_fields`.

use formats::json::{JsonError, Reader, Span};

use crate::query::Query;

/// The parameters that choose fields.
pub(crate) const PARAMETERS: [&str; 2] = ["exclude_fields", "include_fields"];

/// Fields that make documents large and that nothing here depends on. Members of a virtual
/// repository may be asked to leave them out.
const HEAVY: [&str; 6] = ["changelog", "license", "metadata", "module", "readme", "reference"];

/// A choice of top-level fields.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Fields {
    only: Option<Vec<String>>,
    without: Vec<String>,
}

impl Fields {
    /// The choice that a query makes.
    pub(crate) fn of(query: &Query) -> Self {
        let list = |name| query.get(name).filter(|value| !value.is_empty()).map(names);
        Self { only: list("include_fields"), without: list("exclude_fields").unwrap_or_default() }
    }

    /// Whether nothing is left out.
    pub(crate) fn is_everything(&self) -> bool {
        self.only.is_none() && self.without.is_empty()
    }

    /// Whether a field is wanted.
    pub(crate) fn has(&self, field: &str) -> bool {
        let is = |known: &String| known == field;
        self.only.as_ref().is_none_or(|only| only.iter().any(is)) && !self.without.iter().any(is)
    }

    /// The JSON object `text` with the wanted fields alone.
    pub(crate) fn select(&self, text: &str) -> Result<String, JsonError> {
        let mut selected = String::from("{");
        let mut reader = Reader::new(text);
        reader.object(|key, value| {
            let value = value.skip()?;
            if self.has(&key.decoded()) {
                selected.push_str(if selected.len() > 1 { "," } else { "" });
                let member = Span { start: key.span().start, end: value.end };
                selected.push_str(member.of(text));
            }
            Ok::<(), JsonError>(())
        })?;
        reader.finish()?;
        selected.push('}');
        Ok(selected)
    }

    /// What a member need not send: only what the client does not want and we do not need.
    pub(crate) fn asked_of_members(&self, query: Query) -> Query {
        let query = query.without(&PARAMETERS);
        let heavy: Vec<&str> = HEAVY.into_iter().filter(|field| !self.has(field)).collect();
        if heavy.is_empty() { query } else { query.with("exclude_fields", &heavy.join(",")) }
    }
}

fn names(list: &str) -> Vec<String> {
    list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_chosen_by_both_lists() {
        let fields =
            Fields::of(&Query::of("include_fields=slug,version,readme&exclude_fields=readme"));
        assert!(fields.has("slug") && !fields.has("readme") && !fields.has("metadata"));
        assert!(Fields::of(&Query::of("exclude_fields=")).is_everything());
        assert!(!fields.is_everything());
    }

    #[test]
    fn an_object_keeps_the_wanted_fields_as_they_were() {
        let fields = Fields::of(&Query::of("exclude_fields=a,c"));
        let selected = fields.select(r#" {"a": 1, "b" : {"a": 2}, "c": 3, "d": [1]} "#);
        assert_eq!(selected.as_deref(), Ok(r#"{"b" : {"a": 2},"d": [1]}"#));
        assert!(fields.select("null").is_err());
    }

    #[test]
    fn members_leave_out_only_what_is_heavy_and_not_wanted() {
        let asked = |text: &str| Fields::of(&Query::of(text)).asked_of_members(Query::of(text));
        assert_eq!(
            asked("exclude_fields=readme,slug,version,module&x=1").to_text(),
            "exclude_fields=module%2Creadme&x=1"
        );
        assert_eq!(asked("exclude_fields=slug").to_text(), "");
        assert_eq!(
            asked("include_fields=slug,metadata").get("exclude_fields"),
            Some("changelog,license,module,readme,reference")
        );
    }
}
