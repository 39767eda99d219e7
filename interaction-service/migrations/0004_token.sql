-- The token of a comment, as the minting worker says: a projection of its events.
CREATE TABLE token (
    mint_id uuid NOT NULL,
    comment_id uuid NOT NULL,
    state text NOT NULL,
    -- The metadata's CID, the token on the chain, and the transaction that minted it, as far as they are known.
    cid text,
    token_id text,
    tx text,
    CONSTRAINT token_pkey PRIMARY KEY (mint_id),
    CONSTRAINT token_comment_unique UNIQUE (comment_id)
);
