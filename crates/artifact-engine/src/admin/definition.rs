//! From a document to a repository: everything that is wrong with it, or what to store. Pure.

use admin_types::{FieldError, Kind};
use artifact_core::ports::NewRepository;
use artifact_core::{
    Credential, Defaults, Definition, Local, PackageType, Provider, Remote, Repository,
    RepositoryKind, RepositoryName, Timestamp, Virtual,
};
use serde_json::{Map, Value};

use super::fields::{Fields, PasswordChange, type_name};
use super::{members, readonly, url_rules};
use crate::policy::Rules;
use crate::providers::Providers;

/// Fields of every kind.
const COMMON: [&str; 5] = ["name", "package_type", "description", "private", "managed_by"];
const REMOTE: [&str; 17] = [
    "base_url",
    "immutable_ttl",
    "mutable_ttl",
    "patterns",
    "blocklist",
    "mutable_patterns",
    "immutable_patterns",
    "ban_tags_enabled",
    "ban_tags",
    "username",
    "password",
    "allowed_hosts",
    "ca_certificates",
    "strict_freshness",
    "verify_before_serve",
    "forbidden_means_missing",
    "offline",
];
const LOCAL: [&str; 1] = ["allow_overwrite"];
const VIRTUAL: [&str; 3] = ["members", "merge_versions", "deployment"];

/// What a document is judged against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'a> {
    /// The kind that the path names.
    pub(super) kind: Kind,
    /// The name in the path; absent when the document alone names the repository.
    pub(super) path_name: Option<&'a str>,
    /// What is stored under that name.
    pub(super) current: Option<&'a Repository>,
    /// Everything that is stored.
    pub(super) stored: &'a [Repository],
    /// The registered package types.
    pub(super) providers: &'a Providers,
    /// The present.
    pub(super) now: Timestamp,
}

/// What to store, or every error of every field.
pub(super) fn read(
    document: &Value,
    around: &Surroundings<'_>,
) -> Result<NewRepository, Vec<FieldError>> {
    let Value::Object(document) = document else {
        let detail = format!("must be an object, got {}", type_name(document));
        return Err(vec![FieldError::new("#", "wrong_type", detail)]);
    };
    let mut reader = Reader { fields: Fields::new(document), around };
    reader.fields.refuse_unknown(&known_fields(around.kind));
    let repository = reader.repository();
    match repository {
        Some(repository) if reader.fields.is_flawless() => Ok(repository),
        _ => Err(reader.fields.into_errors()),
    }
}

/// Applies a merge patch (RFC 7396). A password in the patch is taken over as it is, because
/// its `null` means "clear" and not "as if never sent".
pub(super) fn merge(current: Value, patch: &Value) -> Value {
    let password = patch.get("password").cloned();
    let mut merged = current;
    apply_patch(&mut merged, patch);
    if let (Value::Object(fields), Some(password)) = (&mut merged, password) {
        fields.insert("password".to_owned(), password);
    }
    merged
}

fn apply_patch(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            apply_patch(fields.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

fn known_fields(kind: Kind) -> Vec<&'static str> {
    let own: &[&str] = match kind {
        Kind::Remote => &REMOTE,
        Kind::Local => &LOCAL,
        Kind::Virtual => &VIRTUAL,
    };
    [&COMMON, own, readonly::fields(kind)].concat()
}

struct Reader<'a> {
    fields: Fields<'a>,
    around: &'a Surroundings<'a>,
}

