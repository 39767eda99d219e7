-- The reactions that stand. One that was taken back has no row.
CREATE TABLE reaction (
    -- Derived from person and post, so there is one per pair.
    id uuid NOT NULL,
    post_id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind text NOT NULL,
    -- Events so far; the entity tag.
    version bigint NOT NULL,
    -- When it was given, for the last time if it was taken back meanwhile.
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT reaction_pkey PRIMARY KEY (id)
);

-- Lists go from the newest to the oldest.
CREATE INDEX reaction_of_post ON reaction (post_id, created_at DESC, id DESC);
