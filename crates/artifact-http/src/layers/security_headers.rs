//! Headers that keep a browser from making more of an answer than it is.

use http::HeaderValue;
use http::header::X_CONTENT_TYPE_OPTIONS;

use crate::call::{Answer, Call, Serve};

super::layer! {
    /// Writes `X-Content-Type-Options: nosniff`.
    SecurityHeadersLayer => SecurityHeaders {}
}

impl<B: Send, S: Serve<B>> Serve<B> for SecurityHeaders<S> {
    type Error = S::Error;

    async fn serve(&self, call: &mut Call<'_, B>) -> Result<Answer, S::Error> {
        let mut answer = self.inner.serve(call).await?;
        let headers = answer.response.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Ok(answer)
    }
}
