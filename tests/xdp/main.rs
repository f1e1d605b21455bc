//! The program at the NIC, run by the kernel itself: frames in, verdicts out,
//! with no device and no clock to wait for; and its attachment to real devices
//! in network namespaces of their own.
//!
//! It takes root. Without it these tests fail and say so.
#![expect(
    clippy::expect_used,
    reason = "helpers of tests: what is missing is to be said at once"
)]

mod answers;
mod attach;
mod budget;
mod cases;
mod frames;
mod known;
mod program;
