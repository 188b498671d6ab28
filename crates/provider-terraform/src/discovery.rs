//! Service discovery: where upstream's registries are.

use artifact_core::{
    Base, DocumentError, Facts, Rendition, RewriteContext, Rewritten, SourceDocument,
};
use url::Url;

use crate::document::{Unreadable, once, read_object, resolve, text_of, url_of};
use crate::output::Output;
use crate::route::REGISTRY;

/// A registry that a host may offer.
#[derive(Clone, Copy, Debug)]
struct Service {
    id: &'static str,
    /// Where it is in our repositories.
    path: &'static str,
}

const SERVICES: [Service; 2] = [
    Service { id: "modules.v1", path: "v1/modules/" },
    Service { id: "providers.v1", path: "v1/providers/" },
];

/// What the first document offers, at our addresses.
pub(crate) fn rewrite(
    documents: &[SourceDocument<'_>],
    _context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let Some(document) = documents.first() else {
        return Err(Unreadable::Other("there is no document").into());
    };
    let offered = read(document)?;
    let mut out = Output::default();
    out.push("{");
    out.list(&offered, |out, (service, _)| {
        out.quote(service.id);
        out.push(":");
        out.link(service.path);
    });
    out.push("}");
    let base = |(service, url): (Service, Url)| Base {
        document: 0,
        prefix: service.path.to_owned(),
        url: url.into(),
    };
    let bases = offered.into_iter().map(base).collect();
    Ok(Rewritten {
        renditions: vec![Rendition {
            variant: REGISTRY,
            content_type: "application/json",
            body: out.finish(),
        }],
        facts: Facts { bases, ..Facts::default() },
    })
}

pub(crate) fn check(document: &SourceDocument<'_>) -> Result<(), Unreadable> {
    read(document).map(drop)
}

fn read(document: &SourceDocument<'_>) -> Result<Vec<(Service, Url)>, Unreadable> {
    let base = url_of(document);
    let mut found = [None, None];
    read_object(text_of(document)?, |key, value| {
        for (slot, service) in found.iter_mut().zip(SERVICES) {
            if key.is(service.id)
                && let Some(address) = value.string_or_skip()?
            {
                let address = address.decoded();
                let url = root(&address, base.as_ref())
                    .ok_or_else(|| Unreadable::Value(service.id, address.into_owned()))?;
                return once(slot, url, service.id);
            }
        }
        Ok(())
    })?;
    let offered = SERVICES.into_iter().zip(found);
    Ok(offered.filter_map(|(service, url)| Some((service, url?))).collect())
}

/// What paths can be appended to.
fn root(address: &str, base: Option<&Url>) -> Option<Url> {
    let mut url = resolve(address, base)?;
    url.set_query(None);
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Some(url)
}
