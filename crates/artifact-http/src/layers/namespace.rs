//! Names the namespace that led to a repository, as clients of mirrors may want to know.

use http::{HeaderName, HeaderValue};

use crate::call::{Answer, Call, Serve};

const NAMESPACE: HeaderName = HeaderName::from_static("oci-namespace");

super::layer! {
    /// Writes the header of answers that were found by a namespace.
    NamespaceLayer => Namespace {}
}

impl<B: Send, S: Serve<B>> Serve<B> for Namespace<S> {
    type Error = S::Error;

    async fn serve(&self, call: &mut Call<'_, B>) -> Result<Answer, S::Error> {
        let mut answer = self.inner.serve(call).await?;
        if let Some(Ok(namespace)) = call.namespace.map(HeaderValue::from_str) {
            answer.response.headers_mut().insert(NAMESPACE, namespace);
        }
        Ok(answer)
    }
}
