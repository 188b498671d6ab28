//! One bucket: calls with retries, and whether it exists.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use rusoto_core::{Client, RusotoError};
use rusoto_s3::{DeleteObjectRequest, HeadBucketRequest, HeadObjectRequest, S3, S3Client};
use tokio::time::{Instant, sleep};

use super::circuit::Circuit;
use super::failure::S3Failure;
use super::link::{Dispatch, Errand, Link, Verdict};
use super::settings::{S3Settings, check_bucket};
use crate::StoreError;
use crate::blocking::lock;

const RETRIES: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How long a bucket that was seen is believed to be there.
const BELIEF: Duration = Duration::from_secs(5);

/// A bucket on a server.
#[derive(Debug)]
pub(super) struct Bucket {
    link: Arc<Link>,
    circuit: Circuit,
    seen: Mutex<Option<Instant>>,
}

impl Bucket {
    /// The bucket of `settings`. Connects to nothing.
    pub(super) fn new(settings: &S3Settings) -> Result<Self, StoreError> {
        check_bucket(&settings.bucket)?;
        let link = Arc::new(Link::new(settings)?);
        Ok(Self { link, circuit: Circuit::default(), seen: Mutex::default() })
    }

    pub(super) fn name(&self) -> String {
        self.link.bucket().to_owned()
    }

    /// `source`, which happened when `action` was tried.
    pub(super) fn failed(&self, action: &'static str, source: S3Failure) -> StoreError {
        StoreError::S3 { action, place: self.link.place(), source }
    }

    /// The outcome of the request that `make` makes, asked for again if that may help. Must be a
    /// request that does no harm when it arrives twice.
    pub(super) async fn call<T, E, F>(
        &self,
        errand: Errand,
        make: impl Fn(S3Client) -> F,
    ) -> Result<T, S3Failure>
    where
        F: Future<Output = Result<T, RusotoError<E>>>,
    {
        let mut pause = FIRST_PAUSE;
        for _ in 0..RETRIES {
            match self.call_once(errand, &make).await {
                Err(failure) if failure.is_transient() => sleep(pause).await,
                outcome => return outcome,
            }
            pause *= 3;
        }
        self.call_once(errand, &make).await
    }

    async fn call_once<T, E, F>(
        &self,
        errand: Errand,
        make: impl Fn(S3Client) -> F,
    ) -> Result<T, S3Failure>
    where
        F: Future<Output = Result<T, RusotoError<E>>>,
    {
        let pass = self.circuit.enter()?;
        let verdict = Verdict::default();
        let dispatch = Dispatch { link: Arc::clone(&self.link), errand, verdict: verdict.clone() };
        let client = Client::new_not_signing(dispatch);
        let client = S3Client::new_with_client(client, self.link.region());
        // rusoto unwraps numbers in documents, and what it reads may not come from a store at all.
        let outcome = match AssertUnwindSafe(make(client)).catch_unwind().await {
            Ok(outcome) => outcome.map_err(|error| verdict.on(&error)),
            Err(_) => Err(S3Failure::Unreadable { problem: "it is no document of S3".to_owned() }),
        };
        pass.settle(&outcome);
        outcome
    }

    /// The size of the object `key`; `None` if there is none in a bucket that exists.
    pub(super) async fn size(&self, key: &str) -> Result<Option<u64>, S3Failure> {
        let request =
            HeadObjectRequest { bucket: self.name(), key: key.to_owned(), ..Default::default() };
        let head = |client: S3Client| {
            let request = request.clone();
            async move { client.head_object(request).await }
        };
        match self.call(Errand::Ask, head).await {
            Ok(head) => length(head.content_length).map(Some),
            Err(failure) if failure.is_bare_not_found() => self.confirm().await.map(|()| None),
            Err(failure) => Err(failure),
        }
    }

    /// Asks whether the bucket exists, unless it was seen a moment ago: "not found" without an
    /// explanation may mean either.
    async fn confirm(&self) -> Result<(), S3Failure> {
        if lock(&self.seen).is_some_and(|seen| seen.elapsed() < BELIEF) {
            return Ok(());
        }
        let request = HeadBucketRequest { bucket: self.name(), expected_bucket_owner: None };
        let head = |client: S3Client| {
            let request = request.clone();
            async move { client.head_bucket(request).await }
        };
        match self.call(Errand::Ask, head).await {
            Ok(()) => {
                *lock(&self.seen) = Some(Instant::now());
                Ok(())
            }
            Err(failure) if failure.is_bare_not_found() => Err(S3Failure::MissingBucket),
            Err(failure) => Err(failure),
        }
    }

    /// Removes the object `key`, if there is one.
    pub(super) async fn delete(&self, key: &str) -> Result<(), S3Failure> {
        let request =
            DeleteObjectRequest { bucket: self.name(), key: key.to_owned(), ..Default::default() };
        let delete = |client: S3Client| {
            let request = request.clone();
            async move { client.delete_object(request).await }
        };
        self.call(Errand::Ask, delete).await.map(drop)
    }
}

/// A length that the server states.
pub(super) fn length(stated: Option<i64>) -> Result<u64, S3Failure> {
    let unreadable = || S3Failure::Unreadable { problem: "it states no length".to_owned() };
    stated.and_then(|length| u64::try_from(length).ok()).ok_or_else(unreadable)
}
