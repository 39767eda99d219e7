-- Posts as their readers see them: the read model of this service's own events.
CREATE TABLE post (
    id uuid NOT NULL,
    author_id uuid NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    category text NOT NULL,
    -- DRAFT, POSTED or ARCHIVED: the author's decision.
    status text NOT NULL,
    -- Moderation's decision; a hidden post is there for its author and moderators alone.
    hidden boolean NOT NULL DEFAULT false,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    published_at timestamptz,
    CONSTRAINT post_pkey PRIMARY KEY (id)
);
-- The public list, newest first.
CREATE INDEX post_public ON post (coalesce(published_at, created_at) DESC, id DESC) WHERE status = 'POSTED' AND NOT hidden;
-- An author's own list.
CREATE INDEX post_author ON post (author_id, coalesce(published_at, created_at) DESC, id DESC);
