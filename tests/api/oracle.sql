-- The graph's answers in plain SQL, read from the tables and from the contract, not from the program.

create schema oracle;

-- What an edge means for failure: who depends on whom, and how strongly. Rows that mean nothing are left out.
create table oracle.meaning (source text, kind text, target text, dependent text, hard boolean);
insert into oracle.meaning values
    ('BusinessCapability', 'PARENT_OF', 'BusinessCapability', 'source', false),
    ('Application', 'PARENT_OF', 'Application', 'source', false),
    ('BusinessProcess', 'PARENT_OF', 'BusinessProcess', 'source', false),
    ('Platform', 'PARENT_OF', 'Platform', 'source', false),
    ('Location', 'PARENT_OF', 'Location', 'target', true),
    ('Organization', 'LOCATED_AT', 'Location', 'source', false),
    ('BusinessProcess', 'REALIZES', 'BusinessCapability', 'target', false),
    ('Application', 'SUPPORTS', 'BusinessCapability', 'target', true),
    ('Application', 'SUPPORTS', 'BusinessProcess', 'target', true),
    ('Application', 'USED_BY', 'Organization', 'target', false),
    ('Application', 'RELIES_ON', 'ITComponent', 'source', true),
    ('Application', 'RELIES_ON', 'Application', 'source', true),
    ('Application', 'HOSTED_ON', 'Platform', 'source', true),
    ('Application', 'PROVIDES', 'Interface', 'target', true),
    ('Application', 'CONSUMES', 'Interface', 'source', false),
    ('Application', 'USES_DATA', 'DataObject', 'source', false),
    ('Application', 'PROVIDED_BY', 'Provider', 'source', true),
    ('Platform', 'PROVIDED_BY', 'Provider', 'source', true),
    ('Interface', 'RELIES_ON', 'ITComponent', 'source', true),
    ('Platform', 'RELIES_ON', 'ITComponent', 'source', true),
    ('ITComponent', 'RELIES_ON', 'ITComponent', 'source', true),
    ('ITComponent', 'PART_OF', 'Platform', 'target', true),
    ('ITComponent', 'PROVIDED_BY', 'Provider', 'source', false),
    ('ITComponent', 'LOCATED_AT', 'Location', 'source', true),
    ('Platform', 'LOCATED_AT', 'Location', 'source', true),
    ('Initiative', 'DEPENDS_ON', 'Initiative', 'source', true);

-- One look: the cards that count, the edges in force between them, and what those mean.
create unlogged table oracle.card (id uuid primary key, type text collate "C");
create unlogged table oracle.edge (id uuid primary key, kind text collate "C", source uuid, target uuid);
create unlogged table oracle.dep (dependent uuid, on_card uuid, hard boolean, kind text collate "C", grp text);

create function oracle.look(d date, roots uuid[]) returns void language sql as $$
    delete from oracle.card;
    insert into oracle.card
    select id, type from cards
    where deleted_at is null
      and (id = any (roots)
           or coalesce(coalesce(lifecycle_plan, lifecycle_phase_in, lifecycle_active) <= d, true)
              and not coalesce(lifecycle_eol <= d, false));
    delete from oracle.edge;
    insert into oracle.edge
    select r.id, r.type, r.source_id, r.target_id
    from relationships r
    join oracle.card s on s.id = r.source_id
    join oracle.card t on t.id = r.target_id
    where r.status = 'active' and coalesce(r.valid_from <= d, true) and coalesce(r.valid_to >= d, true);
    delete from oracle.dep;
    insert into oracle.dep
    with meant as (
        select e.*, m.dependent, r.attributes, s.type as source_type, t.type as target_type, c.attributes as source_attributes,
               coalesce(r.attributes ->> 'dependency', case when m.hard then 'hard' else 'soft' end) as strength
        from oracle.edge e
        join relationships r on r.id = e.id
        join oracle.card s on s.id = e.source
        join oracle.card t on t.id = e.target
        join cards c on c.id = e.source
        join oracle.meaning m on (m.source, m.kind, m.target) = (s.type, e.kind, t.type)
    )
    select case dependent when 'source' then source else target end,
           case dependent when 'source' then target else source end,
           strength = 'hard', kind,
           case when strength = 'hard' then coalesce(
               'named ' || (attributes ->> 'redundancy_group'),
               case when kind = 'SUPPORTS' then 'supports'
                    when kind = 'PART_OF' then 'part of ' || (source_attributes ->> 'sub_category')
                    when kind = 'LOCATED_AT' and source_type = 'Platform' then 'sites' end) end
    from meant where strength <> 'none';
