//! The stack, outermost layer first.
//!
//! Invariant: below [`RescueLayer`] everything may fail, above it nothing can; the types say so.

use std::sync::Arc;

use artifact_engine::AccessLogQueue;
use tower::ServiceBuilder;

use crate::access::Authentication;
use crate::layers::{
    AccessLog, AccessLogLayer, Authenticate, AuthenticateLayer, Capacity, CatchPanic,
    CatchPanicLayer, LoadShed, LoadShedLayer, Measure, MeasureLayer, Namespace, NamespaceLayer,
    RequestIdLayer, RequestIds, Rescue, RescueLayer, SecurityHeaders, SecurityHeadersLayer,
};
use crate::meters::Meters;
use crate::origin::OriginSettings;
use crate::repositories::Repositories;

/// What the layers share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) origins: Arc<OriginSettings>,
    pub(crate) repositories: Arc<dyn Repositories>,
    pub(crate) capacity: Arc<Capacity>,
    pub(crate) authentication: Authentication,
    pub(crate) access_log: Option<AccessLogQueue>,
}

/// The layers around `S`.
pub(crate) type Stack<S> = RequestIds<AccessLog<Measure<SecurityHeaders<Namespace<Failing<S>>>>>>;

/// The layers that turn what can fail into what cannot.
type Failing<S> = Rescue<LoadShed<CatchPanic<Authenticate<S>>>>;

/// Puts the layers around `dispatch`.
pub(crate) fn stack<S>(shared: &Shared, dispatch: S) -> Stack<S> {
    let Shared { origins, repositories, capacity, authentication, access_log } = shared.clone();
    let log_authentication = authentication.clone();
    let meters = Arc::new(Meters::new(Arc::clone(&repositories)));
    ServiceBuilder::new()
        // Outermost, so that every answer can be found again in the log.
        .layer(RequestIdLayer {})
        // Above everything that decides the answer; its line and record are written when the body ends.
        .layer(AccessLogLayer {
            origins: Arc::clone(&origins),
            queue: access_log,
            authentication: log_authentication,
        })
        // Above Rescue, so that refusals, overload and panics are counted by their status.
        .layer(MeasureLayer { meters })
        // Above Rescue, because error bodies need protection from sniffing most of all.
        .layer(SecurityHeadersLayer {})
        // Above Rescue, so that a refusal says as well which registry it speaks for.
        .layer(NamespaceLayer {})
        // The only place where an error becomes a response.
        .layer(RescueLayer {
            repositories: Arc::clone(&repositories),
            origins: Arc::clone(&origins),
        })
        // Below Rescue, which words the refusal. The permit travels in the body.
        .layer(LoadShedLayer { capacity })
        // Below LoadShed, so that a panic gives its permit back like any other failure.
        .layer(CatchPanicLayer {})
        // Just above the work: nothing below asks again who may do what.
        .layer(AuthenticateLayer { authentication, repositories })
        .service(dispatch)
}

#[cfg(test)]
mod tests;
