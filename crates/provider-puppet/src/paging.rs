//! Pages of lists: those that clients ask for, and those that members of a virtual repository are asked for.

use artifact_core::{Reject, Variant};

use crate::fields::Fields;
use crate::query::Query;

/// The largest page that a forge gives.
const MAX_LIMIT: u64 = 100;
const DEFAULT_LIMIT: u64 = 20;
/// How far into a list without an end a virtual repository goes.
const MAX_REACH: u64 = 2000;
/// No list is longer.
const MAX_OFFSET: u64 = 1_000_000;

/// The page of a united list that a client asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Window {
    pub(crate) limit: u64,
    pub(crate) offset: u64,
}

impl Window {
    /// The page that a query asks for; of more than a forge gives, as much as it gives.
    pub(crate) fn of(query: &Query) -> Result<Self, Reject> {
        let number = |name, default| match query.get(name) {
            None => Ok(default),
            Some(text) => {
                text.parse().ok().filter(|number| *number <= MAX_OFFSET).ok_or_else(|| {
                    Reject::bad_request(format!("the parameter \"{name}\" is not valid"))
                })
            }
        };
        let limit = number("limit", DEFAULT_LIMIT)?.clamp(1, MAX_LIMIT);
        Ok(Self { limit, offset: number("offset", 0)? })
    }

    /// Where it ends.
    pub(crate) fn end(self) -> u64 {
        self.offset.saturating_add(self.limit)
    }
}

/// A page that a member of a virtual repository is asked for, and how many of the pages that
/// follow are needed as well. Its name among the sources says so, so that a page can tell what
/// belongs to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct MemberPage {
    /// Up to where the list is needed; `None` is the whole.
    reach: Option<u64>,
    /// What the member is asked.
    query: Query,
}

impl MemberPage {
    /// The first page of a whole list. Its order is ours to make.
    pub(crate) fn whole(query: &Query) -> Self {
        Self::first(None, query.clone().without(&["sort_by"]))
    }

    /// The first page of a list of which the beginning is enough.
    pub(crate) fn beginning(query: &Query, window: Window) -> Result<Self, Reject> {
        let reach = window.end().next_multiple_of(MAX_LIMIT);
        if reach > MAX_REACH {
            return Err(Reject::bad_request(format!(
                "a virtual repository lists no more than {MAX_REACH}, ask for something narrower"
            )));
        }
        Ok(Self::first(Some(reach), query.clone()))
    }

    fn first(reach: Option<u64>, query: Query) -> Self {
        let query = Fields::of(&query).asked_of_members(query);
        Self { reach, query: query.with("limit", &MAX_LIMIT).with("offset", &0) }
    }

    /// The page that a source is, unless it is an ordinary one.
    pub(crate) fn of_source(source: &Variant) -> Option<Self> {
        let (reach, query) = source.as_str().split_once('?')?;
        let reach = if reach == "all" { None } else { Some(reach.parse().ok()?) };
        Some(Self { reach, query: Query::of(query) })
    }

    /// Its name among the sources. A question mark is in no name of an ordinary one.
    pub(crate) fn source(&self) -> Variant {
        let reach = self.reach.map_or_else(|| "all".to_owned(), |reach| reach.to_string());
        Variant::named(format!("{reach}?{}", self.query.to_text()))
    }

    /// What the member is asked.
    pub(crate) fn query(&self) -> &Query {
        &self.query
    }

    /// Whether the whole list is needed.
    pub(crate) fn is_of_whole(&self) -> bool {
        self.reach.is_none()
    }

    /// The page at `offset`. `None` when it is not needed any more; an error when it would not
    /// lead on.
    pub(crate) fn following(&self, offset: u64) -> Result<Option<Self>, NoProgress> {
        let own = self.query.get("offset").and_then(|text| text.parse().ok()).unwrap_or(0);
        if offset <= own || offset > MAX_OFFSET {
            return Err(NoProgress);
        }
        let is_needed = self.reach.is_none_or(|reach| offset < reach);
        let following =
            || Self { reach: self.reach, query: self.query.clone().with("offset", &offset) };
        Ok(is_needed.then(following))
    }
}

/// The next page is not behind this one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NoProgress;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_the_defaults_and_bounds_of_a_forge() {
        let window =
            |text: &str| Window::of(&Query::of(text)).map(|window| (window.limit, window.offset));
        assert_eq!(window(""), Ok((20, 0)));
        assert_eq!(window("limit=5&offset=40"), Ok((5, 40)));
        assert_eq!(window("limit=5000"), Ok((100, 0)));
        assert_eq!(window("limit=0"), Ok((1, 0)));
        for bad in ["limit=x", "offset=-1", "offset=1000001", "limit="] {
            assert!(window(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_is_told_by_its_source() {
        let whole = MemberPage::whole(&Query::of(
            "module=a-b&sort_by=version&exclude_fields=readme&limit=3",
        ));
        assert_eq!(
            whole.source().as_str(),
            "all?exclude_fields=readme&limit=100&module=a-b&offset=0"
        );
        let window = Window { limit: 20, offset: 90 };
        let beginning = MemberPage::beginning(&Query::of("query=x&sort_by=rank"), window).unwrap();
        assert_eq!(beginning.source().as_str(), "200?limit=100&offset=0&query=x&sort_by=rank");
        for page in [whole, beginning] {
            assert_eq!(MemberPage::of_source(&page.source()), Some(page));
        }
        assert_eq!(MemberPage::of_source(&Query::of("a=all?b").source()), None);
        assert_eq!(MemberPage::of_source(&Variant::SOURCE), None);
    }

    #[test]
    fn pages_follow_until_there_are_enough() {
        let window = Window { limit: 20, offset: 90 };
        let first = MemberPage::beginning(&Query::default(), window).unwrap();
        let second = first.following(100).unwrap().unwrap();
        assert_eq!(second.query().get("offset"), Some("100"));
        assert_eq!(second.following(200), Ok(None));
        assert_eq!(second.following(100), Err(NoProgress));
        assert!(MemberPage::whole(&Query::default()).following(5000).unwrap().is_some());
        assert!(
            MemberPage::beginning(&Query::default(), Window { limit: 20, offset: 1990 }).is_err()
        );
    }
}
