// SPDX-License-Identifier: BSD-3-Clause
// One headless Chromium with examples/browser/postern.js, as a caller or as one who is called. Reads
// {modules, chromium, example, role, url, account, to, bytes, timeout, arguments} on standard input;
// writes a line {registered} and then a line {received, sha256, ms, path, restarts, log} or {error, log}.
// The called one echoes all that comes; the caller sends `bytes` random bytes and hashes the echo. On the
// way it restarts ICE `restarts` times; `restarts` of the result are those that happened, whoever began.
'use strict';
const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');

async function liveInPage({ role, url, account, to, bytes, timeout, restarts }) {
  const CHUNK = 16384, HIGH_WATER = 1 << 20;
  const { Rendezvous } = await import('/postern.js');
  const log = [], started = performance.now();
  const note = (text) => log.push(`${Math.round(performance.now() - started)} ms: ${text}`);
  const hex = (buffer) => [...new Uint8Array(buffer)].map((one) => one.toString(16).padStart(2, '0')).join('');
  const hash = async (parts) => hex(await crypto.subtle.digest('SHA-256', await new Blob(parts).arrayBuffer()));
  const service = new Rendezvous(url, account);
  const late = new Promise((_, reject) => { setTimeout(() => reject(new Error('not done in time')), timeout); });
  const incoming = new Promise((resolve) => service.addEventListener('incoming', ({ detail }) => resolve(detail)));
  const watch = (call) => {
    for (const type of ['ringing', 'open', 'ended']) call.addEventListener(type, ({ detail }) => note(`${type} ${JSON.stringify(detail ?? '')}`));
    return new Promise((resolve) => call.addEventListener('open', resolve));
  };
  const ufrags = new Set(), generations = (call) => {
    const take = () => {
      const ufrag = /^a=ice-ufrag:(.*)$/m.exec(call.connection.currentLocalDescription?.sdp ?? '')?.[1];
      if (call.connection.signalingState === 'stable' && ufrag) ufrags.add(ufrag);
    };
    call.connection.addEventListener('signalingstatechange', take);
    take();
  };
  let begun = 0;
  const restartAt = (call, done) => {
    if (!restarts || done < (begun + 1) * bytes / (restarts + 1) || begun === restarts) return;
    note(`restart ${++begun} after ${done} bytes`);
    call.restart();
  };
  const drained = (channel) => new Promise((resolve) => {
    channel.bufferedAmountLowThreshold = HIGH_WATER / 2;
    if (channel.bufferedAmount <= HIGH_WATER) resolve();
    else channel.onbufferedamountlow = resolve;
  });
  const asCalled = async () => {
    const call = await incoming;
    note(`called by ${call.peer}`);
    const opened = watch(call), ended = new Promise((resolve) => call.addEventListener('ended', resolve));
    await call.accept();
    await opened;
    generations(call);
    let received = 0;
    const parts = [], finish = new Promise((resolve) => {
      call.channel.onmessage = ({ data }) => {
        parts.push(data);
        received += data.byteLength ?? data.length;
        restartAt(call, received);
        call.channel.send(data);
        if ((data.byteLength ?? data.length) === 0) resolve();
      };
    });
    for (const type of ['closing', 'close', 'error']) call.channel.addEventListener(type, () => note(`channel: ${type}`));
    const way = await call.path();
    await Promise.race([ended, finish]);
    note('end of input');
    while (call.channel.readyState === 'open' && call.channel.bufferedAmount > 0)
      await new Promise((resolve) => { setTimeout(resolve, 100); });
    await Promise.race([ended, new Promise((resolve) => { setTimeout(resolve, 3000); })]);
    return { received, sha256: await hash(parts), path: way };
  };
  const asCaller = async () => {
    const data = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += 65536) crypto.getRandomValues(data.subarray(at, at + 65536));
    const called = performance.now(), call = await service.call(to);
    await watch(call);
    generations(call);
    const ms = performance.now() - called, parts = [];
    let received = 0;
    const back = new Promise((resolve, reject) => {
      call.channel.onmessage = ({ data: part }) => {
        parts.push(part);
        received += part.byteLength;
        restartAt(call, received);
        if (received >= bytes) resolve();
      };
      call.addEventListener('ended', ({ detail }) => reject(new Error(`ended with ${received} of ${bytes} bytes: ${detail.reason}`)));
    });
    for (let at = 0; at < bytes; at += CHUNK) {
      await drained(call.channel);
      call.channel.send(data.subarray(at, at + CHUNK));
    }
    await back;
    const way = await call.path(), sent = await hash([data]);
    call.hangUp();
    return { received, sha256: await hash(parts), sent, ms, path: way };
  };
  try {
    const { name, reflexive } = await service.register();
    note(`registered as ${name}, seen at ${reflexive}`);
    await globalThis.tell({ registered: name });
    const done = await Promise.race([role === 'listen' ? asCalled() : asCaller(), late]);
    return { ...done, restarts: ufrags.size - 1, log };
  } catch (error) {
    return { error: String(error), log };
  } finally {
    service.close();
  }
}

function serve(folder) {
  const server = http.createServer((request, response) => {
    const name = request.url === '/' ? 'call.html' : path.basename(request.url);
    const file = path.join(folder, name);
    if (!fs.existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, { 'Content-Type': name.endsWith('.js') ? 'text/javascript' : 'text/html' });
    return response.end(fs.readFileSync(file));
  });
  return new Promise((resolve) => { server.listen(0, '127.0.0.1', () => resolve(server)); });
}

async function main() {
  const task = JSON.parse(fs.readFileSync(0, 'utf8'));
  const { chromium } = require(path.join(task.modules, 'playwright-core'));
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-chromium-'));
  const server = await serve(task.example);
  const browser = await chromium.launchPersistentContext(home, {
    executablePath: task.chromium, headless: true, timeout: 60000,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', ...(task.arguments ?? [])],
  });
  try {
    const page = await browser.newPage();
    await page.exposeFunction('tell', (what) => process.stdout.write(`${JSON.stringify(what)}\n`));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    if (task.screenshot) await page.screenshot({ path: task.screenshot });
    process.stdout.write(`${JSON.stringify(await page.evaluate(liveInPage, task))}\n`);
  } finally {
    await browser.close();
    server.close();
    fs.rmSync(home, { recursive: true, force: true });
  }
}

main().catch((error) => { console.error(error); process.exit(1); });
