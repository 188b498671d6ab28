//! Lets requests through to the work, or not.

use std::sync::Arc;

use http::{HeaderValue, Response, header};

use crate::access::{Asked, Authentication};
use crate::action::Action;
use crate::body::Body;
use crate::call::{Answer, Call, Failure, Serve};
use crate::repositories::{Privacy, Repositories};

super::layer! {
    /// Refuses what needs a token and brings none that may.
    AuthenticateLayer => Authenticate {
        authentication: Authentication,
        repositories: Arc<dyn Repositories>,
    }
}

impl<B: Send, S: Serve<B, Error = Failure>> Serve<B> for Authenticate<S> {
    type Error = Failure;

    async fn serve(&self, call: &mut Call<'_, B>) -> Result<Answer, Failure> {
        let privacy = self.privacy(call.action);
        let asked = Asked { action: call.action, method: call.method(), privacy };
        self.authentication.admit(&asked, &call.parts.headers, &mut call.principal).await?;
        let mut answer = self.inner.serve(call).await?;
        if privacy == Privacy::Private {
            keep_from_sharing(&mut answer.response);
        }
        Ok(answer)
    }
}

impl<S> Authenticate<S> {
    /// Whether the repository of `action` is private, as far as that matters here.
    fn privacy(&self, action: Action<'_>) -> Privacy {
        if self.authentication.is_open() {
            return Privacy::Public;
        }
        match action {
            Action::Package(route) => self.repositories.privacy(route.repository),
            Action::Registry(..)
            | Action::Admin(_)
            | Action::Token(_)
            | Action::PeerFlight(_)
            | Action::Health(_)
            | Action::Metrics
            | Action::ErrorGuide
            | Action::MethodNotAllowed(_)
            | Action::NotFound => Privacy::Public,
        }
    }
}

/// What only some may read must not be kept by a cache that serves everybody.
fn keep_from_sharing(response: &mut Response<Body>) {
    let Some(caching) = response.headers_mut().get_mut(header::CACHE_CONTROL) else { return };
    let text = caching.to_str().unwrap_or_default();
    if text.contains("no-store") {
        return;
    }
    let rest = text.strip_prefix("public, ").unwrap_or(text);
    let private = HeaderValue::try_from(["private, ", rest].concat());
    *caching = private.unwrap_or(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_caches_do_not_keep_what_is_private() {
        for (sent, expected) in [
            ("public, max-age=31536000, immutable", "private, max-age=31536000, immutable"),
            ("max-age=0, must-revalidate", "private, max-age=0, must-revalidate"),
            ("no-store", "no-store"),
        ] {
            let mut response = Response::new(Body::empty());
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(sent));
            keep_from_sharing(&mut response);
            assert_eq!(response.headers()[header::CACHE_CONTROL], expected, "{sent}");
        }
        let mut bare = Response::new(Body::empty());
        keep_from_sharing(&mut bare);
        assert!(bare.headers().is_empty());
    }
}
