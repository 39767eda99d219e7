//! What the runtime decides, without the servers that it decides about: numbers in, a decision out.
//!
//! The relay and the owners of partitions ask these functions and then talk to Redis and PostgreSQL. The simulation asks the
//! same functions and talks to models of them, in millions of orders that no test with real servers would see.

pub mod page;
pub mod publish;
pub mod silence;
pub mod trim;

pub use page::{Gap, Page};
pub use publish::{Appended, Cursor, Divergence, Tail};
pub use silence::{Listener, Silence};
pub use trim::{Limit, Required, trim_limit};
