//! Lists inside of an element: reading their items, and adding some.

use formats::json::Span;
use formats::xml::{Event, Reader, Tag, XmlError};

/// An item of a list that stands directly in an element.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Item<'t> {
    /// The name of the list.
    pub(super) list: &'t str,
    /// The item as it is written.
    pub(super) raw: &'t str,
}

/// The items of the lists of these names. Checks all of `element`.
pub(super) fn items<'t>(element: &'t str, names: &[&str]) -> Result<Vec<Item<'t>>, XmlError> {
    let mut reader = Reader::new(element);
    let mut items = Vec::new();
    reader.next()?;
    while let Some(list) = reader.child()? {
        if !names.contains(&list.name) {
            reader.skip()?;
            continue;
        }
        while let Some(item) = reader.child()? {
            let raw = whole(&mut reader, &item)?.of(element);
            items.push(Item { list: list.name, raw });
        }
    }
    reader.next()?;
    Ok(items)
}

/// Steps over an element that began and says where it is.
pub(super) fn whole(reader: &mut Reader<'_>, tag: &Tag<'_>) -> Result<Span, XmlError> {
    reader.skip()?;
    Ok(Span { start: tag.span.start, end: reader.position() })
}

/// The text of the first child of that name.
pub(super) fn text_of(element: &str, name: &str) -> Result<Option<String>, XmlError> {
    let mut reader = Reader::new(element);
    reader.next()?;
    while let Some(child) = reader.child()? {
        if child.name == name {
            return reader.text().map(|text| Some(text.trim().to_owned()));
        }
        reader.skip()?;
    }
    Ok(None)
}

/// `element` with `more` at the end of the list called `list`, which is made if there is none.
pub(super) fn with_more(element: &str, list: &str, more: &str) -> Result<String, XmlError> {
    let mut reader = Reader::new(element);
    let Some(Event::Start(root)) = reader.next()? else { return Ok(element.to_owned()) };
    let cut =
        |at: usize| (element.get(..at).unwrap_or_default(), element.get(at..).unwrap_or_default());
    loop {
        match reader.next()? {
            Some(Event::Start(tag)) if tag.name == list && tag.is_empty => {
                let (before, _) = cut(tag.span.start);
                let (_, after) = cut(tag.span.end);
                return Ok(format!("{before}<{list}>{more}</{list}>{after}"));
            }
            Some(Event::Start(tag)) if tag.name == list => {
                let (before, after) = cut(end_of(&mut reader)?);
                return Ok(format!("{before}{more}{after}"));
            }
            Some(Event::Start(_)) => reader.skip()?,
            Some(Event::Text(_)) => {}
            Some(Event::End { at, .. }) if !root.is_empty => {
                let (before, after) = cut(at);
                return Ok(format!("{before}<{list}>{more}</{list}>{after}"));
            }
            Some(Event::End { .. }) | None => return Ok(element.to_owned()),
        }
    }
}

/// Where the end tag of the innermost open element begins.
fn end_of(reader: &mut Reader<'_>) -> Result<usize, XmlError> {
    let depth = reader.depth();
    loop {
        match reader.next()? {
            Some(Event::End { at, .. }) if reader.depth() < depth => return Ok(at),
            Some(_) => {}
            None => return Ok(reader.position()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "<group><id> a </id><packagelist><p>x</p><p/></packagelist><e/></group>";

    #[test]
    fn items_are_found_in_their_lists() {
        let found = items(GROUP, &["packagelist", "e"]).unwrap();
        assert_eq!(found.iter().map(|item| item.raw).collect::<Vec<_>>(), ["<p>x</p>", "<p/>"]);
        assert_eq!(text_of(GROUP, "id").unwrap().as_deref(), Some("a"));
        assert_eq!(text_of(GROUP, "none").unwrap(), None);
    }

    #[test]
    fn more_is_added_at_the_end_of_a_list() {
        let added = with_more(GROUP, "packagelist", "<p>y</p>").unwrap();
        assert!(added.contains("<p/><p>y</p></packagelist>"), "{added}");
        assert!(with_more(GROUP, "e", "<q/>").unwrap().ends_with("<e><q/></e></group>"));
        assert!(with_more(GROUP, "new", "<q/>").unwrap().ends_with("<new><q/></new></group>"));
        assert_eq!(with_more("<group/>", "new", "<q/>").unwrap(), "<group/>");
    }
}