impl Reader<'_> {
    fn repository(&mut self) -> Option<NewRepository> {
        let name = self.name();
        let package_type = self.package_type();
        let provider = package_type.as_ref().and_then(|package_type| self.provider(package_type));
        let description = self.fields.text("description");
        let managed_by = self.fields.text("managed_by");
        let private = self.privacy(name.as_ref());
        let definition = match self.around.kind {
            Kind::Remote => {
                let defaults = provider.map(|provider| provider.defaults()).unwrap_or_default();
                Definition::Remote(Box::new(self.remote(&defaults)))
            }
            Kind::Local => {
                Definition::Local(Local { allow_overwrite: self.fields.switch("allow_overwrite") })
            }
            Kind::Virtual => {
                let virtual_ = self.virtual_(name.as_ref(), package_type.as_ref());
                self.check_exposure(&virtual_, private);
                Definition::Virtual(virtual_)
            }
        };
        Some(NewRepository {
            name: name?,
            package_type: package_type?,
            description,
            managed_by,
            private,
            definition,
        })
    }

    /// Whether the repository is private, which it may not become while a virtual repository shows it to everybody.
    fn privacy(&mut self, name: Option<&RepositoryName>) -> bool {
        let private = self.fields.switch("private");
        let Some(name) = name.filter(|_| private) else { return private };
        let mut exposing = members::public_virtuals_of(name.as_str(), self.around.stored);
        if let Some(virtual_) = exposing.next() {
            let detail =
                format!("is a member of the virtual repository {virtual_}, which is not private");
            self.fields.report("private", "exposed", detail);
        }
        private
    }

    fn check_exposure(&mut self, virtual_: &Virtual, private: bool) {
        if private {
            return;
        }
        for (index, member) in members::private_ones(&virtual_.members, self.around.stored) {
            let detail =
                format!("{member} is private, so that a virtual repository over it must be, too");
            self.fields.report(&format!("members/{index}"), "exposed", detail);
        }
    }

    fn name(&mut self) -> Option<RepositoryName> {
        let text = match (self.around.path_name, self.fields.value("name")) {
            (Some(path_name), None) => path_name,
            (path_name, _) => {
                let text = self.fields.required_text("name")?;
                if path_name.is_some_and(|path_name| path_name != text) {
                    let detail = "must be the name in the path: a repository cannot be renamed";
                    self.fields.report("name", "immutable_field", detail);
                    return None;
                }
                text
            }
        };
        match text.parse() {
            Ok(name) => Some(name),
            Err(error) => {
                self.fields.report("name", "bad_name", error.to_string());
                None
            }
        }
    }

    fn package_type(&mut self) -> Option<PackageType> {
        let text = self.fields.required_text("package_type")?;
        if let Some(current) = self.around.current
            && current.package_type.as_str() != text
        {
            let detail = format!("is {} and cannot be changed", current.package_type);
            self.fields.report("package_type", "immutable_field", detail);
        }
        let is_known = self.around.providers.get(text).is_some();
        match text.parse() {
            Ok(package_type) if is_known => Some(package_type),
            _ => {
                let known = self.around.providers.names().join(", ");
                let detail = format!("{text:?} is not one of {known}");
                self.fields.report("package_type", "unknown_package_type", detail);
                None
            }
        }
    }

    fn provider(&mut self, package_type: &PackageType) -> Option<std::sync::Arc<dyn Provider>> {
        let provider = self.around.providers.get(package_type.as_str())?;
        let can_be_hosted = provider.hosting().is_some() || provider.publishing().is_some();
        if self.around.kind == Kind::Local && !can_be_hosted {
            let detail = format!("{package_type} repositories cannot be hosted here");
            self.fields.report("package_type", "not_hostable", detail);
        }
        Some(provider)
    }

    fn remote(&mut self, defaults: &Defaults) -> Remote {
        let base_url = self.base_url(defaults);
        let remote = Remote {
            credential: self.credential(&base_url),
            base_url,
            immutable_ttl: self.fields.seconds("immutable_ttl", std::time::Duration::ZERO),
            mutable_ttl: self.fields.seconds("mutable_ttl", defaults.mutable_ttl),
            patterns: self.fields.texts("patterns"),
            blocklist: self.fields.texts("blocklist"),
            mutable_patterns: self.fields.texts("mutable_patterns"),
            immutable_patterns: self.fields.texts("immutable_patterns"),
            ban_tags_enabled: self.fields.switch("ban_tags_enabled"),
            ban_tags: self.fields.texts("ban_tags"),
            allowed_hosts: self.allowed_hosts(),
            ca_certificates: self.ca_certificates(),
            strict_freshness: self.fields.switch("strict_freshness"),
            verify_before_serve: self.fields.switch("verify_before_serve"),
            forbidden_means_missing: self.fields.switch("forbidden_means_missing"),
            offline: self.fields.switch("offline"),
        };
        self.check_rules(&remote);
        remote
    }

    fn base_url(&mut self, defaults: &Defaults) -> String {
        let Some(text) = self.fields.required_text("base_url") else { return String::new() };
        if let Some(flaw) = url_rules::base_url_flaw(text, defaults) {
            self.fields.report("base_url", "bad_url", flaw);
        }
        text.to_owned()
    }

    fn check_rules(&mut self, remote: &Remote) {
        for error in Rules::compile(remote).err().unwrap_or_default() {
            let place = match error.index {
                Some(index) => format!("{}/{index}", error.list.name()),
                None => error.list.name().to_owned(),
            };
            self.fields.report(&place, "bad_regex", error.message);
        }
    }

    fn credential(&mut self, base_url: &str) -> Option<Credential> {
        let username = self.fields.text("username");
        if username.contains(':') || username.chars().any(char::is_control) {
            let detail = "must not contain a colon or control characters";
            self.fields.report("username", "bad_value", detail);
        }
        let current = match self.around.current.map(|repository| &repository.definition) {
            Some(Definition::Remote(remote)) => Some(remote),
            _ => None,
        };
        let stored = current.and_then(|remote| remote.credential.as_ref());
        let change = self.fields.password();
        let keeps_secret = matches!(change, PasswordChange::Keep)
            && stored.is_some_and(|stored| !stored.secret.expose().is_empty());
        // Otherwise whoever may edit a remote could have its password sent to a host of theirs.
        if keeps_secret
            && current.is_some_and(|remote| !url_rules::is_same_origin(&remote.base_url, base_url))
        {
            let detail =
                "must be given again, or cleared with null, when base_url moves to another origin";
            self.fields.report("password", "required", detail);
        }
        changed_credential(username, change, stored, self.around.now)
    }

    fn allowed_hosts(&mut self) -> Vec<String> {
        let hosts = self.fields.texts("allowed_hosts");
        for (index, host) in hosts.iter().enumerate() {
            if !url_rules::is_host(host) {
                let place = format!("allowed_hosts/{index}");
                self.fields.report(
                    &place,
                    "bad_host",
                    format!("{host:?} is not host or host:port"),
                );
            }
        }
        hosts
    }

    fn ca_certificates(&mut self) -> String {
        let certificates = self.fields.long_text("ca_certificates");
        if !url_rules::is_pem(&certificates) {
            self.fields.report("ca_certificates", "bad_pem", "must be PEM certificates");
        }
        certificates
    }

    fn virtual_(
        &mut self,
        name: Option<&RepositoryName>,
        package_type: Option<&PackageType>,
    ) -> Virtual {
        if self.fields.value("members").is_none() {
            self.fields.report("members", "required", "is required");
        }
        let members = self.fields.texts("members");
        let name = name.map_or("", RepositoryName::as_str);
        for flaw in members::flaws(name, package_type, &members, self.around.stored) {
            let place = format!("members/{}", flaw.index);
            self.fields.report(&place, flaw.code, flaw.detail);
        }
        Virtual {
            // A name that does not parse names no repository and was reported as that.
            members: members.iter().filter_map(|member| member.parse().ok()).collect(),
            merge_versions: self.fields.switch("merge_versions"),
            deployment: self.deployment(&members),
        }
    }

    /// The member that takes what is pushed: a local one, of a type that is pushed in this way.
    fn deployment(&mut self, members: &[String]) -> Option<RepositoryName> {
        let text = self.fields.text("deployment");
        if text.is_empty() {
            return None;
        }
        let named = self.around.stored.iter().find(|stored| stored.name.as_str() == text);
        let can_take = |repository: &&Repository| {
            let provider = self.around.providers.get(repository.package_type.as_str());
            repository.kind() == RepositoryKind::Local
                && provider.is_some_and(|provider| provider.publishing().is_some())
        };
        let is_member = members.contains(&text);
        let found = named.filter(|_| is_member).filter(can_take);
        if found.is_none() {
            let detail = format!("{text:?} is no local member that images could be pushed to");
            self.fields.report("deployment", "not_deployable", detail);
        }
        found.map(|repository| repository.name.clone())
    }
}

