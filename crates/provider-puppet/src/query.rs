//! Queries in one spelling.

use artifact_core::{Reject, Variant};
use url::form_urlencoded::{Serializer, parse};

/// The longest query that is cached, in its canonical spelling.
const MAX_LENGTH: usize = 1024;

/// The parameters of a request, ordered by name. Those that we do not know are kept: what they
/// mean is for upstream to say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a raw query, without the question mark.
    pub(crate) fn read(raw: Option<&str>) -> Result<Self, Reject> {
        let query = Self::of(raw.unwrap_or_default());
        if query.to_text().len() > MAX_LENGTH {
            return Err(Reject::bad_request("the query is too long"));
        }
        Ok(query)
    }

    /// Reads a query that we wrote.
    pub(crate) fn of(text: &str) -> Self {
        let mut parameters: Vec<(String, String)> = parse(text.as_bytes()).into_owned().collect();
        // Stable: the order of equal names may mean something.
        parameters.sort_by(|(left, _), (right, _)| left.cmp(right));
        Self(parameters)
    }

    /// The value of a parameter; of several the last, which is what forges go by.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Everything but the parameters `names`.
    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        self.0.retain(|(name, _)| !names.contains(&name.as_str()));
        self
    }

    /// The same with `name` set to `value`.
    pub(crate) fn with(self, name: &str, value: &dyn ToString) -> Self {
        let mut query = self.without(&[name]);
        let at = query.0.partition_point(|(known, _)| known.as_str() < name);
        query.0.insert(at, (name.to_owned(), value.to_string()));
        query
    }

    /// The canonical spelling, form-encoded.
    pub(crate) fn to_text(&self) -> String {
        let mut text = Serializer::new(String::new());
        text.extend_pairs(&self.0);
        text.finish()
    }

    /// A path with this query, if there is any.
    pub(crate) fn below(&self, path: &str) -> String {
        if self.0.is_empty() { path.to_owned() } else { format!("{path}?{}", self.to_text()) }
    }

    /// The name of what it selects among the sources of a path.
    pub(crate) fn source(&self) -> Variant {
        if self.0.is_empty() { Variant::SOURCE } else { Variant::named(self.to_text()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(raw: &str) -> String {
        Query::read(Some(raw)).unwrap().to_text()
    }

    #[test]
    fn a_query_has_one_spelling() {
        assert_eq!(canonical("b=2&a=1%2C2&c"), "a=1%2C2&b=2&c=");
        assert_eq!(canonical("a=x%20y&a=b&_=%ff"), "_=%EF%BF%BD&a=x+y&a=b");
        assert_eq!(canonical("a=2&&a=1"), "a=2&a=1");
        assert_eq!(Query::read(None).unwrap().source(), Variant::SOURCE);
        assert_eq!(Query::of("limit=1&a=2&limit=3").with("limit", &5).to_text(), "a=2&limit=5");
        assert_eq!(Query::of("limit=1&limit=3").get("limit"), Some("3"));
    }

    #[test]
    fn a_query_is_bounded_in_its_canonical_spelling() {
        assert!(Query::read(Some(&"a".repeat(1023))).is_ok());
        assert!(Query::read(Some(&"a".repeat(1024))).is_err());
        assert!(Query::read(Some(&"ä".repeat(300))).is_err());
    }

    proptest! {
        #[test]
        fn reading_is_idempotent(raw in "[ -~ä]{0,80}") {
            if let Ok(query) = Query::read(Some(&raw)) {
                prop_assert_eq!(Query::of(&query.to_text()), query.clone());
                prop_assert!(!query.to_text().contains('?'));
            }
        }
    }
}
