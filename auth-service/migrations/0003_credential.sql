-- What only its owner may know of an account: the read model of credential events.
CREATE TABLE credential (
    user_id uuid NOT NULL,
    -- As its owner wrote it; where mail goes.
    email text NOT NULL,
    -- Trimmed and in lower case; two spellings of one address are one account.
    email_key text NOT NULL,
    -- An Argon2id hash, encrypted under the account's personal key.
    password text NOT NULL,
    first_name text NOT NULL,
    last_name text NOT NULL,
    -- Of the last change that others see, so that an entity tag does not tell of passwords and codes.
    version bigint NOT NULL,
    CONSTRAINT credential_pkey PRIMARY KEY (user_id),
    CONSTRAINT credential_email_unique UNIQUE (email_key)
);

-- Refused sign-ins of the last minutes. No projection, and no loss when it is emptied: it only slows guessing down.
CREATE TABLE sign_in_failure (
    -- A keyed hash of the address, known or not: the table tells nobody who tried to sign in.
    account text NOT NULL,
    failed_at timestamptz NOT NULL
);
CREATE INDEX sign_in_failure_account ON sign_in_failure (account, failed_at);
CREATE INDEX sign_in_failure_age ON sign_in_failure (failed_at);
