//! What can happen to a user account, as far as other services may know. Recorded by auth-service.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Event, Service, choice::choices, post::Category};

choices! {
    /// Whether an account may act.
    AccountStatus {
        /// May do everything.
        Active = "ACTIVE",
        /// Registered; the e-mail address is not verified yet, or the account is closed.
        Inactive = "INACTIVE",
        /// May read, not write.
        Muted = "MUTED",
        /// For a time, may read what is held against it and appeal, and nothing else.
        Suspended = "SUSPENDED",
        /// May read what is held against it and appeal, and nothing else.
        Banned = "BANNED",
    }
}

choices! {
    /// What an account may do beyond its own things.
    Role {
        /// Owns what it writes.
        User = "USER",
        /// Decides moderation cases.
        Moderator = "MODERATOR",
        /// Reads the published events of every service.
        Analyst = "ANALYST",
        /// Runs the system.
        Admin = "ADMIN",
    }
}

/// A fact about one account. Addresses, names and passwords are private to auth-service and never appear here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data")]
pub enum UserEvent {
    /// Somebody signed up; always the first event of an account. It is [`AccountStatus::Inactive`] until verified.
    #[serde(rename = "user.registered.v1")]
    Registered {
        /// What the person says to care about, without repeats.
        interests: Vec<Category>,
    },
    /// The person proved to own the e-mail address; the account is [`AccountStatus::Active`].
    #[serde(rename = "user.email_verified.v1")]
    EmailVerified {},
    /// The person named other interests.
    #[serde(rename = "user.interests_changed.v1")]
    InterestsChanged {
        /// All interests from now on, without repeats.
        interests: Vec<Category>,
    },
    /// The account gained a role.
    #[serde(rename = "user.role_granted.v1")]
    RoleGranted {
        /// The role.
        role: Role,
    },
    /// Moderation or an operator changed what the account may do.
    #[serde(rename = "user.status_changed.v1")]
    StatusChanged {
        /// The status from now on.
        status: AccountStatus,
        /// When that ends, unless something is decided meanwhile; never, or not known, if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    },
    /// The person closed the account; the last event of its stream.
    #[serde(rename = "user.deleted.v1")]
    Deleted {},
}

impl Event for UserEvent {
    const CATEGORY: &'static str = "user";
    const SERVICE: Service = Service::Auth;
}
