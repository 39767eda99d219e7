//! The committed files for containers say the same as the code.
