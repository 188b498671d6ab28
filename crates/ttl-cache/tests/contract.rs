//! The contract of the port, in memory.

use std::future::{Ready, ready};

use ttl_cache::MemoryTtlCache;

fn make() -> Ready<MemoryTtlCache> {
    ready(MemoryTtlCache::new())
}

testkit::ttl_cache_contract!(make);
