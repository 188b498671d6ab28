//! What may stand around elements: declarations, comments and instructions.

use super::characters::{Refusal, characters, white_space};

/// A piece of markup that is no tag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Markup {
    /// A comment or a processing instruction.
    Ignored,
    /// Character data that is taken literally; the number is that of bytes before it.
    Literal,
    /// The declaration of a document type.
    DocumentType,
}

/// The most bytes of a declaration.
const MAX_DECLARATION: usize = 4096;

/// Recognises what begins with `<!` or `<?` and gives its length. `None`: its end is not in `text`.
pub(super) fn markup(text: &[u8]) -> Result<Option<(Markup, usize)>, Refusal> {
    let ends_with = |end: &[u8], from: usize| {
        let left = text.get(from..)?;
        memchr::memmem::find(left, end).map(|at| from + at + end.len())
    };
    if text.starts_with(b"<!--") {
        return Ok(ends_with(b"-->", 4).map(|end| (Markup::Ignored, end)));
    }
    if text.starts_with(b"<![CDATA[") {
        return Ok(ends_with(b"]]>", 9).map(|end| (Markup::Literal, end)));
    }
    if text.starts_with(b"<?") {
        return Ok(ends_with(b"?>", 2).map(|end| (Markup::Ignored, end)));
    }
    if text.starts_with(b"<!DOCTYPE") {
        return document_type(text);
    }
    let may_grow = [&b"<!--"[..], b"<![CDATA[", b"<!DOCTYPE"];
    if may_grow.iter().any(|whole| whole.starts_with(text)) {
        return Ok(None);
    }
    Err((0, "a declaration that is not allowed here"))
}

/// A document type may name a file, which nobody reads. What it would declare itself is refused,
/// because entities are how small documents become large ones.
fn document_type(text: &[u8]) -> Result<Option<(Markup, usize)>, Refusal> {
    let mut quote = None;
    for (at, byte) in text.iter().enumerate().take(MAX_DECLARATION) {
        match (quote, byte) {
            (None, b'[') => return Err((at, "a document type that declares something")),
            (None, b'>') => return Ok(Some((Markup::DocumentType, at + 1))),
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(open), _) if open == *byte => quote = None,
            _ => {}
        }
    }
    if text.len() >= MAX_DECLARATION {
        return Err((0, "a document type that is too long"));
    }
    Ok(None)
}

/// Checks the inside of a piece of markup that was recognised and lies within a document.
pub(super) fn check(markup: &str) -> Result<(), Refusal> {
    characters(markup)?;
    if let Some(comment) = markup.strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->")) {
        if comment.contains("--") || comment.ends_with('-') {
            return Err((0, "two hyphens in a comment"));
        }
    } else if let Some(instruction) = markup.strip_prefix("<?") {
        let length = super::characters::name(instruction.as_bytes())?;
        let name = instruction.get(..length).unwrap_or_default();
        if name.eq_ignore_ascii_case("xml") {
            return Err((0, "an XML declaration that is not at the beginning"));
        }
        let follows = instruction.as_bytes().get(length);
        if !follows.is_some_and(|byte| *byte == b'?' || super::characters::is_white(*byte)) {
            return Err((2 + length, "an instruction that cannot be read"));
        }
    }
    Ok(())
}

/// Whether `text` begins with an XML declaration.
pub(super) fn is_declaration(text: &[u8]) -> bool {
    text.strip_prefix(b"<?xml").is_some_and(|rest| white_space(rest) > 0)
}

/// Checks an XML declaration: only UTF-8, of which ASCII is a part, is read.
pub(super) fn check_declaration(declaration: &str) -> Result<(), Refusal> {
    let inside = declaration.strip_prefix("<?xml").and_then(|rest| rest.strip_suffix("?>"));
    let inside = inside.unwrap_or_default();
    super::tag::check(inside.trim_end())?;
    let tag = super::Tag {
        name: "xml",
        span: crate::json::Span::default(),
        is_empty: true,
        attributes: inside,
    };
    if tag.attribute("version").is_some_and(|version| version != "1.0") {
        return Err((0, "not XML 1.0"));
    }
    let encoding = tag.attribute("encoding").unwrap_or_default().to_ascii_lowercase();
    match encoding.as_str() {
        "" | "utf-8" | "utf8" | "us-ascii" | "ascii" => Ok(()),
        _ => Err((0, "an encoding other than UTF-8")),
    }
}
