//! Contract of `MetaStore`.
