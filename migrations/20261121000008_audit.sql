-- The row of the log that tells of the blanking of this one; its payload (reason, before, after) is gone then.
alter table changes add column blanked_by bigint;
