//! Turns a panic into a 500, so that a defect costs one answer and not its connection.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use artifact_core::{Error, ErrorKind};
use futures_util::FutureExt;

use crate::call::{Answer, Call, Failure, Serve};

super::layer! {
    /// Catches panics below it. Without effect where panics abort the process.
    CatchPanicLayer => CatchPanic {}
}

impl<B: Send, S: Serve<B, Error = Failure>> Serve<B> for CatchPanic<S> {
    type Error = Failure;

    async fn serve(&self, call: &mut Call<'_, B>) -> Result<Answer, Failure> {
        // Nothing that the panic may have left half-done is looked at again: the call's body is
        // gone, its head is immutable.
        AssertUnwindSafe(self.inner.serve(call))
            .catch_unwind()
            .await
            .unwrap_or_else(|panic| Err(failure(panic.as_ref()).into()))
    }
}

fn failure(panic: &(dyn Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panic without a message");
    Error::new(ErrorKind::Internal, "internal error").with_source(format!("panic: {text}"))
}
