//! Tokens of the token store, asked for once in a while and remembered in between.
//!
//! An answer is good for five seconds, whether there is such a token or not, so that a revocation is effective that
//! soon and a busy token costs next to nothing. While the store does not answer, tokens that were valid a short time
//! ago go on being valid for reading.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use artifact_core::ports::{MetaStore, Token, TokenHash};
use artifact_core::{Clock, Error, ErrorKind, Result};
use artifact_engine::TokenUses;
use quick_cache::sync::Cache;
use tokio::time::Instant;

/// How long an answer is good.
const FRESH: Duration = Duration::from_secs(5);
/// How long a token that was valid counts while the store does not answer.
const RECENT: Duration = Duration::from_secs(600);
/// How long the store is left alone after it did not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// Tokens that are remembered, real ones and made-up ones.
const CAPACITY: usize = 10_000;

/// What is known of a secret.
#[derive(Clone, Debug)]
pub(crate) enum Verified {
    /// It is that of a token in force.
    Valid(Arc<Token>),
    /// It was that of a token in force a short time ago, and the store does not answer now.
    ValidLately(Arc<Token>),
    /// It is worth nothing.
    Invalid,
}

/// The token store with a memory.
#[derive(Clone)]
pub(crate) struct VerifiedTokens {
    meta: Arc<dyn MetaStore>,
    clock: Arc<dyn Clock>,
    uses: Arc<TokenUses>,
    known: Arc<Cache<TokenHash, Arc<Known>>>,
}

#[derive(Debug, Default)]
struct Known {
    answers: Mutex<Answers>,
    asking: tokio::sync::Mutex<()>,
}

/// What the store said last, and when it was asked in vain since.
#[derive(Clone, Debug, Default)]
struct Answers {
    answer: Option<(Instant, Option<Arc<Token>>)>,
    failure: Option<(Instant, Error)>,
}

impl VerifiedTokens {
    pub(crate) fn new(
        meta: Arc<dyn MetaStore>,
        clock: Arc<dyn Clock>,
        uses: Arc<TokenUses>,
    ) -> Self {
        Self { meta, clock, uses, known: Arc::new(Cache::new(CAPACITY)) }
    }

    /// What the secret of this hash is worth. Fails if nobody can tell.
    pub(crate) async fn verify(&self, hash: TokenHash) -> Result<Verified> {
        let known = self.known.get_or_insert_with(&hash, || Ok::<_, Infallible>(Arc::default()));
        let Ok(known) = known;
        if let Some(judged) = known.judge(Instant::now()) {
            return self.still_in_force(judged);
        }
        // Held while asking: requests that arrive meanwhile share the answer.
        let _one_asks = known.asking.lock().await;
        if let Some(judged) = known.judge(Instant::now()) {
            return self.still_in_force(judged);
        }
        // From before the question: what is revoked while it is on its way must not count for longer.
        let asked_at = Instant::now();
        let answer = self.meta.token_by_hash(&hash).await;
        if let Ok(Some(token)) = &answer {
            self.uses.note(token.id, self.clock.now());
        }
        let answers = known.learn(asked_at, answer);
        self.still_in_force(answers.unwrap_or_else(|| Err(unknown())))
    }

    /// Tokens expire by themselves, also between two questions.
    fn still_in_force(&self, judged: Result<Verified>) -> Result<Verified> {
        Ok(match judged? {
            Verified::Valid(token) | Verified::ValidLately(token)
                if !token.is_in_force(self.clock.now()) =>
            {
                Verified::Invalid
            }
            verified => verified,
        })
    }
}

impl fmt::Debug for VerifiedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedTokens").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Known {
    fn judge(&self, now: Instant) -> Option<Result<Verified>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).judge(now)
    }

    fn learn(&self, now: Instant, answer: Result<Option<Token>>) -> Option<Result<Verified>> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(token) => {
                *answers = Answers { answer: Some((now, token.map(Arc::new))), failure: None };
                answers.judge(now)
            }
            Err(error) => {
                // From now on, however long the question took: the next one would take as long.
                let now = Instant::now();
                answers.failure = Some((now, error));
                answers.judge(now)
            }
        }
    }
}

impl Answers {
    /// What they mean at `now`; `None` if the store has to be asked.
    fn judge(&self, now: Instant) -> Option<Result<Verified>> {
        if let Some((at, token)) = &self.answer
            && now.duration_since(*at) < FRESH
        {
            let token = token.clone();
            return Some(Ok(token.map_or(Verified::Invalid, Verified::Valid)));
        }
        let (_, error) = self.failure.as_ref().filter(|(at, _)| now.duration_since(*at) < PAUSE)?;
        match &self.answer {
            Some((at, Some(token))) if now.duration_since(*at) < RECENT => {
                Some(Ok(Verified::ValidLately(Arc::clone(token))))
            }
            _ => Some(Err(unknown().with_source(error.clone()))),
        }
    }
}

