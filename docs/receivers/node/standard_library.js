// Standard Webhooks with its library: npm install standardwebhooks
const { Webhook, WebhookVerificationError } = require('standardwebhooks');

function verify(rawBody, headers, secret) {
  try {
    new Webhook(secret).verify(rawBody, headers);
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
}

module.exports = { verify };
