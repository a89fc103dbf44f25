-- Saved questions: a query about cards with a name, typed parameters and columns, run at an address of its own under what
-- both its owner and the caller may see.
create table saved_questions (
    id          uuid primary key,
    slug        text collate "C" not null check (slug ~ '^[a-z0-9][a-z0-9-]{0,79}$'),
    name        text not null check (char_length(name) between 1 and 200),
    description text check (char_length(description) <= 2000),
    owner_id    uuid not null references users (id),
    visibility  text not null check (visibility in ('private', 'everyone', 'roles')),
    roles       text[] not null default '{}',
    query       jsonb not null check (jsonb_typeof(query) = 'object'),
    parameters  jsonb not null default '[]' check (jsonb_typeof(parameters) = 'array'),
    columns     jsonb not null check (jsonb_typeof(columns) = 'array'),
    version     integer not null default 1,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    created_by  uuid,
    updated_by  uuid
);
create unique index saved_questions_slug on saved_questions (slug);
create index saved_questions_owner on saved_questions (owner_id);