fn unknown() -> Error {
    Error::new(ErrorKind::Unavailable, "access tokens cannot be checked at the moment")
}

#[cfg(test)]
mod tests {
    use artifact_core::ports::{NewToken, TokenId, TokenStore};
    use artifact_core::{SystemClock, Timestamp};
    use testkit::MemoryMetaStore;

    use super::*;

    const HASH: TokenHash = TokenHash::from_bytes([7; 32]);

    async fn with_token(expires_at: Option<Timestamp>) -> (Arc<MemoryMetaStore>, TokenId) {
        let meta = Arc::new(MemoryMetaStore::new());
        let new = NewToken {
            id: TokenId::new(),
            name: "ci".parse().unwrap(),
            hash: HASH,
            scopes: "read:*".parse().unwrap(),
            created_at: Timestamp::EPOCH,
            expires_at,
        };
        meta.create_token(&new).await.unwrap();
        (meta, new.id)
    }

    fn tokens(meta: &Arc<MemoryMetaStore>) -> VerifiedTokens {
        VerifiedTokens::new(Arc::clone(meta) as _, Arc::new(SystemClock), Arc::default())
    }

    async fn verify(tokens: &VerifiedTokens) -> &'static str {
        match tokens.verify(HASH).await {
            Ok(Verified::Valid(_)) => "valid",
            Ok(Verified::ValidLately(_)) => "valid lately",
            Ok(Verified::Invalid) => "invalid",
            Err(error) if error.kind() == ErrorKind::Unavailable => "unavailable",
            Err(error) => panic!("{error:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_store_is_asked_once_in_five_seconds_and_a_revocation_is_effective_then() {
        let (meta, id) = with_token(None).await;
        let tokens = tokens(&meta);
        let before = meta.calls();
        for _ in 0..10 {
            assert_eq!(verify(&tokens).await, "valid");
        }
        assert_eq!(meta.calls(), before + 1);
        meta.revoke_token(id, Timestamp::from_seconds(1)).await.unwrap();
        tokio::time::advance(FRESH).await;
        assert_eq!(verify(&tokens).await, "invalid");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_token_is_remembered_too() {
        let meta = Arc::new(MemoryMetaStore::new());
        let tokens = tokens(&meta);
        for _ in 0..10 {
            assert_eq!(verify(&tokens).await, "invalid");
        }
        assert_eq!(meta.calls(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_asks_once() {
        let (meta, _) = with_token(None).await;
        let tokens = tokens(&meta);
        let before = meta.calls();
        let crowd = futures_util::future::join_all((0..50).map(|_| verify(&tokens))).await;
        assert!(crowd.iter().all(|verified| *verified == "valid"));
        assert_eq!(meta.calls(), before + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn in_an_outage_a_token_that_was_valid_lately_counts_for_a_while() {
        let (meta, _) = with_token(None).await;
        let tokens = tokens(&meta);
        assert_eq!(verify(&tokens).await, "valid");
        meta.fail_with(Some(ErrorKind::Unavailable));
        assert_eq!(verify(&tokens).await, "valid", "the answer is good for five seconds");
        tokio::time::advance(FRESH).await;
        let before = meta.calls();
        for _ in 0..10 {
            assert_eq!(verify(&tokens).await, "valid lately");
        }
        assert_eq!(meta.calls(), before + 1, "a store that does not answer is left alone");
        tokio::time::advance(RECENT).await;
        assert_eq!(verify(&tokens).await, "unavailable");
        meta.fail_with(None);
        tokio::time::advance(PAUSE).await;
        assert_eq!(verify(&tokens).await, "valid");
    }

    #[tokio::test(start_paused = true)]
    async fn in_an_outage_nothing_is_known_of_an_unknown_secret() {
        let meta = Arc::new(MemoryMetaStore::new());
        let tokens = tokens(&meta);
        assert_eq!(verify(&tokens).await, "invalid");
        meta.fail_with(Some(ErrorKind::Unavailable));
        tokio::time::advance(FRESH).await;
        assert_eq!(verify(&tokens).await, "unavailable", "it may have been created since");
    }

    #[tokio::test(start_paused = true)]
    async fn an_expired_token_is_worth_nothing() {
        let (meta, _) = with_token(Some(Timestamp::from_seconds(1))).await;
        assert_eq!(verify(&tokens(&meta)).await, "invalid");
    }
}
