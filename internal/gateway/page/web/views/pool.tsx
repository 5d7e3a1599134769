// Pool: how many workers it has, why so many, and what they do.
import { useMemo } from 'preact/hooks'
import { get, part, query } from '../api'
import { Chart } from '../chart'
import { grown, poolWorkers, range } from '../history'
import { useLoad } from '../hooks'
import { snapshot } from '../live'
import { Facts, LaneLink, Says, Section, State, Text, Trouble } from '../parts'
import { poolFields, TuneButton } from '../tune'
import type { Explanation, Plan } from '../types'
import { count, lasts } from '../words'
import { Decisions, Gauge, RangeChoice } from './overview'
import { Workers } from './workers'

const lines = [{ label: 'wanted', colour: 'mark', steps: true }, { label: 'ready', colour: 'ink', fill: true, steps: true }]

export function PoolView({ name }: { name: string }) {
  const s = snapshot.value
  const p = s?.pools.find((x) => x.name === name)
  const why = useLoad(`pool ${name}`, (end) => get<Explanation>(`/v1/pools/${part(name)}/explain`, end), 3000)
  const plans = useLoad(`plans ${name}`, (end) => get<{ decisions: Plan[] }>(
    query('/v1/decisions', { pool: name, since: '24h', limit: 12 }), end), 3000)
  const key = grown.value + ':' + range.value
  const data = useMemo(() => poolWorkers(name), [key, name])
  return (
    <>
      <div class="title">
        <h1><span class="kind">Pool</span> <Text>{name}</Text> {p?.frozen && <State is="frozen" />}{p && p.stuck > 0 && <State is="stuck" />}</h1>
        <span class="actions"><TuneButton title={`Tune pool ${name}`} prefix={`pools.${name}.`} fields={poolFields} /></span>
      </div>
      <Trouble>{s && !p ? `There is no pool ${name}.` : ''}</Trouble>
      {p && (
        <Facts facts={[
          ['Ready', count(p.ready)], ['Wanted', count(p.wanted)], ['Asked for', count(p.replicas)],
          ['Starting', count(p.starting)], ['Parked', count(p.parked)], ['Retired', count(p.retired)],
          ['Stuck', count(p.stuck), p.stuck > 0], ['Others\u2019', count(p.others ?? 0)], ['Busy slots', `${count(p.busy)} of ${count(p.slots)}`],
          ['Min\u2013max', `${count(p.min)}\u2013${count(p.max)}`], ['Cold start', lasts(p.coldStart)], ['Hold', lasts(p.hold)],
        ]} />
      )}
      {p && (
        <div class="two even">
          <Section title="Workers over time" note="ready, and wanted" actions={<RangeChoice />}>
            <Chart title={`Workers of ${name}`} data={data} lines={lines} unit="count" limit={p.max} limitName="max" height={190} axes />
          </Section>
          <Section title="Why" note={p.reason}>
            <Gauge pool={p} />
            <Trouble>{why.error}</Trouble>
            <Says says={[...(why.value?.says ?? []), ...(why.value?.limits ?? [])]} />
            <p class="note">
              Serves {p.lanes.map((l, i) => <>{i > 0 && ', '}<LaneLink name={l} /></>)}
              {p.guests && p.guests.length > 0 && <>; guests {p.guests.map((l, i) => <>{i > 0 && ', '}<LaneLink name={l} /></>)}</>}.
            </p>
          </Section>
        </div>
      )}
      <Workers pool={name} />
      <Section title="Decisions"><Trouble>{plans.error}</Trouble><Decisions plans={plans.value?.decisions} /></Section>
    </>
  )
}
