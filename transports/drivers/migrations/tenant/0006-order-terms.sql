-- Terms that few orders have, as the API shows them; and what has come upon a working order beside its fills, from which its state follows.
alter table :schema."order" add column terms jsonb not null default '{}', add column progress jsonb not null default '{}';
alter table :schema.ledger add column position_id text;
