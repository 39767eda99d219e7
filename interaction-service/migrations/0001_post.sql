-- What this service keeps of posts, made from post-service's events alone.
CREATE TABLE post (
    id uuid NOT NULL,
    author_id uuid NOT NULL,
    category text NOT NULL,
    -- Three facts, not one state: a post that was archived while hidden is still archived when it is restored.
    archived boolean NOT NULL DEFAULT false,
    hidden boolean NOT NULL DEFAULT false,
    -- A deleted post stays known, so that nobody waits for it to appear.
    deleted boolean NOT NULL DEFAULT false,
    CONSTRAINT post_pkey PRIMARY KEY (id)
);
