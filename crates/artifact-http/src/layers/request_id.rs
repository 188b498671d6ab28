//! Repeats the request's id in the answer.

use crate::call::{Answer, Call, Serve};
use crate::request_id::X_REQUEST_ID;

super::layer! {
    /// Writes `X-Request-Id`.
    RequestIdLayer => RequestIds {}
}

impl<B: Send, S: Serve<B>> Serve<B> for RequestIds<S> {
    type Error = S::Error;

    async fn serve(&self, call: &mut Call<'_, B>) -> Result<Answer, S::Error> {
        let mut answer = self.inner.serve(call).await?;
        answer.response.headers_mut().insert(X_REQUEST_ID, call.id.as_header().clone());
        Ok(answer)
    }
}
