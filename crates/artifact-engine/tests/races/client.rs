//! Those who ask the engine.

use std::sync::Arc;

use artifact_core::{ByteStream, Error, RepositoryKind, RequestBody};
use artifact_engine::{Engine, Mount, Reply, ReplyBody, Request};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderMap, Method, StatusCode};
use tokio::task::JoinHandle;

use crate::hold::PATIENCE;

/// Uploads come in chunks of this size.
const CHUNK: usize = 64 * 1024;

/// Asks one engine for files of the remote `r` and the local repository `l`.
#[derive(Clone)]
pub(crate) struct Client(Arc<Engine>);

impl Client {
    pub(crate) fn new(engine: &Arc<Engine>) -> Self {
        Self(Arc::clone(engine))
    }

    /// A file to its end: the error of the answer, or of its body.
    pub(crate) async fn get(&self, path: &str) -> Result<Bytes, Error> {
        let got = async { read(self.ask(Method::GET, path, None).await?.body).await };
        let got = tokio::time::timeout(PATIENCE, got).await;
        got.unwrap_or_else(|_| panic!("{path} never comes"))
    }

    /// A file whose body is not yet read.
    pub(crate) async fn open(&self, path: &str) -> ByteStream {
        match self.ask(Method::GET, path, None).await.unwrap().body {
            ReplyBody::Stream(stream) => stream,
            _ => panic!("{path} is not streamed"),
        }
    }

    pub(crate) async fn put(&self, path: &str, body: &Bytes) -> Result<StatusCode, Error> {
        let chunks: Vec<_> = body.chunks(CHUNK).map(|chunk| Ok(body.slice_ref(chunk))).collect();
        let stream: ByteStream = Box::pin(futures_util::stream::iter(chunks));
        let body = RequestBody { length: Some(body.len() as u64), stream };
        Ok(self.ask(Method::PUT, path, Some(body)).await?.status)
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<StatusCode, Error> {
        Ok(self.ask(Method::DELETE, path, None).await?.status)
    }

    /// [`get`](Self::get) in a task of its own.
    pub(crate) fn begin_get(&self, path: &'static str) -> JoinHandle<Result<Bytes, Error>> {
        let client = self.clone();
        tokio::spawn(async move { client.get(path).await })
    }

    /// [`put`](Self::put) in a task of its own.
    pub(crate) fn begin_put(
        &self,
        path: &'static str,
        body: &Bytes,
    ) -> JoinHandle<Result<StatusCode, Error>> {
        let (client, body) = (self.clone(), body.clone());
        tokio::spawn(async move { client.put(path, &body).await })
    }

    /// [`delete`](Self::delete) in a task of its own.
    pub(crate) fn begin_delete(&self, path: &'static str) -> JoinHandle<Result<StatusCode, Error>> {
        let client = self.clone();
        tokio::spawn(async move { client.delete(path).await })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<RequestBody>,
    ) -> Result<Reply, Error> {
        let (repository, path) = path.split_once('/').unwrap();
        let kind = match repository {
            "r" => RepositoryKind::Remote,
            _ => RepositoryKind::Local,
        };
        let request = Request {
            mount: Mount::Package(kind),
            repository,
            method: &method,
            path,
            query: None,
            headers: &HeaderMap::new(),
            origin: "http://cache.example",
            body,
        };
        self.0.serve(request).await
    }
}

async fn read(body: ReplyBody) -> Result<Bytes, Error> {
    match body {
        ReplyBody::Empty => Ok(Bytes::new()),
        ReplyBody::Full(bytes) => Ok(bytes),
        ReplyBody::Stream(stream) => rest(stream).await,
    }
}

/// What a body still has to say.
pub(crate) async fn rest(stream: ByteStream) -> Result<Bytes, Error> {
    let all = stream.try_fold(BytesMut::new(), |mut all, chunk| async move {
        all.extend_from_slice(&chunk);
        Ok(all)
    });
    all.await.map(BytesMut::freeze)
}

/// The first chunk of a body.
pub(crate) async fn first(stream: &mut ByteStream) -> Bytes {
    stream.next().await.unwrap().unwrap()
}
