-- Versions of the analyser, what they did in shadow, and figures of what was judged.

-- Files of versions, each once. Not from events: the events have the hashes.
CREATE TABLE analyser_file (
    -- In lower-case hexadecimal.
    sha256 text NOT NULL,
    content bytea NOT NULL,
    CONSTRAINT analyser_file_pkey PRIMARY KEY (sha256)
);

-- Versions: the read model of this service's own events about them.
CREATE TABLE analyser_version (
    -- Follows from its files.
    id text NOT NULL,
    -- PROPOSED, SHADOW, ACTIVE, RETIRED or ROLLED_BACK. Where none is ACTIVE, each program judges by the version it was built with.
    state text NOT NULL,
    -- By name, `{"sha256": …, "bytes": …}`.
    files jsonb NOT NULL,
    note text,
    proposed_by uuid,
    proposed_at timestamptz NOT NULL,
    -- Since when it is in shadow, and whether only some instances judge by it.
    shadow_since timestamptz,
    shadow_apart boolean NOT NULL DEFAULT false,
    -- The last promotion.
    promoted_by uuid,
    promoted_at timestamptz,
    forced text,
    -- Where its flag rate has to stay; absent where nobody watches it.
    band jsonb,
    rolled_back_at timestamptz,
    rolled_back_by uuid,
    rolled_back_because text,
    CONSTRAINT analyser_version_pkey PRIMARY KEY (id)
);

-- Judgements of versions in shadow: the read model of this service's own events about them.
CREATE TABLE shadow_judgement (
    version_id text NOT NULL,
    subject_id uuid NOT NULL,
    -- POST or COMMENT.
    subject_kind text NOT NULL,
    subject_version bigint NOT NULL,
    -- ALLOW, HOLD or REMOVE: what the shadow says, and what was decided.
    verdict text NOT NULL,
    live_verdict text NOT NULL,
    -- Arrays of reasons, worst first.
    reasons jsonb NOT NULL,
    live_reasons jsonb NOT NULL,
    judged_at timestamptz NOT NULL,
    CONSTRAINT shadow_judgement_pkey PRIMARY KEY (version_id, subject_id, subject_version)
);
CREATE INDEX shadow_judgement_newest ON shadow_judgement (version_id, judged_at DESC);
CREATE INDEX shadow_judgement_age ON shadow_judgement (judged_at);

-- Every judgement as figures: the read model of this service's own events about screenings. Ninety days of it are kept.
CREATE TABLE screening_figure (
    subject_id uuid NOT NULL,
    subject_version bigint NOT NULL,
    version_id text NOT NULL,
    -- The trained model; empty for an analyser that had none.
    model text NOT NULL,
    -- ISO 639-3, or und.
    language text NOT NULL,
    -- Held or removed.
    flagged boolean NOT NULL,
    -- Some word was read as another than it was written.
    corrected boolean NOT NULL,
    -- By category, what the model says in thousandths.
    scores jsonb NOT NULL,
    judged_at timestamptz NOT NULL,
    CONSTRAINT screening_figure_pkey PRIMARY KEY (subject_id, subject_version)
);
CREATE INDEX screening_figure_of_version ON screening_figure (version_id, judged_at DESC);
CREATE INDEX screening_figure_age ON screening_figure (judged_at);
