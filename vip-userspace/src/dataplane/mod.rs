//! The ear: how adverts and claims come off the wire.
