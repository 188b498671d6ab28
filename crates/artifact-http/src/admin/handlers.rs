//! One method per call of the management API.

use admin_types::{
    CollectQuery, Condition, EvictQuery, Kind, ListQuery, ObjectQuery, Outcome, Page, Problem,
    Repository, SnippetQuery, StatsQuery, TokenQuery, Versioned, Write, WriteQuery, Written,
    refuse_parameters,
};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use super::{Admin, Head};
use crate::body::Body;
use crate::call::Failure;
use crate::dispatch::uncached;
use crate::respond;

type Handled = Result<Response<Body>, Failure>;

impl Admin {
    /// `GET /api/v2/{kind}s`
    pub(super) async fn list(&self, kind: Kind, head: Head<'_>) -> Handled {
        let query = ListQuery::parse(head.query())?;
        let page = self.api.list(kind, query.clone()).await?;
        let origin = self.origin(head)?;
        let items = page.items.into_iter().map(|item| item.under_origin(&origin)).collect();
        let page = Page { items, ..page };
        let mut response = respond::json(StatusCode::OK, &page)?;
        let next = page.next_cursor.map(|cursor| {
            let cursor = Some(cursor);
            ListQuery { cursor, ..query }.to_query()
        });
        link_next(&mut response, head, next.as_deref());
        Ok(response)
    }

    /// `POST /api/v2/{kind}s`
    pub(super) async fn create(&self, kind: Kind, document: Value, head: Head<'_>) -> Handled {
        let rehearsal = WriteQuery::parse(head.query())?.dry_run;
        let condition = condition(head)?;
        let write = Write::create(document).on(condition);
        self.write(kind, write, rehearsal, head).await
    }

    /// `PUT /api/v2/{kind}s/{name}`
    pub(super) async fn put(
        &self,
        kind: Kind,
        name: &str,
        document: Value,
        head: Head<'_>,
    ) -> Handled {
        let rehearsal = WriteQuery::parse(head.query())?.dry_run;
        let condition = condition(head)?;
        let write = Write::replace(name, document).on(condition);
        self.write(kind, write, rehearsal, head).await
    }

    /// `PATCH /api/v2/{kind}s/{name}`
    pub(super) async fn patch(
        &self,
        kind: Kind,
        name: &str,
        document: Value,
        head: Head<'_>,
    ) -> Handled {
        let rehearsal = WriteQuery::parse(head.query())?.dry_run;
        let condition = condition(head)?;
        let write = Write::merge(name, document).on(condition);
        self.write(kind, write, rehearsal, head).await
    }

    async fn write(&self, kind: Kind, write: Write, rehearsal: bool, head: Head<'_>) -> Handled {
        let origin = self.origin(head)?;
        let write = if rehearsal { write.rehearsed() } else { write };
        let Written { outcome, repository } = self.api.write(kind, write).await?;
        // A rehearsal created nothing, so that it has no 201 and no place to go to.
        let is_new = outcome == Outcome::Created && !rehearsal;
        let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
        let location = format!("/api/v2/{}/{}", kind.plural(), repository.value.name());
        let mut response = versioned(status, repository, &origin)?;
        let outcome_header = HeaderName::from_static(Outcome::HEADER);
        response.headers_mut().insert(outcome_header, HeaderValue::from_static(outcome.name()));
        if let (true, Ok(location)) = (is_new, HeaderValue::try_from(location)) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        Ok(response)
    }

    /// `GET /api/v2/{kind}s/{name}`
    pub(super) async fn get(&self, kind: Kind, name: &str, head: Head<'_>) -> Handled {
        refuse_parameters(head.query())?;
        let repository = self.api.get(kind, name).await?;
        if let Some(tags) = head.text(&header::IF_NONE_MATCH)?
            && matches_weakly(tags, &repository.etag)
        {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            tag(&mut response, &repository.etag);
            return Ok(response);
        }
        versioned(StatusCode::OK, repository, &self.origin(head)?)
    }

