-- What moderators need besides the analysis. Rows that are older than this have no urgency until the next
-- `moderation-service rebuild case`.
ALTER TABLE moderation_case
    -- The near-copies that can be decided together.
    ADD COLUMN cluster_id text,
    -- Severity, uncertainty and reports as one number; the queue multiplies it by the reach.
    ADD COLUMN urgency bigint NOT NULL DEFAULT 0,
    ADD COLUMN reports bigint NOT NULL DEFAULT 0,
    -- An array of the categories of reports, without repeats.
    ADD COLUMN reported_for jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN evidence text,
    ADD COLUMN evidence_sha256 text,
    -- Who has it in hand, and until when.
    ADD COLUMN claimed_by uuid,
    ADD COLUMN claimed_until timestamptz,
    ADD COLUMN escalated boolean NOT NULL DEFAULT false,
    -- An array of moderators.
    ADD COLUMN acknowledged_by jsonb NOT NULL DEFAULT '[]',
    -- An array of content labels.
    ADD COLUMN labels jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN labelled_at timestamptz,
    -- Who would remove it and waits for a second one.
    ADD COLUMN proposed_by uuid,
    -- When the removal that stands was decided; appeals are against that decision.
    ADD COLUMN removed_at timestamptz,
    -- Who or what decided it.
    ADD COLUMN removed_by jsonb,
    -- PENDING, UPHELD or OVERTURNED.
    ADD COLUMN appeal text,
    ADD COLUMN appeal_text text,
    ADD COLUMN appeal_answer text,
    ADD COLUMN appealed_at timestamptz,
    ADD COLUMN appeal_resolved_at timestamptz;
CREATE INDEX moderation_case_cluster ON moderation_case (cluster_id) WHERE cluster_id IS NOT NULL;
-- What was decided against an author, latest first.
CREATE INDEX moderation_case_author ON moderation_case (author_id, removed_at DESC, id DESC) WHERE removed_at IS NOT NULL;
-- What waits for somebody.
CREATE INDEX moderation_case_waiting ON moderation_case (urgency DESC) WHERE state = 'OPENED' OR appeal = 'PENDING';

-- Notes of moderators for each other.
CREATE TABLE case_note (
    -- Of the event.
    id uuid NOT NULL,
    case_id uuid NOT NULL,
    moderator_id uuid NOT NULL,
    note text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT case_note_pkey PRIMARY KEY (id)
);
CREATE INDEX case_note_of_case ON case_note (case_id, created_at, id);

-- Every decision, for the public log and its statistics. Who decided is shown as a keyed hash alone.
CREATE TABLE decision_log (
    -- Of the event.
    id uuid NOT NULL,
    case_id uuid NOT NULL,
    subject_kind text NOT NULL,
    decision text NOT NULL,
    -- An array, worst first.
    reasons jsonb NOT NULL,
    -- Absent when the policy decided.
    moderator_id uuid,
    -- Name and hashes of the analyser, its rules and its policy, that opened the case.
    analyser text NOT NULL,
    decided_at timestamptz NOT NULL,
    -- A removal that was taken back.
    overturned boolean NOT NULL,
    overturned_at timestamptz,
    -- Whether that was on appeal.
    on_appeal boolean NOT NULL,
    CONSTRAINT decision_log_pkey PRIMARY KEY (id)
);
CREATE INDEX decision_log_newest ON decision_log (decided_at DESC, id DESC);
CREATE INDEX decision_log_of_case ON decision_log (case_id, decided_at DESC);

-- The key of moderators' pseudonyms, made here and never shown: the same moderator has the same pseudonym for ever, and
-- nobody can tell who it is. Not from events: without it, no decision and no figure changes.
CREATE TABLE pseudonym_key (
    key text NOT NULL
);
INSERT INTO pseudonym_key (key) VALUES (gen_random_uuid()::text || gen_random_uuid()::text);
