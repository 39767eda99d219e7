-- Sanctions that follow from strikes: nobody imposed them, and so many strikes led there.
ALTER TABLE sanction ALTER COLUMN moderator_id DROP NOT NULL;
ALTER TABLE sanction ADD COLUMN strikes bigint;

-- People whose strikes are so many that a person decides what is to follow.
CREATE TABLE standing_review (
    user_id uuid NOT NULL,
    strikes bigint NOT NULL,
    -- The removal that made it so many.
    case_id uuid NOT NULL,
    requested_at timestamptz NOT NULL,
    CONSTRAINT standing_review_pkey PRIMARY KEY (user_id)
);
CREATE INDEX standing_review_latest ON standing_review (requested_at DESC, user_id DESC);
