// How numbers, times and durations are written.
const units: Record<string, number> = { h: 3.6e6, m: 6e4, s: 1e3, ms: 1, us: 1e-3, '\u00b5s': 1e-3, ns: 1e-6 }

/** Reads a duration as Go writes it, 1h2m3.5s, in milliseconds. */
export function ms(text: string | undefined): number {
  let sum = 0
  for (const [, n, unit] of (text ?? '').matchAll(/([\d.]+)(h|ms|m|us|\u00b5s|ns|s)/g)) sum += Number(n) * units[unit]
  return sum
}

const thin = '\u202f' // at which no line breaks

/** Writes milliseconds: 0 s, 0.35 s, 12 s, 3 m 20 s, 2 h 5 m, 4 d 3 h. */
export function span(n: number): string {
  if (!Number.isFinite(n)) return '\u2013'
  n = Math.max(0, n)
  if (n < 1) return `0${thin}s`
  if (n < 1e3) return `${Math.max(0.01, n / 1e3).toFixed(2)}${thin}s`
  if (n < 9950) return `${n % 1e3 ? (n / 1e3).toFixed(1) : n / 1e3}${thin}s`
  const s = Math.round(n / 1e3)
  const two = (a: number, x: string, b: number, y: string) => `${a}${thin}${x}` + (b ? ` ${b}${thin}${y}` : '')
  if (s < 60) return `${s}${thin}s`
  if (s < 3600) return two(Math.floor(s / 60), 'm', s % 60, 's')
  if (s < 86400) return two(Math.floor(s / 3600), 'h', Math.floor((s % 3600) / 60), 'm')
  return two(Math.floor(s / 86400), 'd', Math.floor((s % 86400) / 3600), 'h')
}

/** Writes a duration of the API. */
export const lasts = (text: string | undefined) => span(ms(text))

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** Writes a count: 12,345. */
export const count = (n: number) => grouped.format(n)

/** Writes a count of something: 1 job, 12 jobs. */
export const several = (n: number, what: string) => `${count(n)} ${what}${n === 1 ? '' : 's'}`

/** Writes a rate: 0, 0.4, 12. */
export const rate = (n: number) => (n === 0 ? '0' : n < 9.95 ? n.toFixed(1) : count(n))

/** Writes a share: 97 %. Only all is 100 %. */
export function percent(part: number, of: number): string {
  if (!of) return '\u2013'
  const p = (part * 100) / of
  return `${p < 100 ? Math.floor(p) : 100}${thin}%`
}

export function size(n: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let i = 0
  for (; n >= 1024 && i < names.length - 1; i++) n /= 1024
  return `${i && n < 9.95 ? n.toFixed(1) : Math.round(n)}${thin}${names[i]}`
}

const time = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })

/** Writes a time, with the day where it isn't today's. */
export function clock(at: string | number | undefined, now = Date.now()): string {
  if (at === undefined) return '\u2013'
  const d = new Date(at)
  if (Number.isNaN(d.getTime())) return '\u2013'
  const same = d.toDateString() === new Date(now).toDateString()
  return same ? time.format(d) : `${day.format(d)}, ${time.format(d)}`
}

/** Writes the last part of a URL, which says the most of it. */
export const lastPart = (url: string) => url.replace(/\/+$/, '').split('/').pop() || url
