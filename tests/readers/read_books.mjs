// Prints messages of order books, whose levels are lists, as read by an independent library:
//   node read_books.mjs duckdb|hyparquet|parquet-wasm|polars FILE
// or what DuckDB finds different between the lists and the same levels as rows, in both directions, and
// how many messages it does not find by their ids:
//   node read_books.mjs same|lookup FILE ROWS
// or rows in the middle, as hyparquet finds them by the offset index:
//   node read_books.mjs pages FILE
// A line is symbol, event time in ns, first and last id, snapshot, bids, asks (tests/state/book_fixture.h).
// Runs on Node 18 and later.
import { readFileSync } from 'node:fs'
import { openDuckdb, quoted } from './duckdb.mjs'

const decimal = (value) => {
  const digits = value.toString().padStart(9, '0')
  return `${digits.slice(0, -8)}.${digits.slice(-8)}`
}

const level = ({ price, qty, order_count }) => `${price}:${qty}:${order_count}`
const line = (row) => [row.symbol, row.event_time, row.first_id, row.last_id, row.snapshot,
  row.bids.map(level).join(' '), row.asks.map(level).join(' ')].join('\t')

// Times with a zone are microseconds there: the fixture's are whole ones.
const readDuckdb = async (file) => {
  const text = (list) => `array_to_string(list_transform(${list},
    l -> concat_ws(':', l.price::varchar, l.qty::varchar, l.order_count::varchar)), ' ')`
  const rows = (await (await openDuckdb()).runAndReadAll(
    `select symbol, (epoch_us(event_time) * 1000)::varchar, first_id::varchar, last_id::varchar,
            snapshot::varchar, ${text('bids')}, ${text('asks')} from read_parquet(${quoted(file)})`)).getRows()
  return rows.map((row) => row.join('\t'))
}

// Logical types of leaves are taken off, so that bare integers are handed out.
const readHyparquet = async (file, range = {}) => {
  const { parquetMetadata, parquetReadObjects } = await import('hyparquet')
  const { compressors } = await import('hyparquet-compressors')
  const bytes = readFileSync(file)
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
  const metadata = parquetMetadata(buffer)
  for (const element of metadata.schema) {
    if (element.type === undefined || element.type === 'BYTE_ARRAY') continue
    delete element.logical_type
    delete element.converted_type
  }
  const rows = await parquetReadObjects({ file: buffer, metadata, compressors, utf8: true, ...range })
  const plain = (levels) => levels.map((l) => ({ ...l, price: decimal(l.price), qty: decimal(l.qty) }))
  return rows.map((row) => line({ ...row, bids: plain(row.bids), asks: plain(row.asks) }))
}

// Arrow's bare integers: its JavaScript library rounds times.
const readParquetWasm = async (file) => {
  const { readParquet } = await import('parquet-wasm')
  const { tableFromIPC } = await import('apache-arrow')
  const table = tableFromIPC(readParquet(readFileSync(file)).intoIPCStream())
  const words = (data, at) => (BigInt(data.values[4 * at + 1]) << 32n) | BigInt(data.values[4 * at])
  const lists = (data, row) => {
    const [element] = data.children
    const [price, qty, orders] = element.children
    const out = []
    for (let at = data.valueOffsets[row]; at < data.valueOffsets[row + 1]; at++)
      out.push({ price: decimal(words(price, at)), qty: decimal(words(qty, at)), order_count: orders.values[at] })
    return out
  }
  return table.batches.flatMap((batch) => {
    const names = batch.schema.fields.map((field) => field.name)
    const column = (name) => batch.data.children[names.indexOf(name)]
    return Array.from({ length: batch.numRows }, (_, row) => line({
      symbol: batch.getChild('symbol').get(row), event_time: column('event_time').values[row],
      first_id: column('first_id').values[row], last_id: column('last_id').values[row],
      snapshot: batch.getChild('snapshot').get(row),
      bids: lists(column('bids'), row), asks: lists(column('asks'), row),
    }))
  })
}

