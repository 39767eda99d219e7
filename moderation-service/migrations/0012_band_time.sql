-- A flood of near-copies fills a few bands with thousands of texts, of which the oldest of the day are enough: they are the first of
-- their band, so no more of it is read. A signature and its bands are swept by the same time, so none needs the other's leave.
ALTER TABLE text_band ADD COLUMN occurred_at timestamptz;
UPDATE text_band SET occurred_at = signature.occurred_at
  FROM text_signature AS signature
  WHERE (signature.subject_id, signature.subject_version) = (text_band.subject_id, text_band.subject_version);
ALTER TABLE text_band
    ALTER COLUMN occurred_at SET NOT NULL,
    DROP CONSTRAINT text_band_signature,
    DROP CONSTRAINT text_band_pkey,
    ADD CONSTRAINT text_band_pkey PRIMARY KEY (band, occurred_at, subject_id, subject_version);
DROP INDEX text_band_subject;
-- Written in the order of their time, or nearly so: a block range index costs next to nothing to keep.
CREATE INDEX text_band_age ON text_band USING brin (occurred_at);
