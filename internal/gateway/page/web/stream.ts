// Server-sent events over fetch: EventSource can't say who asks.
import { Problem, send } from './api'

export interface Event {
  type: string
  id: string
  data: string
}

/** Reads events from text as it comes, in pieces. */
export class Reader {
  id = ''
  private type = ''
  private data: string[] = []
  private rest = '';

  *read(text: string): Generator<Event> {
    this.rest += text
    const lines = this.rest.split(/\r\n|\r|\n/)
    this.rest = lines.pop()!
    for (const line of lines) {
      if (line === '') {
        if (this.data.length) yield { type: this.type || 'message', id: this.id, data: this.data.join('\n') }
        this.type = ''
        this.data = []
        continue
      }
      const i = line.indexOf(':')
      const field = i < 0 ? line : line.slice(0, i)
      const value = i < 0 ? '' : line.slice(i + 1).replace(/^ /, '')
      if (field === 'event') this.type = value
      else if (field === 'data') this.data.push(value)
      else if (field === 'id') this.id = value
    }
  }
}

export type Link = 'connecting' | 'live' | 'away'

const soonest = 500, latest = 15_000, silence = 40_000 // ms; something comes every 15 s

/** Listens until it is told to stop, connecting again and again. heard returns true when nothing more will come. */
export function listen(path: string, heard: (e: Event) => boolean | void, linked: (l: Link, why: string) => void) {
  let stopped = false, ended = false, wait = soonest, last = '', current: AbortController | null = null
  let timer = 0

  async function once(end: AbortController) {
    const headers: Record<string, string> = { Accept: 'text/event-stream' }
    if (last) headers['Last-Event-ID'] = last
    const r = await send('GET', path, { signal: end.signal, headers })
    const body = r.body!.pipeThrough(new TextDecoderStream()).getReader()
    const reader = new Reader()
    let watch = 0
    try {
      for (;;) {
        clearTimeout(watch)
        watch = window.setTimeout(() => end.abort(), silence)
        const { done, value } = await body.read()
        if (done) return
        wait = soonest
        linked('live', '')
        for (const e of reader.read(value)) {
          if (e.id) last = e.id
          if (heard(e)) {
            stopped = ended = true
            end.abort()
            return
          }
        }
      }
    } finally {
      clearTimeout(watch)
    }
  }

  async function run() {
    clearTimeout(timer)
    if (stopped || current || document.hidden) return
    const end = (current = new AbortController())
    let why = 'The gateway doesn\u2019t answer.'
    try {
      await once(end)
    } catch (e) {
      if (e instanceof Problem) {
        why = e.message
        if (e.status === 401 || e.status === 403 || e.status === 404) stopped = true
      }
    }
    current = null
    if (ended || document.hidden) return
    linked('away', why)
    if (stopped) return
    timer = window.setTimeout(run, wait * (0.75 + Math.random() / 2))
    wait = Math.min(latest, wait * 2)
  }

  // A browser has few connections for all its tabs: those that nobody looks at let theirs go.
  function look() {
    if (document.hidden) current?.abort()
    else run()
  }
  document.addEventListener('visibilitychange', look)
  run()
  return () => {
    stopped = true
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', look)
    current?.abort()
  }
}
