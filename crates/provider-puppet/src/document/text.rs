//! Writing: text as it was, around what has to change.

use formats::json::Span;

/// Another text in the place of a span.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) span: Span,
    pub(super) text: String,
}

/// Edits in the order of their places. Of those that lie in one another the outer counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Edits(Vec<Edit>);

impl Edits {
    /// Takes edits in any order.
    pub(super) fn add(&mut self, edits: impl IntoIterator<Item = Edit>) {
        self.0.extend(edits);
        self.0.sort_by_key(|edit| (edit.span.start, std::cmp::Reverse(edit.span.end)));
    }

    /// Whether nothing changes.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends what `span` of `text` has become.
    pub(super) fn write(&self, text: &str, span: Span, out: &mut String) {
        let first = self.0.partition_point(|edit| edit.span.start < span.start);
        let mut at = span.start;
        for edit in self.0.get(first..).unwrap_or_default() {
            if edit.span.start >= span.end {
                break;
            }
            if edit.span.start < at || edit.span.end > span.end {
                continue;
            }
            out.push_str(Span { start: at, end: edit.span.start }.of(text));
            out.push_str(&edit.text);
            at = edit.span.end;
        }
        out.push_str(Span { start: at, end: span.end }.of(text));
    }
}

/// Appends items with commas in between.
pub(super) fn join<T>(
    items: impl IntoIterator<Item = T>,
    out: &mut String,
    mut write: impl FnMut(T, &mut String),
) {
    for (index, item) in items.into_iter().enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        write(item, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(start: usize, end: usize, text: &str) -> Edit {
        Edit { span: Span { start, end }, text: text.to_owned() }
    }

    #[test]
    fn the_outer_of_two_edits_counts() {
        let mut edits = Edits::default();
        edits.add([edit(5, 6, "x"), edit(1, 2, "y")]);
        edits.add([edit(4, 8, "z"), edit(9, 9, "+")]);
        let written = |start, end| {
            let mut out = String::new();
            edits.write("0123456789", Span { start, end }, &mut out);
            out
        };
        assert_eq!(written(0, 10), "0y23z8+9");
        assert_eq!(written(5, 8), "x67");
        assert_eq!(written(2, 4), "23");
    }
}
