// Standard Webhooks, by hand: webhook-signature holds one or more "v1,<base64>", separated by spaces.
const crypto = require('crypto');

const TOLERANCE = 300; // seconds that the attempt's time may lie from now, against replays of captured requests

function verify(rawBody, headers, secret, now = Date.now() / 1000) {
  const id = headers['webhook-id'] || '';
  const timestamp = headers['webhook-timestamp'] || '';
  if (!id || !/^[0-9]{1,12}$/.test(timestamp) || Math.abs(now - Number(timestamp)) > TOLERANCE) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64'); // the key is what the base64 decodes to
  if (!key.length) return false; // anybody could sign with nothing
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), rawBody]);
  const expected = Buffer.from('v1,' + crypto.createHmac('sha256', key).update(signed).digest('base64'));
  // While a secret is being rotated there are two: one must fit.
  return (headers['webhook-signature'] || '').split(' ').some((signature) => {
    const given = Buffer.from(signature);
    return given.length === expected.length && crypto.timingSafeEqual(given, expected);
  });
}

module.exports = { verify };
