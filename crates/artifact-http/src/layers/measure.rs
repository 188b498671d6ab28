//! Counts requests, bytes and seconds through handles that are made once.

use std::sync::Arc;
use std::time::Instant;

use crate::body::Delivery;
use crate::call::{Answer, Call, Serve, Verdict};
use crate::meters::{Meters, RepositoryMeters};

super::layer! {
    /// Counts each answer at its head and attaches a [`Measurement`] for the rest.
    MeasureLayer => Measure { meters: Arc<Meters> }
}

impl<B: Send, S: Serve<B>> Serve<B> for Measure<S> {
    type Error = S::Error;

    async fn serve(&self, call: &mut Call<'_, B>) -> Result<Answer, S::Error> {
        let mut answer = self.inner.serve(call).await?;
        let meters = self.meters.of(answer.repository);
        meters.answered(call.method(), answer.response.status(), answer.verdict);
        let measurement = Measurement { meters, verdict: answer.verdict, received: call.received };
        answer.response.body_mut().attached().measurement = Some(measurement);
        Ok(answer)
    }
}

/// What is measured when the body ends.
#[derive(Debug)]
pub(crate) struct Measurement {
    meters: Arc<RepositoryMeters>,
    verdict: Verdict,
    received: Instant,
}

impl Measurement {
    /// The body ended like this.
    pub(crate) fn settle(self, delivery: &Delivery<'_>) {
        self.meters.delivered(self.verdict, delivery.bytes, self.received.elapsed());
    }
}
