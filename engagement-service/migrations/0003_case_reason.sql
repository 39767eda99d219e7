-- Why moderation decided what people are told of: a projection of moderation-service's decisions. A notification names the case,
-- and its words are made when it is shown.
CREATE TABLE case_reason (
    case_id uuid NOT NULL,
    -- An array, worst first.
    reasons jsonb NOT NULL,
    -- Whether the policy decided, without a person.
    automated boolean NOT NULL,
    CONSTRAINT case_reason_pkey PRIMARY KEY (case_id)
);
