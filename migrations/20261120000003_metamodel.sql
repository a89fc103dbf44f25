create table card_types (
    id          uuid primary key,
    name        text not null unique check (name ~ '^[A-Z][A-Za-z0-9]{0,59}$'),
    label       text not null,
    layer       text not null check (layer in ('A', 'B', 'C', 'D')),
    description text,
    color       text not null check (color ~ '^#[0-9a-fA-F]{6}$'),
    icon        text,
    strict      boolean not null default false,
    builtin     boolean not null default false,
    deprecated  boolean not null default false,
    position    integer not null default 0,
    version     integer not null default 1
);

create table metamodel_rules (
    id            uuid primary key,
    card_type     text not null references card_types (name),
    key           text not null,
    label         text not null,
    data_type     text not null,
    is_required   boolean not null default false,
    options       text[],
    regex         text,
    min           numeric,
    max           numeric,
    max_length    integer,
    default_value jsonb,
    widget        text,
    placeholder   text,
    help_text     text,
    is_computed   boolean not null default false,
    deprecated    boolean not null default false,
    builtin       boolean not null default false,
    position      integer not null default 0,
    version       integer not null default 1,
    unique (card_type, key)
);

-- One row per source type of the ontology; `target_types` empty means any type of layers A to C and a few more.
create table relationship_types (
    id            uuid primary key,
    source_type   text not null references card_types (name),
    type          text not null check (type ~ '^[A-Z][A-Z0-9_]{0,59}$'),
    target_types  text[] not null,
    cardinality   text not null check (cardinality in ('M:N', '1:N', 'M:1', '1:1')),
    acyclic       boolean not null default false,
    inverse_label text not null,
    dependent     text not null check (dependent in ('source', 'target', 'none')),
    strength      text check (strength in ('hard', 'soft')),
    attributes    jsonb not null default '{}',
    builtin       boolean not null default false,
    deprecated    boolean not null default false,
    position      integer not null default 0,
    version       integer not null default 1,
    check ((dependent = 'none') = (strength is null))
);
create index relationship_types_source on relationship_types (source_type, type);

-- Cards whose quality must be recomputed because a rule of their type changed; survives a restart.
create table quality_recomputes (
    card_type    text primary key,
    requested_at timestamptz not null default now(),
    after_id     uuid,
    lease_until  timestamptz
);
