-- The labels of what this service shows, as moderation-service says: a projection of its events. A row for each who said them.
CREATE TABLE content_label (
    -- A clearance, or a case about one version of some content.
    said_by uuid NOT NULL,
    -- What a case says counts before what a clearance says of the same version.
    is_case boolean NOT NULL,
    subject_id uuid NOT NULL,
    -- The version of the text that they are said of; of any other nothing is said.
    subject_version bigint NOT NULL,
    -- An array of labels; absent while a case says nothing of them.
    labels jsonb,
    CONSTRAINT content_label_pkey PRIMARY KEY (said_by)
);

CREATE INDEX content_label_subject ON content_label (subject_id, subject_version);

-- The version of the event that carried the text; labels are of that text. It follows from the events that are there.
ALTER TABLE post ADD COLUMN text_version bigint NOT NULL DEFAULT 0;
UPDATE post t SET text_version = (
    SELECT coalesce(max(e.aggregate_version), 0) FROM event e
      WHERE e.aggregate_type = 'post' AND e.aggregate_id = t.id
        AND e.type IN ('post.drafted.v1', 'post.draft_edited.v1', 'post.published.v1', 'post.edited.v1'));
ALTER TABLE post ALTER COLUMN text_version DROP DEFAULT;
