//! Mints with everything that is known of them.

pub mod view;
