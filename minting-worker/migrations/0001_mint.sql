-- Mints as their authors see them: the read model of this service's own events.
CREATE TABLE mint (
    id uuid NOT NULL,
    -- POST or COMMENT, and which one.
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    author_id uuid NOT NULL,
    state text NOT NULL,
    -- The first request; a later one after a withdrawal does not move the mint in a list.
    requested_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT mint_pkey PRIMARY KEY (id),
    CONSTRAINT mint_subject_unique UNIQUE (subject_kind, subject_id)
);
-- A person's list and everybody's, newest first.
CREATE INDEX mint_of_author ON mint (author_id, requested_at DESC, id DESC);
CREATE INDEX mint_newest ON mint (requested_at DESC, id DESC);

-- What this service remembers of posts and comments: no event says by itself whether everybody may see the content, since
-- an author may archive what moderation has hidden, and moderation may bring back what its author has archived.
CREATE TABLE content (
    kind text NOT NULL,
    id uuid NOT NULL,
    author_id uuid NOT NULL,
    published boolean NOT NULL,
    hidden boolean NOT NULL,
    CONSTRAINT content_pkey PRIMARY KEY (kind, id)
);
