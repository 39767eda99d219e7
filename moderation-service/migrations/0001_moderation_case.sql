-- Cases as moderators see them: the read model of this service's own case events.
CREATE TABLE moderation_case (
    id uuid NOT NULL,
    -- POST or COMMENT.
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    -- The version of the content that was analysed; a later one has a case of its own.
    subject_version bigint NOT NULL,
    author_id uuid NOT NULL,
    state text NOT NULL,
    -- An array, worst first: of the last decision, before it of the analysis.
    reasons jsonb NOT NULL,
    analyser text NOT NULL,
    analysis jsonb NOT NULL,
    decision text,
    decided_by jsonb,
    opened_at timestamptz NOT NULL,
    decided_at timestamptz,
    version bigint NOT NULL,
    CONSTRAINT moderation_case_pkey PRIMARY KEY (id)
);
-- The queue of a state, and all cases, newest first.
CREATE INDEX moderation_case_state ON moderation_case (state, opened_at DESC, id DESC);
CREATE INDEX moderation_case_newest ON moderation_case (opened_at DESC, id DESC);
-- The cases about one post or comment.
CREATE INDEX moderation_case_subject ON moderation_case (subject_id, state);
