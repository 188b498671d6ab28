//! Points at which a test ends an operation as a crash would.

/// Ends the function with an error, or panics, where a test asks for it. Nothing at all without
/// the feature `failpoints`.
macro_rules! crash_point {
    ($name:literal) => {
        fail::fail_point!($name, |_| Err(artifact_core::Error::new(
            artifact_core::ErrorKind::Internal,
            "a simulated crash",
        )
        .into()))
    };
}

pub(crate) use crash_point;
