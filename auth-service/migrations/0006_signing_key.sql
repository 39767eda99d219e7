-- Public keys: the read model of signing key events.
CREATE TABLE signing_key (
    id uuid NOT NULL,
    public_key text NOT NULL,
    activated_at timestamptz NOT NULL,
    retired_at timestamptz,
    CONSTRAINT signing_key_pkey PRIMARY KEY (id)
);

-- Private keys, encrypted under KEY_ENCRYPTION_KEY. An exception to the rule that every table but the store is a
-- projection: a private key does not belong into a fact that is kept for ever.
CREATE TABLE signing_key_secret (
    key_id uuid NOT NULL,
    sealed text NOT NULL,
    CONSTRAINT signing_key_secret_pkey PRIMARY KEY (key_id)
);
