//! Contract of `TokenApi`, stamped like that of `AdminApi` with a factory that gives an empty
//! server: `testkit::token_api_contract!(make)`.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "the clauses are the bodies of tests: a panic is their verdict"
)]

use admin_types::{CreatedToken, Token, TokenApi, TokenQuery};
use serde_json::{Value, json};

/// Stamps one test per clause of the `TokenApi` contract. The argument names an
/// `async fn() -> (Arc<dyn TokenApi>, impl Any)`.
#[macro_export]
macro_rules! token_api_contract {
    ($make:path) => {
        $crate::token_api_contract! {
            @clauses $make;
            a_created_token_shows_its_secret_once,
            secrets_differ,
            every_invalid_field_of_a_token_is_reported_at_once,
            a_taken_name_is_a_conflict_until_its_token_is_revoked,
            revoking_again_changes_nothing,
            a_token_that_is_not_there_is_a_404,
            pages_of_tokens_have_no_gaps,
        }
    };
    (@clauses $make:path; $($clause:ident),+ $(,)?) => { $(
        #[tokio::test]
        async fn $clause() {
            let (api, _server) = $make().await;
            $crate::contract::token_api::$clause(&*api).await;
        }
    )+ };
}

async fn create(api: &dyn TokenApi, name: &str) -> CreatedToken {
    api.create_token(json!({"name": name, "scopes": ["read:*"]})).await.unwrap()
}

async fn list(api: &dyn TokenApi) -> Vec<Token> {
    api.tokens(TokenQuery::default()).await.unwrap().items
}

/// The list shows the same token without it.
pub async fn a_created_token_shows_its_secret_once(api: &dyn TokenApi) {
    let document = json!({
        "name": "ci", "scopes": ["write:npm-*", "read:files"], "expires_at": "2999-01-02T04:04:05+01:00",
    });
    let CreatedToken { token, secret } = api.create_token(document).await.unwrap();
    assert!(secret.expose().len() >= 64, "256 bits");
    assert_eq!(
        (&*token.name, &token.scopes[..]),
        ("ci", &["write:npm-*", "read:files"].map(String::from)[..])
    );
    assert_eq!(token.expires_at.as_deref(), Some("2999-01-02T03:04:05Z"));
    assert_eq!((&token.last_used_at, &token.revoked_at), (&None, &None));
    let listed = list(api).await;
    assert!(!serde_json::to_string(&listed).unwrap().contains(secret.expose()));
    assert_eq!(listed, [token]);
}

/// They are random.
pub async fn secrets_differ(api: &dyn TokenApi) {
    let (one, other) = (create(api, "one").await, create(api, "other").await);
    assert_ne!(one.secret, other.secret);
    assert_ne!(one.token.id, other.token.id);
}

/// As for repositories.
pub async fn every_invalid_field_of_a_token_is_reported_at_once(api: &dyn TokenApi) {
    let document = json!({
        "name": "a b", "scopes": ["admin", "own:x", "read:A"], "expires_at": "2001-01-01T00:00:00Z",
        "scope": "admin",
    });
    let problem = api.create_token(document).await.unwrap_err();
    assert_eq!(problem.status, 422);
    for (pointer, code) in [
        ("#/name", "bad_name"),
        ("#/scopes/1", "bad_scope"),
        ("#/scopes/2", "bad_scope"),
        ("#/expires_at", "out_of_range"),
        ("#/scope", "unknown_field"),
    ] {
        assert_eq!(problem.code_at(pointer), Some(code), "{pointer}");
    }
    for (document, pointer, code) in [
        (json!({}), "#/name", "required"),
        (json!({"name": "a"}), "#/scopes", "required"),
        (json!({"name": "a", "scopes": []}), "#/scopes", "required"),
        (json!({"name": "a", "scopes": vec!["admin"; 65]}), "#/scopes", "out_of_range"),
        (json!({"name": "a", "scopes": "admin"}), "#/scopes", "wrong_type"),
        (json!({"name": 1, "scopes": ["admin"]}), "#/name", "wrong_type"),
        (
            json!({"name": "a", "scopes": ["admin"], "expires_at": "soon"}),
            "#/expires_at",
            "bad_value",
        ),
        (Value::Null, "#", "wrong_type"),
    ] {
        let problem = api.create_token(document.clone()).await.unwrap_err();
        assert_eq!((problem.status, problem.code_at(pointer)), (422, Some(code)), "{document}");
    }
    assert_eq!(list(api).await, []);
}

/// Afterwards the name has another token.
pub async fn a_taken_name_is_a_conflict_until_its_token_is_revoked(api: &dyn TokenApi) {
    let first = create(api, "ci").await.token;
    let document = json!({"name": "ci", "scopes": ["admin"]});
    let problem = api.create_token(document.clone()).await.unwrap_err();
    assert_eq!((problem.status, problem.code_at("#/name")), (409, Some("duplicate")));
    api.revoke_token(&first.id).await.unwrap();
    let [revoked] = &list(api).await[..] else { panic!("one token") };
    assert!(revoked.revoked_at.is_some());
    let second = api.create_token(document).await.unwrap().token;
    assert_eq!(list(api).await, [second]);
}

/// The moment of the first time stays.
pub async fn revoking_again_changes_nothing(api: &dyn TokenApi) {
    let token = create(api, "ci").await.token;
    api.revoke_token(&token.id).await.unwrap();
    let revoked = list(api).await;
    api.revoke_token(&token.id).await.unwrap();
    assert_eq!(list(api).await, revoked);
}

/// Whether the id could be one or not.
pub async fn a_token_that_is_not_there_is_a_404(api: &dyn TokenApi) {
    for id in ["01890a5d-ac96-774b-bcce-b302099a8057", "ci", "../remotes"] {
        assert_eq!(api.revoke_token(id).await.unwrap_err().status, 404, "{id}");
    }
}

/// In order of name; a foreign cursor is refused.
pub async fn pages_of_tokens_have_no_gaps(api: &dyn TokenApi) {
    for name in ["d", "a", "c", "b", "e"] {
        create(api, name).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = api.tokens(TokenQuery { limit: 2, cursor }).await.unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(page.items.into_iter().map(|token| token.name));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    let foreign = TokenQuery { cursor: Some("zz".into()), ..TokenQuery::default() };
    assert_eq!(api.tokens(foreign).await.unwrap_err().status, 400);
}
