-- Texts of the last two days as signatures (MinHash), so that copies are found that were changed a little, by whomever they were
-- published. Written with the screening of the same event and swept like author_activity.

CREATE TABLE text_signature (
    subject_id uuid NOT NULL,
    subject_version bigint NOT NULL,
    author_id uuid NOT NULL,
    -- 128 values of four bytes.
    signature bytea NOT NULL,
    -- The id of the first text of which this is a near-copy, or of this one.
    cluster_id text NOT NULL,
    occurred_at timestamptz NOT NULL,
    CONSTRAINT text_signature_pkey PRIMARY KEY (subject_id, subject_version)
);
CREATE INDEX text_signature_age ON text_signature (occurred_at);

-- Keys under which near-copies meet (locality-sensitive hashing): 32 for each text.
CREATE TABLE text_band (
    band bigint NOT NULL,
    subject_id uuid NOT NULL,
    subject_version bigint NOT NULL,
    CONSTRAINT text_band_pkey PRIMARY KEY (band, subject_id, subject_version),
    CONSTRAINT text_band_signature FOREIGN KEY (subject_id, subject_version)
        REFERENCES text_signature ON DELETE CASCADE
);
CREATE INDEX text_band_subject ON text_band (subject_id, subject_version);
