//! Documents that upstream sends in pages, each with a `Link` to the next one (RFC 8288).
//!
//! The pages become one body as they arrive. A page that is missing or cannot be had breaks it: half of a list is never
//! taken for the whole.

use std::sync::Arc;

use artifact_core::ports::{Conditions, UpstreamRequest, UpstreamResponse};
use artifact_core::{ByteStream, Error, ErrorKind, Result, Shape};
use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use http::header::{ETAG, LAST_MODIFIED, LINK};
use http::{HeaderMap, StatusCode};
use url::Url;

use super::Job;
use crate::shared::Shared;
use crate::verdict::{self, Asked, Verdict};

/// The most pages of one document.
const MOST: usize = 100;

/// The document that begins with `response`, where its type is sent in pages. What upstream says of the first page is
/// not true of the whole, so it cannot be confirmed with that.
pub(super) fn united(
    shared: &Arc<Shared>,
    job: &Job,
    mut response: UpstreamResponse,
) -> UpstreamResponse {
    let is_linked = matches!(&job.target.shape, Shape::Document { kind, .. }
        if job.mounted.provider.is_linked(*kind));
    let Some(request) = job.request().filter(|_| is_linked && response.status == StatusCode::OK)
    else {
        return response;
    };
    let link = next_link(&response.headers).map(ToOwned::to_owned);
    for name in [ETAG, LAST_MODIFIED, LINK] {
        response.headers.remove(name);
    }
    let Some(link) = link else { return response };
    let pages = Pages {
        shared: Arc::clone(shared),
        request: UpstreamRequest { conditions: Conditions::default(), ..request },
        asked: Asked { conditional: false, ..job.asked() },
        url: response.url.clone(),
        body: response.body,
        next: Some(link),
        turned: 0,
    };
    response.length = None;
    response.body = Box::pin(stream::try_unfold(pages, Pages::chunk));
    response
}

/// The pages of a document, read one after the other.
struct Pages {
    shared: Arc<Shared>,
    request: UpstreamRequest,
    asked: Asked,
    /// Where the page that is being read comes from.
    url: Url,
    body: ByteStream,
    /// The link to the page behind it.
    next: Option<String>,
    turned: usize,
}

impl Pages {
    async fn chunk(mut self) -> Result<Option<(Bytes, Self)>> {
        loop {
            if let Some(chunk) = self.body.try_next().await? {
                return Ok(Some((chunk, self)));
            }
            let Some(link) = self.next.take() else { return Ok(None) };
            self.turn(&link).await?;
        }
    }

    async fn turn(&mut self, link: &str) -> Result<()> {
        self.turned += 1;
        if self.turned >= MOST {
            return Err(unusable("the upstream document is spread over too many pages"));
        }
        let url = self.url.join(link).ok().filter(|url| url.origin() == self.url.origin());
        let url = url.ok_or_else(|| unusable("a page of the upstream document leads elsewhere"))?;
        let request = UpstreamRequest { url, ..self.request.clone() };
        let response = self.shared.parts.upstream.send(request).await?;
        match verdict::judge(&response, self.asked) {
            Verdict::Body => {}
            Verdict::Refused(error) if !error.is_absent() => return Err(error),
            Verdict::Refused(_) | Verdict::Confirmed => {
                return Err(unusable("a page of the upstream document is missing"));
            }
        }
        self.next = next_link(&response.headers).map(ToOwned::to_owned);
        self.url = response.url;
        self.body = response.body;
        Ok(())
    }
}

fn unusable(text: &'static str) -> Error {
    Error::new(ErrorKind::Upstream, text)
}

/// Where the page behind this one is.
fn next_link(headers: &HeaderMap) -> Option<&str> {
    headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).find_map(next_in)
}

/// The target of the first link in a value of `Link` whose relation is "next".
fn next_in(mut links: &str) -> Option<&str> {
    loop {
        let (_, link) = links.split_once('<')?;
        let (target, rest) = link.split_once('>')?;
        let parameters = rest.split_once('<').map_or(rest, |(parameters, _)| parameters);
        if parameters.split([';', ',']).any(is_next) {
            return Some(target);
        }
        links = rest;
    }
}

fn is_next(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
        name.trim().eq_ignore_ascii_case("rel")
            && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_other_links() {
        for (links, next) in [
            (r#"</v2/a?n=1&last=b>; rel="next""#, Some("/v2/a?n=1&last=b")),
            ("<b>; rel=next", Some("b")),
            (r#"<a>; rel="prev", <b,c>; title="x"; REL = "last next""#, Some("b,c")),
            (r#"<a>; rel="prev""#, None),
            (r#"<a>; title="next""#, None),
            (r#"<a; rel="next""#, None),
            ("", None),
        ] {
            assert_eq!(next_in(links), next, "{links}");
        }
    }
}
