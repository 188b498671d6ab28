//! Listing repositories: filter, order, one page.

use std::cmp::Ordering;

use admin_types::{
    Kind, ListQuery, Page, Problem, Repository, Sort, SortKey, decode_cursor, encode_cursor,
};

use super::Admin;
use super::view::{View, kind_of};

impl Admin {
    pub(super) async fn list_repositories(
        &self,
        kind: Kind,
        query: &ListQuery,
    ) -> Result<Page<Repository>, Problem> {
        let after =
            query.cursor.as_deref().map(|cursor| Position::read(cursor, query.sort)).transpose()?;
        let needs_usage = kind == Kind::Local || query.sort.key == SortKey::SizeBytes;
        let stored = self.stored().await?;
        let view = View::load(self, needs_usage).await?;
        let mut found: Vec<_> = stored
            .into_iter()
            .filter(|repository| kind_of(repository) == kind && matches(repository, query))
            .map(|repository| {
                let size = view.usage(repository.id).logical_bytes;
                (Position { size, name: repository.name.to_string() }, repository)
            })
            .collect();
        found.sort_by(|(left, _), (right, _)| left.compare(right, query.sort));
        let total = u64::try_from(found.len()).ok();
        if let Some(after) = after {
            found.retain(|(position, _)| position.compare(&after, query.sort).is_gt());
        }
        let has_more = found.len() > query.limit;
        found.truncate(query.limit);
        let next_cursor =
            found.last().filter(|_| has_more).map(|(position, _)| position.to_cursor(query.sort));
        let items = found.iter().map(|(_, repository)| view.repository(repository)).collect();
        Ok(Page { items, next_cursor, total })
    }
}

fn matches(repository: &artifact_core::Repository, query: &ListQuery) -> bool {
    let equals = |wanted: &Option<String>, found: &str| {
        wanted.as_deref().is_none_or(|wanted| wanted == found)
    };
    let contains = |text: &str, needle: &str| text.to_lowercase().contains(needle);
    let needle = query.q.as_deref().map(str::to_lowercase);
    let mentions = needle.is_none_or(|needle| {
        contains(repository.name.as_str(), &needle) || contains(&repository.description, &needle)
    });
    equals(&query.name, repository.name.as_str())
        && equals(&query.package_type, repository.package_type.as_str())
        && equals(&query.managed_by, &repository.managed_by)
        && mentions
}

/// Where a repository stands in an order. Positions are compared by value, so that a cursor
/// stays good when its repository is gone.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Position {
    size: u64,
    name: String,
}

impl Position {
    fn compare(&self, other: &Self, sort: Sort) -> Ordering {
        let by_key = match sort.key {
            SortKey::Name => self.name.cmp(&other.name),
            SortKey::SizeBytes => self.size.cmp(&other.size),
        };
        let by_key = if sort.descending { by_key.reverse() } else { by_key };
        by_key.then_with(|| self.name.cmp(&other.name))
    }

    fn to_cursor(&self, sort: Sort) -> String {
        encode_cursor(&format!("{sort} {} {}", self.size, self.name))
    }

    fn read(cursor: &str, sort: Sort) -> Result<Self, Problem> {
        let text = decode_cursor(cursor)?;
        let foreign = || Problem::bad_request("the cursor belongs to another listing");
        let rest = text
            .strip_prefix(&sort.to_string())
            .and_then(|rest| rest.strip_prefix(' '))
            .ok_or_else(foreign)?;
        let (size, name) = rest.split_once(' ').ok_or_else(foreign)?;
        let size = size.parse().map_err(|_| foreign())?;
        Ok(Self { size, name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(sort: Sort) -> String {
        let mut positions: Vec<_> = [("b", 1), ("a", 2), ("c", 1)]
            .map(|(name, size)| Position { size, name: name.to_owned() })
            .into();
        positions.sort_by(|left, right| left.compare(right, sort));
        positions.iter().map(|position| position.name.as_str()).collect()
    }

    #[test]
    fn equal_sizes_are_in_order_of_name() {
        for (key, descending, expected) in [
            (SortKey::Name, false, "abc"),
            (SortKey::Name, true, "cba"),
            (SortKey::SizeBytes, false, "bca"),
            (SortKey::SizeBytes, true, "abc"),
        ] {
            assert_eq!(sorted(Sort { key, descending }), expected, "{key:?} {descending}");
        }
    }

    #[test]
    fn a_cursor_is_good_for_its_order_only() {
        let position = Position { size: 7, name: "a".into() };
        let by_size = Sort { key: SortKey::SizeBytes, descending: true };
        let cursor = position.to_cursor(by_size);
        assert_eq!(Position::read(&cursor, by_size), Ok(position));
        let other = Position::read(&cursor, Sort::default());
        assert_eq!(other.map_err(|problem| problem.status), Err(400));
    }
}
