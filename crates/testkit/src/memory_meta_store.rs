//! A metadata store in memory.
/// A metadata store in memory.
#[derive(Debug, Default)]
pub struct MemoryMetaStore;
