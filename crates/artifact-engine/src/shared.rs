//! What every part of the engine works with.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::assembled::Assemblies;
use crate::collector::Collector;
use crate::companions::Companions;
use crate::configuration::Configuration;
use crate::engine::EngineParts;
use crate::flight::{Board, SpareRoom};
use crate::hosting::Promises;
use crate::pins::Pins;
use crate::renditions::Renditions;
use crate::rows::Rows;
use crate::settings::Settings;
use crate::statistics::Accesses;
use crate::survey::Surveys;

/// The ports, the caches before them and the tasks behind the scenes.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) parts: EngineParts,
    pub(crate) settings: Settings,
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) rows: Rows,
    pub(crate) board: Board,
    pub(crate) spare_room: SpareRoom,
    pub(crate) renditions: Renditions,
    pub(crate) companions: Companions,
    pub(crate) assemblies: Assemblies,
    pub(crate) surveys: Surveys,
    pub(crate) promises: Promises,
    pub(crate) pins: Pins,
    pub(crate) accesses: Accesses,
    pub(crate) collector: Arc<Collector>,
    /// Every spawned task is owned here.
    pub(crate) tasks: TaskTracker,
    /// Ends the periodic tasks.
    pub(crate) stop: CancellationToken,
}
