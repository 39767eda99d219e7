-- What operating the streams needs: who has to have read what, what waits for another try, and who intervened.

-- The producer's registry: every consumer group that must have read an event before it may leave the stream. A group stays
-- here when Redis forgets it; only an operator retires it.
CREATE TABLE subscription (
    consumer_group text NOT NULL,
    partition smallint NOT NULL,
    state text NOT NULL DEFAULT 'active',
    -- How far the group has come for good, as it reported last.
    sequence bigint NOT NULL DEFAULT 0,
    -- The generation of the stream in which it counts.
    epoch integer NOT NULL DEFAULT 1,
    -- The last lease of which the group reported: it tells a group that starts over from a report that comes late.
    fence bigint NOT NULL DEFAULT 0,
    registered_at timestamptz NOT NULL DEFAULT now(),
    reported_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT subscription_pkey PRIMARY KEY (consumer_group, partition),
    CONSTRAINT subscription_state_known CHECK (state IN ('active', 'paused', 'retired'))
);

-- The generations of the producer's streams. A new one starts when the old one can no longer be continued: the store was
-- restored to the past, or the number of partitions changed.
CREATE TABLE stream_epoch (
    epoch integer NOT NULL,
    -- How many partitions this generation has.
    partitions smallint NOT NULL,
    reason text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT stream_epoch_pkey PRIMARY KEY (epoch)
);

-- Where each partition of a generation ended: the last sequence number that is still true when the next one begins.
CREATE TABLE stream_epoch_end (
    epoch integer NOT NULL,
    partition smallint NOT NULL,
    sequence bigint NOT NULL,
    CONSTRAINT stream_epoch_end_pkey PRIMARY KEY (epoch, partition)
);

-- The partition of an event is decided with its number, so that the number of partitions can change while events wait.
ALTER TABLE event DROP COLUMN partition;
-- The lower 63 bits of the aggregate's id; its remainder by the number of partitions is the partition.
ALTER TABLE outbox ADD COLUMN aggregate_hash bigint;
UPDATE outbox SET aggregate_hash =
    ('x' || right(replace(event.aggregate_id::text, '-', ''), 16))::bit(64)::bigint & 9223372036854775807
  FROM event WHERE event.position = outbox.position;
ALTER TABLE outbox
    ALTER COLUMN aggregate_hash SET NOT NULL,
    DROP CONSTRAINT outbox_pkey,
    DROP COLUMN partition,
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (position);
-- A generation of streams has its own table.
ALTER TABLE publication_head DROP COLUMN epoch;

-- An operator may stop the relay of this service.
CREATE TABLE relay_pause (
    -- One row or none.
    only_one boolean NOT NULL DEFAULT true,
    reason text NOT NULL,
    paused_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT relay_pause_pkey PRIMARY KEY (only_one),
    CONSTRAINT relay_pause_only_one CHECK (only_one)
);

-- The consumer's side: which generation its watermark counts in, and whether an operator stopped it.
ALTER TABLE watermark
    ADD COLUMN stream_epoch integer NOT NULL DEFAULT 1,
    -- The last event that took effect and that the producer has lost since; absent when its history is the producer's.
    ADD COLUMN diverged_from bigint,
    ADD COLUMN is_paused boolean NOT NULL DEFAULT false,
    ADD COLUMN moved_at timestamptz NOT NULL DEFAULT now(),
    -- How many owners in a row were lost without a word since the watermark moved last: an event may have ended them.
    ADD COLUMN takeovers integer NOT NULL DEFAULT 0;

-- Events that took effect ahead of the watermark, while lanes work side by side. Compacted into the watermark.
CREATE TABLE inbox (
    consumer_group text NOT NULL,
    service text NOT NULL,
    partition smallint NOT NULL,
    sequence bigint NOT NULL,
    CONSTRAINT inbox_pkey PRIMARY KEY (consumer_group, service, partition, sequence)
) WITH (autovacuum_vacuum_scale_factor = 0.01, fillfactor = 70);

-- The readers of groups without order, by the number in their names.
CREATE TABLE slot (
    consumer_group text NOT NULL,
    service text NOT NULL,
    partition smallint NOT NULL,
    number smallint NOT NULL,
    owner uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT slot_pkey PRIMARY KEY (consumer_group, service, partition, number)
);

-- Written and committed before a handler runs that may have ended whole processes; gone when it succeeds.
CREATE TABLE attempt (
    consumer_group text NOT NULL,
    service text NOT NULL,
    partition smallint NOT NULL,
    sequence bigint NOT NULL,
    attempts integer NOT NULL DEFAULT 1,
    last_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT attempt_pkey PRIMARY KEY (consumer_group, service, partition, sequence)
);

ALTER TABLE parked_event
    -- When the group's owner tries again by itself; absent for what only an operator or a newer build can mend.
    ADD COLUMN retry_at timestamptz,
    -- The wire name, so that a build that knows it can redrive it.
    ADD COLUMN type text,
    ADD COLUMN occurred_at timestamptz;
CREATE INDEX parked_event_due ON parked_event (consumer_group, retry_at) WHERE retry_at IS NOT NULL;

-- What operators did: every command that changed something, before it did.
CREATE TABLE operator_action (
    id bigint GENERATED ALWAYS AS IDENTITY,
    operator text NOT NULL,
    command text NOT NULL,
    arguments jsonb NOT NULL,
    reason text,
    acted_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT operator_action_pkey PRIMARY KEY (id)
);

-- Reading the history by time. A block range costs next to nothing to keep: events are inserted in the order of their time.
CREATE INDEX event_occurred_at ON event USING brin (occurred_at);
-- Reading what one person did, and what one request led to.
CREATE INDEX event_actor ON event ((metadata ->> 'actor')) WHERE (metadata ->> 'actor') IS NOT NULL;
CREATE INDEX event_correlation_id ON event ((metadata ->> 'correlation_id'))
    WHERE (metadata ->> 'correlation_id') IS NOT NULL;

-- What the last audit of each projection found: whether its tables say what its events say.
CREATE TABLE projection_audit (
    -- A category, or a consumer group.
    projection text NOT NULL,
    known_at timestamptz NOT NULL DEFAULT now(),
    -- Absent until the first audit.
    audited_at timestamptz,
    drift_rows bigint,
    report jsonb,
    CONSTRAINT projection_audit_pkey PRIMARY KEY (projection)
);

-- What operators ask of the service's running processes, because it needs their handlers: read models to be made anew or
-- compared with the events. One process at a time takes up the oldest.
CREATE TABLE maintenance_request (
    id bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    -- The read model: a category of the service's own, or a consumer group.
    name text NOT NULL,
    state text NOT NULL DEFAULT 'waiting',
    -- Events done and to be done, as far as that is known.
    done bigint NOT NULL DEFAULT 0,
    total bigint,
    -- What came of it, or why it failed.
    result jsonb,
    -- The process that works on it, and when it last said so: after ten seconds of silence another one begins again.
    worker uuid,
    heartbeat_at timestamptz,
    requested_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CONSTRAINT maintenance_request_pkey PRIMARY KEY (id),
    CONSTRAINT maintenance_request_kind_known CHECK (kind IN ('rebuild', 'audit')),
    CONSTRAINT maintenance_request_state_known CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled'))
);
-- Asking twice for the same is asking once.
CREATE UNIQUE INDEX maintenance_request_open ON maintenance_request (kind, name) WHERE state IN ('waiting', 'running');
