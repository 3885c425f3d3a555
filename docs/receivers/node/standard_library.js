// Standard Webhooks with its library: npm install standardwebhooks
const { Webhook, WebhookVerificationError } = require('standardwebhooks');
const { SignatureError } = require('./index.js');

// As verify of index.js, for the dialect standard.
function verify(headers, body, secrets) {
  const fits = (secret) => {
    try {
      new Webhook(secret).verify(body, headers);
      return true;
    } catch (error) {
      if (error instanceof WebhookVerificationError) return false;
      throw error;
    }
  };
  if (!secrets.some(fits)) throw new SignatureError('no secret fits');
  return true;
}

module.exports = { verify };
