-- The order of an aggregate's parked events when its partition changed between generations of streams, and the events that an
-- operator gave up.

-- Absent where the entry could not be read that far, and nothing of the aggregate was parked before.
ALTER TABLE parked_event ADD COLUMN aggregate_version bigint;
-- The entry is JSON text, in which quotes inside of a value stand behind a backslash: this finds the field alone.
UPDATE parked_event SET aggregate_version = substring(entry FROM '"n":"([0-9]{1,18})"')::bigint
  WHERE aggregate_id IS NOT NULL;

-- Events that never take effect in a group, because an operator said so. Rebuilds and audits pass over them.
CREATE TABLE skipped_event (
    consumer_group text NOT NULL,
    service text NOT NULL,
    partition smallint NOT NULL,
    sequence bigint NOT NULL,
    operator text NOT NULL,
    reason text NOT NULL,
    skipped_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT skipped_event_pkey PRIMARY KEY (consumer_group, service, partition, sequence)
);
-- What was skipped before there was this table is known by what operators did.
INSERT INTO skipped_event (consumer_group, service, partition, sequence, operator, reason, skipped_at)
  SELECT arguments ->> 'group', event ->> 'service', (event ->> 'partition')::smallint, (event ->> 'sequence')::bigint,
         operator, coalesce(reason, ''), acted_at
    FROM operator_action, jsonb_array_elements(coalesce(arguments -> 'events', jsonb_build_array(arguments))) event
    WHERE command = 'parked skip'
  ON CONFLICT DO NOTHING;
