//! How clients are told what they need, and what they ask for: the challenge, scopes and the token's reply.

mod challenge;
mod scope;
mod token;

pub use self::challenge::Challenge;
pub use self::scope::{InvalidScope, Permission, Scope, scopes};
pub use self::token::TokenReply;
