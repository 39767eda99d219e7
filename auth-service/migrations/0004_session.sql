-- Sessions: the read model of session events. Rows of sessions that nobody can continue are swept; a rebuild brings them
-- back until the next sweep.
CREATE TABLE session (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT session_pkey PRIMARY KEY (id)
);
CREATE INDEX session_live ON session (user_id) WHERE ended_at IS NULL;
CREATE INDEX session_age ON session (started_at);
