//! Host names to addresses.

use std::io;
use std::net::IpAddr;

use async_trait::async_trait;

/// Turns a host name into addresses. What comes out is checked before it is connected to.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// Every address of `host`, in order of preference.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let addresses = tokio::net::lookup_host((host, 0)).await?;
        Ok(addresses.map(|address| address.ip()).collect())
    }
}
