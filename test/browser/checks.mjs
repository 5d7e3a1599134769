// Checks, each with a line that says what became of it.
export class Checks {
  failed = 0
  page = null // of which a picture is taken when a check fails

  constructor(shots) {
    this.shots = shots
  }

  async run(name, what) {
    const began = performance.now()
    let says
    try {
      says = await what()
    } catch (e) {
      this.failed++
      console.log(`FAIL  ${name}\n        ${String(e.stack ?? e).split('\n').slice(0, 12).join('\n        ')}`)
      if (this.shots) await this.page?.screenshot({ path: `${this.shots}/${this.failed}.png` }).catch(() => {})
      return
    }
    console.log(`ok    ${name} (${((performance.now() - began) / 1000).toFixed(1)} s${says ? `; ${says}` : ''})`)
  }
}

/** Throws unless the two are the same. */
export function same(what, got, want) {
  const [g, w] = [JSON.stringify(got), JSON.stringify(want)]
  if (g !== w) throw new Error(`${what}: ${g}, want ${w}`)
}

/** Tries until it doesn't throw, and returns something. */
export async function until(what, within = 10_000) {
  const end = performance.now() + within
  for (;;) {
    try {
      const got = await what()
      if (got !== undefined || performance.now() > end) return got
      if (what.constructor.name === 'AsyncFunction') return got
    } catch (e) {
      if (performance.now() > end) throw e
    }
    await new Promise((r) => setTimeout(r, 50))
  }
}
