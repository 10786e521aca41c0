/** Candles that have ended, as the database keeps them. */
import type { CandleRange, KeptCandle } from '../../actors/candle-keeper.ts';
import type { Candle } from '../../actors/market/candle.ts';
import { momentOf, type Queryable } from './postgres.ts';

/** @param candles no two of a series and time; of one that is there already the more complete stays @throws DatabaseUnavailable */
export async function saveCandles(database: Queryable, candles: readonly KeptCandle[]): Promise<void> {
  const column = (value: (candle: Candle) => unknown) => candles.map(({ candle }) => value(candle));
  await database.query(saveText, [
    candles.map(({ symbol }) => symbol),
    candles.map(({ interval }) => interval),
    column(({ openMicros }) => openMicros),
    column(({ open }) => open),
    column(({ high }) => high),
    column(({ low }) => low),
    column(({ close }) => close),
    column(({ ticks }) => ticks),
    column(({ isComplete }) => isComplete),
  ]);
}

// Prices come scaled by 10^8; a product of numerics is exact.
const saveText = `
insert into platform.candle as kept (symbol, interval, open_at, open, high, low, close, ticks, is_complete)
select given.symbol, given.interval, ${momentOf('given.open_micros')}, given.open * 0.00000001, given.high * 0.00000001,
  given.low * 0.00000001, given.close * 0.00000001, given.ticks, given.is_complete
from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::int[], $9::boolean[])
  as given (symbol, interval, open_micros, open, high, low, close, ticks, is_complete)
on conflict (symbol, interval, open_at) do update
  set open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, ticks = excluded.ticks,
    is_complete = excluded.is_complete
  where (excluded.is_complete, excluded.ticks) > (kept.is_complete, kept.ticks)`;

/** The newest `limit` within a range of time, oldest first. @throws DatabaseUnavailable */
export async function loadCandles(database: Queryable, range: CandleRange): Promise<readonly Candle[]> {
  const { symbol, interval, limit, fromMicros, toMicros } = range;
  const { rows } = await database.query<Candle>(
    `select (extract(epoch from open_at) * 1000000)::bigint as "openMicros", ${['open', 'high', 'low', 'close']
      .map((price) => `(${price} * 100000000)::bigint as ${price}`)
      .join(', ')}, ticks, is_complete as "isComplete"
     from platform.candle
     where symbol = $1 and interval = $2
       and ($3::bigint is null or open_at >= ${momentOf('$3')}) and ($4::bigint is null or open_at < ${momentOf('$4')})
     order by open_at desc limit $5`,
    [symbol, interval, fromMicros ?? null, toMicros ?? null, limit],
  );
  return rows.toReversed();
}

/** Deletes at most `limit` of a series that opened before a time, the oldest first. @returns how many @throws DatabaseUnavailable */
export async function pruneCandles(
  database: Queryable,
  { symbol, interval }: Pick<CandleRange, 'symbol' | 'interval'>,
  beforeMicros: number,
  limit: number,
): Promise<number> {
  // By their place in the table: what is planned for a join with the key takes seconds where there are no statistics yet.
  const { rowCount } = await database.query(
    `delete from platform.candle where ctid = any(array(
       select ctid from platform.candle where symbol = $1 and interval = $2 and open_at < ${momentOf('$3')}
       order by open_at limit $4))`,
    [symbol, interval, beforeMicros, limit],
  );
  return rowCount;
}
