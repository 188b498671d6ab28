//! Which representation of an index a client gets.

use artifact_core::Variant;
use http::HeaderMap;
use http::header::ACCEPT;
use percent_encoding::percent_decode_str;

/// A representation of an index page. The last two have the same bytes and differ in their media type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    Json,
    HtmlV1,
    Html,
}

impl Format {
    /// Every representation, the best first.
    pub(crate) const ALL: [Self; 3] = [Self::Json, Self::HtmlV1, Self::Html];

    pub(crate) const fn variant(self) -> Variant {
        match self {
            Self::Json => Variant::new("json"),
            Self::HtmlV1 => Variant::new("html-v1"),
            Self::Html => Variant::new("html"),
        }
    }

    pub(crate) fn of_variant(variant: &Variant) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.variant() == *variant)
    }

    /// What is sent. Never `application/json`: installers skip such a page.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/vnd.pypi.simple.v1+json",
            Self::HtmlV1 => "application/vnd.pypi.simple.v1+html",
            Self::Html => "text/html; charset=utf-8",
        }
    }

    /// The representation that a media type names, without parameters, in lower case.
    fn named(media_type: &str) -> Option<Self> {
        match media_type {
            "application/vnd.pypi.simple.v1+json" | "application/vnd.pypi.simple.latest+json" => {
                Some(Self::Json)
            }
            "application/vnd.pypi.simple.v1+html" | "application/vnd.pypi.simple.latest+html" => {
                Some(Self::HtmlV1)
            }
            "text/html" => Some(Self::Html),
            _ => None,
        }
    }

    /// How exactly a media range names this representation; `None` if it does not.
    fn specificity(self, range: &str) -> Option<u8> {
        if Self::named(range) == Some(self) {
            return Some(2);
        }
        // Whoever takes anything is a browser or a script and gets what they can read.
        match (self, range) {
            (Self::Html, "text/*") | (Self::Json, "application/*") => Some(1),
            (Self::Html, "*/*") => Some(0),
            _ => None,
        }
    }
}

/// The representation for a request: `?format=` if it names one, else the best by `Accept`.
/// A client that accepts none of them gets HTML: installers take a 406 for an empty index.
pub(crate) fn negotiate(query: Option<&str>, headers: &HeaderMap) -> Format {
    if let Some(format) = query.and_then(format_parameter) {
        return format;
    }
    let ranges = accepted(headers);
    let mut best = (0, Format::Html);
    for format in Format::ALL {
        let quality = quality_of(format, &ranges);
        if quality > best.0 {
            best = (quality, format);
        }
    }
    best.1
}

/// A plus sign is a plus sign here: media types have one.
fn format_parameter(query: &str) -> Option<Format> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("format="))?;
    let value = percent_decode_str(value).decode_utf8().ok()?;
    Format::named(&value.trim().to_ascii_lowercase())
}

/// A media range and its weight in thousandths.
type Range = (String, u16);

fn accepted(headers: &HeaderMap) -> Vec<Range> {
    let texts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).filter_map(read_range).collect()
}

fn read_range(text: &str) -> Option<Range> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?.to_ascii_lowercase();
    let quality = parts
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .map_or(1000, |(_, value)| read_quality(value.trim()));
    Some((range, quality))
}

/// A weight that cannot be read counts as the lowest that still accepts.
fn read_quality(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |part: &str| part.chars().all(|c| c.is_ascii_digit());
    if whole.len() != 1 || fraction.len() > 3 || !is_number(whole) || !is_number(fraction) {
        return 1;
    }
    format!("{whole}{fraction:0<3}").parse().map_or(1, |quality: u16| quality.min(1000))
}

fn quality_of(format: Format, ranges: &[Range]) -> u16 {
    ranges
        .iter()
        .filter_map(|(range, quality)| Some((format.specificity(range)?, *quality)))
        .max()
        .map_or(0, |(_, quality)| quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_accept(accept: &str) -> Format {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        negotiate(None, &headers)
    }

    #[test]
    fn real_clients_get_what_they_prefer() {
        for (accept, format) in [
            // pip
            (
                "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, \
                 text/html; q=0.01",
                Format::Json,
            ),
            // uv
            (
                "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, \
                 text/html;q=0.01",
                Format::Json,
            ),
            // poetry
            ("application/vnd.pypi.simple.v1+json, */*;q=0.1", Format::Json),
            // a browser
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::Html),
            ("*/*", Format::Html),
            ("text/html", Format::Html),
            ("text/*", Format::Html),
            ("application/*", Format::Json),
            ("application/vnd.pypi.simple.latest+html", Format::HtmlV1),
            ("application/vnd.pypi.simple.latest+json", Format::Json),
            ("APPLICATION/VND.PYPI.SIMPLE.V1+JSON", Format::Json),
        ] {
            assert_eq!(by_accept(accept), format, "{accept}");
        }
    }

    #[test]
    fn weights_decide_and_a_tie_is_json() {
        for (accept, format) in [
            ("application/vnd.pypi.simple.v1+json;q=0.5, text/html;q=0.6", Format::Html),
            ("text/html, application/vnd.pypi.simple.v1+json", Format::Json),
            ("application/vnd.pypi.simple.v1+json;q=0, */*", Format::Html),
            ("text/html;q=0, */*, application/vnd.pypi.simple.v1+html;q=0.1", Format::HtmlV1),
            ("text/html;q=0.001, application/vnd.pypi.simple.v1+html;q=0", Format::Html),
        ] {
            assert_eq!(by_accept(accept), format, "{accept}");
        }
    }

    #[test]
    fn whoever_accepts_nothing_of_ours_gets_html() {
        for accept in ["application/json", "", "nonsense", "text/html;q=x", "*/*;q=0"] {
            assert_eq!(by_accept(accept), Format::Html, "{accept}");
        }
        assert_eq!(negotiate(None, &HeaderMap::new()), Format::Html);
    }

    #[test]
    fn the_format_parameter_wins_over_accept() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, "text/html".parse().unwrap());
        let format = |query| negotiate(Some(query), &headers);
        assert_eq!(format("format=application/vnd.pypi.simple.v1+json"), Format::Json);
        assert_eq!(format("a=b&format=application%2Fvnd.pypi.simple.v1%2Bhtml"), Format::HtmlV1);
        assert_eq!(format("format=unknown"), Format::Html);
    }

    #[test]
    fn a_variant_names_its_format() {
        for format in Format::ALL {
            assert_eq!(Format::of_variant(&format.variant()), Some(format));
        }
        assert_eq!(Format::of_variant(&Variant::SOURCE), None);
    }
}
