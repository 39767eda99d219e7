-- What every service keeps besides its events.

-- The answers to requests that carried an Idempotency-Key, written with the effect they speak of. Swept after a day.
CREATE TABLE idempotency_key (
    -- Whose key: two people may use the same one.
    user_id uuid NOT NULL,
    key text NOT NULL,
    -- SHA-256 of the operation and the request: the same key for another request is a mistake of the client.
    fingerprint text NOT NULL,
    response jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_key_pkey PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_key_age ON idempotency_key (created_at);
