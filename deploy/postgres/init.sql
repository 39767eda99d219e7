SELECT pg_advisory_lock(78652);
SELECT 'CREATE DATABASE "peerlink"' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'peerlink') \gexec
REVOKE ALL ON DATABASE "peerlink" FROM PUBLIC;
SELECT 'CREATE ROLE "auth"' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'auth') \gexec
ALTER ROLE "auth" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD 'local-only-auth';
ALTER ROLE "auth" SET search_path = "auth";
GRANT CONNECT ON DATABASE "peerlink" TO "auth";
SELECT 'CREATE ROLE "post"' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'post') \gexec
ALTER ROLE "post" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD 'local-only-post';
ALTER ROLE "post" SET search_path = "post";
GRANT CONNECT ON DATABASE "peerlink" TO "post";
SELECT 'CREATE ROLE "interaction"' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'interaction') \gexec
ALTER ROLE "interaction" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD 'local-only-interaction';
ALTER ROLE "interaction" SET search_path = "interaction";
GRANT CONNECT ON DATABASE "peerlink" TO "interaction";
SELECT 'CREATE ROLE "moderation"' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'moderation') \gexec
ALTER ROLE "moderation" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD 'local-only-moderation';
ALTER ROLE "moderation" SET search_path = "moderation";
GRANT CONNECT ON DATABASE "peerlink" TO "moderation";
SELECT 'CREATE ROLE "engagement"' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'engagement') \gexec
ALTER ROLE "engagement" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD 'local-only-engagement';
ALTER ROLE "engagement" SET search_path = "engagement";
GRANT CONNECT ON DATABASE "peerlink" TO "engagement";
SELECT 'CREATE ROLE "minting"' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'minting') \gexec
ALTER ROLE "minting" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD 'local-only-minting';
ALTER ROLE "minting" SET search_path = "minting";
GRANT CONNECT ON DATABASE "peerlink" TO "minting";
\connect peerlink
SELECT pg_advisory_lock(78652);
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS "auth" AUTHORIZATION "auth";
REVOKE ALL ON SCHEMA "auth" FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS "auth_shadow" AUTHORIZATION "auth";
REVOKE ALL ON SCHEMA "auth_shadow" FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS "post" AUTHORIZATION "post";
REVOKE ALL ON SCHEMA "post" FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS "post_shadow" AUTHORIZATION "post";
REVOKE ALL ON SCHEMA "post_shadow" FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS "interaction" AUTHORIZATION "interaction";
REVOKE ALL ON SCHEMA "interaction" FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS "interaction_shadow" AUTHORIZATION "interaction";
REVOKE ALL ON SCHEMA "interaction_shadow" FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS "moderation" AUTHORIZATION "moderation";
REVOKE ALL ON SCHEMA "moderation" FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS "moderation_shadow" AUTHORIZATION "moderation";
REVOKE ALL ON SCHEMA "moderation_shadow" FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS "engagement" AUTHORIZATION "engagement";
REVOKE ALL ON SCHEMA "engagement" FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS "engagement_shadow" AUTHORIZATION "engagement";
REVOKE ALL ON SCHEMA "engagement_shadow" FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS "minting" AUTHORIZATION "minting";
REVOKE ALL ON SCHEMA "minting" FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS "minting_shadow" AUTHORIZATION "minting";
REVOKE ALL ON SCHEMA "minting_shadow" FROM PUBLIC;
