// For each line of input, a JSON string that holds a JSON text, answers one line: the string that
// JSON.stringify(JSON.parse(text)) gives, or null where JSON.parse throws.
const lines = require('readline').createInterface({ input: process.stdin });

lines.on('line', (line) => {
  let answer = null;
  try {
    answer = JSON.stringify(JSON.parse(JSON.parse(line)));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
});
