//! The one decision about access. Pure: who asks and what is private was found out elsewhere.

use std::sync::Arc;

use artifact_core::ports::Token;
use artifact_core::{MountPoint, Permission, RepositoryKind, Timestamp};
use artifact_engine::Mount;
use http::Method;

use super::ticket::Ticket;
use crate::action::{Action, AdminAction, PackageRoute, RegistryAction};
use crate::repositories::Privacy;

/// Who asks, as far as a credential proves it.
#[derive(Clone, Debug, Default)]
pub(crate) enum Principal {
    /// Anybody.
    #[default]
    Anonymous,
    /// The holder of the administrator's token.
    Administrator,
    /// The holder of a token of the token store.
    Token(Arc<Token>),
    /// The holder of a ticket.
    Ticket(Arc<Ticket>),
}

impl Principal {
    /// What the access log calls them; empty is anybody.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Anonymous => "",
            Self::Administrator => "administrator",
            Self::Token(token) => token.name.as_str(),
            Self::Ticket(ticket) => ticket.holder(),
        }
    }

    /// Whether they hold `permission` beyond what everybody has.
    pub(crate) fn holds(&self, permission: Permission<'_>) -> bool {
        match self {
            Self::Anonymous => false,
            Self::Administrator => true,
            Self::Token(token) => token.scopes.allow(permission),
            Self::Ticket(ticket) => ticket.allows(permission),
        }
    }

    /// From when on the credential is worth nothing.
    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        match self {
            Self::Anonymous | Self::Administrator => None,
            Self::Token(token) => token.expires_at,
            Self::Ticket(ticket) => Some(ticket.expires_at()),
        }
    }
}

/// What is asked, with what has to be known of the repository that it concerns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) action: Action<'a>,
    pub(crate) method: &'a Method,
    /// Whether the repository of the action is private; what does not exist is public.
    pub(crate) privacy: Privacy,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Decision {
    /// It goes on.
    Allow,
    /// It has to come again with another token: 401.
    NeedsToken,
    /// This token will never do: 403.
    Forbidden,
}

/// Decides about a request of `principal`.
pub(crate) fn decide(asked: &Asked<'_>, principal: &Principal) -> Decision {
    if matches!(asked.action, Action::Registry(RegistryAction::Ping, _)) {
        return decide_ping(principal);
    }
    let Some(permission) = needed(asked) else {
        return if looks_before_it_pushes(asked) {
            decide_ping(principal)
        } else {
            Decision::Allow
        };
    };
    match principal {
        principal if principal.holds(permission) => Decision::Allow,
        // Whoever holds a ticket that was issued for something else can get another one.
        Principal::Anonymous | Principal::Ticket(_) => Decision::NeedsToken,
        Principal::Administrator | Principal::Token(_) => Decision::Forbidden,
    }
}

/// Clients of registries decide by the ping alone whether they will ever show a credential. So it wants one, and
/// whoever has none gets a ticket that reads what is public.
fn decide_ping(principal: &Principal) -> Decision {
    match principal {
        Principal::Anonymous => Decision::NeedsToken,
        Principal::Administrator | Principal::Token(_) | Principal::Ticket(_) => Decision::Allow,
    }
}

/// Some clients do not ping and show a credential only when they were asked for one. They look for every blob of an
/// image before they push it; were they never asked while they look, the first to be refused would be the manifest,
/// which they cannot send twice.
fn looks_before_it_pushes(asked: &Asked<'_>) -> bool {
    *asked.method == Method::HEAD
        && matches!(asked.action, Action::Package(route) if route.mount.point() == MountPoint::Registry)
}

/// The permission that a request takes; `None` if everybody may make it.
pub(crate) fn needed<'a>(asked: &Asked<'a>) -> Option<Permission<'a>> {
    match asked.action {
        Action::Admin(action) => Some(needed_to_manage(action)),
        Action::Package(route) if stores(route, asked.method) => {
            Some(Permission::Write(route.repository))
        }
        Action::Package(route) => {
            (asked.privacy == Privacy::Private).then_some(Permission::Read(route.repository))
        }
        // Replicas prove themselves to each other, and whoever wants a ticket is judged by what it is wanted for.
        Action::PeerFlight(_)
        | Action::Registry(..)
        | Action::Token(_)
        | Action::Health(_)
        | Action::Metrics
        | Action::ErrorGuide
        | Action::MethodNotAllowed(_)
        | Action::NotFound => None,
    }
}

