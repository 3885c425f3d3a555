// Litestore: X-Litestore-Signature holds the hex HMAC-SHA256 of the raw body.
const crypto = require('crypto');

// Three arguments: the body's bytes as they came (before any JSON.parse), the header's value, the webhook's secret.
function verifyWebhook(rawBody, signature, secret) {
  const given = Buffer.from(signature || '');
  const expected = Buffer.from(crypto.createHmac('sha256', secret).update(rawBody).digest('hex'));
  // timingSafeEqual throws where lengths differ, so they are compared first; the right length is no secret.
  return given.length === expected.length && crypto.timingSafeEqual(given, expected);
}

// `headers` by lower-case name, as Node gives them.
function verify(rawBody, headers, secret) {
  return verifyWebhook(rawBody, headers['x-litestore-signature'], secret);
}

module.exports = { verify, verifyWebhook };