/// The credential after a write. The moment moves with the secret alone, so that writing the
/// same again changes nothing.
fn changed_credential(
    username: String,
    change: PasswordChange,
    stored: Option<&Credential>,
    now: Timestamp,
) -> Option<Credential> {
    let (secret, updated_at) = match (change, stored) {
        (PasswordChange::Set(secret), Some(stored)) if secret == stored.secret => {
            (secret, stored.updated_at)
        }
        (PasswordChange::Set(secret), _) => (secret, now),
        (PasswordChange::Keep, Some(stored)) => (stored.secret.clone(), stored.updated_at),
        (PasswordChange::Clear, Some(stored)) if stored.secret.expose().is_empty() => {
            (stored.secret.clone(), stored.updated_at)
        }
        (PasswordChange::Keep, None) | (PasswordChange::Clear, _) => {
            (artifact_core::Secret::new(""), now)
        }
    };
    let is_empty = username.is_empty() && secret.expose().is_empty();
    (!is_empty).then_some(Credential { username, secret, updated_at })
}

#[cfg(test)]
mod tests {
    use artifact_core::Secret;
    use serde_json::json;

    use super::*;

    const BEFORE: Timestamp = Timestamp::from_seconds(1);
    const NOW: Timestamp = Timestamp::from_seconds(2);

