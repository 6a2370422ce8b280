// Prints the rows of a part file in the canonical text form, as read by an independent library:
//   node read_parts.mjs duckdb|hyparquet|parquet-wasm|polars FILE...
// or, as DuckDB tells them, what the files are made of, their key-value metadata and what their Bloom
// filters rule out, as JSON:
//   node read_parts.mjs layout|keys|blooms FILE...
// A cell is \N where absent; decimals are exact; times are the number in the file's own unit; doubles
// are the 16 hex digits of their bits; cells are separated by tabs. Before each file: "# FILE".
// Runs on Node 18 and later.
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { openDuckdb, quoted } from './duckdb.mjs'

// Times whose zone is UTC come from DuckDB in microseconds whatever the file says: "us" columns of
// the expectation are cut to that by the caller, who reads the unit line that follows "# FILE".

const hexOfDouble = (d) => {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, d)
  return view.getBigUint64(0).toString(16).padStart(16, '0')
}

const decimalText = (value, scale) => {
  const negative = value < 0n
  const digits = (negative ? -value : value).toString().padStart(scale + 1, '0')
  const whole = digits.slice(0, digits.length - scale)
  return (negative ? '-' : '') + whole + (scale > 0 ? '.' + digits.slice(digits.length - scale) : '')
}

const emit = (lines) => process.stdout.write(lines.join('\n') + (lines.length ? '\n' : ''))

// ---- DuckDB ----

const MICROS_PER = { MILLIS: 1000n, MICROS: 1n, NANOS: 1n }

const duckdbCell = (value, unit) => {
  if (value === null) return '\\N'
  if (typeof value === 'number') return value
  if (typeof value === 'object' && 'scale' in value) return decimalText(value.value, value.scale)
  if (typeof value === 'object' && 'micros' in value) return String(value.micros / MICROS_PER[unit])
  return String(value)
}

// [[codec, encoding, row groups of the file that has most]]
const readLayout = async (files) => {
  const rows = (await (await openDuckdb()).runAndReadAll(
    `select compression, encoding, max(row_group_id) + 1 from
       (select compression, row_group_id, unnest(string_split(encodings, ', ')) as encoding
        from parquet_metadata([${files.map(quoted)}])) group by all order by all`)).getRows()
  emit([JSON.stringify(rows.map((row) => row.map((cell) => typeof cell === 'bigint' ? Number(cell) : cell)))])
}

// { file: { key: value } }
const readKeys = async (files) => {
  const rows = (await (await openDuckdb()).runAndReadAll(
    `select file_name, decode(key), decode(value) from parquet_kv_metadata([${files.map(quoted)}])`)).getRows()
  const all = {}
  for (const [file, key, value] of rows) (all[file] ??= {})[key] = value
  emit([JSON.stringify(all)])
}

// How DuckDB judges the Bloom filters: of each file's integers and texts up to 40 that are there, and
// 40 that are not. { there, missed, absent, excluded }: counted over row groups that the filter rules out.
const readBlooms = async (files) => {
  const db = await openDuckdb()
  const sum = { there: 0, missed: 0, absent: 0, excluded: 0 }
  for (const file of files) {
    const name = quoted(file)
    const columns = (await db.runAndReadAll(
      `select distinct path_in_schema, any_value(type) from parquet_metadata(${name})
       where bloom_filter_offset is not null and type in ('INT32', 'INT64', 'BYTE_ARRAY') group by all`)).getRows()
    const types = new Map((await db.runAndReadAll(`describe select * from read_parquet(${name})`)).getRows())
    for (const [column] of columns) {
      const type = types.get(column)
      if (!['INTEGER', 'BIGINT', 'UBIGINT', 'VARCHAR'].includes(type)) continue
      const rows = (await db.runAndReadAll(
        `select distinct "${column}"::varchar from read_parquet(${name}) where "${column}" is not null limit 40`)).getRows()
      const known = new Set(rows.map(([value]) => value))
      const excluded = async (value) => (await db.runAndReadAll(
        `select bloom_filter_excludes from parquet_bloom_probe(${name}, '${column}', '${value}'::${type})`))
        .getRows().map(([excludes]) => excludes)
      for (const value of known) {
        sum.there += 1
        if (!(await excluded(value)).includes(false)) sum.missed += 1
      }
      for (let i = 0; i < 40; i++) {
        const value = type === 'VARCHAR' ? `nobody${i}` : `${1234567891 + i}`
        if (known.has(value)) continue
        const answers = await excluded(value)
        sum.absent += answers.length
        sum.excluded += answers.filter((excludes) => excludes === true).length
      }
    }
  }
  emit([JSON.stringify(sum)])
}

