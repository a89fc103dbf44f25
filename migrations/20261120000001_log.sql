-- The change log: audit trail, history, outbox and feed in one append-only table.
-- A reader's cursor is a pg_snapshot (see src/store/log): rows that commit late are found by their transaction id.

create table changes (
    position    bigserial primary key,
    tx          xid8 not null default pg_current_xact_id(),
    occurred_at timestamptz not null default clock_timestamp(),
    actor_id    uuid,
    request_id  text,
    reason      text,
    entity      text not null,
    entity_id   uuid not null,
    entity_type text,
    action      text not null,
    version     integer not null,
    before      jsonb,
    after       jsonb
);
create index changes_tx on changes (tx);
create index changes_entity on changes (entity_id, position);

create function refuse_change_log_edit() returns trigger language plpgsql as $$
begin
    raise exception 'the change log is append-only: % refused', tg_op using errcode = 'insufficient_privilege';
end $$;
create trigger changes_append_only before update or delete on changes
    for each row execute function refuse_change_log_edit();
create trigger changes_no_truncate before truncate on changes
    for each statement execute function refuse_change_log_edit();

-- An epoch is a stretch of the log whose transaction ids belong to one cluster. After a logical restore a new one
-- begins: rows up to `boundary` were committed before it and are visible to everyone.
create table log_epochs (
    number     integer primary key,
    started_at timestamptz not null default now(),
    identity   jsonb not null,
    boundary   bigint not null
);

-- Secrets and markers that the installation makes for itself.
create table settings (
    name  text primary key,
    value text not null
);
-- The oldest program that can serve this schema; a migration that shuts out older ones raises it.
insert into settings (name, value) values ('min_app_version', '0.1.0');

-- Answers to writes that carried an Idempotency-Key, kept in the transaction of their effect.
create table idempotency_keys (
    subject      text not null,
    method       text not null,
    path         text not null,
    key          text not null,
    request_hash bytea not null,
    status       smallint not null,
    headers      jsonb not null,
    body         bytea not null,
    created_at   timestamptz not null default now(),
    primary key (subject, method, path, key)
);
create index idempotency_keys_age on idempotency_keys (created_at);
