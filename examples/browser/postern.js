// SPDX-License-Identifier: BSD-3-Clause
// A browser's end of Postern's rendezvous service (docs/rendezvous.md), without any other library.
//
//   import { Rendezvous } from './postern.js';
//   const service = new Rendezvous('wss://turn.example.org:8443/', { user: 'alice', password: 'secret' });
//   service.addEventListener('incoming', ({ detail: call }) => call.accept());
//   await service.register();
//   const call = await service.call('bob');          // a Call
//   call.addEventListener('open', () => call.channel.send('hello'));   // an RTCDataChannel
//   call.connection                                  // an RTCPeerConnection
//   call.restart();                                  // look for another way, e.g. on another network
//
// Events of a Rendezvous: registered, incoming (detail: Call), lost, restored. Of a Call: ringing, open
// (the data channel is), channel (detail: one more that the peer opened), ended (detail: {reason}).
// A call that lost its way looks for another one by itself, for a minute. Either side may offer anew at any
// time; where both do at once the callee yields (docs/rendezvous.md).
// The service lets a page in whose origin is on its list (rendezvous.origins of turnserver.conf).
// A password needs WebCrypto, that is https: or localhost; a page of another origin has a token of its
// back end. The password itself is never sent.

const bytesOf = (text) => new TextEncoder().encode(text);
const base64url = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
// The certificates that a description names, for comparison.
const certificatesOf = ({ sdp }) => [...new Set(sdp.match(/^a=fingerprint:.*$/gmi)?.map((line) => line.trim().toLowerCase()))]
  .sort().join();
const RESTART_AFTER = 3000, PATIENCE = 60000, ANSWER_PATIENCE = 15000; // ms

export class RendezvousError extends Error {
  constructor({ code, message, retry_after }) {
    super(message || code);
    this.code = code;
    this.retryAfter = retry_after;
  }
}

async function proofOf(welcome, { user, password, name, resume, realm }) {
  if (!globalThis.crypto?.subtle)
    throw new Error('a password needs a page of https: or localhost; give a token instead');
  if (!welcome.auth.includes('SHA-256'))
    throw new Error(`the service takes no password here, only ${welcome.auth.join(', ')}`);
  const key = await crypto.subtle.digest('SHA-256', bytesOf(`${user}:${realm}:${password.normalize('NFC')}`));
  const hmac = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const proved = ['postern-rendezvous-1', 'SHA-256', welcome.nonce, realm, user, name ?? '', resume ?? ''];
  return base64url(await crypto.subtle.sign('HMAC', hmac, bytesOf(proved.map((part) => `${part}\0`).join(''))));
}

export class Rendezvous extends EventTarget {
  #url; #account; #socket; #waiting = new Map(); #calls = new Map(); #numbers = 0; #session; #closed = false;

  // account: {user, password} or {token}, and optionally name, realm, allow (who may call).
  constructor(url, account) {
    super();
    this.#url = url;
    this.#account = account;
  }

