-- Keys with which programs authenticate. The secret itself is nowhere: only its SHA-256. Scopes, networks and expiry of a key
-- never change; what shall differ is another key.
create table api_keys (
    id             uuid primary key,
    user_id        uuid not null references users (id),
    prefix         text collate "C" not null,
    key_hash       bytea not null check (octet_length(key_hash) = 32),
    name           text not null check (char_length(name) between 1 and 100),
    description    text check (char_length(description) <= 500),
    scopes         text[] not null check (cardinality(scopes) > 0),
    networks       text[] not null default '{}',
    rate_limits    jsonb not null default '{}',
    version        integer not null default 1,
    created_at     timestamptz not null,
    expires_at     timestamptz not null,
    revoked_at     timestamptz,
    revoked_reason text,
    last_used_at   timestamptz,
    last_used_ip   text
);
create unique index api_keys_prefix on api_keys (prefix);
create index api_keys_user on api_keys (user_id);
