// node --test; what the service itself sends is sent to this module by the tests of the service.
'use strict';

const assert = require('node:assert');
const crypto = require('node:crypto');
const test = require('node:test');
const { verify, SignatureError } = require('./index.js');

const BODY = Buffer.from('{"event":"order.created","note":"Grüße 😀"}');
const NOW = 1700000000;
const KEY = crypto.createHash('sha256').update('key').digest();
const WHSEC = `whsec_${KEY.toString('base64')}`;
const SECRETS = ['two words, "quoted" and \'single\'', 'Schlüssel mit Umlaut 🔑', ' ends in spaces ', '-n', '$HOME `id`'];
const mac = (secret, body, encoding) => crypto.createHmac('sha256', secret).update(body).digest(encoding);

function request(dialect, secret, body = BODY) {
  switch (dialect) {
    case 'alva': return { 'x-alva-hmac-sha256': mac(secret, body, 'hex') };
    case 'litestore': return { 'x-litestore-signature': mac(secret, body, 'hex') };
    case 'cryptlex': return { 'webhook-signature': mac(secret, body, 'base64') };
    case 'shopery': return { 'x-shopery-secret': secret };
    default: {
      const signed = Buffer.concat([Buffer.from(`evt_1.${NOW}.`), body]);
      const value = `v1,${mac(Buffer.from(secret.slice(6), 'base64'), signed, 'base64')}`;
      return { 'webhook-id': 'evt_1', 'webhook-timestamp': String(NOW), 'webhook-signature': value };
    }
  }
}
const refuses = (...given) => assert.throws(() => verify(...given, { now: NOW }), SignatureError);

for (const dialect of ['alva', 'litestore', 'cryptlex', 'shopery', 'standard']) {
  const secrets = dialect === 'standard' ? [WHSEC] : SECRETS;
  for (const secret of secrets) {
    test(`${dialect} takes ${secret} as it is, and no piece of it`, () => {
      const headers = request(dialect, secret);
      assert.strictEqual(verify(headers, BODY, secret, dialect, { now: NOW }), true);
      if (dialect !== 'standard') for (const piece of secret.split(' ').filter(Boolean)) {
        if (piece !== secret) refuses(request(dialect, piece), BODY, secret, dialect);
      }
      if (dialect !== 'shopery') refuses(headers, Buffer.concat([BODY, Buffer.from(' ')]), secret, dialect);
    });
  }

  test(`${dialect} takes text, Uint8Array, fetch's Headers, any case, and either secret of a rotation`, () => {
    const [secret] = dialect === 'standard' ? [WHSEC] : ['a secret of ascii'];
    const other = dialect === 'standard' ? `whsec_${Buffer.alloc(32).toString('base64')}` : 'another secret';
    const headers = request(dialect, secret);
    const options = { now: NOW };
    const shouted = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]));
    verify(headers, BODY.toString(), secret, dialect, options);
    verify(shouted, new Uint8Array(BODY), secret, dialect, options);
    verify(new Headers(headers), BODY, secret, dialect, options);
    verify(headers, BODY, [undefined, other, secret], dialect, options);
    refuses(headers, BODY, other, dialect);
    refuses({}, BODY, secret, dialect);
    const twice = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value, value]]));
    refuses(twice, BODY, secret, dialect);
  });

  test(`${dialect} without a secret, or with a parsed body, is the receiver's mistake`, () => {
    for (const none of ['', undefined, null, [], ['', undefined]]) {
      assert.throws(() => verify(request('alva', 'x'), BODY, none, dialect), { name: 'Error' });
    }
    assert.throws(() => verify(request('alva', 'x'), { parsed: true }, 'secret', dialect), TypeError);
  });
}

test('an old attempt and a wrong secret of standard', () => {
  assert.throws(() => verify(request('standard', WHSEC), BODY, WHSEC, 'standard', { now: NOW + 301 }), SignatureError);
  for (const wrong of ['whsec_', 'whsec_!!!', 'no base64 at all']) {
    refuses(request('standard', WHSEC), BODY, wrong, 'standard');
  }
});

test('there is no such dialect', () => {
  for (const name of ['stripe', 'constructor', '']) assert.throws(() => verify({}, BODY, 'secret', name), /no dialect/);
});

test('a public key verifies what its pair signed, and nothing else', () => {
  const pair = crypto.generateKeyPairSync('ed25519');
  const other = crypto.generateKeyPairSync('ed25519');
  const known = (each) => `whpk_${each.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')}`;
  const sign = (each) => `v1a,${crypto.sign(null, Buffer.concat([Buffer.from(`evt_1.${NOW}.`), BODY]), each.privateKey).toString('base64')}`;
  const sent = (signature) => ({ 'webhook-id': 'evt_1', 'webhook-timestamp': String(NOW), 'webhook-signature': signature });
  for (const signature of [sign(pair), `${sign(other)} ${sign(pair)}`, `v1,AAAA ${sign(pair)}`]) {
    assert.strictEqual(verify(sent(signature), BODY, known(pair), 'standard', { now: NOW }), true);
  }
  for (const signature of [sign(other), 'v1a,AAAA', 'v1a,', '', sign(pair).slice(4), request('standard', WHSEC)['webhook-signature']]) {
    refuses(sent(signature), BODY, known(pair), 'standard');
  }
  refuses(sent(sign(pair)), Buffer.concat([BODY, Buffer.from(' ')]), known(pair), 'standard');
  refuses(sent(sign(pair)), BODY, WHSEC, 'standard');
  refuses(sent(sign(pair)), BODY, 'whpk_AAAA', 'standard');
});
