// The documents' own ways to verify in Node, for requests that arrive one JSON value a line:
//   {"way": "alva", "headers": {lower-case names}, "body": base64 of the raw body, "secret": …}
// Answers true, false, or the message of what was thrown.
const crypto = require('crypto');

// Alva's "Node.js example", as printed.
function verifyWebhook(payload, signature, secret) {
  const hmac = crypto
    .createHmac('sha256', secret)
    .update(JSON.stringify(payload))
    .digest('hex');

  // Use timing-safe comparison
  return crypto.timingSafeEqual(
    Buffer.from(signature),
    Buffer.from(hmac)
  );
}

// Litestore's "Verify webhook signature", as printed but for its types.
function verifyWebhookSignature(payload, signature, secret) {
  const expectedSignature = crypto
    .createHmac('sha256', secret)
    .update(payload, 'utf8')
    .digest('hex');

  return crypto.timingSafeEqual(
    Buffer.from(signature),
    Buffer.from(expectedSignature)
  );
}

const same = (a, b) => a.length === b.length && crypto.timingSafeEqual(Buffer.from(a), Buffer.from(b));
const hmac = (secret, data, encoding) => crypto.createHmac('sha256', secret).update(data).digest(encoding);

const ways = {
  // express.json() parsed the body; three arguments, where the document's queue example forgets the secret
  alva: (req, secret) => verifyWebhook(JSON.parse(req.raw), req.headers['x-alva-hmac-sha256'], secret),

  // Alva's troubleshooting: "Hash entire raw request body (not parsed JSON)"
  'alva raw': (req, secret) => same(hmac(secret, req.raw, 'hex'), req.headers['x-alva-hmac-sha256']),

  // The body's last field, over the rest of the body
  'alva field': (req, secret) => {
    const { signature, ...rest } = JSON.parse(req.raw);
    return verifyWebhook(rest, signature, secret);
  },

  litestore: (req, secret) =>
    verifyWebhookSignature(JSON.stringify(JSON.parse(req.raw)), req.headers['x-litestore-signature'], secret),

  'litestore raw': (req, secret) => same(hmac(secret, req.raw, 'hex'), req.headers['x-litestore-signature']),

  cryptlex: (req, secret) => same(hmac(secret, req.raw, 'base64'), req.headers['webhook-signature']),

  // Shopery: "make sure that the Signature sended and the one configured in Shopery are the same"
  shopery: (req, secret) => same(req.headers['x-shopery-secret'], secret),

  // Standard Webhooks, "Verifying webhooks"
  standard: (req, secret) => {
    const signed = `${req.headers['webhook-id']}.${req.headers['webhook-timestamp']}.${req.raw}`;
    const expected = 'v1,' + hmac(Buffer.from(secret.split('_')[1], 'base64'), signed, 'base64');
    return req.headers['webhook-signature'].split(' ').some((signature) => same(signature, expected));
  },
};

require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { way, headers, body, secret } = JSON.parse(line);
  let answer;
  try {
    answer = ways[way]({ headers, raw: Buffer.from(body, 'base64').toString('utf8') }, secret);
  } catch (error) {
    answer = error.message;
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
});
