//! The recipes of `docs/recipes`, run as they lie there: real services on two
//! machines, an address between them, and a client that uses it while something
//! goes wrong.

pub mod cluster;
pub mod machine;
pub mod nginx;
pub mod postgresql;
pub mod writer;

use std::path::Path;

/// Where the recipes are.
#[must_use]
pub fn directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/recipes"))
}
