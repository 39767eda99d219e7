//! What operators see and do: mints with their history, dead letters, lanes, prices, and the chain against what is recorded.

pub mod advice;
pub mod alerts;
pub mod api;
pub mod lanes;
pub mod shown;
pub mod verify;
