// What is asked of the harmony: busier or sparser, softer or louder played, plain or adventurous, a key to stay in, a chord chart.
const KEYS = ['C', 'Db', 'D', 'Eb', 'E', 'F', 'F#', 'G', 'Ab', 'A', 'Bb', 'B'];
const $ = id => document.getElementById(id);

// Returns what says all of it once more, to a server that may have forgotten.
export function steerHarmony(connection) {
  const asked = {}; // as `set` takes it
  const words = text => { $('harmony-words').textContent = text; };
  const ask = what => {
    Object.assign(asked, what);
    words('');
    connection.send({ type: 'set', ...what });
  };

  for (const key of [...KEYS, ...KEYS.map(name => `${name}m`)])
    $('lock').add(new Option(key.endsWith('m') ? `${key.slice(0, -1)} minor` : `${key} major`, key));
  for (const name of ['density', 'loudness', 'temperature']) $(name).oninput = () => ask({ [name]: Number($(name).value) });
  $('lock').onchange = () => ask({ key: $('lock').value || null });
  $('play-chart').onclick = () => {
    const chart = $('chart').value.trim() ? $('chart').value : null;
    ask({ chart });
    words(chart ? 'The piano plays your chart: bar 1 begins with your first note.' : 'The piano chooses the chords.');
  };
  $('own-chords').onclick = () => {
    ask({ chart: null });
    words('The piano chooses the chords.');
  };
  connection.addEventListener('error', ({ detail }) => {
    if (detail.code !== 'bad_value') return;
    if (detail.message.startsWith('chart:')) delete asked.chart; // line and column
    words(detail.message);
  });
  return () => { if (Object.keys(asked).length) connection.send({ type: 'set', ...asked }); };
}
