// Drives the page of examples/upload in Chromium as people do, and prints a line for each thing that it looks at. It takes
// a file that says where the page and its files are (see main.go). Its gateway gives the first upload trouble.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { audit, Checks, launch, same, tabs, until } from '../browser/chromium.mjs'

const o = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const { browser, quit } = await launch(['--autoplay-policy=no-user-gesture-required', '--mute-audio'])
const checks = new Checks(o.shots)
const check = (name, what) => checks.run(name, what)
const origin = new URL(o.page).origin
const tab = tabs(browser, checks, [origin])

const uploads = () => readdirSync(join(o.folder, 'in')).length
const ffmpeg = (name, ...from) => {
  execFileSync('ffmpeg', ['-loglevel', 'error', '-y', '-f', 'lavfi', '-i', ...from, join(o.folder, name)])
  return join(o.folder, name)
}
const picture = ffmpeg('photo.png', 'testsrc2=size=640x360', '-frames:v', '1')
const sound = ffmpeg('tone.wav', 'sine=duration=2')

/** Opens the page, and notes everything that the browser sends and gets. */
async function open(options) {
  const t = await tab(options)
  t.heard = []
  t.on('request', async (r) => t.heard.push(JSON.stringify(await r.allHeaders().catch(() => '')) + r.url()))
  t.on('response', async (r) => t.heard.push(JSON.stringify(await r.allHeaders().catch(() => ''))))
  await t.goto(o.page)
  return t
}

/** Returns the article of the file that was chosen last, once it says what is expected. */
async function says(t, text, within = 60_000) {
  await t.waitForSelector(`article:first-of-type p:has-text("${text}")`, { timeout: within })
  return t.locator('article').first()
}

const choose = (t, files) => t.setInputFiles('input[type=file]', files)
const hostile = '"><img src=x onerror="window.harmed=1"><b id=harm>../../\u202egnp.<script>.png'

const t = await open({ expected: /502|ERR_INCOMPLETE/ })
await check('a picture with a hostile name, while the gateway is busy, loses an answer and breaks off', async () => {
  await choose(t, { name: hostile, mimeType: 'image/png', buffer: readFileSync(picture) })
  const item = await says(t, 'Done')
  await t.waitForFunction(() => document.querySelector('article img')?.naturalWidth === 640)
  same('harm', await t.evaluate(() => [window.harmed, document.querySelectorAll('#harm, h2 img').length]), [null, 0])
  const title = await item.locator('h2').textContent()
  same('the name is text', [title.includes('<b id=harm>'), title.includes('\u202e')], [true, false])
  const link = await item.locator('a').getAttribute('href')
  same('the result has a name of the server', /^results\/[A-Z2-7]{26}\.webp$/.test(link), true)
  same('what the result is', (await fetch(new URL(link, o.page))).headers.get('Content-Type'), 'image/webp')
})

await check('a film plays', async () => {
  await choose(t, o.clip)
  await says(t, 'Done')
  await t.waitForFunction(() => {
    const film = document.querySelector('article video')
    return film.videoWidth === 160 && Math.abs(film.duration - 1) < 0.2
  })
  await t.evaluate(() => document.querySelector('article video').play())
  await t.waitForFunction(() => document.querySelector('article video').currentTime > 0.2)
})

await check('what the job does is told as it goes', async () => {
  const p = await open()
  const tell = (state, more) => `event: job\ndata: ${JSON.stringify({ id: 'x', state, ...more })}\n\n`
  for (const [events, text, bar] of [
    [tell('queued'), 'Waiting for a worker', null],
    [tell('queued') + tell('running', { progress: { fraction: 0.426 } }), 'Working, 42 %', '0.426'],
    [tell('retrying'), 'It failed, and is tried again soon', null],
    [tell('cancelled') + 'event: end\ndata: {"why":"ended"}\n\n', 'Somebody called it off', undefined],
  ]) {
    await p.route('**/events', (r) => r.fulfill({ contentType: 'text/event-stream', body: `retry: 99999\n${events}` }))
    await choose(p, picture)
    const item = await says(p, text)
    same(`the bar: ${text}`, await item.evaluate((i) => i.querySelector('progress')?.getAttribute('value')), bar)
    await p.unroute('**/events')
  }
  same('wrong', p.wrong, [])
  await p.close()
})

