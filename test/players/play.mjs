// Reads what Siren made as its viewers' programs do: m3u8-parser the playlists, hls.js and Chromium the films. Takes a
// file that says what is served where and what is right about it (see main.go), and prints a line for each film.
import { readFileSync } from 'node:fs'
import { launch, Parser } from '../browser/chromium.mjs'

const { page, films } = JSON.parse(readFileSync(process.argv[2], 'utf8'))
let failed = false

const { browser, quit } = await launch(['--autoplay-policy=no-user-gesture-required', '--mute-audio'])
for (const film of films) {
  const wrong = [], began = performance.now()
  try {
    if (film.ladder) await readPlaylists(film, wrong)
    await play(film, wrong)
  } catch (e) {
    wrong.push(String(e))
  }
  failed ||= wrong.length > 0
  console.log(`${wrong.length ? 'FAIL' : 'ok  '}  ${film.name} (${((performance.now() - began) / 1000).toFixed(1)} s)${wrong.map((w) => `\n        ${w}`).join('')}`)
}
await quit()
process.exit(failed ? 1 : 0)

// parse reads a playlist.
async function parse(url) {
  const parser = new Parser()
  parser.push(await (await fetch(url)).text())
  parser.end()
  return parser.manifest
}

// readPlaylists compares what the playlists say with what ffprobe says of the renditions.
async function readPlaylists(film, wrong) {
  const master = await parse(film.url)
  const is = (what, got, want) => {
    if (JSON.stringify(got) !== JSON.stringify(want)) {
      wrong.push(`m3u8-parser: ${what} is ${JSON.stringify(got)}, want ${JSON.stringify(want)}`)
    }
  }
  is('independentSegments', master.independentSegments, true)
  is('the renditions', (master.playlists || []).map((p) => p.uri).sort(), film.ladder.map((r) => r.uri).sort())
  const lists = []
  for (const p of master.playlists || []) {
    const want = film.ladder.find((r) => r.uri === p.uri)
    if (!want) continue
    const a = p.attributes
    is(`RESOLUTION of ${p.uri}`, a.RESOLUTION, want.width ? { width: want.width, height: want.height } : undefined)
    is(`FRAME-RATE of ${p.uri}`, Math.round(a['FRAME-RATE'] * 100), Math.round(want.rate * 100) || null)
    is(`CODECS of ${p.uri}`, a.CODECS, want.codecs)
    if (!(a['AVERAGE-BANDWIDTH'] <= a.BANDWIDTH)) {
      wrong.push(`m3u8-parser: ${p.uri}: AVERAGE-BANDWIDTH ${a['AVERAGE-BANDWIDTH']}, BANDWIDTH ${a.BANDWIDTH}`)
    }
    lists.push(p.uri)
  }
  for (const sounds of Object.values(master.mediaGroups.AUDIO)) {
    for (const sound of Object.values(sounds)) lists.push(sound.uri)
  }
  for (const uri of lists) {
    const list = await parse(new URL(uri, film.url))
    is(`${uri} ended`, list.endList, true)
    const length = list.segments.reduce((sum, s) => sum + s.duration, 0)
    if (Math.abs(length - film.seconds) > 0.15) wrong.push(`m3u8-parser: ${uri} lasts ${length}, want ${film.seconds}`)
    for (const s of list.segments) {
      if (Math.round(s.duration) > list.targetDuration) {
        wrong.push(`m3u8-parser: ${uri}: ${s.uri} lasts ${s.duration}, target duration ${list.targetDuration}`)
      }
      if (!s.map) wrong.push(`m3u8-parser: ${uri}: ${s.uri} has no initialization segment`)
    }
  }
}

// play plays the film to its end in a tab of its own, each rendition for a while, and looks at it.
async function play(film, wrong) {
  const tab = await browser.newPage()
  tab.on('pageerror', (e) => wrong.push(`page: ${e}`))
  await tab.goto(page)
  const seen = await tab.evaluate((film) => window.play(film), film)
  await tab.close()
  for (const e of seen.errors) wrong.push(`player: ${e}`)
  if (film.ladder?.[0].width) {
    const size = (l) => `${l.width}x${l.height}`
    const got = seen.levels.map(size).sort().join(), want = film.ladder.map(size).sort().join()
    if (got !== want) wrong.push(`hls.js sees ${got}, want ${want}`)
  }
  for (const l of seen.looked) {
    if (l.size !== l.want) wrong.push(`${l.what} is ${l.size} on the screen, want ${l.want}`)
    if (Math.max(...l.rgb.map((c, i) => Math.abs(c - film.patch.rgb[i]))) > 10) {
      wrong.push(`${l.what}: the patch is ${l.rgb}, want ${film.patch.rgb}`)
    }
  }
  if (!seen.ended) wrong.push(`it stopped at ${seen.at} of ${seen.length} s`)
  if (Math.abs(seen.at - film.seconds) > 0.15) wrong.push(`it ended at ${seen.at} s, want ${film.seconds}`)
  if (film.patch && seen.frames < film.seconds) wrong.push(`only ${seen.frames} frames were shown`)
  if (film.sound !== seen.heard > 0) wrong.push(`${seen.heard} bytes of sound were decoded`)
}
