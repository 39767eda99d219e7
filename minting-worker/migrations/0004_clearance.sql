-- Which version of content moderation found nothing against: the newest that it told of, whether the content was heard of or not.
CREATE TABLE clearance (
    kind text NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT clearance_pkey PRIMARY KEY (kind, id)
);
ALTER TABLE verdict
    -- Which version the case is about; null if its opening was never heard of.
    ADD COLUMN version bigint,
    -- A person looked at it and left or restored it.
    ADD COLUMN cleared boolean NOT NULL DEFAULT false;
