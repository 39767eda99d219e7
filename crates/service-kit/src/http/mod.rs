//! HTTP as every program of the platform speaks it.

pub mod limits;
pub mod observe;
pub mod serve;
