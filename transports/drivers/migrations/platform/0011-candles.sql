-- Candles that have ended, for charts that reach back further than the memory does. Nobody's in particular: prices are the same for all.
create table platform.candle (
  symbol      text not null,
  interval    text not null, -- as on the wire: 1m, 1h
  open_at     timestamptz not null,
  open        numeric(38, 18) not null,
  high        numeric(38, 18) not null,
  low         numeric(38, 18) not null,
  close       numeric(38, 18) not null,
  ticks       int not null check (ticks > 0),
  is_complete boolean not null, -- false: some of its time went by unseen
  primary key (symbol, interval, open_at)
);
