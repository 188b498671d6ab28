//! The elements of the stack, one file each. Their order is in [`stack`](crate::stack).

mod access_log;
mod authenticate;
mod catch_panic;
mod load_shed;
mod measure;
mod namespace;
mod request_id;
mod rescue;
mod security_headers;

pub(crate) use access_log::{AccessLog, AccessLogLayer, AccessRecord};
pub(crate) use authenticate::{Authenticate, AuthenticateLayer};
pub(crate) use catch_panic::{CatchPanic, CatchPanicLayer};
pub(crate) use load_shed::{Capacity, LoadShed, LoadShedLayer, Permit};
pub(crate) use measure::{Measure, MeasureLayer, Measurement};
pub(crate) use namespace::{Namespace, NamespaceLayer};
pub(crate) use request_id::{RequestIdLayer, RequestIds};
pub use rescue::status_of;
pub(crate) use rescue::{Rescue, RescueLayer, refuse};
pub(crate) use security_headers::{SecurityHeaders, SecurityHeadersLayer};

/// Declares a layer that wraps a service and carries settings.
macro_rules! layer {
    ($(#[$meta:meta])* $layer:ident => $service:ident { $($field:ident: $type:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone)]
        pub(crate) struct $layer { $(pub(crate) $field: $type),* }

        impl<S> tower::Layer<S> for $layer {
            type Service = $service<S>;

            fn layer(&self, inner: S) -> $service<S> {
                $service { inner, $($field: self.$field.clone()),* }
            }
        }

        $(#[$meta])*
        pub(crate) struct $service<S> { inner: S, $($field: $type),* }
    };
}
use layer;
