// What scripts that drive Chromium share: the browser, tabs that note what goes wrong in them, and axe. The packages
// live here; scripts in other folders get theirs by way of this file.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

export { Parser } from 'm3u8-parser'
export { Checks, same, until } from './checks.mjs'

const executablePath = process.env.CHROMIUM || '/usr/bin/chromium'
const quiet = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync']

/** Starts a Chromium of which only its tabs are of interest. */
export const start = () => chromium.launch({ executablePath, args: quiet })

/** Starts a Chromium with a profile of its own, which `quit` removes. */
export async function launch(flags = [], options = {}) {
  const profile = mkdtempSync(join(tmpdir(), 'siren-browser-'))
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath, headless: true, ...options, args: [...quiet, ...flags],
  })
  const quit = async () => {
    await browser.close()
    rmSync(profile, { recursive: true, force: true })
  }
  return { browser, quit }
}

/** Returns what opens a tab that notes in `wrong` what goes wrong in it, and what is asked of other origins than these. */
export const tabs = (browser, checks, origins) => async (options = {}) => {
  const page = await browser.newPage()
  page.setDefaultTimeout(10_000)
  if (options.colorScheme) await page.emulateMedia({ colorScheme: options.colorScheme })
  if (options.width) await page.setViewportSize({ width: options.width, height: 844 })
  page.wrong = []
  page.on('pageerror', (e) => page.wrong.push(`error: ${e.stack ?? e}`))
  page.on('console', (m) => {
    if (['error', 'warning'].includes(m.type()) && !options.expected?.test(m.text() + m.location().url)) page.wrong.push(`console: ${m.text()} ${m.location().url}`)
  })
  page.on('request', (r) => {
    if (!origins.includes(new URL(r.url()).origin) && !r.url().startsWith('data:')) page.wrong.push(`request: ${r.url()}`)
  })
  checks.page = page
  return page
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Throws if axe finds something. What the dark page has other than the light one is its colours. */
export async function audit(t, where, colorScheme) {
  if (!(await t.evaluate(() => 'axe' in window))) await t.evaluate(`${axe};0`)
  const found = await t.evaluate(async (rules) => (await axe.run(rules ? { runOnly: rules } : {})).violations.map((v) =>
    `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target.join(' ')} ${n.any[0]?.message ?? n.all[0]?.message ?? ''}`).join(' | ')}`),
  colorScheme === 'dark' ? ['color-contrast'] : undefined)
  if (found.length) throw new Error(`${where}: ${found.join('; ')}`)
}
