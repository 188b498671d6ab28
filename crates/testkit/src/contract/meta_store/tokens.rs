//! Access tokens.

use artifact_core::ports::{MetaStore, NewToken, Published, Token, TokenHash, TokenId};
use futures_util::future::join_all;

use super::{at, is_stored, stored};

/// A token called `name` that was created at the beginning; its hash follows from `seed`.
fn new_token(name: &str, seed: u8) -> NewToken {
    NewToken {
        id: TokenId::new(),
        name: name.parse().unwrap(),
        hash: hash(seed),
        scopes: "read:* write:npm-*".parse().unwrap(),
        created_at: at(0),
        expires_at: None,
    }
}

const fn hash(seed: u8) -> TokenHash {
    TokenHash::from_bytes([seed; 32])
}

async fn create(store: &dyn MetaStore, new: &NewToken) -> Token {
    stored(store.create_token(new).await.unwrap())
}

async fn names(store: &dyn MetaStore, after: Option<&str>, limit: usize) -> Vec<String> {
    let tokens = store.tokens(after, limit).await.unwrap();
    tokens.into_iter().map(|token| token.name.to_string()).collect()
}

/// Everything but the secret comes back, and nothing is found by another hash.
pub async fn a_created_token_is_given_back_whole_and_found_by_its_hash(store: &dyn MetaStore) {
    let new = NewToken { expires_at: Some(at(60)), ..new_token("ci.Release_1-a", 1) };
    let expected = Token {
        id: new.id,
        name: new.name.clone(),
        scopes: new.scopes.clone(),
        created_at: at(0),
        expires_at: Some(at(60)),
        last_used_at: None,
        revoked_at: None,
    };
    assert_eq!(create(store, &new).await, expected);
    create(store, &new_token("other", 2)).await;
    assert_eq!(store.token_by_hash(&hash(1)).await.unwrap(), Some(expected.clone()));
    assert_eq!(store.token_by_hash(&hash(3)).await.unwrap(), None);
    assert_eq!(store.tokens(None, 1).await.unwrap(), [expected]);
}

/// The one that was first is given back, and its secret is still the one that counts.
pub async fn a_name_belongs_to_one_token_in_force(store: &dyn MetaStore) {
    let first = create(store, &new_token("ci", 1)).await;
    let second = store.create_token(&new_token("ci", 2)).await.unwrap();
    assert_eq!(second, Published::Conflict(Some(first.clone())));
    assert_eq!(store.token_by_hash(&hash(1)).await.unwrap(), Some(first));
    assert_eq!(store.token_by_hash(&hash(2)).await.unwrap(), None);
    assert!(is_stored(&store.create_token(&new_token("CI", 3)).await.unwrap()));
}

/// Rotation under one name; the secret of the old one leads nowhere.
pub async fn a_token_that_ended_gives_its_name_up(store: &dyn MetaStore) {
    let revoked = create(store, &new_token("ci", 1)).await;
    store.revoke_token(revoked.id, at(5)).await.unwrap();
    let expiring = NewToken { expires_at: Some(at(10)), ..new_token("ci", 2) };
    create(store, &expiring).await;
    let early = NewToken { created_at: at(9), ..new_token("ci", 3) };
    assert!(!is_stored(&store.create_token(&early).await.unwrap()));
    let late = NewToken { created_at: at(10), ..new_token("ci", 4) };
    create(store, &late).await;
    for (seed, expected) in [(1, None), (2, None), (3, None), (4, Some(late.id))] {
        let found = store.token_by_hash(&hash(seed)).await.unwrap();
        assert_eq!(found.map(|token| token.id), expected, "{seed}");
    }
}

/// Nobody is told that a token exists which another one replaced at once.
pub async fn of_many_tokens_created_at_once_with_one_name_exactly_one_is_stored(
    store: &dyn MetaStore,
) {
    let new: Vec<_> = (0..8).map(|seed| new_token("ci", seed)).collect();
    let created = join_all(new.iter().map(|new| store.create_token(new))).await;
    let created: Vec<_> = created.into_iter().map(Result::unwrap).collect();
    assert_eq!(created.iter().filter(|created| is_stored(created)).count(), 1);
    let [winner] = &store.tokens(None, 10).await.unwrap()[..] else { panic!("one token") };
    for created in created {
        let (Published::Stored(told) | Published::Conflict(Some(told))) = created else {
            panic!("there is a winner");
        };
        assert_eq!(told.id, winner.id);
    }
}

/// Revoking again changes nothing, and what does not exist is absent.
pub async fn a_revoked_token_is_found_and_says_so(store: &dyn MetaStore) {
    let token = create(store, &new_token("ci", 1)).await;
    for seconds in [5, 6] {
        let revoked = store.revoke_token(token.id, at(seconds)).await.unwrap().unwrap();
        assert_eq!(revoked.revoked_at, Some(at(5)));
    }
    let found = store.token_by_hash(&hash(1)).await.unwrap().unwrap();
    assert_eq!((found.revoked_at, found.is_in_force(at(4))), (Some(at(5)), false));
    assert_eq!(store.revoke_token(TokenId::new(), at(5)).await.unwrap(), None);
}

/// Bytes, not letters, decide about the order.
pub async fn tokens_are_listed_in_order_of_name(store: &dyn MetaStore) {
    for (seed, name) in ["b", "a", "B", "a-b", "a.b", "c"].into_iter().enumerate() {
        create(store, &new_token(name, u8::try_from(seed).unwrap())).await;
    }
    assert_eq!(names(store, None, 10).await, ["B", "a", "a-b", "a.b", "b", "c"]);
    assert_eq!(names(store, Some("a-b"), 2).await, ["a.b", "b"]);
    assert_eq!(names(store, Some("c"), 2).await, [""; 0]);
}

/// Only what is new by a minute is written, and nothing goes back.
pub async fn uses_of_tokens_are_recorded_to_the_minute(store: &dyn MetaStore) {
    let (used, other) =
        (create(store, &new_token("a", 1)).await, create(store, &new_token("b", 2)).await);
    let gone = TokenId::new();
    for (seconds, expected) in [(100, 100), (159, 100), (160, 160), (90, 160)] {
        let uses = [(used.id, at(seconds)), (gone, at(seconds))];
        store.record_token_uses(&uses).await.unwrap();
        let found = store.token_by_hash(&hash(1)).await.unwrap().unwrap();
        assert_eq!(found.last_used_at, Some(at(expected)), "{seconds}");
    }
    store.record_token_uses(&[]).await.unwrap();
    let found = store.token_by_hash(&hash(2)).await.unwrap().unwrap();
    assert_eq!((found.id, found.last_used_at), (other.id, None));
}

/// Whichever came first counts; what is in force stays.
pub async fn tokens_that_ended_before_a_moment_are_forgotten(store: &dyn MetaStore) {
    let expiring = |name: &str, seed, seconds| NewToken {
        expires_at: Some(at(seconds)),
        ..new_token(name, seed)
    };
    for new in [expiring("early", 1, 10), expiring("late", 2, 20), new_token("for-ever", 3)] {
        create(store, &new).await;
    }
    let revoked = create(store, &expiring("revoked", 4, 90)).await;
    store.revoke_token(revoked.id, at(15)).await.unwrap();
    store.forget_tokens(at(15)).await.unwrap();
    assert_eq!(names(store, None, 10).await, ["for-ever", "late", "revoked"]);
    store.forget_tokens(at(16)).await.unwrap();
    assert_eq!(names(store, None, 10).await, ["for-ever", "late"]);
}
