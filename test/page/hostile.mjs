// Answers of the gateway with harm put into whatever text a stranger may have written.
const hostile = '"><img src=x onerror="window.harmed=1"><b id=harm>\u001b[31mred\u202egnitirw\u200b\u2028\u0007'

// Fields that are a closed set or a number as text, and those by which the page asks again.
const kept = new Set(['at', 'state', 'verb', 'field', 'next', 'oldestWait', 'p95Wait', 'startWithin', 'service', 'coldStart', 'hold',
  'enqueuedAt', 'readyAt', 'startedAt', 'endedAt', 'nextAt', 'since', 'until', 'began', 'latest', 'predictedStart', 'wait',
  'predicted', 'predictedEnd', 'step', 'roles', 'expiresAt', 'expected', 'leaseUntil', 'nextRetry'])

function soil(v, harm, name = '') {
  if (typeof v === 'string') return kept.has(name) ? v : v + harm
  if (Array.isArray(v)) return v.map((x) => soil(x, harm, name))
  if (v && typeof v === 'object') return Object.fromEntries(Object.entries(v).map(([k, x]) => [name === 'labels' ? k + harm : k, soil(x, harm, k)]))
  return v
}

/** A word that is longer than anybody expects. */
export const long = '-' + 'a1b2c3d4'.repeat(14)

/** Answers a request of the page with what the gateway says, spoilt. */
export async function spoil(route, base, harm = hostile) {
  const url = new URL(route.request().url())
  const path = decodeURIComponent(url.pathname).replaceAll(harm, '')
  if (path === '/v1/events') {
    const [lanes, pools] = await Promise.all(['lanes', 'pools'].map(async (x) => (await fetch(`${base}/v1/${x}`)).json()))
    const { decisions } = await (await fetch(`${base}/v1/decisions`)).json()
    const event = (type, data) => `event: ${type}\ndata: ${JSON.stringify(soil(data, harm))}\n\n`
    const body = event('snapshot', { ...lanes, pools: pools.pools }) + decisions.slice(0, 2).map((d) => event('decision', d)).join('')
    return route.fulfill({ contentType: 'text/event-stream', body })
  }
  if (path.endsWith('/events')) return route.fulfill({ contentType: 'text/event-stream', body: '' })
  const r = await fetch(base + path + url.search.replaceAll(encodeURIComponent(harm), ''))
  return route.fulfill({ status: r.status, json: soil(await r.json(), harm) })
}
