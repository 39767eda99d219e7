//! The services that record events.

crate::choice::choices! {
    /// A service that owns aggregates, and with them a schema, a role and event streams.
    Service {
        /// Users, sessions, connections, signing keys.
        Auth = "auth",
        /// Posts.
        Post = "post",
        /// Comments, reactions, views.
        Interaction = "interaction",
        /// Moderation cases.
        Moderation = "moderation",
        /// Notifications; activity profiles as projections.
        Engagement = "engagement",
        /// Mints.
        Minting = "minting",
    }
}