await check('a sound plays', async () => {
  await choose(t, sound)
  await says(t, 'Done')
  await t.waitForFunction(() => Math.abs(document.querySelector('article audio').duration - 2) < 0.2)
})

await check('what is no picture, film or sound is refused with the reason, at once or by the worker', async () => {
  const before = uploads()
  await choose(t, { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('notes') })
  await says(t, 'This is no picture, film or sound')
  same('uploads', uploads(), before)
  await choose(t, { name: 'fake.mp4', mimeType: 'video/mp4', buffer: Buffer.from('this is no film'.repeat(99)) })
  const item = await (await says(t, '')).elementHandle()
  await t.waitForFunction((i) => i.className === 'wrong', item, { timeout: 60_000 })
  const why = await (await item.$('p')).textContent()
  if (!/input|film|video|data/i.test(why) || why.includes(o.folder)) throw new Error(`it says: ${why}`)
  same('a bar', await item.$('progress'), null)
  return why
})

await check('what is too large is not uploaded', async () => {
  const large = join(o.folder, 'large.mp4')
  writeFileSync(large, '')
  truncateSync(large, 256 * 2 ** 20 + 1)
  const before = uploads()
  await choose(t, large)
  await says(t, 'larger than 256 MB')
  same('uploads', uploads(), before)
})

await check('an upload that breaks off leaves nothing, and can be tried again', async () => {
  const before = uploads()
  const { port, hostname, host } = new URL(o.page)
  await new Promise((done) => { // half of an upload, and then the line is cut
    const c = connect(port, hostname, () => {
      c.write(`POST /uploads HTTP/1.1\r\nHost: ${host}\r\nContent-Type: video/mp4\r\nContent-Length: 100000\r\n\r\n`)
      c.write(Buffer.alloc(50_000))
      setTimeout(() => c.resetAndDestroy(), 200)
    })
    c.on('close', done).on('error', () => {})
  })
  await until(async () => same('uploads', uploads(), before))
  const cut = await open({ expected: /ERR_FAILED|net::/ })
  await cut.route('**/uploads', (r) => r.abort())
  await choose(cut, picture)
  await says(cut, 'The upload broke off')
  await cut.unroute('**/uploads')
  await cut.click('article button:has-text("Try again")')
  await says(cut, 'Done')
  same('articles', await cut.locator('article').count(), 1)
  same('wrong', cut.wrong, [])
  await cut.close()
})

await check('the token never gets into the browser', async () => {
  const heard = (await Promise.all([...t.heard, t.content(), (await fetch(o.page)).text()])).join('')
  same('it is there', heard.includes(o.token), false)
  same('authorization', /authorization/i.test(heard), false)
  same('something was heard', t.heard.length > 10, true)
})

for (const colorScheme of ['light', 'dark']) {
  await check(`axe finds nothing, and nothing is wider than a phone, ${colorScheme}`, async () => {
    const p = await open({ colorScheme, width: 390 })
    await choose(p, { name: `${'a-very-long-name-'.repeat(9)}.png`, mimeType: 'image/png', buffer: readFileSync(picture) })
    await says(p, 'Done')
    await choose(p, { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('notes') })
    await audit(p, 'the page', colorScheme)
    same('width', await p.evaluate(() => document.documentElement.scrollWidth), 390)
    if (o.shots) await p.screenshot({ path: `${o.shots}/upload-phone-${colorScheme}.png`, fullPage: true })
    same('wrong', p.wrong, [])
    await p.close()
  })
}

await check('nothing went wrong meanwhile, and nothing was asked of others', async () => {
  if (o.shots) await t.screenshot({ path: `${o.shots}/upload.png`, fullPage: true })
  same('wrong', t.wrong, [])
})
await quit()
process.exit(checks.failed ? 1 : 0)
