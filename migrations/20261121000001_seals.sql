-- A seal closes a stretch of the change log: which rows it saw, how many were new, and a keyed digest over them and the
-- seal before. "As it was recorded at T" means what the last seal at or before T saw.
create table seals (
    number      bigint primary key,
    epoch       integer not null,
    snapshot    pg_snapshot not null,
    recorded_at timestamptz not null,
    count       bigint not null,
    digest      bytea not null
);
create index seals_recorded on seals (recorded_at, number);
