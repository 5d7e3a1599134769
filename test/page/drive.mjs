// Drives the gateway's page in Chromium as people do, and prints a line for each thing that it looks at. It takes a
// file that says what is served where, and which jobs are there (see main.go).
import { readFileSync } from 'node:fs'
import { audit, Checks, launch, same, tabs, until } from '../browser/chromium.mjs'
import { long, spoil } from './hostile.mjs'

const o = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const { browser, quit } = await launch([], { bypassCSP: false, viewport: { width: 1280, height: 900 } })
const checks = new Checks(o.shots)
const check = (name, what) => checks.run(name, what)
const tab = tabs(browser, checks, [o.open, o.guarded])

const views = [
  '', 'lanes/express', 'lanes/bulk', 'pools/general', 'workers', 'jobs', 'jobs?state=dead', `jobs/${o.done}`, `jobs/${o.dead}`,
  `jobs/${o.hostile}`, 'dead', 'dead?reason=bad%20input&lane=standard', 'tunings', 'nowhere',
]

const alike = ['lanes/bulk', 'jobs?state=dead', `jobs/${o.hostile}`, 'dead?reason=bad%20input&lane=standard'] // as another one

/** Goes to a view, and waits until it shows something. */
async function see(page, view, base = o.open) {
  const here = page.url().startsWith(base)
  if (here) await page.evaluate((v) => (location.hash = '#/' + v), view)
  else await page.goto(`${base}/#/${view}`)
  await page.waitForFunction(() => document.querySelector('main h1') && !document.querySelector('main')?.textContent.includes('Waiting for the scaler'))
  await page.waitForTimeout(here ? 250 : 600)
}

const api = async (path, init = {}) => {
  const headers = init.body ? { 'Content-Type': 'application/json' } : {}
  const r = await fetch(o.open + path, { ...init, headers })
  const text = await r.text()
  if (!r.ok) throw new Error(`${init.method ?? 'GET'} ${path}: ${r.status} ${text}`)
  return JSON.parse(text)
}

const enqueue = (n, labels) => api('/v1/jobs', { method: 'POST', body: JSON.stringify(Array.from({ length: n }, () => ({
  kind: 'thumbnail', input: o.job.input, output: `${o.job.output}/${crypto.randomUUID()}.jpg`, labels }))) })

const tunings = async () => Object.fromEntries((await api('/v1/tunings')).tunings.map((t) => [t.field, t.value]))

/** Returns the cells of a row of a table, by the names of their columns. */
const row = (page, caption, first) => page.evaluate(([caption, first]) => {
  const table = [...document.querySelectorAll('table')].find((t) => t.caption?.textContent.startsWith(caption))
  const tr = [...(table?.tBodies[0].rows ?? [])].find((r) => r.cells[0].querySelector('a')?.textContent === first)
  return tr && Object.fromEntries([...tr.cells].map((c) => [c.dataset.name, c.textContent]))
}, [caption, first])

await api('/v1/tunings/lanes.bulk.paused', { method: 'PUT', body: JSON.stringify({ value: true, reason: 'a test' }) })
await enqueue(7, { batch: 'true', customer: 'acme' })

const page = await tab()

await check('lanes and pools are those of the API', async () => {
  await see(page, '')
  await until(async () => {
    for (const l of (await api('/v1/lanes')).lanes) {
      const r = await row(page, 'Lanes', l.name)
      same(`${l.name}: ready`, r?.Ready, String(l.ready))
      same(`${l.name}: running`, r.Running, `${l.busy}/${l.slots}`)
      same(`${l.name}: objective`, r.Objective.replace('\u202f', ''), l.startWithin)
    }
    same('ready in bulk', (await row(page, 'Lanes', 'bulk')).Ready, '7')
    const { pools, budget } = await api('/v1/pools')
    for (const p of pools) {
      const r = await row(page, 'Pools', p.name)
      same(`${p.name}: ready`, r?.Ready, String(p.ready))
      same(`${p.name}: wanted`, r.Wanted, String(p.wanted))
      same(`${p.name}: busy`, r.Busy, `${p.busy}/${p.slots}`)
      same(`${p.name}: why`, r.Why, p.why)
    }
    const asked = pools.reduce((n, p) => n + p.replicas + (p.others ?? 0), 0)
    same('the fleet', await page.textContent('#fleet .note'), `${asked} of ${budget} workers`)
  })
})

