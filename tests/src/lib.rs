//! The laboratory that the suites share.
