// Overview: how each lane fares, the fleet against its budget, and what the scaler decided last.
import { useMemo } from 'preact/hooks'
import { Chart } from '../chart'
import { asked, fleetWorkers, grown, laneWaits, range, ranges } from '../history'
import { asOf, clears, decisions, headline, isLate, snapshot, verdict } from '../live'
import { At, Choice, type Column, LaneLink, PoolLink, Section, State, Table, Text, Trouble } from '../parts'
import { to } from '../route'
import { budgetField, TuneButton } from '../tune'
import type { LaneStatus, Plan, PoolStatus } from '../types'
import { count, lasts, ms, percent, rate } from '../words'

export function Overview() {
  const s = snapshot.value
  return (
    <>
      <Headline />
      {s?.refused && <Trouble>{`The policy as it is written isn\u2019t in force: ${s.refused}`}</Trouble>}
      <Section title="Lanes" note={asOf.value || 'longest wait, and p95, against the objective'} actions={<RangeChoice />}>
        <Lanes lanes={s?.lanes} />
      </Section>
      <div class="two">
        <Fleet />
        <Section title="Decisions" actions={<a href={to('tunings')}>Audit</a>}>
          <Decisions plans={decisions.value.slice(0, 14)} />
        </Section>
      </div>
    </>
  )
}

export function Headline() {
  const h = headline.value
  return <h1 class={h.urgent ? 'urgent' : undefined} aria-live="polite"><bdi>{h.text}</bdi></h1>
}

export const RangeChoice = () => (
  <Choice label="How far back charts look" value={range.value} of={ranges} set={(v) => (range.value = v)} />
)

const waitLines = [{ label: 'oldest', colour: 'ink', fill: true }, { label: 'p95', colour: 'soft', dash: true }]

export function Waits({ lane: l, height, axes }: { lane: LaneStatus; height: number; axes?: boolean }) {
  const key = grown.value + ':' + range.value
  const data = useMemo(() => laneWaits(l.name), [key, l.name])
  return (
    <Chart title={`Wait of ${l.name}`} data={data} lines={waitLines} unit="span" limit={ms(l.startWithin)}
      limitName={axes ? 'objective' : undefined} height={height} axes={axes} />
  )
}

const many = 10 // lanes: then their strips are lower

function Lanes({ lanes = [] }: { lanes?: LaneStatus[] }) {
  const dense = lanes.length > many
  const columns: Column<LaneStatus>[] = [
    { name: 'Lane', class: 'name', show: (l) => <><LaneLink name={l.name} /> <State is={verdict(l)} /></> },
    { name: 'Wait', class: 'strip', show: (l) => <Waits lane={l} height={dense ? 26 : 64} /> },
    { name: 'Oldest', num: true, class: 'long', show: (l) => <span class={isLate(l) ? 'urgent' : ''}>{lasts(l.oldestWait)}</span> },
    { name: 'Objective', num: true, show: (l) => <span class="quiet">{lasts(l.startWithin)}</span> },
    { name: 'In time', num: true, show: (l) => <span class={l.inTime * 100 < l.started * 95 ? 'urgent' : ''}>{percent(l.inTime, l.started)}</span> },
    { name: 'Ready', num: true, show: (l) => count(l.ready) },
    { name: 'Running', num: true, show: (l) => <>{count(l.busy)}<span class="of">{`/${count(l.slots)}`}</span></> },
    { name: 'In/min', num: true, show: (l) => rate(l.inPerMin) },
    { name: 'Out/min', num: true, show: (l) => rate(l.outPerMin) },
    { name: 'Clear in', num: true, class: 'long', show: (l) => clears(l) || <span class="quiet">{'\u2013'}</span> },
  ]
  return <Table caption="Lanes, the most urgent first" columns={columns} rows={snapshot.value ? lanes : undefined} keyOf={(l) => l.name} empty="There are no lanes."
    class={dense ? 'lanes dense' : 'lanes'} />
}

