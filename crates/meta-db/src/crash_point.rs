//! Points at which a test ends an operation as a crash would: its transaction is rolled back.

/// Ends the function with an error where a test asks for it. Nothing at all without the feature
/// `failpoints`.
macro_rules! crash_point {
    ($name:literal) => {
        fail::fail_point!($name, |_| Err(std::io::Error::other("a simulated crash").into()))
    };
}

pub(crate) use crash_point;
