//! `/token`: where clients of container registries fetch a ticket before they work.
//!
//! A GET names scopes in its query and the holder in Basic; a POST does the same as a form, perhaps with user and
//! password in it. Whoever asks for more than they have gets what they have, which may be nothing but the proof of
//! who they are; only a credential that is worth nothing is refused. Under a host that stands for a repository every
//! scope is meant for that repository.

use std::time::Duration;

use artifact_core::{Clock, Error, ErrorKind, RepositoryName, SystemClock, Timestamp};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{Method, Response, StatusCode};
use serde::Serialize;
use url::form_urlencoded;

use crate::access::{
    Authentication, Principal, RegistryGrant, Ticket, presented, requested_grants,
};
use crate::action::Extent;
use crate::body::Body;
use crate::call::{Call, Failure};
use crate::dispatch::uncached;
use crate::respond;
use crate::upload::request_body;

/// How long a ticket is good, and so how long a revoked token may still matter.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Clients do not believe in less.
const SHORTEST: Duration = Duration::from_secs(60);
/// The longest form.
const LONGEST_FORM: usize = 64 * 1024;

/// The answer, under both names that clients know for the ticket.
#[derive(Serialize)]
struct Answer<'a> {
    token: &'a str,
    access_token: &'a str,
    expires_in: u64,
    issued_at: String,
}

/// Answers an application for a ticket, by somebody who sees `extent` of the registry.
pub(crate) async fn serve<B>(
    authentication: &Authentication,
    extent: Extent<'_>,
    call: &mut Call<'_, B>,
) -> Result<Response<Body>, Failure>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let form = if *call.method() == Method::POST { read_form(call).await? } else { Vec::new() };
    let query = call.parts.uri.query().unwrap_or_default();
    let application = Application::of(query, &form)?;
    let credential = application.password.map_or_else(|| presented(call.headers()), Some);
    let applicant = authentication.applicant(credential.as_deref()).await?;
    let now = SystemClock.now();
    let expires_at = expiry(&applicant, now);
    let grants = grants(&application.scopes, extent, &applicant);
    let ticket = Ticket::new(applicant.name(), expires_at, grants);
    let text = authentication.issue(&ticket)?;
    call.principal = applicant;
    let answer = Answer {
        token: &text,
        access_token: &text,
        expires_in: expires_at.since(now).as_secs(),
        issued_at: now.to_rfc3339(),
    };
    Ok(uncached(respond::json(StatusCode::OK, &answer)?))
}

/// What is asked for. Everything else that clients send along says nothing that matters.
#[derive(Debug, Default, Eq, PartialEq)]
struct Application {
    scopes: Vec<String>,
    password: Option<Vec<u8>>,
}

impl Application {
    /// A secret in the query would end up in the logs of every proxy, so none is taken from there.
    fn of(query: &str, form: &[u8]) -> Result<Self, Error> {
        let scopes = form_urlencoded::parse(query.as_bytes());
        let scopes =
            scopes.filter(|(name, _)| name == "scope").map(|(_, value)| value.into_owned());
        let mut application = Self { scopes: scopes.collect(), password: None };
        for (name, value) in form_urlencoded::parse(form) {
            match &*name {
                "scope" => application.scopes.push(value.into_owned()),
                // Nothing but our own tokens is ever refreshed, and these are what they always were.
                "password" | "refresh_token" if !value.is_empty() => {
                    application.password = Some(value.into_owned().into_bytes());
                }
                "grant_type" if !["password", "refresh_token"].contains(&&*value) => {
                    let text = "only the grant types password and refresh_token are known";
                    return Err(Error::new(ErrorKind::BadRequest, text));
                }
                _ => {}
            }
        }
        Ok(application)
    }
}

fn grants(
    scopes: &[String],
    extent: Extent<'_>,
    applicant: &Principal,
) -> Vec<(RepositoryName, bool)> {
    let asked = requested_grants(scopes.iter().map(String::as_str), extent);
    let held = asked
        .into_iter()
        .filter_map(|grant| grant.limited_to(|permission| applicant.holds(permission)));
    held.map(|RegistryGrant { repository, push, .. }| (repository, push)).collect()
}

/// A ticket never outlives its holder's token by more than clients insist on.
fn expiry(applicant: &Principal, now: Timestamp) -> Timestamp {
    let latest = now.plus(LIFETIME);
    let end = applicant.expires_at().map_or(latest, |end| end.min(latest));
    end.max(now.plus(SHORTEST))
}

async fn read_form<B>(call: &mut Call<'_, B>) -> Result<Vec<u8>, Error>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Some(body) = call.body.take() else { return Ok(Vec::new()) };
    let mut body = request_body(body, call.headers());
    let mut form = Vec::new();
    while let Some(chunk) = body.stream.next().await {
        let chunk = chunk?;
        if form.len() + chunk.len() > LONGEST_FORM {
            let text = format!("a form has at most {LONGEST_FORM} bytes");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        form.extend_from_slice(&chunk);
    }
    Ok(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_names_scopes_and_perhaps_a_credential() {
        let query = "service=artifactapi&scope=repository%3Aa%2Fb%3Apull&scope=repository:c/d:push&account=me";
        let application = Application::of(query, b"").unwrap();
        assert_eq!(application.scopes, ["repository:a/b:pull", "repository:c/d:push"]);
        assert_eq!(application.password, None);
        let form = b"client_id=containerd-client&grant_type=password&password=p%2Bw&username=u\
            &scope=repository%3Aa%2Fb%3Apull+repository%3Ac%2Fd%3Apull";
        let application = Application::of("", form).unwrap();
        assert_eq!(application.scopes, ["repository:a/b:pull repository:c/d:pull"]);
        assert_eq!(application.password.as_deref(), Some(&b"p+w"[..]));
    }

    #[test]
    fn secrets_are_taken_from_the_form_alone() {
        for (query, form, expected) in [
            ("password=x&refresh_token=y", &b""[..], None),
            ("", b"grant_type=refresh_token&refresh_token=y", Some(&b"y"[..])),
            ("", b"grant_type=password&password=&username=", None),
        ] {
            let application = Application::of(query, form).unwrap();
            assert_eq!(application.password.as_deref(), expected, "{query}");
        }
        let other = Application::of("", b"grant_type=authorization_code&code=x").unwrap_err();
        assert_eq!(other.kind(), ErrorKind::BadRequest);
    }

    #[test]
    fn a_ticket_ends_with_the_token_behind_it_but_not_at_once() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let holder = |seconds| {
            let end = now.plus(Duration::from_secs(seconds));
            Principal::Ticket(std::sync::Arc::new(Ticket::new("ci", end, Vec::new())))
        };
        for (applicant, expected) in [
            (Principal::Anonymous, 900),
            (holder(86_400), 900),
            (holder(300), 300),
            (holder(10), 60),
        ] {
            assert_eq!(expiry(&applicant, now).since(now).as_secs(), expected, "{applicant:?}");
        }
    }
}
