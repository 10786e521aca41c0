-- Of quote_amount; null in rows that are older.
alter table :schema.ledger add column quote_currency text;
