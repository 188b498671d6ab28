//! Filling one page of a listing: which group a path is folded into, and where a page ends.

use artifact_core::ports::{ListedRow, Listing, RowQuery};

use crate::range::{just_behind, successor};

/// The first path of the page; none if everything lies before it.
pub(crate) fn start_of(query: &RowQuery) -> Option<String> {
    let Some(after) = &query.after else { return Some(query.prefix.clone()) };
    let start = match group_of(after, query) {
        Some(group) => successor(group)?,
        None => just_behind(after),
    };
    Some(start.max(query.prefix.clone()))
}

/// The folded group that `path` belongs to: up to and with the next delimiter after the prefix.
pub(crate) fn group_of<'a>(path: &'a str, query: &RowQuery) -> Option<&'a str> {
    let delimiter = query.delimiter?;
    let rest = path.strip_prefix(query.prefix.as_str())?;
    let length = query.prefix.len() + rest.find(delimiter)? + delimiter.len_utf8();
    path.get(..length)
}

/// A page being filled. A page ends between paths, never between the variants of one, because
/// the next page continues behind a path.
pub(crate) struct Page {
    limit: usize,
    listing: Listing,
    groups: Vec<String>,
    /// The last path or group.
    last: Option<String>,
    /// How many rows there were before the last path, and what came before it.
    before_last: (usize, Option<String>),
}

impl Page {
    pub(crate) fn new(limit: usize) -> Self {
        let (listing, groups) = (Listing::default(), Vec::new());
        Self { limit: limit.max(1), listing, groups, last: None, before_last: (0, None) }
    }

    /// Whether the page is full and `path` starts the next one.
    pub(crate) fn ends_before(&mut self, path: &str) -> bool {
        let is_over = self.is_full() && self.last.as_deref() != Some(path);
        if is_over {
            self.listing.next.clone_from(&self.last);
        }
        is_over
    }

    /// Adds a row. `false` if it does not fit together with the other variants of its path:
    /// those are left to the next page, too. A path alone on its page may exceed the limit.
    pub(crate) fn add_row(&mut self, path: String, row: ListedRow) -> bool {
        let is_new_path = self.last.as_ref() != Some(&path);
        if is_new_path {
            self.before_last = (self.listing.rows.len(), self.last.replace(path));
        } else if self.is_full()
            && let (rows, Some(previous)) = &self.before_last
        {
            self.listing.rows.truncate(*rows);
            self.listing.next = Some(previous.clone());
            return false;
        }
        self.listing.rows.push(row);
        true
    }

    pub(crate) fn add_group(&mut self, group: String) {
        self.last = Some(group.clone());
        self.groups.push(group);
    }

    /// The page but its groups, and those, which are still to be summed.
    pub(crate) fn finish(self) -> (Listing, Vec<String>) {
        (self.listing, self.groups)
    }

    fn is_full(&self) -> bool {
        self.listing.rows.len() + self.groups.len() >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use artifact_core::RepositoryId;

    use super::*;

    fn folded() -> RowQuery {
        RowQuery {
            repository: RepositoryId(1),
            prefix: String::new(),
            delimiter: Some('/'),
            after: None,
            state: None,
            limit: 100,
            summed: 0,
        }
    }

    #[test]
    fn a_path_belongs_to_the_group_of_its_next_delimiter() {
        let query =
            |prefix: &str, delimiter| RowQuery { prefix: prefix.to_owned(), delimiter, ..folded() };
        for (path, prefix, delimiter, expected) in [
            ("a/b/c", "", Some('/'), Some("a/")),
            ("a/b/c", "a/", Some('/'), Some("a/b/")),
            ("a/b/c", "a", Some('/'), Some("a/")),
            ("a/b", "a/", Some('/'), None),
            ("a/", "a/", Some('/'), None),
            ("aéb", "", Some('é'), Some("aé")),
            ("a/b", "", None, None),
        ] {
            assert_eq!(group_of(path, &query(prefix, delimiter)), expected, "{path} {prefix}");
        }
    }
}
