//! From a response to a value or a problem. Pure.

use admin_types::{Outcome, Problem};
use bytes::Bytes;
use http::header::{ETAG, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

/// A whole response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The same answer, or the problem that it reports.
    pub(crate) fn success(self) -> Result<Self, Problem> {
        if self.status.is_success() { Ok(self) } else { Err(self.problem()) }
    }

    /// The body as a value.
    pub(crate) fn value<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Problem::no_answer(format!("the answer is not what this client understands: {error}"))
        })
    }

    /// The entity tag; empty if there is none.
    pub(crate) fn etag(&self) -> String {
        self.text(ETAG.as_str()).unwrap_or_default().to_owned()
    }

    /// What a write did, as far as the server says.
    pub(crate) fn outcome(&self) -> Outcome {
        let by_header = self.text(Outcome::HEADER).and_then(Outcome::from_name);
        let by_status = match self.status {
            StatusCode::CREATED => Outcome::Created,
            _ => Outcome::Replaced,
        };
        by_header.unwrap_or(by_status)
    }

    /// The problem in the body. What is no problem document comes from something between us
    /// and the server, and is reported by its status alone.
    fn problem(&self) -> Problem {
        let status = self.status.as_u16();
        let sent = serde_json::from_slice::<Problem>(&self.body).ok();
        let problem = sent.unwrap_or_else(|| {
            let title = self.status.canonical_reason().unwrap_or("unexpected status");
            let detail = "the answer does not come from the management API of this server";
            Problem::new(status, "no_answer", title, detail)
        });
        let retry_after = self.text(RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
        Problem { status, retry_after, ..problem }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &'static str) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers, body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn a_problem_document_is_given_on() {
        let body = r##"{"type":"/docs/errors#validation","title":"1 field is invalid","status":422,
            "errors":[{"pointer":"#/name","code":"required","detail":"is required"}]}"##;
        let problem = answer(422, &[("retry-after", "7")], body).success().unwrap_err();
        assert_eq!((problem.status, problem.retry_after), (422, Some(7)));
        assert_eq!(problem.code_at("#/name"), Some("required"));
    }

    #[test]
    fn an_answer_of_something_else_keeps_its_status() {
        let problem = answer(502, &[], "<html>bad gateway</html>").success().unwrap_err();
        assert_eq!((problem.status, &*problem.title), (502, "Bad Gateway"));
        let redirected = answer(302, &[], "").success().unwrap_err();
        assert_eq!(redirected.status, 302);
    }

    #[test]
    fn a_success_that_cannot_be_read_is_no_answer() {
        let problem = answer(200, &[], "<html>").value::<u64>().unwrap_err();
        assert_eq!(problem.status, Problem::NO_ANSWER);
    }

    #[test]
    fn the_outcome_comes_from_the_header_or_else_the_status() {
        for (status, headers, expected) in [
            (201, vec![], Outcome::Created),
            (200, vec![], Outcome::Replaced),
            (200, vec![("artifactapi-outcome", "unchanged")], Outcome::Unchanged),
            (200, vec![("artifactapi-outcome", "created")], Outcome::Created),
            (200, vec![("artifactapi-outcome", "odd")], Outcome::Replaced),
        ] {
            assert_eq!(answer(status, &headers, "").outcome(), expected, "{status} {headers:?}");
        }
    }
}