const fleetLines = [{ label: 'budget', colour: 'mark', steps: true }, { label: 'workers', colour: 'ink', fill: true, steps: true }]

function Fleet() {
  const s = snapshot.value
  const key = grown.value + ':' + range.value
  const data = useMemo(fleetWorkers, [key])
  const n = s ? asked(s) : 0
  return (
    <Section title="Fleet"
      note={s && <><b class={s.budget && n > s.budget ? 'urgent' : ''}>{count(n)}</b>{s.budget ? ` of ${count(s.budget)} workers` : ' workers'}</>}
      actions={<><a href={to('workers')}>Workers</a><TuneButton title="Tune the budget" prefix="" fields={budgetField} /></>}>
      <Chart title="Workers and budget" data={data} lines={fleetLines} unit="count" height={88} axes />
      <Pools pools={s?.pools} />
    </Section>
  )
}

function Pools({ pools }: { pools?: PoolStatus[] }) {
  const columns: Column<PoolStatus>[] = [
    { name: 'Pool', class: 'name', show: (p) => <><PoolLink name={p.name} />{p.frozen && <> <State is="frozen" /></>}</> },
    { name: 'Workers', class: 'gauge bare', show: (p) => <Gauge pool={p} /> },
    { name: 'Ready', num: true, show: (p) => count(p.ready) },
    { name: 'Wanted', num: true, show: (p) => count(p.wanted) },
    { name: 'Busy', num: true, show: (p) => <>{count(p.busy)}<span class="of">{`/${count(p.slots)}`}</span></> },
    { name: 'Why', class: 'wide most', show: (p) => <Text class={p.reason === 'Stuck' || p.reason === 'Stale' || p.reason === 'Foreign' ? 'urgent' : ''}>{p.why}</Text> },
  ]
  return <Table caption="Pools" columns={columns} rows={pools} keyOf={(p) => p.name} empty="There are no pools." />
}

/** A scale from 0 to max: what takes jobs, what is on its way or set aside, and a tick at what is wanted. */
export function Gauge({ pool: p }: { pool: PoolStatus }) {
  const top = Math.max(p.max, p.replicas, p.wanted, 1)
  const x = (n: number) => `${(Math.min(n, top) / top) * 100}%`
  const aside = p.starting + p.parked + p.retired
  const words = `${p.ready} ready, ${p.starting} starting, ${p.parked + p.retired} parked or retired, ${p.stuck} stuck, ` +
    `${p.wanted} wanted, between ${p.min} and ${p.max}`
  return (
    <span class="scale" role="img" aria-label={words} title={words}>
      <span class="track">
        <span class="full" style={{ width: x(p.ready) }} />
        <span class="half" style={{ left: x(p.ready), width: x(aside) }} />
        {p.stuck > 0 && <span class="bad" style={{ left: x(p.ready + aside), width: x(p.stuck) }} />}
        <span class="tick" style={{ left: x(p.wanted) }} />
      </span>
      <span class="ends" aria-hidden="true">{p.min}<span class="to">{'\u2013'}</span>{p.max}</span>
    </span>
  )
}

export function Decisions({ plans }: { plans: Plan[] | undefined }) {
  const columns: Column<Plan>[] = [
    { name: 'At', class: 'when bare', show: (p) => <At at={p.at} /> },
    { name: 'Pool', class: 'bare', show: (p) => <PoolLink name={p.pool} /> },
    { name: 'Workers', num: true, class: 'arrow bare', show: (p) => p.from === p.to ? `${p.to}` : <b>{`${p.from}\u2009\u2192\u2009${p.to}`}</b> },
    { name: 'Why', class: 'wide most', show: (p) => <Text>{sentence(p)}</Text> },
  ]
  return <Table caption="Decisions, the latest first" columns={columns} rows={plans} keyOf={(p) => p.at + p.pool} empty="Nothing was decided yet." />
}

/** Returns why, without the numbers that stand beside it. */
const sentence = (p: Plan) => p.why.replace(`${p.from} \u2192 ${p.to}: `, '')
