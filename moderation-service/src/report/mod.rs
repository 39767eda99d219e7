//! Reports: what people say about others' content. One per person and version of the content.
//!
//! A report opens the case about that version or adds to it. Who reported is known to this service alone: the report is a
//! private event, and what the case records of it names nobody.

pub mod aggregate;
pub mod api;
pub mod projection;
pub mod view;