  get iceServers() { return this.#session?.iceServers ?? []; }
  get name() { return this.#session?.name; }
  get reflexive() { return this.#session?.reflexive; }

  // Resolves when the service knows us; rejects with a RendezvousError or an Error.
  async register() {
    this.#closed = false;
    const welcome = await this.#open();
    const hello = { type: 'hello', v: 1 };
    const { user, password, token, name, allow } = this.#account;
    const resume = this.#session?.resume;
    if (name) hello.name = name;
    if (allow) hello.allow = allow;
    if (resume) hello.resume = resume;
    if (token) {
      Object.assign(hello, { auth: 'token', token });
    } else {
      const realm = this.#account.realm ?? welcome.realm;
      const proof = await proofOf(welcome, { user, password, name, resume, realm });
      Object.assign(hello, { auth: 'SHA-256', user, realm, proof });
    }
    const registered = await this.#ask(hello);
    if (!registered.resumed)
      for (const call of [...this.#calls.values()]) call._ended('session-lost');
    this.#session = registered;
    this.#refreshLater(registered.ttl);
    this.dispatchEvent(new CustomEvent('registered', { detail: registered }));
    return registered;
  }

  // Resolves as soon as the service has found `to`; the Call's "open" event tells when data can flow.
  async call(to, configuration = {}) {
    const call = new Call(this, to, configuration, true);
    call._adopt(call.connection.createDataChannel('postern'));
    await call.connection.setLocalDescription();
    const { type, sdp } = call.connection.localDescription;
    try {
      const answer = await this.#ask({ type: 'call', to, description: { type, sdp } });
      this.#calls.set(answer.call, call);
      call._named(answer.call);
    } catch (error) {
      call.connection.close();
      throw error;
    }
    return call;
  }

  close() {
    this.#closed = true;
    for (const call of [...this.#calls.values()]) call.hangUp();
    this.#socket?.close();
  }

  _send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  _forget(id) { this.#calls.delete(id); }

  #open() {
    return new Promise((resolve, reject) => {
      const socket = this.#socket = new WebSocket(this.#url);
      socket.onopen = () => socket.send(JSON.stringify({ type: 'open', v: 1 }));
      socket.onerror = () => reject(new Error(`${this.#url} cannot be reached, or does not let this page in`));
      socket.onclose = () => {
        reject(new Error('the service closed the connection'));
        if (socket === this.#socket) this.#lost();
      };
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        if (message.type === 'welcome') return resolve(message);
        if (message.type === 'error' && !message.rid) reject(new RendezvousError(message));
        this.#take(message);
      };
    });
  }

  #ask(message) {
    return new Promise((resolve, reject) => {
      const rid = String(++this.#numbers);
      this.#waiting.set(rid, { resolve, reject });
      this._send({ ...message, rid });
    });
  }

  #take(message) {
    const asked = this.#waiting.get(message.rid);
    if (asked) {
      this.#waiting.delete(message.rid);
      return message.type === 'error' ? asked.reject(new RendezvousError(message)) : asked.resolve(message);
    }
    if (message.type === 'ping') return this._send({ type: 'pong' });
    if (message.type === 'incoming') {
      const call = new Call(this, message.from, {}, false);
      this.#calls.set(message.call, call);
      call._named(message.call);
      call._offered(message.description);
      this._send({ type: 'ringing', call: message.call });
      this.dispatchEvent(new CustomEvent('incoming', { detail: call }));
      return undefined;
    }
    return this.#calls.get(message.call)?._take(message);
  }

  #refreshLater(ttl) {
    clearTimeout(this.refresh);
    this.refresh = setTimeout(async () => {
      const turn = await this.#ask({ type: 'turn' }).catch(() => null);
      if (turn) this.#session.iceServers = turn.iceServers;
      this.#refreshLater(turn?.ttl ?? 60);
    }, Math.max(30, (ttl ?? 3600) * 0.8) * 1000);
  }

  // A broken connection is made anew: the session and its calls are kept for a minute.
  async #lost() {
    clearTimeout(this.refresh);
    for (const { reject } of this.#waiting.values()) reject(new Error('the connection to the service broke'));
    this.#waiting.clear();
    if (this.#closed || !this.#session) return;
    this.dispatchEvent(new CustomEvent('lost'));
    for (let wait = 500; !this.#closed; wait = Math.min(wait * 2, 30000)) {
      await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random())));
      try {
        await this.register();
        this.dispatchEvent(new CustomEvent('restored'));
        return;
      } catch (error) {
        if (error instanceof RendezvousError && ['unauthorized', 'replaced'].includes(error.code)) return;
      }
    }
  }
}

export class Call extends EventTarget {
  #service; #configuration; #id; #unsent = []; #early = []; #described = false; #over = false; #works = false;
  #lost; #giveUp;  #offering = false; #answering = false; #offered = 0; #certificates;

  constructor(service, peer, configuration, outgoing) {
    super();
    this.#service = service;
    this.peer = peer;
    this.outgoing = outgoing;
    this.#configuration = configuration;
    this.connection = new RTCPeerConnection({ iceServers: service.iceServers, ...configuration });
    this.connection.onicecandidate = ({ candidate }) =>
      this.#tell({ type: 'candidate', candidate: candidate ? candidate.toJSON() : { candidate: '' } });
    this.connection.ondatachannel = ({ channel }) =>
      this.channel ? this.dispatchEvent(new CustomEvent('channel', { detail: channel })) : this._adopt(channel);
    this.connection.onconnectionstatechange = () => this.#look(this.connection.connectionState);
    this.connection.onnegotiationneeded = () => this.#offer();
  }

  // ICE anew: another way is looked for, and the old one carries the data for as long as it works.
  restart() {
    this.#renewServers();
    this.connection.restartIce();
  }

  // The callee says yes; the offer is answered.
  async accept() {
    await this.offered;
    await this.connection.setLocalDescription();
    const { type, sdp } = this.connection.localDescription;
    this.#tell({ type: 'accept', description: { type, sdp } });
  }

  reject(reason = 'declined') { this.#finish({ type: 'reject', reason }, reason); }
  hangUp(reason = 'hangup') { this.#finish({ type: 'bye', reason }, reason); }

  // How the data go: {path: 'direct' or 'relay', local, remote, rtt}, or null.
  async path() {
    const stats = await this.connection.getStats();
    for (const transport of stats.values()) {
      const pair = transport.type === 'transport' && stats.get(transport.selectedCandidatePairId);
      if (!pair) continue;
      const [local, remote] = [stats.get(pair.localCandidateId), stats.get(pair.remoteCandidateId)];
      const relayed = [local, remote].some((one) => one.candidateType === 'relay');
      return { path: relayed ? 'relay' : 'direct', local: local.candidateType, remote: remote.candidateType,
        rtt: pair.currentRoundTripTime * 1000 };
    }
    return null;
  }

  _adopt(channel) {
    this.channel = channel;
    channel.binaryType = 'arraybuffer';
    const open = () => this.dispatchEvent(new CustomEvent('open'));
    if (channel.readyState === 'open') queueMicrotask(open);
    else channel.onopen = open;
  }

  _named(id) {
    this.#id = id;
    for (const message of this.#unsent.splice(0)) this.#tell(message);
  }

  _offered(description) { this.offered = description ? this.#describe(description) : Promise.resolve(); }

  async _take(message) {
    if (message.type === 'ringing') this.dispatchEvent(new CustomEvent('ringing'));
    if (['accept', 'description'].includes(message.type) && message.description) await this.#describe(message.description);
    if (message.type === 'candidate') await this.#candidate(message.candidate);
    if (['reject', 'bye'].includes(message.type)) this._ended(message.reason);
  }

  _ended(reason) {
    if (this.#over) return;
    this.#over = true;
    this.#found();
    this.#service._forget(this.#id);
    this.connection.close();
    this.dispatchEvent(new CustomEvent('ended', { detail: { reason } }));
  }

  #tell(message) {
    if (this.#id === undefined) this.#unsent.push(message);
    else this.#service._send({ ...message, call: this.#id });
  }

  #finish(message, reason) {
    if (this.#over) return;
    this.#tell(message);
    this._ended(reason);
  }

  // A way that worked and is silent: another one is looked for, and the call ends if there is none.
  #look(state) {
    if (state === 'closed' || (state === 'failed' && !this.#works)) return this.hangUp('failed');
    if (state === 'connected') {
      this.#works = true;
      this.#found();
    }
    if (!['disconnected', 'failed'].includes(state)) return undefined;
    this.#giveUp ??= setTimeout(() => this.hangUp('failed'), PATIENCE);
    clearTimeout(this.#lost);
    this.#lost = setTimeout(() => this.restart(), state === 'failed' ? 0 : RESTART_AFTER);
    return undefined;
  }

  #found() {
    clearTimeout(this.#lost);
    clearTimeout(this.#giveUp);
    this.#giveUp = undefined;
  }

  // What the relays took when the call began may have expired since.
  #renewServers() {
    const { iceServers } = this.#service;
    this.connection.setConfiguration({ ...this.connection.getConfiguration(), iceServers, ...this.#configuration });
  }

  // An offer in mid-call. The first ones are those of call() and accept().
  async #offer() {
    if (!this.#works || this.#over) return;
    try {
      this.#offering = true;
      await this.connection.setLocalDescription();
      this.#offered = Date.now();
      const { type, sdp } = this.connection.localDescription;
      this.#tell({ type: 'description', description: { type, sdp } });
    } catch { // an offer of the other side came first
    } finally { this.#offering = false; }
  }

  // Whether both sides have offered, and ours counts: the caller does not yield, unless nobody ever answers.
  #collides() {
    const state = this.connection.signalingState;
    const ours = this.#offering || (state !== 'stable' && !this.#answering);
    return ours && this.outgoing && (!this.#offered || Date.now() < this.#offered + ANSWER_PATIENCE);
  }

  // DTLS goes on through all offers: another certificate would be somebody else's.
  #knows(description) {
    const certificates = certificatesOf(description);
    this.#certificates ??= certificates;
    return certificates === this.#certificates;
  }

  async #describe(description) {
    const isOffer = description.type === 'offer';
    if (description.type === 'rollback') {
      if (this.connection.signalingState === 'have-local-offer') await this.connection.setLocalDescription(description);
      return;
    }
    if (isOffer ? this.#collides() : this.connection.signalingState === 'stable') return;
    if (!this.#knows(description)) {
      if (isOffer) this.#tell({ type: 'description', description: { type: 'rollback' } });
      return;
    }
    if (isOffer && this.#described) this.#renewServers();
    this.#answering = !isOffer;
    await this.connection.setRemoteDescription(description).finally(() => { this.#answering = false; });
    if (isOffer && this.#described) {
      await this.connection.setLocalDescription();
      const { type, sdp } = this.connection.localDescription;
      this.#tell({ type: 'description', description: { type, sdp } });
    }
    this.#described = true;
    for (const candidate of this.#early.splice(0)) await this.#candidate(candidate);
  }

  // A candidate may come before the description that it belongs to, and one that this browser cannot
  // use is none of the user's business.
  async #candidate(candidate) {
    if (!this.#described) return this.#early.push(candidate);
    return this.connection.addIceCandidate(candidate?.candidate ? candidate : undefined).catch(() => undefined);
  }
}
