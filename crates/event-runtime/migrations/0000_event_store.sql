-- The event store, the relay's bookkeeping and the consumers' bookkeeping of one service, in its own schema.

-- Every fact, for ever. Nothing updates or deletes a row.
CREATE TABLE event (
    -- Order of insertion, not of commit: only the relay gives events their public order. CACHE 1 keeps a later
    -- append of the same aggregate from taking a lower number out of a cached block.
    position bigint GENERATED ALWAYS AS IDENTITY (CACHE 1),
    id uuid NOT NULL,
    aggregate_type text NOT NULL,
    aggregate_id uuid NOT NULL,
    aggregate_version bigint NOT NULL,
    type text NOT NULL,
    -- A private fact is never published, so it needs no place in a stream.
    is_public boolean NOT NULL,
    partition smallint NOT NULL,
    data jsonb NOT NULL,
    metadata jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    CONSTRAINT event_pkey PRIMARY KEY (position),
    CONSTRAINT event_id_unique UNIQUE (id),
    -- The last defence of expected versions.
    CONSTRAINT event_aggregate_version_unique UNIQUE (aggregate_type, aggregate_id, aggregate_version),
    CONSTRAINT event_aggregate_version_positive CHECK (aggregate_version > 0)
);

-- The version of every aggregate: what an append locks and compares.
CREATE TABLE aggregate_head (
    aggregate_type text NOT NULL,
    aggregate_id uuid NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT aggregate_head_pkey PRIMARY KEY (aggregate_type, aggregate_id)
);

-- Committed public events that have no sequence number yet; the only table that churns.
CREATE TABLE outbox (
    position bigint NOT NULL,
    partition smallint NOT NULL,
    CONSTRAINT outbox_pkey PRIMARY KEY (partition, position)
) WITH (autovacuum_vacuum_scale_factor = 0.01, fillfactor = 70);

-- The public order: dense per partition, given after commit.
CREATE TABLE publication (
    partition smallint NOT NULL,
    sequence bigint NOT NULL,
    position bigint NOT NULL,
    CONSTRAINT publication_pkey PRIMARY KEY (partition, sequence),
    CONSTRAINT publication_position_unique UNIQUE (position)
);

-- The last sequence number of every partition. Its rows are also the record of how many partitions there are.
CREATE TABLE publication_head (
    partition smallint NOT NULL,
    sequence bigint NOT NULL DEFAULT 0,
    -- The generation of the stream key; a new one starts when history before it is no longer the truth.
    epoch integer NOT NULL DEFAULT 1,
    CONSTRAINT publication_head_pkey PRIMARY KEY (partition)
);

-- How far a consumer group has come in one partition. Everything up to `sequence` took effect or is parked.
CREATE TABLE watermark (
    consumer_group text NOT NULL,
    service text NOT NULL,
    partition smallint NOT NULL,
    sequence bigint NOT NULL DEFAULT 0,
    -- The fence: the epoch of the last lease. A transaction of an older owner finds another epoch and changes nothing.
    epoch bigint NOT NULL DEFAULT 0,
    CONSTRAINT watermark_pkey PRIMARY KEY (consumer_group, service, partition)
);

-- Who works on a partition; apart from `watermark`, so that renewing never waits for a batch.
CREATE TABLE lease (
    consumer_group text NOT NULL,
    service text NOT NULL,
    partition smallint NOT NULL,
    owner uuid NOT NULL,
    epoch bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT lease_pkey PRIMARY KEY (consumer_group, service, partition)
);

-- Which processes run a consumer group now: they share its partitions.
CREATE TABLE replica (
    consumer_group text NOT NULL,
    owner uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT replica_pkey PRIMARY KEY (consumer_group, owner)
);

-- Events that could not be applied, and the later events of the same aggregate behind them.
CREATE TABLE parked_event (
    consumer_group text NOT NULL,
    service text NOT NULL,
    partition smallint NOT NULL,
    sequence bigint NOT NULL,
    -- Absent when the entry could not be read far enough to tell.
    aggregate_type text,
    aggregate_id uuid,
    -- The stream entry as it was, fields by name, as JSON text (jsonb refuses NUL).
    entry text NOT NULL,
    reason text NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL DEFAULT 1,
    parked_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT parked_event_pkey PRIMARY KEY (consumer_group, service, partition, sequence)
);
CREATE INDEX parked_event_aggregate ON parked_event (consumer_group, aggregate_id);

-- Work that touches the outside world, recorded with the effect that asked for it.
CREATE TABLE job (
    id bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    -- Unique per kind: asking twice for the same work is asking once.
    key text NOT NULL,
    payload jsonb NOT NULL,
    state text NOT NULL DEFAULT 'ready',
    attempts integer NOT NULL DEFAULT 0,
    run_at timestamptz NOT NULL DEFAULT now(),
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT job_pkey PRIMARY KEY (id),
    CONSTRAINT job_kind_key_unique UNIQUE (kind, key),
    CONSTRAINT job_state_known CHECK (state IN ('ready', 'done', 'failed'))
);
CREATE INDEX job_due ON job (kind, run_at) WHERE state = 'ready';
