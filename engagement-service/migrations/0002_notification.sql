-- Notifications as their recipients see them: the read model of this service's own events.
CREATE TABLE notification (
    id uuid NOT NULL,
    recipient_id uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    -- What it is about; each of them may be absent.
    user_id uuid,
    post_id uuid,
    comment_id uuid,
    case_id uuid,
    -- The spelling of an outcome, such as DELETE.
    detail text,
    created_at timestamptz NOT NULL,
    viewed_at timestamptz,
    CONSTRAINT notification_pkey PRIMARY KEY (id)
);
-- A person's list, newest first.
CREATE INDEX notification_of_recipient ON notification (recipient_id, created_at DESC, id DESC);
