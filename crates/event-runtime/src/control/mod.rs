//! The control stream: what consumers tell a producer.
//!
//! Services share no database, so a consumer tells the producers it reads how far it has come for good, and asks for what the
//! stream no longer holds. Both go through `ctl:{<service>}`, one capped stream per producer, which every relay process of
//! the producer reads.
//!
//! Nothing here has to arrive. A report is repeated every few seconds and the last one counts; a request is repeated until it
//! is answered. So Redis may forget the stream, or its oldest entries, at any moment, and two processes of a producer may act on
//! the same message.

mod listen;
mod message;
mod report;
mod subscription;

pub(crate) use listen::Listener;
pub(crate) use message::{CatchUpRequest, Message, WatermarkReport, control_key, send, shorten};
pub(crate) use report::Reporter;
