create table relationships (
    id             uuid primary key,
    rule_id        uuid not null,
    type           text not null,
    source_id      uuid not null references cards (id),
    source_type    text not null,
    target_id      uuid not null references cards (id),
    target_type    text not null,
    valid_from     date,
    valid_to       date,
    status         text not null default 'active' check (status in ('active', 'archived')),
    description    text check (char_length(description) <= 2000),
    allocation_pct numeric(9, 8) check (allocation_pct between 0 and 1),
    attributes     jsonb not null default '{}' check (jsonb_typeof(attributes) = 'object'),
    version        integer not null default 1,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
    created_by     uuid,
    updated_by     uuid,
    -- The deletion of a card that archived this edge; null when it was archived by itself.
    deletion_id    uuid,
    constraint relationships_validity check (valid_from <= valid_to),
    constraint relationships_not_self check (source_id <> target_id)
);
create index relationships_source on relationships (source_id, type);
create index relationships_target on relationships (target_id, type);
create index relationships_type on relationships (type, id);
create index relationships_deletion_id on relationships (deletion_id) where deletion_id is not null;
