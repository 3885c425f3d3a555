// A whole receiver without dependencies:
//   WEBHOOK_SECRET=… node server.js litestore 9000
// The secret is taken as it is: it may hold spaces, commas and quotes. While it is being rotated, WEBHOOK_SECRET_2 may hold
// the other one.
const http = require('http');

const [dialect = 'standard', port = '9000'] = process.argv.slice(2);
const { DIALECTS, SignatureError } = require('./index.js'); // once installed: require('merchant-webhooks-verify')
const { verify } = require(dialect === 'standard_library' ? './standard_library.js' : './index.js');
if (!DIALECTS.includes(dialect) && dialect !== 'standard_library') {
  throw new Error(`There is no dialect ${dialect}; there are ${DIALECTS.join(', ')}.`);
}
const secrets = [process.env.WEBHOOK_SECRET, process.env.WEBHOOK_SECRET_2].filter(Boolean);
if (!secrets.length) throw new Error('Set WEBHOOK_SECRET to the secret of the webhook.');

const BODY_MAX = 1024 * 1024; // the sender's own limit
const seen = new Set(); // use a table with a unique key instead: it outlives restarts

function isGenuine(headers, rawBody) {
  try {
    return verify(headers, rawBody, secrets, dialect);
  } catch (error) {
    if (error instanceof SignatureError) return false;
    throw error;
  }
}

const server = http.createServer((request, response) => {
  const answer = (status) => response.writeHead(status, { 'Content-Length': 0 }).end();
  const refuse = (status) => {
    answer(status); // without Connection: close: Node would close on unread bytes, which takes the answer back
    const gone = setTimeout(() => request.socket.destroy(), 2000).unref();
    request.on('end', () => clearTimeout(gone)).resume();
  };
  // Node itself answers 400 to a length that is negative, no number, or there twice, or beside chunks.
  if (Number(request.headers['content-length'] || 0) > BODY_MAX) return refuse(413);
  const chunks = [];
  let size = 0;
  request.on('data', (chunk) => {
    size += chunk.length; // a proxy may send it in chunks, without a length
    if (size <= BODY_MAX) chunks.push(chunk);
    else if (!response.headersSent) refuse(413);
  });
  request.on('end', () => {
    if (response.headersSent) return;
    const rawBody = Buffer.concat(chunks); // the bytes as they came: sign first, parse later
    if (!isGenuine(request.headers, rawBody)) return answer(401);

    const id = request.headers['webhook-id'];
    if (!id) return answer(400);
    if (!seen.has(id)) {
      seen.add(id);
      setImmediate(work, id, request.headers['webhook-event'], rawBody); // use your queue instead
    }
    answer(200); // a message that came before is answered 200, too
  });
});

function work(id, event, rawBody) {
  console.log(JSON.stringify({ id, event, body: JSON.parse(rawBody) }));
}

server.listen(Number(port), '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