    fn credential(username: &str, secret: &str, updated_at: Timestamp) -> Credential {
        Credential { username: username.into(), secret: Secret::new(secret), updated_at }
    }

    #[test]
    fn a_password_is_kept_cleared_or_set() {
        let set = |text| PasswordChange::Set(Secret::new(text));
        let stored = credential("u", "old", BEFORE);
        for (username, change, expected) in [
            ("u", PasswordChange::Keep, Some(credential("u", "old", BEFORE))),
            ("v", PasswordChange::Keep, Some(credential("v", "old", BEFORE))),
            ("u", set("old"), Some(credential("u", "old", BEFORE))),
            ("u", set("new"), Some(credential("u", "new", NOW))),
            ("u", PasswordChange::Clear, Some(credential("u", "", NOW))),
            ("", PasswordChange::Clear, None),
        ] {
            let changed = changed_credential(username.into(), change.clone(), Some(&stored), NOW);
            assert_eq!(changed, expected, "{username} {change:?}");
        }
        assert_eq!(changed_credential(String::new(), PasswordChange::Keep, None, NOW), None);
    }

    #[test]
    fn writing_a_bare_user_name_again_changes_nothing() {
        let stored = credential("u", "", BEFORE);
        for change in [PasswordChange::Keep, PasswordChange::Clear] {
            let changed = changed_credential("u".into(), change, Some(&stored), NOW);
            assert_eq!(changed.as_ref(), Some(&stored));
        }
    }

    #[test]
    fn a_merge_patch_replaces_lists_and_removes_nulls() {
        let current = json!({"a": 1, "list": [1, 2], "deep": {"x": 1, "y": 2}, "gone": true});
        let patch = json!({"list": [3], "deep": {"x": null}, "gone": null, "new": {"z": null}});
        assert_eq!(
            merge(current, &patch),
            json!({"a": 1, "list": [3], "deep": {"y": 2}, "new": {}})
        );
    }

    #[test]
    fn a_merge_patch_carries_the_null_of_a_password() {
        let merged = merge(json!({"name": "a"}), &json!({"password": null}));
        assert_eq!(merged, json!({"name": "a", "password": null}));
        assert_eq!(merge(json!({"name": "a"}), &json!([])), json!([]));
    }
}
