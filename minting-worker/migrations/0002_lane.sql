-- What a mint became on its way to the chain, for operators: the newest of everything that its events say.
ALTER TABLE mint
    ADD COLUMN stage text NOT NULL DEFAULT 'REQUESTED',
    ADD COLUMN cid text,
    ADD COLUMN digest text,
    ADD COLUMN owner text,
    ADD COLUMN lane text,
    ADD COLUMN token_id text,
    ADD COLUMN tx_hash text,
    ADD COLUMN nonce bigint,
    ADD COLUMN attempt bigint,
    ADD COLUMN block bigint,
    ADD COLUMN block_hash text,
    ADD COLUMN park_reason text,
    ADD COLUMN park_detail text,
    ADD COLUMN tombstoned boolean NOT NULL DEFAULT false;
UPDATE mint SET stage = 'WITHDRAWN' WHERE state = 'WITHDRAWN';
ALTER TABLE mint ALTER COLUMN stage DROP DEFAULT;
-- What waits for a lane, in the order in which it became ready.
CREATE INDEX mint_waiting ON mint (updated_at, id) WHERE stage = 'PINNED';
-- What is in a block and not final.
CREATE INDEX mint_mined ON mint (id) WHERE stage = 'MINED';
-- Dead letters.
CREATE INDEX mint_parked ON mint (updated_at, id) WHERE stage = 'PARKED';
CREATE INDEX mint_token ON mint (token_id);

-- Lanes as operators left them: the read model of their events.
CREATE TABLE lane_order (
    id uuid NOT NULL,
    address text NOT NULL,
    paused boolean NOT NULL,
    pause_reason text,
    -- Wei per unit of gas.
    hold_above bigint,
    -- Millionths of the chain's coin in 24 hours.
    daily_budget bigint,
    CONSTRAINT lane_order_pkey PRIMARY KEY (id)
);

-- Who works on a lane. The epoch fences: whatever a lane writes asks for the epoch it was taken under, so that a process that
-- slept past its lease writes nothing.
CREATE TABLE lane_lease (
    -- Signer and chain: addresses in lower case.
    lane text NOT NULL,
    chain_id bigint NOT NULL,
    epoch bigint NOT NULL,
    holder uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    -- Why its holder signs nothing at the moment; null if it would.
    hold text,
    CONSTRAINT lane_lease_pkey PRIMARY KEY (lane, chain_id)
);

-- A nonce of a lane. It exists from the moment a transaction was signed for it and never without one, so that a gap can always
-- be filled by sending what is here again. Not made from events: the signed bytes are a right to spend, and stay in this table.
CREATE TABLE lane_slot (
    lane text NOT NULL,
    chain_id bigint NOT NULL,
    nonce bigint NOT NULL,
    contract text NOT NULL,
    -- SIGNED, BROADCAST, MINED, FINAL, or FOREIGN for one that a transaction of somebody else used.
    state text NOT NULL,
    gas_limit bigint NOT NULL,
    -- The attempt that was mined, and where.
    mined_hash text,
    block bigint,
    block_hash text,
    succeeded boolean,
    gas_used bigint,
    -- Wei per unit of gas.
    gas_price bigint,
    signed_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT lane_slot_pkey PRIMARY KEY (lane, chain_id, nonce)
);
CREATE INDEX lane_slot_open ON lane_slot (lane, chain_id, nonce) WHERE state IN ('SIGNED', 'BROADCAST', 'MINED');
CREATE INDEX lane_slot_signed ON lane_slot (lane, chain_id, signed_at);

-- Every transaction that was signed for a nonce: the first, and those of a higher fee. Any of them may be the one that is mined.
CREATE TABLE lane_attempt (
    lane text NOT NULL,
    chain_id bigint NOT NULL,
    nonce bigint NOT NULL,
    attempt bigint NOT NULL,
    hash text NOT NULL,
    raw bytea NOT NULL,
    -- Wei per unit of gas.
    max_fee bigint NOT NULL,
    priority_fee bigint NOT NULL,
    signed_at timestamptz NOT NULL,
    CONSTRAINT lane_attempt_pkey PRIMARY KEY (lane, chain_id, nonce, attempt),
    CONSTRAINT lane_attempt_hash_unique UNIQUE (hash),
    CONSTRAINT lane_attempt_slot_fkey FOREIGN KEY (lane, chain_id, nonce)
        REFERENCES lane_slot (lane, chain_id, nonce)
);

-- What the transactions of a nonce mint; the same for every attempt.
CREATE TABLE lane_item (
    lane text NOT NULL,
    chain_id bigint NOT NULL,
    nonce bigint NOT NULL,
    mint_id uuid NOT NULL,
    token_id text NOT NULL,
    owner text NOT NULL,
    digest text NOT NULL,
    CONSTRAINT lane_item_pkey PRIMARY KEY (lane, chain_id, nonce, mint_id),
    CONSTRAINT lane_item_slot_fkey FOREIGN KEY (lane, chain_id, nonce)
        REFERENCES lane_slot (lane, chain_id, nonce)
);
CREATE INDEX lane_item_mint ON lane_item (mint_id);
