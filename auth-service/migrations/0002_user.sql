-- Accounts as far as everybody may know: the read model of user events.
CREATE TABLE account (
    id uuid NOT NULL,
    -- ACTIVE, INACTIVE, MUTED or BANNED.
    status text NOT NULL,
    email_verified boolean NOT NULL,
    -- Arrays of text.
    roles jsonb NOT NULL,
    interests jsonb NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT account_pkey PRIMARY KEY (id)
);
-- The list of people, newest first.
CREATE INDEX account_listed ON account (created_at DESC, id DESC) WHERE email_verified;
