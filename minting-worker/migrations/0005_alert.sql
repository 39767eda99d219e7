-- What operators should know: one row from the moment something began until it ended, and one for what happens at once. Not made
-- from events: it says how things are, and is kept for a look back.
CREATE TABLE alert (
    id uuid NOT NULL,
    kind text NOT NULL,
    -- The lane's address, or what else it is about.
    subject text NOT NULL,
    detail text NOT NULL,
    began_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT alert_pkey PRIMARY KEY (id)
);
-- Whoever notices first tells; the others find it told.
CREATE UNIQUE INDEX alert_open ON alert (kind, subject) WHERE ended_at IS NULL;
CREATE INDEX alert_newest ON alert (began_at DESC);
