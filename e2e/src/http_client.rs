//! A plain HTTP client: sends exactly what it is told and keeps what it gets, whole or not.

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// A client without cache, redirects, retries or cookies.
#[derive(Clone, Debug)]
pub struct HttpClient(Client<HttpConnector, Full<Bytes>>);

/// One answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as far as it came.
    pub body: Bytes,
    /// Whether the body ended as HTTP says that it must.
    pub is_complete: bool,
}

/// An answer that is read bit by bit.
#[derive(Debug)]
pub struct Download {
    /// The status.
    pub status: StatusCode,
    incoming: Incoming,
}

impl HttpClient {
    /// A client with an empty connection pool.
    #[expect(clippy::new_without_default, reason = "a pool of sockets is no value")]
    pub fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// `GET`.
    pub async fn get(&self, url: &str) -> Result<Exchange> {
        self.send(Method::GET, url, &[], "").await
    }

    /// `HEAD`.
    pub async fn head(&self, url: &str) -> Result<Exchange> {
        self.send(Method::HEAD, url, &[], "").await
    }

    /// `DELETE`.
    pub async fn delete(&self, url: &str) -> Result<Exchange> {
        self.send(Method::DELETE, url, &[], "").await
    }

    /// `PUT` of bytes.
    pub async fn put(&self, url: &str, body: impl Into<Bytes>) -> Result<Exchange> {
        self.send(Method::PUT, url, &[], body).await
    }

    /// `POST` of JSON text, valid or not.
    pub async fn post_json(&self, url: &str, body: impl ToString) -> Result<Exchange> {
        let json = [("content-type", "application/json")];
        self.send(Method::POST, url, &json, body.to_string()).await
    }

    /// `PUT` of JSON, with more headers.
    pub async fn put_json(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Exchange> {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send(Method::PUT, url, &all, body.to_string()).await
    }

    /// `GET` of something that is read bit by bit. Returns with the head.
    pub async fn open(&self, url: &str) -> Result<Download> {
        let request = Request::get(url).body(Full::default())?;
        let answer = self.0.request(request).await.with_context(|| format!("GET {url}"))?;
        Ok(Download { status: answer.status(), incoming: answer.into_body() })
    }

    /// Any request. An answer whose body breaks off is an answer, not an error.
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Exchange> {
        let mut request = Request::builder().method(method.clone()).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into()))?;
        let answer = self.0.request(request).await.with_context(|| format!("{method} {url}"))?;
        let (head, mut incoming) = answer.into_parts();
        let mut received = BytesMut::new();
        let is_complete = loop {
            match incoming.frame().await {
                None => break true,
                Some(Err(_)) => break false,
                Some(Ok(frame)) => {
                    received.extend(frame.into_data().ok());
                }
            }
        };
        Ok(Exchange {
            status: head.status,
            headers: head.headers,
            body: received.freeze(),
            is_complete,
        })
    }
}

impl Download {
    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        while let Some(frame) = self.incoming.frame().await.transpose()? {
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// Everything that is left.
    pub async fn rest(mut self) -> Result<Bytes> {
        let mut received = BytesMut::new();
        while let Some(bytes) = self.next().await? {
            received.extend_from_slice(&bytes);
        }
        Ok(received.freeze())
    }
}

impl Exchange {
    /// A header as text; empty where it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The `Cache-Status` header.
    pub fn cache_status(&self) -> &str {
        self.header("cache-status")
    }

    /// Whether the cache answered by itself.
    pub fn is_hit(&self) -> bool {
        self.cache_status().split(';').any(|parameter| parameter.trim() == "hit")
    }

    /// The body as text, with anything else replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("status {}, not JSON: {}", self.status, self.text()))
    }

    /// The JSON pointers that a problem answer complains about, sorted.
    pub fn problem_pointers(&self) -> Result<Vec<String>> {
        let problem = self.json()?;
        let errors = problem.get("errors").and_then(Value::as_array);
        let errors = errors.with_context(|| format!("no errors in {problem}"))?;
        let pointer = |error: &Value| error.get("pointer")?.as_str().map(str::to_owned);
        let mut pointers: Vec<String> = errors.iter().filter_map(pointer).collect();
        pointers.sort();
        Ok(pointers)
    }
}
