// A chart over time: lines, with an objective as a line that turns what is beyond it urgent.
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { colour, repaint } from './hooks'
import { range } from './history'
import { clock, count, span } from './words'

export interface Line {
  label: string
  colour: string // a name of the stylesheet's
  fill?: boolean
  dash?: boolean
  steps?: boolean
}

interface Props {
  title: string // what it is of, for those who can't see it
  data: (number | null)[][]
  lines: Line[]
  unit: 'span' | 'count'
  limit?: number // the objective, in the data's unit
  limitName?: string
  height: number
  axes?: boolean
}

const sync = uPlot.sync('siren')
const shortest = 60 // s that are shown at least, of a fleet that is young

export function Chart(p: Props) {
  const box = useRef<HTMLDivElement>(null)
  const readout = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const props = useRef(p)
  props.current = p
  const painted = repaint.value
  const fmt = p.unit === 'span' ? span : (n: number) => count(Math.round(n))

  useEffect(() => {
    const u = new uPlot(options(props, box.current!.clientWidth, readout.current!), props.current.data as uPlot.AlignedData,
      box.current!)
    plot.current = u
    const seen = new ResizeObserver(() => {
      const width = box.current?.clientWidth ?? 0
      if (width && width !== u.width) u.setSize({ width, height: props.current.height })
    })
    seen.observe(box.current!)
    return () => {
      seen.disconnect()
      plot.current = null
      u.destroy()
    }
  }, [painted, p.axes, p.height, p.lines.length])

  useEffect(() => plot.current?.setData(p.data as uPlot.AlignedData), [p.data, p.limit])

  return (
    <div class="chart" role="img" aria-label={inWords(p, fmt)}>
      <div class="plot" ref={box} />
      <div class="readout" ref={readout} aria-hidden="true" />
    </div>
  )
}

/** Says what the chart shows. */
function inWords(p: Props, fmt: (n: number) => string): string {
  const parts = p.lines.map((l, i) => {
    const known = (p.data[i + 1] ?? []).filter((v): v is number => v !== null)
    if (!known.length) return `${l.label}: nothing is known yet`
    return `${l.label}: now ${fmt(known[known.length - 1])}, at most ${fmt(known.reduce((a, b) => Math.max(a, b), 0))}`
  })
  const limit = p.limit ? `; ${p.limitName ?? 'objective'} ${fmt(p.limit)}` : ''
  return `${p.title}, last ${span(range.value * 1000)}: ${parts.join('; ')}${limit}`
}

function options(props: { current: Props }, width: number, readout: HTMLElement): uPlot.Options {
  const p = props.current
  const fmt = p.unit === 'span' ? span : (n: number) => count(Math.round(n))
  const font = '11px ' + getComputedStyle(document.body).fontFamily
  const axis = { stroke: colour('quiet'), font, ticks: { show: false }, grid: { stroke: colour('line'), width: 1 } }
  return {
    width, height: p.height, legend: { show: false }, pxAlign: 1,
    padding: p.axes ? [10, 8, 0, 0] : [6, 0, 2, 0],
    cursor: { drag: { x: false, y: false }, sync: { key: sync.key }, y: false, points: { size: 6, width: 0 } },
    scales: {
      x: { time: true, range: (u) => {
        const xs = u.data[0], end = xs.length ? xs[xs.length - 1] : Date.now() / 1000
        return [Math.max(end - range.value, Math.min(xs[0] ?? 0, end - shortest)), end]
      } },
      y: { range: (_u, _min, max) => [0, Math.max((max || 0) * 1.12, (props.current.limit || 0) * 1.3, p.unit === 'span' ? 1000 : 4)] },
    },
    axes: [
      { ...axis, show: !!p.axes, size: 24, grid: { show: false }, space: 80, gap: 6, incrs: minutes,
        values: (_u, splits) => splits.map((s) => clock(s * 1000).slice(0, 5)) },
      { ...axis, show: !!p.axes, size: 54, gap: 8, space: 34, splits: p.unit === 'span' ? spanSplits : countSplits,
        values: (_u, splits) => splits.map(fmt) },
    ],
    series: [{}, ...p.lines.map((l) => ({
      stroke: (u: uPlot) => beyond(u, props.current.limit, colour(l.colour)), width: l.dash ? 1 : 1.5,
      dash: l.dash ? [2, 3] : undefined, points: { show: false }, spanGaps: false,
      fill: l.fill ? (u: uPlot) => beyond(u, props.current.limit, colour('wash'), colour('accent-wash')) : undefined,
      paths: l.steps ? uPlot.paths.stepped!({ align: 1 }) : undefined,
    }))],
    hooks: {
      draw: [(u) => drawLimit(u, props.current, fmt, font)],
      setCursor: [(u) => {
        const i = u.cursor.idx
        const at = i === null || i === undefined ? undefined : u.data[0][i]
        if (at === undefined || (u.cursor.left ?? -1) < 0) {
          readout.textContent = ''
          return
        }
        const values = p.lines.map((l, n) => {
          const v = u.data[n + 1][i!]
          return `${l.label} ${v === null || v === undefined ? '\u2013' : fmt(v)}`
        })
        readout.textContent = [clock(at * 1000), ...values].join('   ')
      }],
    },
  }
}

