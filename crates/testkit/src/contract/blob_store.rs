//! Contract of `BlobStore` and `Spool`.
