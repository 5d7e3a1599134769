// Doing something to many jobs: first how many it would be, then doing it.
import { useState } from 'preact/hooks'
import { ask } from './api'
import { Dialog, Field, JobLink, notice, Text, Trouble } from './parts'
import type { Tally } from './types'
import { count, several } from './words'

export type Verb = 'cancel' | 'retry' | 'move' | 'replay'

const doing: Record<Verb, string> = { cancel: 'Cancel', retry: 'Retry', move: 'Move', replay: 'Replay' }
const done: Record<Verb, string> = { cancel: 'cancelled', retry: 'retried', move: 'moved', replay: 'put into their lanes again' }

/** Asks how many jobs a filter chooses, and does it to them once that is confirmed. */
export function Bulk({ verb, filter, said, lanes, close, after }: {
  verb: Verb; filter: Record<string, unknown>; said: string; lanes: string[]; close: () => void; after: () => void
}) {
  const [reason, setReason] = useState('')
  const [to, setTo] = useState(verb === 'move' ? lanes[0] ?? '' : '')
  const [seen, setSeen] = useState<Tally | null>(null)
  const [ended, setEnded] = useState<Tally | null>(null)
  const [error, setError] = useState('')
  const [busy, setBusy] = useState(false)
  const path = verb === 'replay' ? '/v1/dead/replay' : `/v1/bulk/${verb}`

  async function go(e: Event) {
    e.preventDefault()
    setBusy(true)
    setError('')
    try {
      const body = { ...filter, ...(to && { to }), ...(reason && { reason }), dryRun: !seen }
      const { body: t } = await ask<Tally>('POST', path, { body })
      if (!seen) setSeen(t)
      else {
        after()
        if (t.left) setEnded(t)
        else {
          notice.value = { text: `${several(t.count, 'job')} ${done[verb]}.` }
          close()
        }
      }
    } catch (e) {
      setError((e as Error).message)
    }
    setBusy(false)
  }

  return (
    <Dialog title={`${doing[verb]} all that match`} close={close}>
      <form onSubmit={go}>
        <p class="filter"><Text>{said}</Text></p>
        <div class="fields">
          {verb !== 'cancel' && (
            <Field label="Into lane">
              <select value={to} onChange={(e) => {
                setTo(e.currentTarget.value)
                setSeen(null)
              }}>
                {verb !== 'move' && <option value="">its own</option>}
                {lanes.map((l) => <option value={l}>{l}</option>)}
              </select>
            </Field>
          )}
          <Field label="Reason" wide>
            <input value={reason} maxLength={200} autocomplete="off" onInput={(e) => setReason(e.currentTarget.value)} />
          </Field>
        </div>
        <Trouble>{error}</Trouble>
        {seen && !ended && <Foreseen tally={seen} />}
        {ended && <Ended tally={ended} verb={verb} />}
        <footer>
          {!ended && (
            <button type="submit" class={seen ? 'main urgent' : 'main'} disabled={busy || seen?.count === 0}>
              {seen ? `${doing[verb]} ${several(seen.count, 'job')}` : 'Count them'}
            </button>
          )}
          <button type="button" onClick={close}>Close</button>
        </footer>
      </form>
    </Dialog>
  )
}

function Foreseen({ tally: t }: { tally: Tally }) {
  const by = Object.entries(t.by ?? {}).map(([state, n]) => `${count(n)} ${state}`)
  return (
    <div class="foreseen" aria-live="polite">
      <p><b>{several(t.count, 'job')}</b>{by.length ? `: ${by.join(', ')}` : ''}</p>
      {t.sample && t.sample.length > 0 && (
        <p class="sample">{t.sample.slice(0, 8).map((id) => <><JobLink id={id} />{' '}</>)}{t.count > 8 && '\u2026'}</p>
      )}
    </div>
  )
}

function Ended({ tally: t, verb }: { tally: Tally; verb: Verb }) {
  return (
    <div class="foreseen" aria-live="polite">
      <p><b>{several(t.count, 'job')}</b> {done[verb]}; <span class="urgent">{count(t.left ?? 0)} not</span>:</p>
      <ul class="says">{(t.refused ?? []).slice(0, 10).map((r) => <li><JobLink id={r.id} /> <Text>{r.why}</Text></li>)}</ul>
    </div>
  )
}
