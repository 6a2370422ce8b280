// DuckDB for the readers here: one thread, nothing on disk. Loaded on use, as it may not be installed.
export const openDuckdb = async () => {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const db = await (await DuckDBInstance.create(':memory:')).connect()
  await db.run('set threads = 1')
  return db
}

export const quoted = (file) => `'${file.replaceAll("'", "''")}'`
