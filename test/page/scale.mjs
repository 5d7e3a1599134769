// Opens views of the gateway's page on a large fleet, and prints when each shows what it is of, and what a tab needs.
import { readFileSync } from 'node:fs'
import { start } from '../browser/chromium.mjs'

const o = JSON.parse(process.argv[2])
const looks = 15 // seconds that a tab is left open

/** Returns how much memory the tab's process has, in MB: all of it, and its share of what it shares with others. */
async function memory(browser) {
  const cdp = await browser.newBrowserCDPSession()
  const { processInfo } = await cdp.send('SystemInfo.getProcessInfo')
  await cdp.detach()
  const all = processInfo.filter((p) => p.type === 'renderer').map(({ id }) => {
    const text = readFileSync(`/proc/${id}/smaps_rollup`, 'utf8')
    const mb = (field) => Math.round(Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)[1]) / 1024)
    return { rss: mb('Rss'), pss: mb('Pss') }
  })
  return all.reduce((a, b) => (a.rss > b.rss ? a : b))
}

for (const [view, shows] of [
  ['', 'main .lanes tbody tr:nth-child(12) canvas'], ['workers', 'main tbody tr:nth-child(100)'], ['jobs', 'main tbody tr:nth-child(50)'],
  ['jobs?state=missing', 'main .empty'], [`jobs/${o.job}`, 'main .timeline li'],
]) {
  const browser = await start()
  const times = []
  let used
  for (let turn = 0; turn < 5; turn++) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    const began = performance.now()
    await page.goto(`${o.url}/#/${view}`, { waitUntil: 'commit' })
    await page.waitForSelector(shows, { state: 'attached', timeout: 60_000 })
    times.push(Math.round(performance.now() - began))
    if (turn === 4) {
      await page.waitForTimeout(looks * 1000)
      used = await memory(browser)
    }
    await page.close()
  }
  await browser.close()
  times.sort((a, b) => a - b)
  console.log(`#/${view.padEnd(20)} shown after ${times[2]} ms (${times[0]} to ${times[4]}); after ${looks} s the tab has ${used.pss} MB, with all that processes share ${used.rss} MB`)
}
