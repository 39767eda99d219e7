-- What people can see and report: the texts of posts and comments as they stand, from the events of their services. A report
-- is about this version, and what it said goes on record with the report.
CREATE TABLE published_text (
    subject_id uuid NOT NULL,
    -- POST or COMMENT.
    subject_kind text NOT NULL,
    -- The version of the event that carried the text.
    subject_version bigint NOT NULL,
    author_id uuid NOT NULL,
    -- The post itself, or the one that is commented on.
    post_id uuid NOT NULL,
    text text NOT NULL,
    -- Hidden by moderation: nobody but its author and moderators sees it.
    hidden boolean NOT NULL,
    CONSTRAINT published_text_pkey PRIMARY KEY (subject_id)
);

-- How many people posts have reached: a projection of interaction-service's events.
CREATE TABLE post_reach (
    post_id uuid NOT NULL,
    views bigint NOT NULL,
    reactions bigint NOT NULL,
    comments bigint NOT NULL,
    -- What follows from the three; kept, so that the queue is ordered by a product.
    reach bigint NOT NULL,
    factor bigint NOT NULL,
    CONSTRAINT post_reach_pkey PRIMARY KEY (post_id)
);

-- Reports: the read model of this service's own report events. Reporters see the state of their own; nobody else sees who
-- reported.
CREATE TABLE report (
    id uuid NOT NULL,
    case_id uuid NOT NULL,
    reporter_id uuid NOT NULL,
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    subject_version bigint NOT NULL,
    category text NOT NULL,
    note text,
    created_at timestamptz NOT NULL,
    CONSTRAINT report_pkey PRIMARY KEY (id)
);
-- A person's own reports, newest first, and how many there were lately.
CREATE INDEX report_of_reporter ON report (reporter_id, created_at DESC, id DESC);
-- The notes that came with the reports of a case.
CREATE INDEX report_of_case ON report (case_id, created_at);