const minutes = [1, 2, 5, 10, 15, 30, 60, 120].map((m) => m * 60)
const roundSpans = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400].map((s) => s * 1000)

function spanSplits(u: uPlot, _axis: number, _min: number, max: number): number[] {
  const most = Math.max(2, Math.floor(u.bbox.height / devicePixelRatio / 34))
  const step = roundSpans.find((s) => max / s <= most) ?? max / most
  return Array.from({ length: Math.floor(max / step) + 1 }, (_, i) => i * step)
}

function countSplits(u: uPlot, _axis: number, _min: number, max: number): number[] {
  const most = Math.max(2, Math.floor(u.bbox.height / devicePixelRatio / 28))
  let step = 1
  for (let i = 0; Math.floor(max / step) > most; i++) step *= i % 3 === 1 ? 2.5 : 2
  return Array.from({ length: Math.floor(max / step) + 1 }, (_, i) => i * step)
}

/** Returns a colour that changes where the objective is: what is beyond it is urgent. */
function beyond(u: uPlot, limit: number | undefined, plain: string, urgent = colour('accent')): string | CanvasGradient {
  const max = u.scales.y.max ?? 0
  if (!limit || limit >= max) return plain
  const top = u.bbox.top, bottom = top + u.bbox.height
  const y = u.valToPos(limit, 'y', true)
  const at = Math.min(1, Math.max(0, (y - top) / (bottom - top)))
  if (!Number.isFinite(at)) return plain
  const g = u.ctx.createLinearGradient(0, top, 0, bottom)
  g.addColorStop(0, urgent)
  g.addColorStop(at, urgent)
  g.addColorStop(at, plain)
  g.addColorStop(1, plain)
  return g
}

function drawLimit(u: uPlot, p: Props, fmt: (n: number) => string, font: string) {
  if (!p.limit) return
  const { ctx, bbox } = u, r = devicePixelRatio
  const y = Math.round(u.valToPos(p.limit, 'y', true)) + 0.5
  ctx.save()
  ctx.strokeStyle = colour('mark')
  ctx.lineWidth = r
  ctx.beginPath()
  ctx.moveTo(bbox.left, y)
  ctx.lineTo(bbox.left + bbox.width, y)
  ctx.stroke()
  if (u.height < 40) return ctx.restore() // there is a column for it
  ctx.font = font.replace('11px', `${11 * r}px`)
  ctx.fillStyle = colour('quiet')
  ctx.textBaseline = 'bottom'
  ctx.textAlign = 'left'
  ctx.fillText(`${p.limitName ? p.limitName + ' ' : ''}${fmt(p.limit)}`, bbox.left + 2 * r, y - 2 * r)
  ctx.restore()
}
