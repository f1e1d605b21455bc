//! What the kernel is asked to do and tells.
