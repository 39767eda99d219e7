//! The analyser with its built-in model.
