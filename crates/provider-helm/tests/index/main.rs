//! The index: as a client sees it, and what holds for every one.

mod laws;
mod listing;
mod support;
