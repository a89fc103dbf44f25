create table users (
    id            uuid primary key,
    email         text not null,
    email_key     text collate "C" not null,
    name          text not null check (char_length(name) between 1 and 200),
    password_hash text,
    status        text not null check (status in ('invited', 'active', 'deactivated', 'anonymized')),
    roles         text[] not null,
    org_id        uuid,
    preferences   jsonb not null default '{}',
    version       integer not null default 1,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now(),
    deleted_at    timestamptz,
    last_login_at timestamptz
);
create unique index users_email on users (email_key) where deleted_at is null;

create table sessions (
    id             uuid primary key,
    user_id        uuid not null references users (id),
    created_at     timestamptz not null default now(),
    last_active_at timestamptz not null default now(),
    expires_at     timestamptz not null,
    revoked_at     timestamptz,
    revoked_reason text,
    user_agent     text,
    ip             text
);
create index sessions_user on sessions (user_id);

-- Every refresh token ever issued to a session, by SHA-256; a used one that comes back betrays theft.
create table refresh_tokens (
    token_hash bytea primary key,
    session_id uuid not null references sessions (id),
    issued_at  timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at    timestamptz
);
create index refresh_tokens_session on refresh_tokens (session_id);

-- Invitations and password resets: single-use, hashed, expiring.
create table one_time_tokens (
    token_hash bytea primary key,
    user_id    uuid not null references users (id),
    purpose    text not null check (purpose in ('invite', 'reset')),
    created_by uuid,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at    timestamptz
);
create index one_time_tokens_user on one_time_tokens (user_id);

-- Failed log-ins per (account, address); the account is a digest, so that unknown addresses leave no e-mail behind.
create table login_failures (
    account      bytea not null,
    address      text not null,
    failures     integer not null,
    window_start timestamptz not null,
    locked_until timestamptz,
    primary key (account, address)
);
