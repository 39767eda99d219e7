-- What this service remembers of posts and comments, to decide whether they are minted and to say what a token says. Not made
-- from this service's events: a deleted text is forgotten here.
ALTER TABLE content
    -- The version of the content's aggregate that carried the text.
    ADD COLUMN version bigint,
    ADD COLUMN category text,
    -- Posts have one.
    ADD COLUMN title text,
    ADD COLUMN body text,
    -- What the author said about this one.
    ADD COLUMN wish boolean,
    ADD COLUMN published_at timestamptz,
    -- When the text changed last: the delay before minting begins anew with every version.
    ADD COLUMN text_at timestamptz,
    -- When it is to be decided again whether it is minted.
    ADD COLUMN due_at timestamptz;
CREATE INDEX content_due ON content (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX content_author ON content (author_id);

-- What moderation says of content: by case, since a case may be heard of before its content.
CREATE TABLE verdict (
    case_id uuid NOT NULL,
    kind text NOT NULL,
    id uuid NOT NULL,
    -- Opened and not decided, or decided to delete.
    blocks boolean NOT NULL,
    -- Decided to delete; kept when it was restored later, as part of what there is to know of a token.
    deleted boolean NOT NULL,
    decided_at timestamptz NOT NULL,
    CONSTRAINT verdict_pkey PRIMARY KEY (case_id)
);
CREATE INDEX verdict_subject ON verdict (kind, id);

-- What people let be minted, and where their tokens go: the read models of this service's own events.
CREATE TABLE consent (
    user_id uuid NOT NULL,
    minting text NOT NULL,
    text text NOT NULL,
    minting_since timestamptz NOT NULL,
    CONSTRAINT consent_pkey PRIMARY KEY (user_id)
);
CREATE TABLE wallet (
    user_id uuid NOT NULL,
    address text NOT NULL,
    proven_at timestamptz NOT NULL,
    CONSTRAINT wallet_pkey PRIMARY KEY (user_id)
);

-- What a token says. Not made from events: the salt must be erasable, because whoever has it can find out by trying whether a
-- deleted text was a certain one. The row goes when its mint is withdrawn or its content goes away.
CREATE TABLE metadata (
    mint_id uuid NOT NULL,
    -- Of the text that it is about.
    content_version bigint NOT NULL,
    text_wish text NOT NULL,
    salt bytea NOT NULL,
    cid text NOT NULL,
    image_cid text NOT NULL,
    document bytea NOT NULL,
    image bytea NOT NULL,
    -- The places that gave every block back when they were asked last, with what the others said.
    kept_at text[] NOT NULL,
    not_kept_at text[] NOT NULL,
    checked_at timestamptz,
    -- When the places are asked again; none before they were asked for the first time.
    check_at timestamptz,
    CONSTRAINT metadata_pkey PRIMARY KEY (mint_id)
);
CREATE INDEX metadata_cid ON metadata (cid);
CREATE INDEX metadata_image_cid ON metadata (image_cid);
CREATE INDEX metadata_check ON metadata (check_at) WHERE check_at IS NOT NULL;
