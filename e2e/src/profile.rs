//! The two ways to run the server, and tests that hold for both.

use anyhow::{Context, Result};
use testkit::services::shared;

use crate::{Cluster, DataDirectory, Environment, Lasting, Server};

/// Where a server keeps what it has to keep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Profile {
    /// In its data directory.
    Embedded,
    /// In PostgreSQL, Redis and S3, as replicas do.
    Services,
}

impl Profile {
    /// A server of its own, which holds nothing yet.
    pub async fn server(self) -> Result<Server> {
        self.server_with(&Environment::new()).await
    }

    /// The same with the variables of `environment`.
    pub async fn server_with(self, environment: &Environment) -> Result<Server> {
        let data = DataDirectory::new()?;
        match self {
            Self::Embedded => Server::start_with(data, environment).await,
            Self::Services => {
                let services = Cluster::start(Lasting::Shared).await?;
                let services = services.context("a service is not installed")?;
                let mut all = services.environment().clone();
                all.extend(environment.clone());
                Ok(Server::start_with(data, &all).await?.over(services))
            }
        }
    }

    /// Runs `test` on this profile. A service that is not installed and not required is named, and
    /// nothing is tested.
    pub async fn run<F>(self, test: impl FnOnce(Self) -> F) -> Result<()>
    where
        F: Future<Output = Result<()>>,
    {
        let is_installed =
            || shared::postgres().is_some() && shared::redis().is_some() && shared::s3().is_some();
        if self == Self::Services && !is_installed() {
            return Ok(());
        }
        Box::pin(test(self)).await
    }
}

/// Makes two tests of each of these functions, which take a [`Profile`]. One that is not named here
/// is dead code, which the compiler reports.
#[macro_export]
macro_rules! on_both_profiles {
    ($($test:ident),+ $(,)?) => {
        $crate::on_profile!(embedded, Embedded, $($test),+);
        $crate::on_profile!(services, Services, $($test),+);
    };
}

/// A module of tests on one profile.
#[doc(hidden)]
#[macro_export]
macro_rules! on_profile {
    ($module:ident, $profile:ident, $($test:ident),+) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $test() -> anyhow::Result<()> {
                    $crate::Profile::$profile.run(super::$test).await
                }
            )+
        }
    };
}
