//! What the tests of the client share.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its part; helpers may panic")]

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use artifact_core::ports::{
    Intent, Trust, Upstream, UpstreamError, UpstreamReason, UpstreamRequest, UpstreamResponse,
    UpstreamTarget,
};
use artifact_core::{Credential, RepositoryId, Secret, Timestamp};
use async_trait::async_trait;
use futures_util::TryStreamExt;
use testkit::Origin;
use upstream::{HttpUpstream, Resolve, Settings};
use url::Url;

/// A resolver that knows only what it is told.
#[derive(Default)]
pub(crate) struct Names(pub(crate) HashMap<&'static str, Vec<IpAddr>>);

impl Names {
    pub(crate) fn of<const N: usize>(names: [(&'static str, &str); N]) -> Arc<Self> {
        let names = names.map(|(name, address)| (name, vec![address.parse().unwrap()]));
        Arc::new(Self(names.into()))
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.0.get(host).cloned().ok_or_else(|| io::Error::other("no such name"))
    }
}

pub(crate) fn client() -> HttpUpstream {
    HttpUpstream::new(Settings::default()).unwrap()
}

pub(crate) fn client_with(adjust: impl FnOnce(&mut Settings)) -> HttpUpstream {
    let mut settings = Settings::default();
    adjust(&mut settings);
    HttpUpstream::new(settings).unwrap()
}

/// A client whose patience with a silent origin is short.
pub(crate) fn impatient() -> HttpUpstream {
    client_with(|settings| {
        settings.timeouts.artifact_first_byte = Duration::from_millis(100);
        settings.timeouts.body_idle = Duration::from_millis(100);
    })
}

pub(crate) fn target(base_url: Url) -> UpstreamTarget {
    UpstreamTarget {
        id: RepositoryId(1),
        revision: 1,
        name: "remote".parse().unwrap(),
        base_url,
        credential: None,
        allowed_hosts: Vec::new(),
        ca_certificates: String::new(),
    }
}

pub(crate) fn credential(username: &str) -> Credential {
    let secret = Secret::new("s3cret");
    Credential { username: username.to_owned(), secret, updated_at: Timestamp::EPOCH }
}

pub(crate) fn get_from(target: UpstreamTarget, url: &str) -> UpstreamRequest {
    let url = target.base_url.join(url).unwrap();
    UpstreamRequest::get(Arc::new(target), url, Trust::Configured, Intent::Artifact)
}

pub(crate) fn get(origin: &Origin, path: &str) -> UpstreamRequest {
    get_from(target(origin.base_url()), path)
}

pub(crate) async fn read(response: UpstreamResponse) -> Result<Vec<u8>, artifact_core::Error> {
    let chunks: Vec<_> = response.body.try_collect().await?;
    Ok(chunks.concat())
}

/// Sends and reads to the end.
pub(crate) async fn fetch(client: &HttpUpstream, request: UpstreamRequest) -> Vec<u8> {
    read(client.send(request).await.unwrap()).await.unwrap()
}

/// Sends and expects no answer.
pub(crate) async fn refused(client: &HttpUpstream, request: UpstreamRequest) -> UpstreamReason {
    refusal(client, request).await.reason
}

pub(crate) async fn refusal(client: &HttpUpstream, request: UpstreamRequest) -> UpstreamError {
    client.send(request).await.unwrap_err()
}

/// Which step broke a body.
pub(crate) fn cause(error: &artifact_core::Error) -> UpstreamReason {
    let source = std::error::Error::source(error).unwrap();
    source.downcast_ref::<UpstreamError>().unwrap().reason
}