// Polars takes lists apart itself, one leaf after the other; its exact values it turns into text.
const readPolars = async (file) => {
  const { default: pl } = await import('nodejs-polars')
  const frame = pl.readParquet(file)
  const texts = (series) => series.cast(pl.Utf8).toArray()
  const lists = (name) => {
    const rows = frame.select(pl.col('last_id').alias('id'), pl.col('symbol'), pl.col(name)).explode(name)
    const there = rows.filter(pl.col(name).isNotNull())
    const struct = there.getColumn(name)
    const [price, qty, orders] = ['price', 'qty', 'order_count'].map((field) => texts(struct.struct.field(field)))
    const all = new Map()
    texts(there.getColumn('id')).forEach((id, i) => {
      if (!all.has(id)) all.set(id, [])
      all.get(id).push({ price: price[i], qty: qty[i], order_count: orders[i] })
    })
    return all
  }
  const bids = lists('bids'), asks = lists('asks')
  const [symbol, event, first, last, snapshot] = ['symbol', 'event_time', 'first_id', 'last_id', 'snapshot']
    .map((name) => frame.getColumn(name))
  const times = texts(event.cast(pl.Int64)), firsts = texts(first), lasts = texts(last)
  const symbols = symbol.toArray(), snapshots = snapshot.toArray()
  return lasts.map((id, i) => line({
    symbol: symbols[i], event_time: times[i], first_id: firsts[i], last_id: id, snapshot: snapshots[i],
    bids: bids.get(id) ?? [], asks: asks.get(id) ?? [],
  }))
}

// Levels that are only in the lists, and only in the rows.
const readSame = async (lists, rows) => {
  const columns = 'symbol, event_time, recv_time, first_id, last_id, snapshot'
  const side = (name, list) => `select ${columns}, '${name}' as side, unnest(${list}, recursive := true)
    from read_parquet(${quoted(lists)})`
  const a = `(${side('buy', 'bids')} union all ${side('sell', 'asks')})`
  const b = `(select ${columns}, side, price, qty, order_count from read_parquet(${quoted(rows)}))`
  const cnt = (x, y) => `(select count(*) from (select * from ${x} except all select * from ${y}))`
  const [found] = (await (await openDuckdb()).runAndReadAll(`select ${cnt(a, b)}, ${cnt(b, a)}`)).getRows()
  return [found.map(String).join('\t')]
}

// Some messages by their ids, as statistics and Bloom filters let DuckDB find them.
const readLookup = async (lists, rows) => {
  const db = await openDuckdb()
  const ids = (await db.runAndReadAll(
    `select last_id::varchar, count(*)::varchar from read_parquet(${quoted(rows)}) group by all order by all`)).getRows()
  let missed = 0
  for (const [id, cnt] of ids.filter((_, i) => i % 37 === 0)) {
    const [[found]] = (await db.runAndReadAll(
      `select sum(len(bids) + len(asks))::varchar from read_parquet(${quoted(lists)}) where last_id = ${id}`)).getRows()
    missed += found !== cnt
  }
  return [String(missed)]
}

const readers = {
  duckdb: readDuckdb, hyparquet: readHyparquet, 'parquet-wasm': readParquetWasm, polars: readPolars,
  pages: (file) => readHyparquet(file, { rowStart: 700, rowEnd: 760, useOffsetIndex: true }), same: readSame, lookup: readLookup,
}
const [, script, name, ...files] = process.argv
if (!readers[name]) {
  console.error(`usage: node ${script} ${Object.keys(readers).join('|')} FILE...`)
  process.exit(2)
}
try {
  process.stdout.write((await readers[name](...files)).join('\n') + '\n')
} catch (error) {
  if (['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes(error.code)) {
    console.error(`the packages of ${name} are not installed: run npm ci in tests/readers`)
    process.exit(77)
  }
  throw error
}
