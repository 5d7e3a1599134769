// Tunings, and the audit log: what was changed by hand, by whom, and a way back.
import { get, operates, query } from '../api'
import { useLoad } from '../hooks'
import { tuningsRevision } from '../live'
import { At, type Column, Section, Table, Text, Trouble } from '../parts'
import { idOf, remove, said, tunings, undoOf } from '../tune'
import type { AuditEntry, Tuning } from '../types'
import { count } from '../words'

export function TuningsView() {
  const revision = tuningsRevision.value
  const list = useLoad(`tunings ${revision}`, async () => (await tunings()).body, 5000)
  const log = useLoad(`audit ${revision}`, (end) => get<{ audit: AuditEntry[] }>(query('/v1/audit', { limit: 200 }), end), 5000)
  const again = () => {
    list.again()
    log.again()
  }
  const act = (what: () => Promise<void>) => () => said(what).then(again)
  const rows = list.value?.tunings, entries = log.value?.audit
  const tuned: Column<Tuning>[] = [
    { name: 'Field', class: 'name', show: (t) => <span class="named mono" title={t.field}><bdi>{t.field}</bdi></span> },
    { name: 'Value', num: true, show: (t) => <b><Text>{spelled(t.value)}</Text></b> },
    { name: 'In the file', num: true, show: (t) => <Text class="quiet">{t.file}</Text> },
    { name: 'By', show: (t) => <Text>{t.by}</Text> },
    { name: 'Since', class: 'when', show: (t) => ofFile(t) ? '' : <At at={t.at} /> },
    { name: 'Until', class: 'when', show: (t) => t.when ? t.inForce && t.next ? <At at={t.next.end} /> : '' : t.until ? <At at={t.until} /> : 'removed' },
    { name: 'Schedule', class: 'wide', show: (t) => <Text>{scheduled(t)}</Text> },
    { name: 'Why', class: 'wide', show: (t) => <Text>{t.reason ?? ''}</Text> },
    { name: 'In force', show: (t) => t.inForce ? 'yes' : t.early ? 'its workers start' : t.next && !t.idle ? <>from <At at={t.next.start} /></> : <>no: <Text>{t.idle ?? ''}</Text></> },
    ...(operates() ? [{ name: 'Do', class: 'do', show: (t: Tuning) => ofFile(t) ? null : (
      <button type="button" aria-label={`Remove the tuning of ${idOf(t)}`} onClick={act(() => remove(idOf(t), 'removed'))}>Remove</button>
    ) }] : []),
  ]
  const audited: Column<AuditEntry>[] = [
    { name: 'At', class: 'when', show: (e) => <At at={e.at} /> },
    { name: 'By', show: (e) => <Text>{e.by}</Text> },
    { name: 'Did', show: (e) => e.verb },
    { name: 'On', class: 'wide on', show: (e) => <Text mono>{e.on}</Text> },
    { name: 'Change', class: 'wide', show: (e) => <Text>{changed(e)}</Text> },
    { name: 'Jobs', num: true, show: (e) => e.jobs ? count(e.jobs) : '' },
    { name: 'Until', class: 'when', show: (e) => e.until ? <At at={e.until} /> : '' },
    { name: 'Why', class: 'wide', show: (e) => <Text>{e.reason ?? ''}</Text> },
    ...(operates() ? [{ name: 'Do', class: 'do', show: (e: AuditEntry) => {
      const undo = rows && entries && undoOf(e, entries, rows)
      return undo ? <button type="button" aria-label={`Undo: ${e.verb} ${e.on}`} onClick={act(undo)}>Undo</button> : null
    } }] : []),
  ]
  return (
    <>
      <div class="title"><h1>Tunings</h1></div>
      <Section title="Tunings" note="each overrides a field of the policy file for a while; what is scheduled begins later">
        <Trouble>{list.error}</Trouble>
        <Table caption="Tunings" columns={tuned} rows={rows} keyOf={idOf} empty="Nothing is tuned: the policy file counts." />
      </Section>
      <Section title="Audit" note="what people did, the latest first">
        <Trouble>{log.error}</Trouble>
        <Table caption="Audit log, the latest first" columns={audited} rows={entries} keyOf={(e) => e.at + e.verb + e.on} empty="Nobody has changed anything." />
      </Section>
    </>
  )
}

const ofFile = (t: Tuning) => t.by === 'the policy file'

/** Says when a scheduled tuning is in force, as it was written. */
function scheduled(t: Tuning): string {
  const w = t.when
  if (!w) return ''
  return `${t.schedule}: ${w.cron ? `cron ${w.cron}` : w.at}${w.every ? ` every ${w.every}` : ''} for ${w.for} (${w.timezone ?? 'UTC'})`
}

const spelled = (v: unknown) => typeof v === 'object' && v !== null
  ? Object.entries(v).map(([k, x]) => `${k}=${x}`).join(',') : v === null ? 'none' : String(v)

function changed(e: AuditEntry): string {
  if (e.before === undefined && e.after === undefined) return ''
  return `${e.before ?? '\u2013'} \u2192 ${e.after ?? '\u2013'}`
}
