// The last six hours of lanes and pools: what the gateway kept, and behind it what has come live.
import { signal } from '@preact/signals'
import { get, query } from './api'
import type { HistoryPoint, Snapshot } from './types'
import { ms } from './words'

interface Point {
  at: number // s
  lanes: Record<string, [ready: number, busy: number, oldest: number, p95: number]>
  pools: Record<string, [ready: number, wanted: number]>
  workers: number
  budget: number
}

let points: Point[] = [] // the oldest first
const dense = 900 // s within which each live point is held
const longest = 6 * 3600

/** How far apart points are that are so old, in seconds. */
const step = (age: number) => (age > 1800 ? 60 : 10)

/** Grows with each point that is added. */
export const grown = signal(0)

/** How far back charts look, in seconds. */
export const range = signal(900)
export const ranges: [number, string][] = [[900, '15 min'], [3600, '1 h'], [6 * 3600, '6 h']]

/** Asks for what was before, far back and, closer together, lately. */
export async function loadHistory() {
  const [far, near] = await Promise.all([kept('6h'), kept('30m')])
  const lately = near.length ? near[0].at : Infinity
  const all = [...far.filter((p) => p.at < lately), ...near]
  const last = all.length ? all[all.length - 1].at : 0
  points = [...all, ...points.filter((p) => p.at > last)]
  grown.value++
}

/** Returns what the gateway kept; nothing where it can't say: then the charts begin now. */
async function kept(since: string): Promise<Point[]> {
  try {
    const { points } = await get<{ points: HistoryPoint[] }>(query('/v1/history', { since }))
    return points.map(fromHistory)
  } catch {
    return []
  }
}

function fromHistory(h: HistoryPoint): Point {
  const p: Point = { at: Date.parse(h.at) / 1000, lanes: {}, pools: {}, workers: h.workers, budget: h.budget }
  for (const [name, l] of Object.entries(h.lanes ?? {})) {
    p.lanes[name] = [l.ready, l.busy, ms(l.oldestWait), ms(l.p95Wait)]
  }
  for (const [name, q] of Object.entries(h.pools ?? {})) p.pools[name] = [q.ready, q.wanted]
  return p
}

/** Adds what was seen just now. */
export function add(s: Snapshot) {
  const p: Point = { at: Date.parse(s.at) / 1000, lanes: {}, pools: {}, workers: asked(s), budget: s.budget }
  if (points.length && p.at <= points[points.length - 1].at) return
  for (const l of s.lanes) p.lanes[l.name] = [l.ready, l.busy, ms(l.oldestWait), ms(l.p95Wait)]
  for (const q of s.pools) p.pools[q.name] = [q.ready, q.wanted]
  points.push(p)
  if (points.length % 60 === 0) thin(p.at)
  grown.value++
}

/** Counts the workers that count against the budget. */
export const asked = (s: Snapshot) => s.pools.reduce((n, p) => n + p.replicas, s.others ?? 0)

/** Leaves one of older points in each step, and none that are too old. */
function thin(at: number) {
  let last = -Infinity
  points = points.filter((p) => {
    if (p.at < at - longest) return false
    if (p.at > at - dense || p.at - last >= step(at - p.at)) {
      last = p.at
      return true
    }
    return false
  })
}

/** Returns columns for a chart: times, and what of makes of each point; null where nothing is known. */
export function columns(of: (p: Point) => (number | undefined)[] | undefined, n: number): (number | null)[][] {
  const all: (number | null)[][] = Array.from({ length: n + 1 }, () => [])
  const end = points.length ? points[points.length - 1].at : 0
  let last = 0
  for (const p of points) {
    if (p.at < end - range.value) continue
    if (last && p.at - last > 3.5 * step(end - p.at)) {
      all[0].push(last + 1)
      for (let i = 1; i <= n; i++) all[i].push(null)
    }
    last = p.at
    const values = of(p)
    all[0].push(p.at)
    for (let i = 0; i < n; i++) all[i + 1].push(values?.[i] ?? null)
  }
  return all
}

export const laneWaits = (name: string) => columns((p) => p.lanes[name] && [p.lanes[name][2], p.lanes[name][3]], 2)
export const laneJobs = (name: string) => columns((p) => p.lanes[name] && [p.lanes[name][0], p.lanes[name][1]], 2)
export const poolWorkers = (name: string) => columns((p) => p.pools[name] && [p.pools[name][1], p.pools[name][0]], 2)
export const fleetWorkers = () => columns((p) => [p.budget || undefined, p.workers], 2)
