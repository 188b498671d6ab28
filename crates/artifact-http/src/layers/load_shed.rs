//! Refuses what would be one request too many, at once and cheaply.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use artifact_core::{Error, ErrorKind};
use metrics::Gauge;

use crate::action::Action;
use crate::call::{Answer, Call, Failure, Serve};

/// How many requests may be under way, bodies included.
#[derive(Debug)]
pub(crate) struct Capacity {
    limit: usize,
    in_flight: AtomicUsize,
    gauge: Gauge,
}

/// One place among the requests under way; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Capacity>);

impl Capacity {
    pub(crate) fn new(limit: usize) -> Self {
        let gauge = metrics::gauge!("artifactapi_http_requests_in_flight");
        Self { limit, in_flight: AtomicUsize::new(0), gauge }
    }

    /// How many requests are under way.
    #[cfg(test)]
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn acquire(self: &Arc<Self>) -> Option<Permit> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.gauge.increment(1.0);
        // Made before the check, so that it takes back the count whatever happens.
        let permit = Permit(Arc::clone(self));
        (before < self.limit).then_some(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.gauge.decrement(1.0);
    }
}

super::layer! {
    /// Lets the permit travel in the body: a download under way is load until its last byte.
    LoadShedLayer => LoadShed { capacity: Arc<Capacity> }
}

impl<B: Send, S: Serve<B, Error = Failure>> Serve<B> for LoadShed<S> {
    type Error = Failure;

    async fn serve(&self, call: &mut Call<'_, B>) -> Result<Answer, Failure> {
        // Probes and metrics must answer above all when there is too much to do.
        if matches!(call.action, Action::Health(_) | Action::Metrics) {
            return self.inner.serve(call).await;
        }
        let Some(permit) = self.capacity.acquire() else { return Err(overloaded().into()) };
        let mut answer = self.inner.serve(call).await?;
        answer.response.body_mut().attached().permit = Some(permit);
        Ok(answer)
    }
}

fn overloaded() -> Error {
    Error::new(ErrorKind::Overloaded, "too many requests are under way")
        .with_retry_after(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_request_does_not_count() {
        let capacity = Arc::new(Capacity::new(1));
        let first = capacity.acquire();
        assert!(first.is_some());
        assert!(capacity.acquire().is_none());
        assert!(capacity.acquire().is_none());
        assert_eq!(capacity.in_flight(), 1);
        drop(first);
        assert!(capacity.acquire().is_some());
    }
}
