//! The engine: all ports, the configuration and the one entry for requests.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use artifact_core::ports::{
    BlobStore, MetaStore, Peers, Selector, Spool, Staging, TtlCache, Upstream,
};
use artifact_core::{
    Clock, Definition, Error, ErrorBody, ErrorKind, Fault, Outcome, Problem, Publishing, RepoPath,
    RepositoryId, RequestBody, Result, Route, Shape, Signer, Worded,
};
use http::{Method, StatusCode};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access_log::{self, AccessLogQueue};
use crate::answer;
use crate::assembled::Assemblies;
use crate::call::{Call, RequestParts, admit};
use crate::collector::Collector;
use crate::companions::Companions;
use crate::configuration::Configuration;
use crate::described::describe;
use crate::flight::{Board, SharedFlight, SpareRoom};
use crate::hosting::Promises;
use crate::mount::{Mount, REGISTRY_ROOT};
use crate::pins::Pins;
use crate::providers::Providers;
use crate::remote::{self, Wanted};
use crate::renditions::Renditions;
use crate::request::{Reply, Request};
use crate::rows::Rows;
use crate::settings::{Coordination, Settings};
use crate::shared::Shared;
use crate::snapshot::Mounted;
use crate::statistics::{Accesses, Statistics, flush_accesses};
use crate::survey::Surveys;
use crate::token_uses::TokenUses;
use crate::{
    assembled, coherence, documents, eviction, forward, hosting, local, public_keys,
    virtual_repository,
};

/// How long the access log may take to bring its last records to safety, whatever the grace.
const LAST_RECORDS: Duration = Duration::from_secs(10);

