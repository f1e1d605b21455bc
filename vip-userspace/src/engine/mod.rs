//! The real-time thread.
