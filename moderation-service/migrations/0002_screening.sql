-- What screening knows besides the text.

-- What authors published lately, as hashes and links, to tell flooding. Written with the screening of the same event; two
-- days of it are kept, the day that rules look back on and a day for events that come late.
CREATE TABLE author_activity (
    subject_id uuid NOT NULL,
    subject_version bigint NOT NULL,
    author_id uuid NOT NULL,
    -- A later version of something published before.
    edited boolean NOT NULL,
    -- Absent for texts too short to tell authors apart.
    text_hash text,
    -- An array of hosts with paths.
    links jsonb NOT NULL,
    -- The event's time, not that of its screening: a backlog is no flood.
    occurred_at timestamptz NOT NULL,
    CONSTRAINT author_activity_pkey PRIMARY KEY (subject_id, subject_version)
);
CREATE INDEX author_activity_author ON author_activity (author_id, occurred_at);
CREATE INDEX author_activity_age ON author_activity (occurred_at);

-- Since when accounts exist: a projection of auth-service's events.
CREATE TABLE known_user (
    user_id uuid NOT NULL,
    registered_at timestamptz NOT NULL,
    CONSTRAINT known_user_pkey PRIMARY KEY (user_id)
);

-- Whether people can see content, as far as its service has said; without a row they can. A decision about what is hidden
-- already is confirmed at once, since its service will not hide it twice. Also the lock that keeps a decision and a
-- confirmation about the same content apart.
CREATE TABLE content_visibility (
    subject_id uuid NOT NULL,
    -- VISIBLE, HIDDEN or GONE.
    visibility text NOT NULL,
    CONSTRAINT content_visibility_pkey PRIMARY KEY (subject_id)
);
