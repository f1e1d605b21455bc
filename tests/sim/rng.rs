//! The generator that the laboratory's suites share.

pub(crate) use vip_tests::dice::Rng;
