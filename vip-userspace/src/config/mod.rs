//! keepalived.conf, from text to typed instances.
