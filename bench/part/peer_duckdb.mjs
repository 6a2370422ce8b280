// DuckDB as a peer of bench_part: reads commands, one a line with tabs between, answers one line each.
//   node peer_duckdb.mjs FOLDER-WITH-node_modules
import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const require = createRequire(join(process.argv[2], 'package.json'))
const { DuckDBInstance, version } = require('@duckdb/node-api')
const db = await (await DuckDBInstance.create(':memory:')).connect()
await db.run('set threads = 1')

const commands = {
  async load(name, path, order) {
    await db.run(`create or replace table ${name} as select * from '${path}'${order ? ` order by ${order}` : ''}`)
    return 'loaded'
  },
  async copy(name, path, compression) {
    const level = compression === 'zstd' ? ', compression_level 1' : ''
    const start = process.hrtime.bigint()
    await db.run(`copy ${name} to '${path}' (format parquet, compression '${compression}'${level})`)
    const seconds = Number(process.hrtime.bigint() - start) / 1e9
    return `${seconds} ${statSync(path).size}`
  },
}

console.log(`DuckDB ${(version?.() ?? 'of node-api').replace(/^v/, '')}`)
for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...args] = line.split('\t')
  try {
    console.log(await commands[command](...args))
  } catch (error) {
    console.log(`error ${String(error).replaceAll('\n', ' ')}`)
  }
}