/// Everything the engine needs from outside.
#[derive(Clone, Debug)]
pub struct EngineParts {
    /// Metadata.
    pub meta: Arc<dyn MetaStore>,
    /// Bytes.
    pub blobs: Arc<dyn BlobStore>,
    /// The bytes of uploads that take several requests.
    pub staging: Arc<dyn Staging>,
    /// Temporary files.
    pub spool: Arc<dyn Spool>,
    /// Hints.
    pub ttl: Arc<dyn TtlCache>,
    /// The way out.
    pub upstream: Arc<dyn Upstream>,
    /// The other replicas, if they can be reached.
    pub peers: Option<Arc<dyn Peers>>,
    /// Package types.
    pub providers: Providers,
    /// The keys of this installation; without them nothing is served that has to be signed.
    pub signer: Option<Arc<dyn Signer>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Remote, local and virtual repositories over a set of ports.
pub struct Engine {
    shared: Arc<Shared>,
    statistics: Arc<Statistics>,
    access_log: Option<AccessLogQueue>,
    token_uses: Arc<TokenUses>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl Engine {
    /// Loads the configuration and starts the background tasks.
    pub async fn start(parts: EngineParts, settings: Settings) -> Result<Arc<Self>> {
        let statistics = Arc::new(Statistics::default());
        let configuration = Configuration::load(
            Arc::clone(&parts.meta),
            parts.providers.clone(),
            Arc::clone(&statistics),
        )
        .await?;
        let (accesses, queue) = Accesses::new();
        let shared = Arc::new(Shared {
            rows: Rows::new(Arc::clone(&parts.meta), settings.row_cache_bytes),
            board: Board::new(&settings.replica),
            spare_room: SpareRoom::default(),
            renditions: Renditions::new(settings.rendition_cache_bytes),
            companions: Companions::new(),
            assemblies: Assemblies::default(),
            surveys: Surveys::new(),
            promises: Promises::new(),
            pins: Pins::new(),
            configuration: Arc::new(configuration),
            accesses,
            collector: Arc::new(Collector::new(&parts, &settings, Arc::clone(&statistics))),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            parts,
            settings,
        });
        let access_log = match &shared.settings.access_log {
            Some(settings) => Some(access_log::start(&shared, settings).await?),
            None => None,
        };
        let token_uses = Arc::default();
        let engine = Arc::new(Self { shared, statistics, access_log, token_uses });
        engine.start_tasks(queue);
        Ok(engine)
    }

    fn start_tasks(&self, queue: tokio::sync::mpsc::Receiver<artifact_core::RowKey>) {
        let shared = &self.shared;
        let (meta, clock) = (Arc::clone(&shared.parts.meta), Arc::clone(&shared.parts.clock));
        let every = shared.settings.flush_interval;
        shared.tasks.spawn(coherence::follow_changes(Arc::clone(shared)));
        shared.tasks.spawn(eviction::keep_quota(Arc::clone(shared)));
        shared.tasks.spawn(hosting::give_up_what_expired(Arc::clone(shared)));
        shared.tasks.spawn(Arc::clone(&shared.collector).run_on_schedule(shared.stop.clone()));
        if shared.settings.coordination == Coordination::Shared {
            shared.tasks.spawn(coherence::forget_old_changes(Arc::clone(shared)));
            shared.tasks.spawn(coherence::tell_warnings(Arc::clone(shared)));
            shared.tasks.spawn(coherence::heed_warnings(Arc::clone(shared)));
        }
        shared.tasks.spawn(flush_accesses(
            queue,
            Arc::clone(&meta),
            Arc::clone(&clock),
            every,
            shared.stop.clone(),
        ));
        let uses = Arc::clone(&self.token_uses);
        shared.tasks.spawn(uses.run(Arc::clone(&meta), every, shared.stop.clone()));
        let statistics = Arc::clone(&self.statistics);
        shared.tasks.spawn(statistics.run(meta, clock, every, shared.stop.clone()));
    }

    /// Answers a request to a repository.
    pub async fn serve(&self, mut request: Request<'_>) -> Result<Reply> {
        let snapshot = self.shared.configuration.snapshot();
        let mounted = snapshot.require(request.mount, request.repository)?;
        let path = RepoPath::from_encoded(request.path, mounted.provider.path_rules())
            .map_err(|error| Error::new(ErrorKind::BadRequest, error.to_string()))?;
        let public_url = self.shared.settings.public_url.as_deref();
        let body = request.body.take();
        let parts = RequestParts::of(&request, public_url);
        let call = Call { request: &parts, snapshot: &snapshot, mounted, path: &path };
        let result = self.dispatch(&call, body).await;
        if let Err(error) = &result {
            count_failure(mounted, error);
        }
        result.map_err(|error| refusal_as_told(mounted, error))
    }

    async fn dispatch(&self, call: &Call<'_>, body: Option<RequestBody>) -> Result<Reply> {
        if let Some(concerned) = hosting::concerned(call)? {
            return Box::pin(hosting::serve(&self.shared, call, concerned, body)).await;
        }
        let method = call.request.method;
        match &call.mounted.repository.definition {
            Definition::Local(_) if method == Method::PUT => {
                Box::pin(local::upload(&self.shared, call, body)).await
            }
            Definition::Local(_) if method == Method::DELETE => {
                Box::pin(local::delete(&self.shared, call)).await
            }
            _ if method == Method::GET || method == Method::HEAD => self.read(call).await,
            _ if method == Method::POST => Box::pin(self.post(call, body)).await,
            _ => Err(method_not_allowed()),
        }
    }

    async fn read(&self, call: &Call<'_>) -> Result<Reply> {
        if let Definition::Virtual(definition) = &call.mounted.repository.definition
            && let Some((member, path)) = virtual_repository::addressed_member(call, definition)?
        {
            let serve = virtual_repository::serve_member(&self.shared, call, &member, &path);
            return Box::pin(serve).await;
        }
        let target = match call.mounted.provider.classify(&call.package_request())? {
            Route::Serve(target) => target,
            Route::Redirect { location } => return Ok(answer::redirect(&call.asking(), &location)),
            Route::Answer { content_type, body } => {
                return Ok(answer::fixed(&call.asking(), content_type, body));
            }
            Route::Forward(question) if question.method == Method::GET => {
                return Box::pin(self.forward(call, &question, None)).await;
            }
            Route::Forward(_) => return Err(method_not_allowed()),
            Route::PublicKey(kind) => {
                return Box::pin(public_keys::serve(&self.shared, call, kind)).await;
            }
        };
        admit(call.mounted, &target)?;
        match &call.mounted.repository.definition {
            Definition::Remote(_) if matches!(target.shape, Shape::Document { .. }) => {
                Box::pin(documents::serve(&self.shared, call, &target)).await
            }
            Definition::Remote(_) => {
                if call.mounted.provider.assembly().is_some()
                    && let Some(reply) =
                        Box::pin(assembled::serve_instead(&self.shared, call, &target)).await?
                {
                    return Ok(reply);
                }
                let wanted = Wanted::new(call.mounted, &target)?;
                let mut reply = remote::serve(&self.shared, call, &wanted).await?;
                describe(&self.shared, call.mounted, &target, &mut reply);
                Ok(reply)
            }
            Definition::Local(_) => {
                Box::pin(local::serve(&self.shared, call, call.mounted, &target)).await
            }
            Definition::Virtual(definition) => {
                Box::pin(virtual_repository::serve(&self.shared, call, definition, &target)).await
            }
        }
    }

    async fn post(&self, call: &Call<'_>, body: Option<RequestBody>) -> Result<Reply> {
        match call.mounted.provider.classify(&call.package_request())? {
            Route::Forward(question) if question.method == Method::POST => {
                self.forward(call, &question, body).await
            }
            _ => Err(method_not_allowed()),
        }
    }

    async fn forward(
        &self,
        call: &Call<'_>,
        question: &artifact_core::Forward,
        body: Option<RequestBody>,
    ) -> Result<Reply> {
        match &call.mounted.repository.definition {
            Definition::Virtual(definition) => {
                virtual_repository::forward(&self.shared, call, definition, question, body).await
            }
            Definition::Remote(_) | Definition::Local(_) => {
                forward::serve(&self.shared, call, call.mounted, question, body).await
            }
        }
    }

    /// An error in the form that the repository's clients print; `None` if nobody knows which that is.
    pub fn error_body(
        &self,
        mount: Mount,
        repository: &str,
        problem: &Problem<'_>,
    ) -> Option<ErrorBody> {
        let snapshot = self.shared.configuration.snapshot();
        match (snapshot.mounted(mount, repository), mount) {
            (Some(mounted), _) => Some(mounted.provider.error_body(problem)),
            (None, Mount::Package(_)) => None,
            // Whoever asks a registry understands its protocol, whatever repository is missing.
            (None, Mount::Registry | Mount::Root) => {
                let provider = self.shared.parts.providers.registry()?;
                let is_absent = problem.status == StatusCode::NOT_FOUND;
                let unknown = provider.publishing().filter(|_| is_absent);
                let unknown = unknown.map(|rules| rules.code(Fault::UnknownName));
                let code = problem.code.or(unknown);
                Some(provider.error_body(&Problem { code, ..*problem }))
            }
        }
    }

    /// That there is a registry below [`REGISTRY_ROOT`], in the words of its protocol.
    pub fn registry_ping(&self) -> Result<Worded> {
        Ok(self.registry_rules()?.word(&Outcome::Root, REGISTRY_ROOT))
    }

    /// A page of the names of all hosted repositories of the registry that `may_read` admits, or of the repository
    /// `only`, as those see it whose host stands for it.
    pub async fn registry_catalog(
        &self,
        query: Option<&str>,
        only: Option<&str>,
        may_read: &(dyn Fn(&Mounted) -> bool + Send + Sync),
    ) -> Result<Worded> {
        let rules = self.registry_rules()?;
        let request = rules.catalog(query)?;
        let snapshot = self.shared.configuration.snapshot();
        let found = match only {
            Some(name) => {
                let mounted = snapshot.require(Mount::Root, name)?;
                hosting::catalog_of(&self.shared, mounted, &request, may_read).await?
            }
            None => hosting::catalog(&self.shared, &snapshot, &request, may_read).await?,
        };
        let (names, has_more) = (found.names.as_slice(), found.has_more);
        let outcome = Outcome::Catalog { request: &request, names, has_more };
        Ok(rules.word(&outcome, REGISTRY_ROOT))
    }

    fn registry_rules(&self) -> Result<&dyn Publishing> {
        let registry = self.shared.parts.providers.registry();
        registry
            .and_then(|provider| provider.publishing())
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no registry here"))
    }

    /// The ports.
    pub fn parts(&self) -> &EngineParts {
        &self.shared.parts
    }

    /// The public keys of this installation, made when nobody has needed them before.
    pub async fn public_keys(&self) -> Result<artifact_core::PublicKeys> {
        public_keys::load(&self.shared).await
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// The current configuration.
    pub fn configuration(&self) -> &Arc<Configuration> {
        &self.shared.configuration
    }

    /// The garbage collector.
    pub fn collector(&self) -> &Arc<Collector> {
        &self.shared.collector
    }

    /// Where records of requests go; `None` when no access log is kept.
    pub fn access_log(&self) -> Option<&AccessLogQueue> {
        self.access_log.as_ref()
    }

    /// Where uses of tokens are noted.
    pub fn token_uses(&self) -> &Arc<TokenUses> {
        &self.token_uses
    }

    /// The download `id` of this process, for another replica that reads along; `None` when it
    /// has no head yet or is over.
    pub fn share_flight(&self, id: &str) -> Option<SharedFlight> {
        self.shared.board.share(id)
    }

    /// Drops what this process remembers of the selected rows: to be called after they were
    /// evicted from the metadata store.
    pub fn forget(&self, repository: RepositoryId, selector: &Selector) {
        self.shared.rows.forget_selected(repository, selector);
    }

    /// Writes the counters of this process, so that statistics asked for now are complete.
    pub async fn flush(&self) {
        let parts = &self.shared.parts;
        self.statistics.flush(parts.meta.as_ref(), parts.clock.as_ref()).await;
    }

    /// Flushes counters and the access log and ends the background tasks. To be called when no
    /// request is left; fetches that nobody waits for are given up after `grace`.
    pub async fn shutdown(&self, grace: Duration) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        if tokio::time::timeout(grace, self.shared.tasks.wait()).await.is_err() {
            tracing::info!("background fetches were given up");
        }
        if let Some(log) = &self.access_log
            && tokio::time::timeout(LAST_RECORDS, log.finished()).await.is_err()
        {
            tracing::warn!("the last records of the access log are lost");
        }
        self.flush().await;
    }
}

fn method_not_allowed() -> Error {
    Error::new(ErrorKind::MethodNotAllowed, "this repository does not take this method here")
}

/// Whose credential upstream wants is no business of our clients, who would look for one of theirs.
fn refusal_as_told(mounted: &Mounted, error: Error) -> Error {
    let is_hidden = mounted.provider.defaults().refusal_means_absence;
    if !is_hidden || error.kind() != ErrorKind::UpstreamAuth {
        return error;
    }
    let text = format!("there is no such thing as far as can be told: {}", error.public());
    Error::new(ErrorKind::NotFound, text).with_source(error)
}

fn count_failure(mounted: &Mounted, error: &Error) {
    match error.kind() {
        ErrorKind::Denied => mounted.counters.denied(),
        _ if error.is_remembered() => {
            mounted.counters.answered(crate::request::CacheResult::Negative);
        }
        // Absence and a client's own conditions are answers, not failures.
        ErrorKind::NotFound | ErrorKind::Gone => {
            mounted.counters.answered(crate::request::CacheResult::Miss);
        }
        ErrorKind::PreconditionFailed
        | ErrorKind::RangeNotSatisfiable { .. }
        | ErrorKind::BadRequest
        | ErrorKind::MethodNotAllowed => {}
        _ => mounted.counters.failed(),
    }
}
