-- What a token says whose content moderation hides: no place has it, and it can be brought back.
ALTER TABLE metadata ADD COLUMN put_away boolean NOT NULL DEFAULT false;
