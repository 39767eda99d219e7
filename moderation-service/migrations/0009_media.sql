-- Images that the operator knows, by their hashes: the read model of this service's own events. No image is kept.
CREATE TABLE listed_image (
    id uuid NOT NULL,
    -- Of the file, in lower-case hexadecimal.
    sha256 text,
    -- 64 bits, as people see the image.
    perceptual bigint,
    -- Nine parts of the perceptual hash: images that are alike have at least one in common.
    bands integer[] NOT NULL,
    category text NOT NULL,
    -- HOLD or REMOVE.
    action text NOT NULL,
    note text,
    listed_at timestamptz NOT NULL,
    CONSTRAINT listed_image_pkey PRIMARY KEY (id)
);
CREATE INDEX listed_image_sha256 ON listed_image (sha256);
CREATE INDEX listed_image_bands ON listed_image USING gin (bands);
CREATE INDEX listed_image_newest ON listed_image (listed_at DESC, id DESC);
