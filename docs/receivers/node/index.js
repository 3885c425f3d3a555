// Verifies what Merchant Webhooks sends, in every dialect. Needs nothing but Node; install the package or copy this file.
'use strict';

const crypto = require('crypto');

const TOLERANCE = 300; // seconds that the attempt's time may lie from now, against replays of captured requests

const PUBLIC_BYTES = 32; // of an Ed25519 key
const SPKI = Buffer.from('302a300506032b6570032100', 'hex'); // what stands before such a key in DER (RFC 8410)

class SignatureError extends Error {
  constructor(message) {
    super(message);
    this.name = 'SignatureError';
  }
}

// Returns true, or throws: a result that nobody looks at must accept nothing.
//   headers  the request's, in any case: Node's object, or the Headers of fetch
//   body     the bytes as they came (Buffer, Uint8Array), before any JSON.parse; text counts as its UTF-8 bytes
//   secret   the webhook's, or its public key (whpk_), taken as it is; both in an array while it is being rotated, empty ones are left out
//   dialect  the webhook's: alva, litestore, cryptlex, shopery or standard
// Throws SignatureError for a request that doesn't prove its sender (answer 401); Error or TypeError for a receiver
// without a secret, with an unknown dialect or with a body that was parsed.
function verify(headers, body, secret, dialect = 'standard', { now = Date.now() / 1000 } = {}) {
  if (!DIALECTS.includes(dialect)) {
    throw new Error(`There is no dialect '${dialect}'; there are ${DIALECTS.join(', ')}.`);
  }
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw new TypeError('The body is no Buffer: give the raw bytes, as they came and before any parsing.');
  }
  const secrets = [secret].flat().filter(Boolean);
  if (!secrets.length) throw new Error('There is no secret to verify with: anybody could sign with nothing.');
  const raw = typeof body === 'string' ? Buffer.from(body) : body;
  let problem;
  for (const each of secrets) {
    problem = PROBLEM[dialect](pairsOf(headers), raw, each, now);
    if (!problem) return true;
  }
  throw new SignatureError(problem);
}

// One function a dialect: what is wrong, nothing if it verifies.
const PROBLEM = {
  alva: (pairs, body, secret) => compare(pairs, 'X-Alva-HMAC-SHA256', hmac(secret, body, 'hex')),
  litestore: (pairs, body, secret) => compare(pairs, 'X-Litestore-Signature', hmac(secret, body, 'hex')),
  cryptlex: (pairs, body, secret) => compare(pairs, 'Webhook-Signature', hmac(secret, body, 'base64')),
  // The secret itself: it says nothing about the body, which only https protects.
  shopery: (pairs, body, secret) => compare(pairs, 'X-Shopery-Secret', secret),
  standard(pairs, body, secret, now) {
    const isPublic = secret.startsWith('whpk_');
    const text = secret.replace(/^(whsec|whpk)_/, '');
    const key = Buffer.from(text, 'base64'); // the key is what the base64 decodes to
    const isWhole = key.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '');
    if (!key.length || !isWhole || (isPublic && key.length !== PUBLIC_BYTES)) {
      return 'the secret to verify with is not whsec_ and base64, nor a public key, whpk_ and base64';
    }
    const [id, timestamp] = [only(pairs, 'webhook-id'), only(pairs, 'webhook-timestamp')];
    if (!id || !/^[0-9]{1,12}$/.test(timestamp || '')) return 'webhook-id or webhook-timestamp is missing or wrong';
    if (Math.abs(now - Number(timestamp)) > TOLERANCE) return `webhook-timestamp is not within ${TOLERANCE} s of now`;
    const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
    // While a secret is being rotated there are several signatures: one must fit.
    const given = (only(pairs, 'webhook-signature') || '').split(' ');
    if (isPublic) return fitsPair(key, signed, given) ? '' : 'webhook-signature has no v1a signature of this key and body';
    const expected = `v1,${hmac(key, signed, 'base64')}`;
    return given.some((value) => equal(value, expected)) ? '' : 'webhook-signature does not fit this secret and body';
  },
};

const DIALECTS = Object.keys(PROBLEM);

function fitsPair(raw, signed, given) {
  const key = crypto.createPublicKey({ key: Buffer.concat([SPKI, raw]), format: 'der', type: 'spki' });
  const signatures = given.filter((value) => value.startsWith('v1a,')).map((value) => Buffer.from(value.slice(4), 'base64'));
  return signatures.some((signature) => crypto.verify(null, signed, key, signature));
}

function hmac(key, bytes, encoding) {
  return crypto.createHmac('sha256', key).update(bytes).digest(encoding);
}

function pairsOf(headers) {
  const pairs = typeof headers.entries === 'function' ? [...headers.entries()] : Object.entries(headers);
  return pairs.flatMap(([name, values]) => [values].flat().map((value) => [name.toLowerCase(), String(value)]));
}

function only(pairs, name) {
  const values = pairs.filter(([given]) => given === name).map(([, value]) => value);
  return values.length === 1 ? values[0] : undefined;
}

function compare(pairs, name, expected) {
  const given = only(pairs, name.toLowerCase());
  if (given === undefined) return `${name} must be sent once`;
  return equal(given, expected) ? '' : `${name} does not fit this secret and body: compare the secret, hash the raw body`;
}

function equal(given, expected) {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  // timingSafeEqual throws where lengths differ, so they are compared first; the right length is no secret.
  return one.length === other.length && crypto.timingSafeEqual(one, other);
}

module.exports = { verify, SignatureError, DIALECTS };
