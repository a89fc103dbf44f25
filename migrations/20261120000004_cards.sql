create table cards (
    id                   uuid primary key,
    type                 text not null references card_types (name),
    name                 text not null check (char_length(name) between 1 and 255),
    name_key             text collate "C" not null,
    description          text check (char_length(description) <= 2000),
    tags                 text[] not null default '{}' check (cardinality(tags) <= 50),
    lifecycle_plan       date,
    lifecycle_phase_in   date,
    lifecycle_active     date,
    lifecycle_phase_out  date,
    lifecycle_eol        date,
    functional_fit       smallint check (functional_fit between 1 and 4),
    technical_fit        smallint check (technical_fit between 1 and 4),
    business_criticality text check (business_criticality in ('Tier 1', 'Tier 2', 'Tier 3', 'Tier 4')),
    criticality_source   text check (criticality_source in ('derived', 'manual')),
    attributes           jsonb not null default '{}' check (jsonb_typeof(attributes) = 'object'),
    version              integer not null default 1,
    created_at           timestamptz not null default now(),
    updated_at           timestamptz not null default now(),
    deleted_at           timestamptz,
    created_by           uuid,
    updated_by           uuid,
    -- The deletion (a change of its own) that took this card, so that restoring undoes it as one unit.
    deletion_id          uuid,
    constraint cards_lifecycle_order check (
        coalesce(lifecycle_phase_in >= lifecycle_plan, true)
        and coalesce(lifecycle_active >= greatest(lifecycle_plan, lifecycle_phase_in), true)
        and coalesce(lifecycle_phase_out >= greatest(lifecycle_plan, lifecycle_phase_in, lifecycle_active), true)
        and coalesce(lifecycle_eol >= greatest(lifecycle_plan, lifecycle_phase_in, lifecycle_active, lifecycle_phase_out), true)
    ),
    constraint cards_deletion check ((deleted_at is null) = (deletion_id is null))
);
-- Capabilities and organisations are unique among siblings; the store checks those at the end of the transaction.
create unique index cards_name_unique on cards (type, name_key)
    where deleted_at is null and type <> 'BusinessCapability' and type <> 'Organization';
create index cards_type_name on cards (type, name_key, id) where deleted_at is null;
create index cards_name on cards (name_key, id) where deleted_at is null;
create index cards_updated on cards (updated_at, id) where deleted_at is null;
create index cards_tags on cards using gin (tags) where deleted_at is null;
create index cards_attributes on cards using gin (attributes jsonb_path_ops) where deleted_at is null;
create index cards_deletion_id on cards (deletion_id) where deletion_id is not null;

-- Computed values: kept beside the card, outside its version.
create table card_scores (
    card_id       uuid primary key references cards (id),
    quality_score smallint not null check (quality_score between 0 and 100),
    -- Further computed values of the card, by name.
    computed      jsonb not null default '{}'
);

-- Identifiers in other systems, unique per system among cards that are not deleted.
create table card_external_ids (
    system      text not null,
    external_id text not null,
    card_id     uuid not null references cards (id),
    primary key (system, external_id)
);
create index card_external_ids_card on card_external_ids (card_id);
