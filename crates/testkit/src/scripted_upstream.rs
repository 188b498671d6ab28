//! A scripted upstream port.
/// A scripted upstream port.
#[derive(Debug)]
pub struct ScriptedUpstream;
