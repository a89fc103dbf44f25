-- Roles that an installation makes for itself. Users carry roles by name (users.roles), so a role that is renamed is
-- renamed there as well. A list of card types may hold '*': every type, also those still to come.
create table roles (
    id           uuid primary key,
    name         text not null check (char_length(name) between 1 and 60),
    description  text check (char_length(description) <= 2000),
    view_types   text[] not null,
    create_types text[] not null,
    edit_types   text[] not null,
    delete_types text[] not null,
    permissions  text[] not null,
    rate_limits  jsonb not null default '{}',
    version      integer not null default 1,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    created_by   uuid,
    updated_by   uuid
);
-- Two names that read the same are the same.
create unique index roles_name_unique on roles (lower(normalize(name, nfkc)));
-- Who carries a role: asked when one is renamed or deleted.
create index users_roles on users using gin (roles);
