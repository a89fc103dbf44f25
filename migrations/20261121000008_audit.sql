-- A payload (reason, before, after) may speak of people, and people may ask to be forgotten. Blanking takes it and its
-- salt away, so that not even its digest says anything any more, and tells of itself in the log.
alter table changes add column blanked_by bigint;
-- What happened in a stretch of time is found without reading the whole log; a write pays next to nothing for it.
create index changes_occurred on changes using brin (occurred_at) with (autosummarize = on);

-- Whoever asks: a row of the log changes only by being blanked, and only together with the row that tells of it.
create function guard_change_log() returns trigger language plpgsql as $$
begin
    if old.blanked_by is null and new.blanked_by is not null
       and new.reason is null and new.before is null and new.after is null
       and to_jsonb(new) - '{reason,before,after,blanked_by}'::text[] = to_jsonb(old) - '{reason,before,after,blanked_by}'::text[]
       and exists (select 1 from changes b
                   where b.position = new.blanked_by and b.entity = 'change' and b.action = 'blanked'
                     and b.tx = pg_current_xact_id() and b.after -> 'positions' @> to_jsonb(new.position)) then
        return new;
    end if;
    raise exception 'the change log is append-only: % refused', tg_op using errcode = 'insufficient_privilege';
end $$;
drop trigger changes_append_only on changes;
create trigger changes_append_only before delete on changes
    for each row execute function refuse_change_log_edit();
create trigger changes_only_blanked before update on changes
    for each row execute function guard_change_log();

create function guard_change_digests() returns trigger language plpgsql as $$
begin
    if new.salt is null and to_jsonb(new) - 'salt' = to_jsonb(old) - 'salt'
       and exists (select 1 from changes c where c.position = new.position and c.blanked_by is not null) then
        return new;
    end if;
    raise exception 'the change log is append-only: % refused', tg_op using errcode = 'insufficient_privilege';
end $$;
drop trigger change_digests_append_only on change_digests;
create trigger change_digests_append_only before delete on change_digests
    for each row execute function refuse_change_log_edit();
create trigger change_digests_only_blanked before update on change_digests
    for each row execute function guard_change_digests();

-- Blanks what is sealed and not blank yet among these rows; the position of the row that tells of it, and which they
-- were. Rows that tell of a blanking stay. Runs as the owner of the log: the application's role may not change it.
create function blank_changes(wanted bigint[], author uuid, request text, why text, subject uuid,
                              out told_at bigint, out blanked bigint[])
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform 1 from changes where position = any(wanted) order by position for update;
    select coalesce(array_agg(c.position order by c.position), '{}') into blanked
    from changes c join change_digests d on d.position = c.position
    where c.position = any(wanted) and c.blanked_by is null and not (c.entity = 'change' and c.action = 'blanked');
    if blanked = '{}' then
        return;
    end if;
    insert into changes (actor_id, request_id, reason, entity, entity_id, action, version, after)
    values (author, request, why, 'change', subject, 'blanked', 1, jsonb_build_object('positions', to_jsonb(blanked)))
    returning position into told_at;
    update changes set reason = null, before = null, after = null, blanked_by = told_at where position = any(blanked);
    update change_digests set salt = null where position = any(blanked);
end $$;
revoke execute on function blank_changes from public;
