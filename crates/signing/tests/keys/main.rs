//! Keys and signatures, judged by the programs that clients use.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail like the tests")]

mod import;
mod programs;
mod replicas;
mod signatures;
mod support;