fn needed_to_manage(action: AdminAction<'_>) -> Permission<'_> {
    match action {
        AdminAction::Snippets(name) | AdminAction::Objects(_, name) => Permission::Read(name),
        AdminAction::Evict(_, name) => Permission::Write(name),
        AdminAction::List(_)
        | AdminAction::Create(_)
        | AdminAction::Get(..)
        | AdminAction::Put(..)
        | AdminAction::Patch(..)
        | AdminAction::Delete(..)
        | AdminAction::Tokens
        | AdminAction::CreateToken
        | AdminAction::RevokeToken(_)
        | AdminAction::Collector
        | AdminAction::Collect
        | AdminAction::Stats
        | AdminAction::Health => Permission::Administer,
    }
}

/// A POST to what is not hosted here stores nothing: it is a query that upstream answers.
fn stores(route: PackageRoute<'_>, method: &Method) -> bool {
    let is_read = *method == Method::GET || *method == Method::HEAD;
    let is_query = *method == Method::POST
        && matches!(route.mount, Mount::Package(RepositoryKind::Remote | RepositoryKind::Virtual));
    !is_read && !is_query
}

#[cfg(test)]
mod tests {
    use artifact_core::ports::TokenId;

    use super::Decision::{Allow, Forbidden, NeedsToken};
    use super::*;

    fn token(scopes: &str) -> Principal {
        Principal::Token(Arc::new(Token {
            id: TokenId::new(),
            name: "ci".parse().unwrap(),
            scopes: scopes.parse().unwrap(),
            created_at: Timestamp::EPOCH,
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
        }))
    }

    fn judge(request: &str, privacy: Privacy, principal: &Principal) -> Decision {
        let (method, path) = request.split_once(' ').unwrap();
        let method = method.parse().unwrap();
        let action = Action::parse(&method, path);
        decide(&Asked { action, method: &method, privacy }, principal)
    }

    #[test]
    fn everybody_reads_what_is_public_and_does_nothing_else() {
        for request in [
            "GET /api/v1/remote/n/x",
            "HEAD /api/v1/local/n/x",
            "POST /api/v1/remote/n/-/npm/audit",
            "GET /healthz",
            "GET /readyz",
            "GET /metrics",
            "GET /docs/errors",
            "GET /nothing",
            "PUT /api/v1/remote/n/x",
            "GET /token",
            "POST /token",
        ] {
            for principal in [Principal::Anonymous, token("read:other")] {
                assert_eq!(judge(request, Privacy::Public, &principal), Allow, "{request}");
            }
        }
        for request in [
            "PUT /api/v1/local/n/x",
            "POST /api/v1/local/n/x",
            "DELETE /api/v1/local/n/x",
            "GET /api/v2/remotes",
            "GET /api/v2/stats",
            "GET /api/v2/tokens",
            "GET /api/v2/remotes/n/objects",
            "GET /api/v2/repositories/n/snippets",
            "DELETE /api/v2/remotes/n/objects",
        ] {
            assert_eq!(
                judge(request, Privacy::Public, &Principal::Anonymous),
                NeedsToken,
                "{request}"
            );
            assert_eq!(
                judge(request, Privacy::Public, &token("read:other")),
                Forbidden,
                "{request}"
            );
            assert_eq!(
                judge(request, Privacy::Public, &Principal::Administrator),
                Allow,
                "{request}"
            );
            assert_eq!(judge(request, Privacy::Public, &token("admin")), Allow, "{request}");
        }
    }

    #[test]
    fn whoever_looks_for_something_in_a_registry_is_asked_for_a_ticket() {
        let ticket = Ticket::new("", Timestamp::EPOCH, Vec::new());
        let ticket = Principal::Ticket(Arc::new(ticket));
        for (request, principal, expected) in [
            ("HEAD /v2/n/app/manifests/v1", Principal::Anonymous, NeedsToken),
            ("HEAD /v2/n/app/manifests/v1", ticket, Allow),
            ("HEAD /v2/n/app/manifests/v1", token("read:other"), Allow),
            ("GET /v2/n/app/manifests/v1", Principal::Anonymous, Allow),
        ] {
            assert_eq!(judge(request, Privacy::Public, &principal), expected, "{request}");
        }
    }

    #[test]
    fn what_is_private_is_read_by_who_may() {
        for request in [
            "GET /api/v1/remote/n/x",
            "HEAD /api/v1/virtual/n/x",
            "POST /api/v1/remote/n/-/npm/audit",
        ] {
            for (principal, expected) in [
                (Principal::Anonymous, NeedsToken),
                (token("read:other"), Forbidden),
                (token("read:n*"), Allow),
                (token("write:n"), Allow),
                (Principal::Administrator, Allow),
            ] {
                let decided = judge(request, Privacy::Private, &principal);
                assert_eq!(decided, expected, "{request} {principal:?}");
            }
        }
    }

    #[test]
    fn a_token_does_what_its_scopes_say() {
        for (request, scopes, expected) in [
            ("PUT /api/v1/local/n/x", "write:n", Allow),
            ("PUT /api/v1/local/n/x", "read:n write:m", Forbidden),
            ("DELETE /api/v1/local/n/x", "write:*", Allow),
            ("DELETE /api/v2/locals/n/objects", "write:n", Allow),
            ("DELETE /api/v2/locals/n/objects", "read:n", Forbidden),
            ("GET /api/v2/locals/n/objects", "read:n", Allow),
            ("GET /api/v2/repositories/n/snippets", "read:n", Allow),
            ("DELETE /api/v2/locals/n", "write:*", Forbidden),
            ("PATCH /api/v2/locals/n", "write:*", Forbidden),
            ("POST /api/v2/tokens", "write:*", Forbidden),
            ("POST /api/v2/tokens", "admin", Allow),
            ("DELETE /api/v2/tokens/x", "admin", Allow),
            ("POST /api/v2/gc/run", "write:*", Forbidden),
            ("GET /api/v2/health", "read:*", Forbidden),
        ] {
            let decided = judge(request, Privacy::Public, &token(scopes));
            assert_eq!(decided, expected, "{request} {scopes}");
        }
    }

    #[test]
    fn whoever_holds_another_ticket_may_fetch_one() {
        let ticket = Ticket::new("ci", Timestamp::EPOCH, vec![("n".parse().unwrap(), false)]);
        let ticket = Principal::Ticket(Arc::new(ticket));
        for (request, privacy, expected) in [
            ("GET /api/v1/remote/n/x", Privacy::Private, Allow),
            ("GET /api/v1/remote/m/x", Privacy::Private, NeedsToken),
            ("GET /api/v1/remote/m/x", Privacy::Public, Allow),
            ("PUT /api/v1/local/n/x", Privacy::Public, NeedsToken),
            ("GET /api/v2/stats", Privacy::Public, NeedsToken),
        ] {
            assert_eq!(judge(request, privacy, &ticket), expected, "{request}");
        }
        assert_eq!(ticket.name(), "ci");
    }
}
