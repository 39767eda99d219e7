-- The comments that exist, hidden ones among them. A deleted comment has no row.
CREATE TABLE comment (
    id uuid NOT NULL,
    post_id uuid NOT NULL,
    author_id uuid NOT NULL,
    -- No foreign key: answers outlive the comment they answer.
    parent_id uuid,
    body text NOT NULL,
    hidden boolean NOT NULL DEFAULT false,
    -- Direct answers that are neither hidden nor deleted.
    total_replies bigint NOT NULL DEFAULT 0,
    -- Events so far; the entity tag.
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT comment_pkey PRIMARY KEY (id),
    CONSTRAINT comment_total_replies_counted CHECK (total_replies >= 0)
);

-- Lists go from the newest to the oldest; ids are time-ordered.
CREATE INDEX comment_of_post ON comment (post_id, id DESC) WHERE NOT hidden;
CREATE INDEX comment_reply ON comment (parent_id, id DESC) WHERE NOT hidden AND parent_id IS NOT NULL;
