// Lane: how it fares, why, and what can be done about it.
import { useMemo } from 'preact/hooks'
import { get, part } from '../api'
import { Chart } from '../chart'
import { grown, laneJobs, range } from '../history'
import { useLoad } from '../hooks'
import { clears, isLate, snapshot, verdict } from '../live'
import { At, Facts, PoolLink, Says, Section, State, Text, Trouble } from '../parts'
import { to } from '../route'
import { laneFields, TuneButton } from '../tune'
import type { Explanation } from '../types'
import { clock, count, lasts, percent, rate } from '../words'
import { JobTable, listJobs } from './jobs'
import { Decisions, RangeChoice, Waits } from './overview'

const jobLines = [{ label: 'ready', colour: 'ink', fill: true, steps: true }, { label: 'running', colour: 'soft', steps: true }]

export function LaneView({ name }: { name: string }) {
  const s = snapshot.value
  const l = s?.lanes.find((x) => x.name === name)
  const why = useLoad(`lane ${name}`, (end) => get<Explanation>(`/v1/lanes/${part(name)}/explain`, end), 3000)
  const jobs = useLoad(`lane jobs ${name}`, (end) => listJobs({ lane: name, limit: 12 }, end), 2000)
  const key = grown.value + ':' + range.value
  const data = useMemo(() => laneJobs(name), [key, name])
  const pools = s?.pools.filter((p) => p.lanes.includes(name) || p.guests?.includes(name)) ?? []
  const late = l && isLate(l)
  return (
    <>
      <div class="title">
        <h1><span class="kind">Lane</span> <Text>{name}</Text> {l && <State is={verdict(l)} />}</h1>
        <span class="actions"><TuneButton title={`Tune lane ${name}`} prefix={`lanes.${name}.`} fields={laneFields} /></span>
      </div>
      <Trouble>{s && !l ? `There is no lane ${name}.` : ''}</Trouble>
      {l && (
        <Facts facts={[
          ['Oldest wait', lasts(l.oldestWait), late], ['p95 wait', lasts(l.p95Wait)], ['Objective', lasts(l.startWithin)],
          ['In time', percent(l.inTime, l.started), l.inTime * 100 < l.started * 95],
          ['Started', count(l.started)], ['Ready', count(l.ready)], ['Running', `${count(l.busy)} of ${count(l.slots)}`],
          ['Retrying', l.nextRetry ? `${count(l.retrying)}, next ${clock(l.nextRetry)}` : count(l.retrying)],
          ['In / min', rate(l.inPerMin)], ['Out / min', rate(l.outPerMin)], ['A job runs', lasts(l.service)],
          ['Clear in', clears(l) || '\u2013'],
        ]} />
      )}
      {l && (
        <div class="two even">
          <Section title="Wait" note="longest, and p95, against the objective" actions={<RangeChoice />}>
            <Waits lane={l} height={190} axes />
          </Section>
          <Section title="Jobs" note="ready, and running">
            <Chart title={`Jobs of ${name}`} data={data} lines={jobLines} unit="count" height={190} axes />
          </Section>
        </div>
      )}
      <div class="two">
        <Section title="Why" note={why.value?.predictedStart && <>a job that came now would start at <At at={why.value.predictedStart} /></>}>
          <Trouble>{l ? why.error : ''}</Trouble>
          <Says says={[...(why.value?.says ?? []), ...(why.value?.limits ?? [])]} />
          {pools.length > 0 && <p class="note">Served by {pools.map((p, i) => <>{i > 0 && ', '}<PoolLink name={p.name} /></>)}.</p>}
        </Section>
        <Section title="Decisions" id="lane-decisions"><Decisions plans={why.value?.plans ?? (why.value ? [] : undefined)} /></Section>
      </div>
      <Section title="Latest jobs" actions={<a href={to('jobs', '', { lane: name })}>All of them</a>}>
        <Trouble>{jobs.error}</Trouble>
        <JobTable jobs={jobs.value?.jobs} without="lane" />
      </Section>
    </>
  )
}
