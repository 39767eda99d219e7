-- Strikes: one for every removal that was carried out, until it expires or the removal is taken back.
CREATE TABLE strike (
    user_id uuid NOT NULL,
    case_id uuid NOT NULL,
    added_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT strike_pkey PRIMARY KEY (user_id, case_id)
);

-- Sanctions, in force and past.
CREATE TABLE sanction (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind text NOT NULL,
    -- An array, worst first.
    reasons jsonb NOT NULL,
    -- What the person is told.
    statement text NOT NULL,
    case_id uuid,
    moderator_id uuid NOT NULL,
    imposed_at timestamptz NOT NULL,
    -- When it ends by itself; never, if absent.
    until timestamptz,
    ended_at timestamptz,
    -- EXPIRED or LIFTED.
    ended text,
    CONSTRAINT sanction_pkey PRIMARY KEY (id)
);
CREATE INDEX sanction_of_user ON sanction (user_id, imposed_at DESC, id DESC);
-- What has to end.
CREATE INDEX sanction_due ON sanction (until) WHERE ended_at IS NULL AND until IS NOT NULL;
