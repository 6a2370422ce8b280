// Receives until the server closes: PORT CA_FILE. Prints messages, seconds, nanoseconds of the
// process's time a message, version.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import WebSocket from 'ws';

const [port, ca] = process.argv.slice(2);
const { version } = createRequire(import.meta.url)('ws/package.json');
const socket = new WebSocket(`wss://localhost:${port}/ws/btcusdt@trade`, {
  ca: fs.readFileSync(ca), perMessageDeflate: false,
});
let count = 0, begin, cpu;
socket.on('message', () => {
  if (count++ === 0) { begin = process.hrtime.bigint(); cpu = process.cpuUsage(); }
});
socket.on('close', () => {
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9, used = process.cpuUsage(cpu);
  console.log(count, seconds, (used.user + used.system) * 1000 / count, version);
  process.exit(0);
});
socket.on('error', (error) => { console.error(String(error)); process.exit(1); });
