-- What people did and what they care about, as the events of other services say. Everything here can be made anew
-- from the streams.

-- Who is known to exist: a profile is shown for nobody else.
CREATE TABLE person (
    user_id uuid NOT NULL,
    -- The account was closed; its profile is not shown any more.
    closed boolean NOT NULL DEFAULT false,
    CONSTRAINT person_pkey PRIMARY KEY (user_id)
);

-- One row per person, made by whatever comes first. Columns only ever gain what an event adds, so that the events of
-- different producers may come in any order.
CREATE TABLE activity (
    user_id uuid NOT NULL,
    posts bigint NOT NULL DEFAULT 0,
    comments bigint NOT NULL DEFAULT 0,
    reactions bigint NOT NULL DEFAULT 0,
    views bigint NOT NULL DEFAULT 0,
    reactions_received bigint NOT NULL DEFAULT 0,
    comments_received bigint NOT NULL DEFAULT 0,
    views_received bigint NOT NULL DEFAULT 0,
    connections bigint NOT NULL DEFAULT 0,
    -- When the person did something for the first and for the last time; what others do to the person does not count.
    first_active_at timestamptz,
    last_active_at timestamptz,
    -- The latest event that says anything of this person.
    updated_at timestamptz NOT NULL,
    CONSTRAINT activity_pkey PRIMARY KEY (user_id)
);

-- What a person did in each category. Counts and not weights: a weight is made when it is shown.
CREATE TABLE interest (
    user_id uuid NOT NULL,
    category text NOT NULL,
    -- The person says to care about it.
    declared boolean NOT NULL DEFAULT false,
    posts bigint NOT NULL DEFAULT 0,
    comments bigint NOT NULL DEFAULT 0,
    reactions bigint NOT NULL DEFAULT 0,
    views bigint NOT NULL DEFAULT 0,
    CONSTRAINT interest_pkey PRIMARY KEY (user_id, category)
);

-- Posts that were published before: bringing one back from the archive is not another post.
CREATE TABLE counted_post (
    post_id uuid NOT NULL,
    CONSTRAINT counted_post_pkey PRIMARY KEY (post_id)
);
