//! Keeps content-addressed blocks in several places, and checks that they are there.
//!
//! A [`Place`] is somewhere that keeps blocks: a directory of our own ([`Embedded`]), an IPFS node ([`Kubo`]), or a pinning service
//! ([`PinningService`]). [`Places`] asks all of them, and is content when enough have given every block back and the bytes hash to
//! the CID that was computed here: what a place says about itself is not believed.

mod embedded;
mod kubo;
mod place;
mod places;
mod service;

pub use embedded::Embedded;
pub use kubo::Kubo;
pub use place::{Place, PlaceError, Root};
pub use places::{Kept, NotEnough, Places, TooFew};
pub use service::{PinningService, ServiceSettings};
