-- Who is connected with whom: the read model of connection events, one row for each of the two.
CREATE TABLE connection (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    other_id uuid NOT NULL,
    connected_at timestamptz NOT NULL,
    CONSTRAINT connection_pkey PRIMARY KEY (user_id, other_id)
);
CREATE INDEX connection_listed ON connection (user_id, connected_at DESC, other_id DESC);
CREATE INDEX connection_id ON connection (id);