const readDuckdb = async (files) => {
  const db = await openDuckdb()
  for (const file of files) {
    const name = quoted(file)
    const schema = await db.runAndReadAll(
      `select name, type, logical_type from parquet_schema(${name}) where type is not null`)
    const columns = schema.getRows().map(([column, type, logical]) => ({
      column, double: type === 'DOUBLE',
      unit: /MILLIS=Milli/.test(logical ?? '') ? 'MILLIS' : /NANOS=Nano/.test(logical ?? '') ? 'NANOS' : 'MICROS',
    }))
    const rows = (await db.runAndReadAll(`select * from read_parquet(${name})`)).getRows()
    emit([`# ${file}`, ...rows.map((row) => row.map((value, i) => {
      if (value === null) return '\\N'
      return columns[i].double ? hexOfDouble(value) : duckdbCell(value, columns[i].unit)
    }).join('\t'))])
  }
}

// ---- hyparquet: logical types are taken off the schema, so that it hands out bare integers ----

const bigEndian = (bytes) => {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return BigInt.asIntN(bytes.length * 8, value)
}

const hyparquetCell = (value, column) => {
  if (value === null || value === undefined) return '\\N'
  if (column.type === 'DOUBLE') return hexOfDouble(value)
  if (column.kind === 'DECIMAL')
    return decimalText(value instanceof Uint8Array ? bigEndian(value) : BigInt(value), column.scale)
  if (column.unsigned) return BigInt.asUintN(64, value).toString()
  return String(value)
}

const readHyparquet = async (files) => {
  const { parquetMetadata, parquetRead } = await import('hyparquet')
  const { compressors } = await import('hyparquet-compressors')
  for (const file of files) {
    const bytes = readFileSync(file)
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
    const metadata = parquetMetadata(buffer)
    const columns = metadata.schema.slice(1).map((element) => {
      const column = {
        type: element.type,
        scale: element.scale ?? 0,
        kind: element.logical_type?.type ?? '',
        unsigned: element.logical_type?.type === 'INTEGER' && !element.logical_type.isSigned,
      }
      if (element.type !== 'BYTE_ARRAY') {
        delete element.logical_type
        delete element.converted_type
      }
      return column
    })
    let rows = []
    if (metadata.num_rows > 0n)
      await parquetRead({ file: buffer, metadata, compressors, utf8: true, onComplete: (all) => { rows = all } })
    emit([`# ${file}`, ...rows.map((row) => row.map((value, i) => hyparquetCell(value, columns[i])).join('\t'))])
  }
}

// ---- parquet-wasm: the Rust implementation, handed over as Arrow; its bare integers are taken, since
// Arrow's JavaScript library rounds times ----

const arrowCell = (column, type, row, DataType) => {
  if (!column.getValid(row)) return '\\N'
  if (DataType.isFloat(type)) return hexOfDouble(column.values[row])
  if (DataType.isTimestamp(type)) return String(column.values[row])
  if (DataType.isDecimal(type)) {
    const words = column.values.subarray(4 * row, 4 * row + 4)
    const bits = words.reduceRight((all, word) => (all << 32n) | BigInt(word), 0n)
    return decimalText(BigInt.asIntN(128, bits), type.scale)
  }
  return String(column.get(row))
}

const readParquetWasm = async (files) => {
  const { readParquet } = await import('parquet-wasm')
  const { tableFromIPC, makeVector, DataType } = await import('apache-arrow')
  for (const file of files) {
    const table = tableFromIPC(readParquet(readFileSync(file)).intoIPCStream())
    emit([`# ${file}`])
    for (const batch of table.batches) {
      const columns = batch.data.children.map((data) => ({
        type: data.type, values: data.values, getValid: (row) => data.getValid(row),
        get: ((vector) => (row) => vector.get(row))(makeVector(data)),
      }))
      emit(Array.from({ length: batch.numRows }, (_, row) =>
        columns.map((column) => arrowCell(column, column.type, row, DataType)).join('\t')))
    }
  }
}

// ---- Polars: another Rust implementation; it turns its exact values into text itself ----

const readPolars = async (files) => {
  const { default: pl } = await import('nodejs-polars')
  for (const file of files) {
    const frame = pl.readParquet(file)
    const columns = frame.columns.map((name) => {
      const series = frame.getColumn(name)
      const kind = series.dtype.variant
      if (kind === 'Float64') return series.toArray().map((value) => value === null ? '\\N' : hexOfDouble(value))
      const exact = kind === 'Datetime' ? series.cast(pl.Int64) : series
      return exact.cast(pl.Utf8).toArray().map((value) => value ?? '\\N')
    })
    emit([`# ${file}`, ...Array.from({ length: frame.height }, (_, row) =>
      columns.map((column) => column[row]).join('\t'))])
  }
}

const readers = {
  duckdb: readDuckdb, hyparquet: readHyparquet, 'parquet-wasm': readParquetWasm, polars: readPolars,
  layout: readLayout, keys: readKeys, blooms: readBlooms,
}
const [, script, name, ...files] = process.argv
if (!readers[name]) {
  console.error(`usage: node ${script} ${Object.keys(readers).join('|')} FILE...`)
  process.exit(2)
}
try {
  await readers[name](files)
} catch (error) {
  if (['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes(error.code)) {
    console.error(`the packages of ${name} are not installed: run npm ci in tests/readers`)
    process.exit(77)
  }
  throw error
}
