//! Sessions: signing in, staying signed in, signing out.
//!
//! A session is one sign-in on one device. It is continued with refresh tokens, each of which is good once, and ends by
//! signing out, by another password, by misuse of a refresh token, by the account's deletion, or by age. Its end is an event;
//! every service, this one included, hears of it and believes no access token of the session from then on.

pub mod aggregate;
pub mod api;
pub mod projection;
pub mod refresh;
pub mod sign_in;
pub mod sweep;
pub mod throttle;
pub mod token;
pub mod view;
