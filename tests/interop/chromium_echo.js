// SPDX-License-Identifier: BSD-3-Clause
// Two RTCPeerConnections in a headless Chromium page, relayed only: bytes go over a data channel to
// the second, which echoes them. Reads {modules, ice, bytes (base64), timeout, arguments} on standard input and
// writes {echo (base64), ms, pairs: [{local, remote, protocol, sent, received}]} or {error}.
'use strict';
const fs = require('fs');
const os = require('os');
const path = require('path');

async function echoInPage({ ice, bytes, timeout }) {
  const CHUNK = 16384, HIGH_WATER = 1 << 20;
  const data = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
  const log = [];
  const one = new RTCPeerConnection({ iceServers: [ice], iceTransportPolicy: 'relay' });
  const two = new RTCPeerConnection({ iceServers: [ice], iceTransportPolicy: 'relay' });
  const started = performance.now();
  const note = (text) => log.push(`${Math.round(performance.now() - started)} ms: ${text}`);
  for (const [name, from, to] of [['one', one, two], ['two', two, one]]) {
    from.onicecandidate = ({ candidate }) => {
      note(`${name} has ${candidate ? candidate.candidate : 'no more candidates'}`);
      to.addIceCandidate(candidate || undefined).catch((error) => note(`addIceCandidate: ${error}`));
    };
    from.onicecandidateerror = (event) => note(`${name}: ${event.url} ${event.errorCode} ${event.errorText}`);
    from.onconnectionstatechange = () => note(`${name} is ${from.connectionState}`);
  }
  two.ondatachannel = ({ channel }) => {
    channel.binaryType = 'arraybuffer';
    channel.onmessage = (message) => channel.send(message.data);
  };
  const channel = one.createDataChannel('echo');
  channel.binaryType = 'arraybuffer';
  channel.bufferedAmountLowThreshold = HIGH_WATER / 2;
  const back = new Uint8Array(data.length);
  const arrived = new Promise((resolve, reject) => {
    let received = 0;
    setTimeout(() => reject(new Error(`${received} of ${data.length} bytes came back in time`)), timeout);
    channel.onmessage = ({ data: part }) => {
      if (received + part.byteLength > data.length) reject(new Error('more came back than was sent'));
      back.set(new Uint8Array(part), received);
      received += part.byteLength;
      if (received === data.length) resolve();
    };
  });
  channel.onopen = async () => {
    note('channel is open');
    for (let at = 0; at < data.length; at += CHUNK) {
      if (channel.bufferedAmount > HIGH_WATER)
        await new Promise((resolve) => { channel.onbufferedamountlow = resolve; });
      channel.send(data.subarray(at, at + CHUNK));
    }
  };
  try {
    await one.setLocalDescription(await one.createOffer());
    await two.setRemoteDescription(one.localDescription);
    await two.setLocalDescription(await two.createAnswer());
    await one.setRemoteDescription(two.localDescription);
    await arrived;
    const ms = performance.now() - started;
    const pairs = [];
    for (const connection of [one, two]) {
      const stats = await connection.getStats();
      for (const entry of stats.values()) {
        if (entry.type !== 'candidate-pair' || !entry.nominated) continue;
        const local = stats.get(entry.localCandidateId), remote = stats.get(entry.remoteCandidateId);
        pairs.push({ local: local.candidateType, remote: remote.candidateType, protocol: local.relayProtocol,
          sent: entry.bytesSent, received: entry.bytesReceived });
      }
    }
    let text = '';
    for (let at = 0; at < back.length; at += 8192) text += String.fromCharCode(...back.subarray(at, at + 8192));
    return { echo: btoa(text), ms, pairs, log };
  } catch (error) {
    return { error: String(error), log };
  } finally {
    one.close();
    two.close();
  }
}

async function main() {
  const task = JSON.parse(fs.readFileSync(0, 'utf8'));
  const { chromium } = require(path.join(task.modules, 'playwright-core'));
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-chromium-'));
  const browser = await chromium.launchPersistentContext(home, {
    executablePath: task.chromium, headless: true, timeout: 60000,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', ...task.arguments],
  });
  try {
    const page = await browser.newPage();
    process.stdout.write(JSON.stringify(await page.evaluate(echoInPage, task)));
  } finally {
    await browser.close();
    fs.rmSync(home, { recursive: true, force: true });
  }
}

main().catch((error) => { console.error(error); process.exit(1); });
