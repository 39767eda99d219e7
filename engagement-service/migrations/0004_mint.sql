-- Whose mints there are and of what: what the reactor that tells people remembers, since only the first event of a mint says so.
CREATE TABLE mint (
    id uuid NOT NULL,
    author_id uuid NOT NULL,
    -- One of the two.
    post_id uuid,
    comment_id uuid,
    CONSTRAINT mint_pkey PRIMARY KEY (id)
);
