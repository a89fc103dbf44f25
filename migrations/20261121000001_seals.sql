-- A seal closes a stretch of the change log: which rows it saw, how many were new, and a keyed digest over them and the
-- seal before. "As it was recorded at T" means what the last seal at or before T saw (src/store/seal.rs).
create table seals (
    number      bigint primary key,
    epoch       integer not null,
    snapshot    pg_snapshot not null,
    recorded_at timestamptz not null,
    count       bigint not null,
    -- Which AUDIT_KEY: recognises it and tells nothing about it.
    key_id      bytea not null,
    digest      bytea not null
);
create index seals_recorded on seals (recorded_at, number);

-- What the seal of a row covers. Beside the log and not in it: writes pay nothing for it, the sealer fills it.
create table change_digests (
    position bigint primary key,
    seal     bigint not null,
    -- Hides what a digest of something short or guessable would tell; goes away with the payload it belongs to.
    salt     bytea,
    payload  bytea not null,
    digest   bytea not null
);
create index change_digests_seal on change_digests (seal, position);

create trigger seals_append_only before update or delete on seals
    for each row execute function refuse_change_log_edit();
create trigger seals_no_truncate before truncate on seals
    for each statement execute function refuse_change_log_edit();
create trigger change_digests_append_only before update or delete on change_digests
    for each row execute function refuse_change_log_edit();
create trigger change_digests_no_truncate before truncate on change_digests
    for each statement execute function refuse_change_log_edit();

-- Returns when no seal is being recorded. Whatever is recorded afterwards is recorded later than now. A lock of the
-- session would not survive a pooler and one of the transaction would hold up the sealer: what is taken in an undone
-- subtransaction is let go at once.
create function await_recording_seal() returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(hashtextextended('archzero.recording', 0));
    raise exception 'let go' using errcode = 'AZ001';
exception when sqlstate 'AZ001' then
    null;
end $$;

-- Who does what only one instance at a time should do, and until when unless it says so again.
create table leases (
    name   text primary key,
    holder uuid not null,
    until  timestamptz not null
);
