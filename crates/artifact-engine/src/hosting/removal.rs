//! Removing a file, a document or an alias.

use artifact_core::ports::{Precondition, Removal, Removed};
use artifact_core::{ErrorKind, Fault, Outcome, RemovalRequest, Result};

use super::{Conversation, absent};
use crate::request::Reply;

impl Conversation<'_> {
    pub(super) async fn remove(&self, request: &RemovalRequest) -> Result<Reply> {
        let key = self.key(&request.path);
        let removal = Removal {
            key: key.clone(),
            aliases: request.aliases.clone(),
            precondition: Precondition::Any,
        };
        match self.shared.parts.meta.remove_unneeded(&removal).await? {
            Removed::Rows(keys) => {
                for key in keys {
                    self.shared.rows.forget(&key);
                    self.shared.promises.forget(&key);
                }
                Ok(self.word(&Outcome::Removed))
            }
            Removed::Needed(by) => {
                let text =
                    "a document of this repository needs this, which has to be removed first";
                let error = self.fault(ErrorKind::MethodNotAllowed, Fault::Needed, text);
                Err(error.with_details(vec![by.as_str().to_owned()]))
            }
            Removed::Conflict(_) => {
                self.shared.rows.forget(&key);
                Err(absent())
            }
        }
    }
}