await check('what changes is shown within a second of the scaler having seen it', async () => {
  const late = page.evaluate(() => new Promise((done) => {
    const cell = () => [...document.querySelectorAll('main table')][0].querySelectorAll('tbody tr')[2]?.querySelector('[data-name=Ready]')?.textContent
    let known = 0
    const timer = setInterval(async () => {
      if (cell() === '12') {
        clearInterval(timer)
        done(known ? performance.now() - known : 0)
      }
    }, 10)
    const ask = async () => {
      const { lanes } = await (await fetch('/v1/lanes')).json()
      if (lanes.find((l) => l.name === 'bulk').ready === 12) known ||= performance.now()
      else setTimeout(ask, 20)
    }
    ask()
  }))
  await enqueue(5, { batch: 'true' })
  const ms = await late
  if (ms > 2000) throw new Error(`it took ${Math.round(ms)} ms`) // the stream looks each second
  return `${Math.round(ms)} ms`
})

await check('a tuning is tried, set, in force, and undone', async () => {
  await see(page, 'lanes/standard')
  await page.click('.title button:has-text("Tune")')
  await page.selectOption('dialog select >> nth=0', 'startWithin')
  await page.fill('dialog input[placeholder="30s"]', '77s')
  await page.fill('dialog .wide input', 'from a test')
  await page.click('dialog button:has-text("See what it does")')
  await page.waitForSelector('dialog .foreseen:has-text("77s")')
  await page.waitForSelector('dialog .foreseen .plan:has-text("general stays at")')
  same('before it is set', (await tunings())['lanes.standard.startWithin'], undefined)
  await page.click('dialog button.main')
  await page.waitForSelector('.notices:has-text("lanes.standard.startWithin is 77s; it was 30s.")')
  same('once it is set', (await tunings())['lanes.standard.startWithin'], '77s')
  await until(async () => same('the objective shown', await page.textContent('.facts div:has(dt:text-is("Objective")) dd'), '1\u202fm 17\u202fs'))
  await page.click('.notices button:has-text("Undo")')
  await until(async () => same('once it is undone', (await tunings())['lanes.standard.startWithin'], undefined))
  await until(async () => same('the objective shown', await page.textContent('.facts div:has(dt:text-is("Objective")) dd'), '30\u202fs'))
})

await check('the audit log takes back what was done, to the value that was before', async () => {
  for (const value of [3, 4]) await api('/v1/tunings/pools.general.max', { method: 'PUT', body: JSON.stringify({ value, reason: 'audit' }) })
  await see(page, 'tunings')
  await page.click('button[aria-label="Undo: tune pools.general.max"]')
  await until(async () => same('max', (await tunings())['pools.general.max'], 3))
  await until(async () => same('in the table', await page.textContent('tr:has(td:has-text("pools.general.max")) td[data-name=Value]'), '3'))
  await page.click('button[aria-label="Remove the tuning of pools.general.max"]')
  await until(async () => same('max', (await tunings())['pools.general.max'], undefined))
})

await check('a filter finds jobs, says how many a verb is about, and does it to them', async () => {
  await see(page, 'jobs?lane=bulk&state=queued')
  await page.waitForFunction(() => document.querySelectorAll('main tbody tr').length === 12)
  await page.click('button:has-text("Cancel all")')
  await page.click('dialog button:has-text("Count them")')
  await page.waitForSelector('dialog .foreseen:has-text("12 jobs: 12 queued")')
  same('before', (await api('/v1/jobs?lane=bulk&state=queued')).jobs.length, 12)
  await page.click('dialog button:has-text("Cancel 12 jobs")')
  await page.waitForSelector('.notices:has-text("12 jobs cancelled.")')
  same('after', (await api('/v1/jobs?lane=bulk&state=cancelled')).jobs.length, 12)
})