$$;

-- What becomes of cards when the roots fail, round by round.
create unlogged table oracle.fate (id uuid primary key, down boolean, step int, depth int, path uuid[]);

create function oracle.fail(roots uuid[], max_depth int, soft_depth int) returns void language plpgsql as $$
begin
    delete from oracle.fate;
    insert into oracle.fate select id, true, 0, 0, array[id] from oracle.card where id = any (roots);
    for round in 1..max_depth loop
        insert into oracle.fate
        with latest as (select * from oracle.fate where depth = round - 1),
        fallen as (
            select d.dependent, d.grp
            from oracle.dep d left join oracle.fate f on f.id = d.on_card
            where d.grp is not null
            group by d.dependent, d.grp
            having bool_and(f.id is not null) and max(f.depth) = round - 1
        ),
        offers as (
            select d.dependent, f.path
            from oracle.dep d join latest f on f.id = d.on_card
            where d.hard and d.grp is null
            union all
            select g.dependent, (select f.path from oracle.dep d join latest f on f.id = d.on_card
                                 where (d.dependent, d.grp) = (g.dependent, g.grp) order by d.on_card limit 1)
            from fallen g
        )
        select distinct on (dependent) dependent, true, 0, round, path || dependent
        from offers where dependent not in (select id from oracle.fate)
        order by dependent, path;
        exit when not found;
    end loop;
    for soft in 1..soft_depth loop
        insert into oracle.fate
        select distinct on (d.dependent) d.dependent, false, soft, f.depth + 1, f.path || d.dependent
        from oracle.dep d join oracle.fate f on f.id = d.on_card and f.step = soft - 1
        where (not d.hard or d.grp is not null and soft = 1)
          and f.depth < max_depth
          and d.dependent not in (select id from oracle.fate)
        order by d.dependent, f.depth, f.path;
        exit when not found;
    end loop;
end
$$;

-- Steps along edges of some types (null: all) in some directions.
create function oracle.steps(kinds text[], outward boolean, inward boolean)
returns table (here uuid, there uuid) language sql stable as $$
    select source, target from oracle.edge where outward and (kinds is null or kind = any (kinds))
    union
    select target, source from oracle.edge where inward and (kinds is null or kind = any (kinds));
$$;

-- Cards within some steps of the start, with their distances; cards of other types than `walkable` (null: all) are not
-- entered.
create function oracle.around(start uuid[], far int, kinds text[], outward boolean, inward boolean, walkable text[])
returns table (id uuid, depth int) language sql stable as $$
    with recursive steps as materialized (select * from oracle.steps(kinds, outward, inward)),
    walk (id, depth) as (
        select c.id, 0 from oracle.card c where c.id = any (start)
        union
        select s.there, w.depth + 1
        from walk w join steps s on s.here = w.id join oracle.card c on c.id = s.there
        where w.depth < far and (walkable is null or c.type = any (walkable))
    )
    select id, min(depth) from walk group by id;
$$;

create function oracle.paths(start uuid, finish uuid, far int) returns setof uuid[] language sql stable as $$
    with recursive steps as materialized (select * from oracle.steps(null, true, true)),
    walk (path) as (
        select array[start]
        union all
        select w.path || s.there
        from walk w join steps s on s.here = w.path[cardinality(w.path)]
        where s.here <> finish and s.there <> all (w.path) and cardinality(w.path) <= far
    )
    select path from walk where path[cardinality(path)] = finish order by cardinality(path), path;
$$;

