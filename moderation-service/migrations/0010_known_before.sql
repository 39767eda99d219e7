-- More of what is known when a text is judged.

-- How many people a text mentions.
ALTER TABLE author_activity ADD COLUMN mentions integer NOT NULL DEFAULT 0;

-- How much an author published before what `author_activity` still has, to tell a first text.
CREATE TABLE author_past (
    author_id uuid NOT NULL,
    publications bigint NOT NULL,
    CONSTRAINT author_past_pkey PRIMARY KEY (author_id)
);

-- Removals that stand: of an author, and by the policy within a day.
CREATE INDEX moderation_case_removed ON moderation_case (author_id, decided_at) WHERE decision = 'DELETE';
CREATE INDEX moderation_case_by_policy ON moderation_case (decided_at)
  WHERE decision = 'DELETE' AND decided_by ->> 'kind' = 'policy';

-- What everybody is told of content that nothing speaks against: the read model of clearances.
CREATE TABLE cleared_content (
    subject_id uuid NOT NULL,
    subject_version bigint NOT NULL,
    -- An array of content labels.
    labels jsonb NOT NULL,
    cleared_at timestamptz NOT NULL,
    CONSTRAINT cleared_content_pkey PRIMARY KEY (subject_id)
);
