//! Reading what upstream sent.

use artifact_core::{DocumentError, SourceDocument};
use formats::json::{JsonError, Reader};
use url::Url;

/// Why a document cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// Not a text at all.
    #[error("it is not valid UTF-8")]
    Encoding,
    /// Not JSON.
    #[error("the JSON document is broken: {0}")]
    Json(#[from] JsonError),
    /// A field that decides something is not there.
    #[error("the field \"{0}\" is missing or of the wrong kind")]
    Missing(&'static str),
    /// A field that decides something is there twice: readers would disagree about it.
    #[error("the field \"{0}\" is written twice")]
    Twice(&'static str),
    /// A field that decides something says nothing that can be used.
    #[error("the field \"{0}\" cannot be used: {1:?}")]
    Value(&'static str, String),
    /// Anything else that is wrong.
    #[error("{0}")]
    Other(&'static str),
}

impl From<Unreadable> for DocumentError {
    fn from(unreadable: Unreadable) -> Self {
        Self::Malformed(unreadable.to_string())
    }
}

/// The body as text without a byte order mark, which is none of JSON's business.
pub(crate) fn text_of<'a>(document: &SourceDocument<'a>) -> Result<&'a str, Unreadable> {
    let body: &'a [u8] = document.body;
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    std::str::from_utf8(body).map_err(|_| Unreadable::Encoding)
}

/// The URL that answered.
pub(crate) fn url_of(document: &SourceDocument<'_>) -> Option<Url> {
    document.url.and_then(|url| Url::parse(url).ok())
}

/// The absolute http or https URL that `link` means beside `base`.
pub(crate) fn resolve(link: &str, base: Option<&Url>) -> Option<Url> {
    if link.is_empty() {
        return None;
    }
    let mut url = Url::options().base_url(base).parse(link).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    url.set_fragment(None);
    Some(url)
}

/// Walks over a document that is one JSON object.
pub(crate) fn read_object<'t>(
    text: &'t str,
    visit: impl FnMut(formats::json::Text<'t>, &mut Reader<'t>) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let mut reader = Reader::new(text);
    reader.object(visit)?;
    Ok(reader.finish()?)
}

/// Puts what was read into its place, once.
pub(crate) fn once<T>(
    slot: &mut Option<T>,
    value: T,
    field: &'static str,
) -> Result<(), Unreadable> {
    if slot.replace(value).is_some() {
        return Err(Unreadable::Twice(field));
    }
    Ok(())
}