create function oracle.fan(inward boolean) returns table (id uuid, count bigint) language sql stable as $$
    with own as (
        select e.source as app, e.target as interface from oracle.edge e join oracle.card c on c.id = e.source
        where e.kind = 'PROVIDES' and c.type = 'Application'
    ),
    counted (id, other) as (
        select case when inward then on_card else dependent end, case when inward then dependent else on_card end from oracle.dep
        except
        select app, interface from own
        union
        select o.app, d.dependent from own o join oracle.dep d on d.on_card = o.interface
        where inward and d.kind = 'CONSUMES' and d.dependent <> o.app
    )
    select c.id, count(counted.other) from oracle.card c left join counted using (id) group by c.id;
$$;

-- Which cards depend on which, over any number of steps, with the fewest.
create function oracle.reach(hard_only boolean) returns table (here uuid, there uuid, distance int) language sql stable as $$
    with recursive walk (here, there, distance) as (
        select distinct dependent, on_card, 1 from oracle.dep where hard or not hard_only
        union
        select w.here, d.on_card, w.distance + 1
        from walk w join oracle.dep d on d.dependent = w.there and (d.hard or not hard_only)
        where w.distance < (select count(*) from oracle.card)
    )
    select here, there, min(distance) from walk group by here, there;
$$;

-- Circles: their cards and the length of the shortest cycle among them.
create function oracle.circles(hard_only boolean) returns table (cards uuid[], shortest int) language sql stable as $$
    with reach as materialized (select * from oracle.reach(hard_only)),
    circle as (
        select a.here, array_agg(a.there order by a.there) as cards
        from reach a join reach b on (b.here, b.there) = (a.there, a.here)
        where exists (select from reach r where r.here = a.here and r.there = a.here)
        group by a.here
    )
    select c.cards, min(r.distance)
    from circle c join reach r on r.here = c.here and r.there = c.here
    group by c.cards having cardinality(c.cards) > 1
    order by cardinality(c.cards) desc, c.cards[1];
$$;

create function oracle.lacking(card_type text, kinds text[], outward boolean, inward boolean)
returns setof uuid language sql stable as $$
    select c.id from oracle.card c
    where (card_type is null or c.type = card_type)
      and not exists (select from oracle.steps(kinds, outward, inward) s where s.here = c.id)
    order by c.type, c.id;
$$;

-- Single points of failure: each card fails alone, and what it takes down is compared with what supports a capability.
create unlogged table oracle.falls (failed uuid, takes uuid);

create function oracle.single_points() returns table (id uuid, type text, capabilities uuid[], tiers int[])
language plpgsql as $$
declare card record;
begin
    delete from oracle.falls;
    for card in select c.id from oracle.card c loop
        perform oracle.fail(array[card.id], 1000, 0);
        insert into oracle.falls select card.id, f.id from oracle.fate f;
    end loop;
    return query
    with supporter as (
        select distinct e.target as capability, e.source as app
        from oracle.edge e join oracle.card c on c.id = e.target join oracle.card a on a.id = e.source
        where e.kind = 'SUPPORTS' and c.type = 'BusinessCapability' and a.type = 'Application'
    ),
    capability as (
        select s.capability, count(*) as apps, coalesce(min(right(c.business_criticality, 1)::int), 5) as tier
        from supporter s join cards c on c.id = s.app group by s.capability
    ),
    found as (
        select f.failed, k.capability, k.tier
        from oracle.falls f join supporter s on s.app = f.takes join capability k on k.capability = s.capability
        group by f.failed, k.capability, k.tier, k.apps having count(*) = k.apps
    ),
    ranked as (
        select f.failed, array_agg(f.capability order by f.tier, f.capability) as capabilities,
               array(select count(*) filter (where g.tier = t)::int from found g, generate_series(1, 5) t
                     where g.failed = f.failed group by t order by t) as tiers
        from found f group by f.failed
    )
    select r.failed, c.type::text, r.capabilities, r.tiers from ranked r join oracle.card c on c.id = r.failed
    order by r.tiers desc, c.type, c.id;
end
$$;
