//! Where things are in a text, and copying the text around them.

/// A range of bytes of a text, both ends on character boundaries.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Span {
    /// The offset of the first byte.
    pub start: usize,
    /// The offset behind the last byte.
    pub end: usize,
}

impl Span {
    /// What the span covers in `text`; empty when it does not lie within.
    pub fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// Hands out a text piece by piece around the spans that are replaced. Copying every
/// piece and replacing nothing gives the same text again.
#[derive(Clone, Debug)]
pub struct Splice<'t> {
    text: &'t str,
    left: Span,
}

impl<'t> Splice<'t> {
    /// Starts at the beginning of `text`.
    pub fn new(text: &'t str) -> Self {
        Self::within(text, Span { start: 0, end: text.len() })
    }

    /// Starts at the beginning of `span` and will end with it.
    pub fn within(text: &'t str, span: Span) -> Self {
        Self { text, left: span }
    }

    /// The text between the last replaced span and this one, which is now replaced too.
    /// Spans are given in ascending order; one that lies behind yields nothing.
    pub fn up_to(&mut self, replaced: Span) -> &'t str {
        let kept = Span { start: self.left.start, end: replaced.start };
        self.left.start = self.left.start.max(replaced.end);
        kept.of(self.text)
    }

    /// The text behind the last replaced span.
    pub fn rest(self) -> &'t str {
        self.left.of(self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pieces_are_handed_out_around_the_replaced_spans() {
        let mut splice = Splice::within("[one two three]", Span { start: 1, end: 14 });
        assert_eq!(splice.up_to(Span { start: 5, end: 8 }), "one ");
        assert_eq!(splice.up_to(Span { start: 2, end: 3 }), "");
        assert_eq!(splice.rest(), " three");
    }

    proptest! {
        #[test]
        fn replacing_nothing_gives_the_same_text(text in "\\PC{0,40}", cuts in prop::collection::vec(0usize..40, 0..6)) {
            let mut cuts: Vec<usize> =
                cuts.into_iter().filter(|cut| text.is_char_boundary(*cut)).collect();
            cuts.sort_unstable();
            let mut splice = Splice::new(&text);
            let mut copy = String::new();
            for cut in cuts {
                copy.push_str(splice.up_to(Span { start: cut, end: cut }));
            }
            copy.push_str(splice.rest());
            prop_assert_eq!(copy, text);
        }
    }
}
