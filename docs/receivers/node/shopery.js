// Shopery: X-Shopery-Secret is the secret itself. It says nothing about the body: only https protects that.
const crypto = require('crypto');

function verify(rawBody, headers, secret) {
  const given = Buffer.from(headers['x-shopery-secret'] || '');
  const expected = Buffer.from(secret);
  // timingSafeEqual throws where lengths differ, so they are compared first.
  return given.length === expected.length && crypto.timingSafeEqual(given, expected);
}

module.exports = { verify };