await check('a job has its life, its request and its log', async () => {
  await see(page, `jobs/${o.done}`)
  await page.waitForSelector('.timeline li:has-text("Committed")')
  const job = await api(`/v1/jobs/${o.done}`)
  for (const text of [job.worker, job.input, job.outputs[0].url]) await page.waitForSelector(`main:has-text("${text}")`)
  await page.waitForSelector('pre:has-text("ffmpeg")')
  same('links to its file', await page.locator('a[href^="file:"]').count(), 0)
  await see(page, `jobs/${o.dead}`)
  await page.waitForSelector('.timeline li.urgent:has-text("Dead")')
  await page.waitForSelector('.actions button:has-text("Retry")')
})

await check('a running job moves, and its end is shown', async () => {
  const id = 'page-live'
  await api('/v1/jobs', { method: 'POST', body: JSON.stringify({ id, kind: 'thumbnail', input: o.job.input, output: `${o.job.output}/${id}.jpg` }) })
  await see(page, `jobs/${id}`)
  await page.waitForSelector('h1:has-text("completed")', { timeout: 60_000 })
})

await check('dead letters are counted by reason, and replayed', async () => {
  await see(page, 'dead')
  const { reasons } = await api('/v1/dead/reasons')
  const r = await until(() => row(page, 'What jobs died of', reasons[0].reason))
  same('jobs', r.Jobs, String(reasons[0].count))
  await page.click(`button[aria-label="Replay ${reasons[0].reason} of ${reasons[0].lane}"]`)
  await page.click('dialog button:has-text("Count them")')
  await page.waitForSelector(`dialog button:has-text("Replay ${reasons[0].count} job")`)
  await page.keyboard.press('Escape')
  await page.waitForSelector('dialog', { state: 'detached' })
})

await check('keys: / searches, ? helps, g goes, arrows walk', async () => {
  await see(page, 'jobs')
  await page.waitForSelector('main tbody tr')
  await page.locator('main').focus()
  await page.keyboard.press('?')
  await page.waitForSelector('dialog:has-text("Help")')
  await page.keyboard.press('Escape')
  await page.waitForSelector('dialog', { state: 'detached' })
  await page.locator('main tbody tr a').first().focus()
  await page.keyboard.press('ArrowDown')
  same('the row', await page.evaluate(() => document.activeElement.closest('tr').rowIndex), 2)
  await page.locator('main').focus()
  await page.keyboard.press('/')
  await page.keyboard.type(o.done)
  await page.keyboard.press('Enter')
  await page.waitForSelector(`h1:has-text("${o.done}")`)
  await page.keyboard.press('g')
  await page.keyboard.press('t')
  await page.waitForSelector('h1:has-text("Tunings")')
})

await check('a picture or film is shown from here alone, and links lead to the web alone', async () => {
  const shown = await tab()
  const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')
  const job = { ...(await api(`/v1/jobs/${o.done}`)), input: 'javascript:alert(1)', outputs: [
    { url: `${o.open}/picture.png`, bytes: 70, type: 'image/png' }, { url: 'https://elsewhere.invalid/x.png', bytes: 70, type: 'image/png' },
    { url: 'javascript:alert(2)', bytes: 1, type: 'image/png' }, { url: 'data:text/html,x', bytes: 1, type: 'video/mp4' },
  ] }
  await shown.route('**/picture.png', (r) => r.fulfill({ body: png, contentType: 'image/png' }))
  await shown.route(`**/v1/jobs/${o.done}`, (r) => r.fulfill({ json: job }))
  await shown.route(`**/v1/jobs/${o.done}/events`, (r) => r.fulfill({ contentType: 'text/event-stream', body: `event: job\ndata: ${JSON.stringify(job)}\n\nevent: end\ndata: {"why":"ended"}\n\n` }))
  await see(shown, `jobs/${o.done}`)
  await shown.waitForFunction(() => document.querySelector('figure img')?.naturalWidth === 1)
  same('pictures', await shown.locator('figure img, figure video').count(), 1)
  const links = await shown.evaluate(() => [...document.querySelectorAll('main a[target]')].map((a) => [a.getAttribute('href'), a.rel]))
  same('links', links, [[`${o.open}/picture.png`, 'noopener noreferrer'], ['https://elsewhere.invalid/x.png', 'noopener noreferrer']])
  same('wrong', shown.wrong, [])
  same('from where pictures may come', /img-src ([^;]*)/.exec((await fetch(o.open)).headers.get('Content-Security-Policy'))[1], "'self' https://pictures.invalid data:")
  await shown.close()
})

