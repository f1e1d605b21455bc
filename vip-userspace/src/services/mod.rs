//! Everything that may be slow.
