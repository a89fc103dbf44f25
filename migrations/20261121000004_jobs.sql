-- Work that outlives a request. A step of a job commits its effects, its progress and the proof that it still holds the
-- job (the lease's token) in one transaction, so that a job has its effect once whatever happens to who runs it. All
-- times are the database's: the clocks of the instances do not matter.
create table jobs (
    id               uuid primary key,
    kind             text not null,
    payload          jsonb not null default '{}',
    state            text not null default 'queued'
                     check (state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    -- Jobs of one kind with the same key: at most one waits for its first run, at most one runs.
    key              text,
    priority         smallint not null default 0,
    run_at           timestamptz not null default clock_timestamp(),
    -- Tries since the last step that was committed.
    attempts         integer not null default 0,
    max_attempts     integer not null default 5,
    done             bigint not null default 0,
    total            bigint,
    message          text,
    -- Where the next step goes on.
    checkpoint       jsonb,
    result           jsonb,
    errors           jsonb not null default '[]' check (jsonb_typeof(errors) = 'array'),
    created_by       uuid,
    -- Who runs it, for people; the token proves it.
    holder           text,
    lease_token      uuid,
    lease_until      timestamptz,
    cancel_requested boolean not null default false,
    -- +1 with every change that a reader can see.
    revision         bigint not null default 1,
    created_at       timestamptz not null default clock_timestamp(),
    started_at       timestamptz,
    updated_at       timestamptz not null default clock_timestamp(),
    finished_at      timestamptz,
    constraint jobs_lease check ((state = 'running') = (lease_token is not null and lease_until is not null)),
    constraint jobs_finished check ((state in ('succeeded', 'failed', 'cancelled')) = (finished_at is not null))
);
create unique index jobs_waiting_key on jobs (kind, key) where state = 'queued' and started_at is null and key is not null;
create unique index jobs_running_key on jobs (kind, key) where state = 'running' and key is not null;
create index jobs_ready on jobs (priority desc, run_at, id) where state = 'queued';
create index jobs_leases on jobs (lease_until) where state = 'running';
create index jobs_newest on jobs (created_at desc, id desc);
create index jobs_ended on jobs (finished_at) where finished_at is not null;

-- What runs by the clock: when next, and when it last did. The definitions come with the program and its settings.
create table schedules (
    name        text primary key,
    kind        text not null,
    payload     jsonb not null default '{}',
    cron        text not null,
    next_run_at timestamptz,
    last_run_at timestamptz,
    last_job_id uuid
);

-- Who does what only one instance may do at a time. The holder comes back before `until`, or another takes over.
create table if not exists leases (
    name   text primary key,
    holder uuid not null,
    until  timestamptz not null
);

-- Components that were moved to Sunset, once for each end of support; a phase set by hand afterwards stays.
create table sunset_moves (
    card_id            uuid not null references cards (id),
    vendor_support_eol date not null,
    moved_at           timestamptz not null default now(),
    primary key (card_id, vendor_support_eol)
);

-- Requests for new quality scores were rows of their own; they are jobs now.
insert into jobs (id, kind, payload, key)
select gen_random_uuid(), 'quality_recompute', jsonb_build_object('card_type', card_type), card_type from quality_recomputes;
drop table quality_recomputes;

create index sessions_expires on sessions (expires_at);
create index refresh_tokens_expires on refresh_tokens (expires_at);
create index one_time_tokens_expires on one_time_tokens (expires_at);
