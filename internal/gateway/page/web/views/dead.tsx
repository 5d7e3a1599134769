// Dead letters: what jobs died of, which ones, and putting them into their lanes again.
import { useState } from 'preact/hooks'
import { get, operates, query } from '../api'
import { Bulk } from '../bulk'
import { useLoad } from '../hooks'
import { snapshot } from '../live'
import { At, type Column, LaneLink, Section, Table, Text, Trouble } from '../parts'
import { route, to } from '../route'
import type { Reason } from '../types'
import { count, several } from '../words'
import { type JobPage, JobTable } from './jobs'

export function DeadView() {
  const reason = route.value.params.get('reason') ?? '', lane = route.value.params.get('lane') ?? ''
  const l = useLoad('reasons', (end) => get<{ count: number; reasons: Reason[]; more?: boolean }>('/v1/dead/reasons', end), 3000)
  const [replay, setReplay] = useState<Reason | null>(null)
  const columns: Column<Reason>[] = [
    { name: 'Reason', class: 'name', show: (r) => <a href={to('dead', '', { reason: r.reason, lane: r.lane })}
      aria-current={r.reason === reason && r.lane === lane ? 'true' : undefined}><bdi>{r.reason || 'unknown'}</bdi></a> },
    { name: 'Lane', show: (r) => <LaneLink name={r.lane} /> },
    { name: 'Jobs', num: true, show: (r) => count(r.count) },
    { name: 'Latest', num: true, class: 'when', show: (r) => <At at={r.latest} /> },
    { name: 'What happened to that one', class: 'wide most', show: (r) => <Text>{r.error ?? ''}</Text> },
    ...(operates() ? [{ name: 'Do', class: 'do', show: (r: Reason) => (
      <button type="button" aria-haspopup="dialog" aria-label={`Replay ${r.reason} of ${r.lane}`} onClick={() => setReplay(r)}>Replay{'\u2026'}</button>
    ) }] : []),
  ]
  return (
    <>
      <div class="title"><h1>Dead letters</h1></div>
      <Section title="By reason" note={l.value && several(l.value.count, 'job') + (l.value.more ? '; the latest 10,000 are counted below' : '')}>
        <Trouble>{l.error}</Trouble>
        <Table caption="What jobs died of, the most frequent first" columns={columns} rows={l.value?.reasons}
          keyOf={(r) => r.reason + '/' + r.lane} empty="No job is dead." mark={(r) => r.reason === reason && r.lane === lane} />
      </Section>
      <Letters key={reason + lane} reason={reason} lane={lane} />
      {replay && (
        <Bulk verb="replay" filter={{ lane: replay.lane, diedOf: [replay.reason] }} said={`died of ${replay.reason}, lane ${replay.lane}`}
          lanes={(snapshot.value?.lanes ?? []).map((x) => x.name)} close={() => setReplay(null)} after={l.again} />
      )}
    </>
  )
}

function Letters({ reason, lane }: { reason: string; lane: string }) {
  const [pages, turn] = useState<string[]>([''])
  const after = pages[pages.length - 1]
  const l = useLoad(`dead ${reason} ${lane} ${after}`,
    (end) => get<JobPage>(query('/v1/dead', { diedOf: reason, lane, after, limit: 50 }), end), after ? 0 : 3000)
  return (
    <Section title="Letters" note={reason ? <Text>{`${reason}, ${lane}`}</Text> : 'the latest first'} actions={
      <>
        {reason && <a href={to('dead')}>All reasons</a>}
        {(pages.length > 1 || l.value?.next) && (
          <>
            <button type="button" disabled={pages.length < 2} onClick={() => turn(pages.slice(0, -1))}>Back</button>
            <button type="button" disabled={!l.value?.next} onClick={() => turn([...pages, l.value!.next!])}>Next</button>
          </>
        )}
      </>
    }>
      <Trouble>{l.error}</Trouble>
      <JobTable jobs={l.value?.jobs} without="state" />
    </Section>
  )
}