await check('who has a token: it is asked for, and says what may be done', async () => {
  const t = await tab({ expected: /401|403/ })
  await t.goto(`${o.guarded}/`)
  const enter = async (token) => {
    await t.waitForSelector('form.token input')
    await t.fill('form.token input', token)
    await t.click('form.token button')
  }
  await enter('wrong')
  await t.waitForSelector('.trouble:has-text("lets nobody in")')
  await enter('read')
  await t.waitForSelector('.foot:has-text("reader: reader")')
  for (const view of ['', 'lanes/express', 'pools/general', 'jobs?state=dead', `jobs/${o.dead}`, 'dead', 'tunings']) {
    await see(t, view, o.guarded)
    same(`what a reader may change in ${view}`, await t.locator('main :is(button:has-text("Tune"), button:has-text("all\u2026"), button:has-text("Retry"), button:has-text("Replay"), button:has-text("Undo"))').count(), 0)
  }
  await t.click('button:has-text("Forget the token")')
  await enter('operate')
  await see(t, 'lanes/express', o.guarded)
  await t.waitForSelector('.title button:has-text("Tune")')
  await t.click('button:has-text("Forget the token")')
  await enter('acme')
  await t.waitForSelector('.foot:has-text("acme of acme")')
  same('views of a tenant', await t.locator('nav a').allTextContents(), ['Jobs'])
  await t.close()
})

await check('text of strangers is text, in every view', async () => {
  const t = await tab({ expected: /net::|400|404/ })
  await t.addInitScript(() => (window.harmed = 0))
  await t.route(/\/v1\/(?!whoami)/, (r) => spoil(r, o.open))
  for (const view of views) {
    await see(t, view)
    await t.waitForTimeout(150)
    const seen = await t.evaluate(() => ({
      harmed: window.harmed, elements: document.querySelectorAll('#harm, main img').length,
      steering: /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.exec(document.title + [...document.querySelectorAll('body, body *')].flatMap((e) =>
        [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data)
          .concat(['title', 'aria-label', 'alt'].map((a) => e.getAttribute(a) ?? ''))).join('').replace(/[\n\t]/g, ''))?.[0] ?? '',
      links: [...document.querySelectorAll('a[href]')].map((a) => a.getAttribute('href')).filter((h) => !/^(#|https?:|\/)/.test(h)),
      spoilt: document.body.textContent.includes('onerror'),
    }))
    if (view !== 'nowhere') same(`${view}: hostile text is there`, seen.spoilt, true)
    same(view, { ...seen, spoilt: true }, { harmed: 0, elements: 0, steering: '', links: [], spoilt: true })
  }
  await t.close()
})

for (const colorScheme of ['light', 'dark']) {
  await check(`axe finds nothing, ${colorScheme}`, async () => {
    const t = await tab({ colorScheme })
    for (const view of views.filter((v) => !alike.includes(v))) {
      await see(t, view)
      await audit(t, `#/${view}`, colorScheme)
    }
    await see(t, 'lanes/express')
    await t.click('.title button:has-text("Tune")')
    await audit(t, 'the tuning dialog', colorScheme)
    same('wrong', t.wrong, [])
    await t.close()
  })
}

await check('nothing is wider than a phone, or a narrow window, and long words change nothing', async () => {
  for (const [width, words] of [[390, ''], [390, long], [1024, ''], [1280, long]]) {
    const t = await tab({ width, expected: words ? /404/ : undefined })
    if (words) await t.route(/\/v1\/(?!whoami)/, (r) => spoil(r, o.open, words))
    for (const view of words ? views.filter((v) => !alike.includes(v)) : views) {
      await see(t, view)
      same(`#/${view} at ${width} ${words}`, await t.evaluate(() => document.documentElement.scrollWidth), width)
      const over = await t.evaluate(() => [...document.querySelectorAll('main section')].filter((e) =>
        e.scrollWidth > e.clientWidth + 20).map((e) => e.id))
      same(`#/${view} at ${width} ${words}: what is wider than its place`, over, [])
    }
    same('wrong', t.wrong, [])
    await t.close()
  }
})

await check('nothing went wrong meanwhile, and nothing was asked of others', async () => same('wrong', page.wrong, []))
await quit()
process.exit(checks.failed ? 1 : 0)
