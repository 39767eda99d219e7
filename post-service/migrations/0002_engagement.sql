-- What people did with a post: a projection of interaction-service's events. Apart from `post`, so that each table has
-- one writer and can be rebuilt alone.
CREATE TABLE engagement (
    post_id uuid NOT NULL,
    views bigint NOT NULL DEFAULT 0,
    comments bigint NOT NULL DEFAULT 0,
    reactions bigint NOT NULL DEFAULT 0,
    -- Sum of the worth of the current reactions, see `engagement/mod.rs`.
    feeling bigint NOT NULL DEFAULT 0,
    CONSTRAINT engagement_pkey PRIMARY KEY (post_id)
);
