// Takes pictures of views of the gateway's page, in light and in dark, into files called NAME-light.png and so on.
import { join } from 'node:path'
import { start } from '../browser/chromium.mjs'

const { url, into, shots } = JSON.parse(process.argv[2])
const browser = await start()
const pages = []
for (const { name, view, width, height } of shots) {
  for (const colorScheme of ['light', 'dark']) {
    const page = await browser.newPage({ viewport: { width, height }, deviceScaleFactor: width < 500 ? 2 : 1.5, colorScheme })
    await page.goto(`${url}/#/${view}`)
    pages.push([page, join(into, `${name}-${colorScheme}.png`)])
  }
}
for (const [page] of pages) {
  await page.waitForSelector('main .chart canvas')
  await page.evaluate(() => { // it names the machine
    document.querySelector('.foot').style.display = 'none'
  })
}
await new Promise((r) => setTimeout(r, 3000)) // until all of them are drawn
for (const [page, path] of pages) await page.screenshot({ path })
await browser.close()