    /// `DELETE /api/v2/{kind}s/{name}`
    pub(super) async fn delete(&self, kind: Kind, name: &str, head: Head<'_>) -> Handled {
        let rehearsal = WriteQuery::parse(head.query())?.dry_run;
        self.api.delete(kind, name, condition(head)?, rehearsal).await?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    /// `GET /api/v2/{kind}s/{name}/objects`
    pub(super) async fn objects(&self, kind: Kind, name: &str, head: Head<'_>) -> Handled {
        let query = ObjectQuery::parse(head.query())?;
        let page = self.api.objects(kind, name, query.clone()).await?;
        let mut response = respond::json(StatusCode::OK, &page)?;
        let next = page.next_cursor.map(|cursor| {
            let cursor = Some(cursor);
            ObjectQuery { cursor, ..query }.to_query()
        });
        link_next(&mut response, head, next.as_deref());
        Ok(response)
    }

    /// `GET /api/v2/tokens`
    pub(super) async fn tokens(&self, head: Head<'_>) -> Handled {
        let query = TokenQuery::parse(head.query())?;
        let page = self.api.tokens(query.clone()).await?;
        let mut response = respond::json(StatusCode::OK, &page)?;
        let next = page.next_cursor.map(|cursor| {
            let cursor = Some(cursor);
            TokenQuery { cursor, ..query }.to_query()
        });
        link_next(&mut response, head, next.as_deref());
        Ok(response)
    }

    /// `POST /api/v2/tokens`
    pub(super) async fn create_token(&self, document: Value, head: Head<'_>) -> Handled {
        refuse_parameters(head.query())?;
        let created = self.api.create_token(document).await?;
        // The only answer with the secret: nobody may keep it but the client.
        Ok(uncached(respond::json(StatusCode::CREATED, &created)?))
    }

    /// `DELETE /api/v2/tokens/{id}`
    pub(super) async fn revoke_token(&self, id: &str, head: Head<'_>) -> Handled {
        refuse_parameters(head.query())?;
        self.api.revoke_token(id).await?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    /// `GET /api/v2/gc`
    pub(super) async fn collector(&self, head: Head<'_>) -> Handled {
        refuse_parameters(head.query())?;
        Ok(respond::json(StatusCode::OK, &self.api.collector().await?)?)
    }

    /// `POST /api/v2/gc/run`
    pub(super) async fn collect(&self, head: Head<'_>) -> Handled {
        let query = CollectQuery::parse(head.query())?;
        Ok(respond::json(StatusCode::OK, &self.api.collect(query).await?)?)
    }

    /// `DELETE /api/v2/{kind}s/{name}/objects`
    pub(super) async fn evict(&self, kind: Kind, name: &str, head: Head<'_>) -> Handled {
        let EvictQuery { selection, dry_run } = EvictQuery::parse(head.query())?;
        let evicted = self.api.evict(kind, name, selection, dry_run).await?;
        Ok(respond::json(StatusCode::OK, &evicted)?)
    }

    /// `GET /api/v2/repositories/{name}/snippets`; as plain text the first one alone.
    pub(super) async fn snippets(&self, name: &str, head: Head<'_>) -> Handled {
        let SnippetQuery { client } = SnippetQuery::parse(head.query())?;
        let origin = self.origin(head)?;
        let snippets = self.api.snippets(name, client.as_deref(), &origin).await?;
        let wants_text =
            head.text(&header::ACCEPT)?.is_some_and(|accept| accept.starts_with("text/plain"));
        if !wants_text {
            return Ok(respond::json(StatusCode::OK, &snippets)?);
        }
        if client.is_none() {
            return Err(Problem::bad_request("plain text needs a client, as in ?client=pip").into());
        }
        let body = snippets.snippets.into_iter().next().map(|snippet| snippet.body);
        let body = body.ok_or_else(|| Problem::not_found("no snippet for this client"))?;
        Ok(respond::bytes(StatusCode::OK, respond::TEXT, body))
    }

    /// `GET /api/v2/stats`
    pub(super) async fn stats(&self, head: Head<'_>) -> Handled {
        let stats = self.api.stats(StatsQuery::parse(head.query())?).await?;
        Ok(respond::json(StatusCode::OK, &stats)?)
    }

    /// `GET /api/v2/health`
    pub(super) async fn health(&self, head: Head<'_>) -> Handled {
        refuse_parameters(head.query())?;
        let health = self.api.health().await?;
        Ok(respond::json(StatusCode::OK, &health)?)
    }

    fn origin(&self, head: Head<'_>) -> Result<String, Failure> {
        Ok(self.origins.origin(head.parts, head.peer)?.into_owned())
    }
}

fn condition(head: Head<'_>) -> Result<Condition, Problem> {
    Condition::from_headers(head.text(&header::IF_MATCH)?, head.text(&header::IF_NONE_MATCH)?)
}

fn versioned(status: StatusCode, repository: Versioned<Repository>, origin: &str) -> Handled {
    let Versioned { etag, value } = repository;
    let mut response = respond::json(status, &value.under_origin(origin))?;
    tag(&mut response, &etag);
    Ok(response)
}

/// Writes the entity tag; a rehearsal has none.
fn tag(response: &mut Response<Body>, etag: &str) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let (false, Ok(etag)) = (etag.is_empty(), HeaderValue::try_from(etag)) {
        headers.insert(header::ETAG, etag);
    }
}

/// The weak comparison that `If-None-Match` asks for (RFC 9110, section 13.1.2).
fn matches_weakly(tags: &str, current: &str) -> bool {
    tags.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == current)
}

fn link_next(response: &mut Response<Body>, head: Head<'_>, query: Option<&str>) {
    let Some(query) = query else { return };
    let link = format!("<{}?{query}>; rel=\"next\"", head.parts.uri.path());
    if let Ok(link) = HeaderValue::try_from(link) {
        response.headers_mut().insert(header::LINK, link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_none_match_compares_weakly_over_a_list() {
        for (tags, expected) in [
            ("\"1-1\"", true),
            ("W/\"1-1\"", true),
            ("\"0\", W/\"1-1\"", true),
            ("*", true),
            ("\"1-2\"", false),
            ("", false),
        ] {
            assert_eq!(matches_weakly(tags, "\"1-1\""), expected, "{tags}");
        }
    }
}
