-- Answers about the past. What a seal saw is put together from the change log alone: a checkpoint names the rows that were
-- current at one seal (their positions, not what they hold), so that only what was written between it and the instant
-- asked for needs to be looked at.

create table checkpoints (
    seal      bigint not null,
    -- `card`, `relationship` or `score`.
    entity    text not null,
    part      integer not null,
    positions bigint[] not null,
    primary key (seal, entity, part)
);

-- How far the log had come at each checkpoint, to know when the next is due.
create table checkpoint_marks (
    seal       bigint primary key,
    position   bigint not null,
    made_at    timestamptz not null default clock_timestamp()
);

-- Changes of the metamodel are few among many; what it was at an instant is found without a checkpoint.
create index changes_metamodel on changes (position)
    where entity in ('card_type', 'metamodel_rule', 'relationship_type');

-- States that lists of the past are answered from: rows as they were at a seal, made when first asked for and thrown away
-- when others are asked for more. Unlogged: losing them costs making them again. A migration that changes the columns of
-- cards or relationships drops these tables and makes them anew, so that the columns keep their order.
create unlogged table past_states (
    seal    bigint not null,
    entity  text not null,
    used_at timestamptz not null default clock_timestamp(),
    primary key (seal, entity)
);

-- Without the constraints of the present: rows written before a column came do not have it.
create unlogged table past_cards as
    select 0::bigint as seal, c.*, 0::smallint as quality_score, '{}'::jsonb as computed from cards c with no data;
alter table past_cards add primary key (seal, id);
create index past_cards_name on past_cards (seal, name_key, id);
create index past_cards_type on past_cards (seal, type, name_key, id);

create unlogged table past_relationships as select 0::bigint as seal, r.* from relationships r with no data;
alter table past_relationships add primary key (seal, id);
create index past_relationships_source on past_relationships (seal, source_id);
create index past_relationships_target on past_relationships (seal, target_id);
