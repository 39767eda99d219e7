-- Batches: judgements that another policy or model changed, decided together and undone together.

ALTER TABLE moderation_case
    -- The last batch that changed the case.
    ADD COLUMN batch_id uuid,
    -- The row as it was before that: what undoing the batch puts back.
    ADD COLUMN before_batch jsonb;

ALTER TABLE decision_log
    -- The batch by which it was decided.
    ADD COLUMN batch_id uuid;

-- The read model of this service's own batch events.
CREATE TABLE moderation_batch (
    id uuid NOT NULL,
    state text NOT NULL,
    opened_by uuid NOT NULL,
    reason text NOT NULL,
    -- Name and hashes of the analyser whose judgements these are.
    analyser text NOT NULL,
    -- How many parts it comes in, how many have come, and how many were carried out or undone.
    parts integer NOT NULL,
    received integer NOT NULL,
    done integer NOT NULL,
    items bigint NOT NULL,
    changed bigint NOT NULL,
    refused bigint NOT NULL,
    undone bigint NOT NULL,
    kept bigint NOT NULL,
    opened_at timestamptz NOT NULL,
    applied_at timestamptz,
    undo_asked_by uuid,
    undo_reason text,
    undone_at timestamptz,
    CONSTRAINT moderation_batch_pkey PRIMARY KEY (id)
);
CREATE INDEX moderation_batch_newest ON moderation_batch (opened_at DESC, id DESC);
-- What has to be done.
CREATE INDEX moderation_batch_unfinished ON moderation_batch (opened_at) WHERE state IN ('APPLYING', 'UNDOING');

-- What a batch left alone, and why.
CREATE TABLE batch_refusal (
    batch_id uuid NOT NULL,
    part integer NOT NULL,
    item integer NOT NULL,
    -- APPLY or UNDO.
    step text NOT NULL,
    refusal text NOT NULL,
    CONSTRAINT batch_refusal_pkey PRIMARY KEY (batch_id, step, part, item)
);

-- The changed judgements themselves: the read model of the events of the parts of batches.
CREATE TABLE batch_item (
    batch_id uuid NOT NULL,
    part integer NOT NULL,
    item integer NOT NULL,
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    subject_version bigint NOT NULL,
    from_verdict text NOT NULL,
    to_verdict text NOT NULL,
    -- The new analysis.
    analysis jsonb NOT NULL,
    CONSTRAINT batch_item_pkey PRIMARY KEY (batch_id, part, item)
);
