//! The laboratory that the suites share: [`vip::lab`] with the scene that most
//! tests begin with, and daemons of other makes as peers.

pub mod bpf;
pub mod chaos;
pub mod dice;
pub mod field;
pub mod matrix;
pub mod peer;
pub mod pulse;
pub mod recipes;
pub mod reloads;
pub mod scene;
pub mod scrape;

/// What a test returns, so that each step says itself what failed.
pub type Tested = Result<(), vip::lab::LabError>;
