-- The key of each account's personal facts, encrypted under KEY_ENCRYPTION_KEY. An exception to the rule that every table
-- but the store is a projection: events are for ever, and these keys are what makes their personal fields readable. With
-- its row deleted, an account's address, names and password hash are gone from every event and every backup of events.
CREATE TABLE personal_key (
    user_id uuid NOT NULL,
    wrapped text NOT NULL,
    CONSTRAINT personal_key_pkey PRIMARY KEY (user_id)
);
