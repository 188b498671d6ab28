//! A scripted origin server.
/// A scripted origin server on loopback.
#[derive(Debug)]
pub struct Origin;
/// A request that the origin saw.
#[derive(Debug)]
pub struct OriginRequest;
/// What the origin does with a request.
#[derive(Debug)]
pub struct Script;
