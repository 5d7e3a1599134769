// What views need again and again: an answer that is asked for afresh, and a theme.
import { signal } from '@preact/signals'
import { useEffect, useRef, useState } from 'preact/hooks'

export interface Loaded<T> {
  value: T | undefined
  error: string
  again: () => void
}

/** Asks when key changes, and then every so many milliseconds while somebody looks; 0: once. */
export function useLoad<T>(key: string, ask: (signal: AbortSignal) => Promise<T>, every = 0): Loaded<T> {
  const [state, set] = useState<{ key: string; value?: T; error: string }>({ key, error: '' })
  const [turn, next] = useState(0)
  const current = useRef(ask)
  current.current = ask
  useEffect(() => {
    const end = new AbortController()
    let timer = 0
    async function run() {
      clearTimeout(timer)
      if (!document.hidden) {
        try {
          const value = await current.current(end.signal)
          if (end.signal.aborted) return
          set({ key, value, error: '' })
        } catch (e) {
          if (end.signal.aborted) return
          set((s) => ({ key, value: s.key === key ? s.value : undefined, error: (e as Error).message }))
        }
      }
      if (every) timer = window.setTimeout(run, every)
    }
    run()
    return () => {
      clearTimeout(timer)
      end.abort()
    }
  }, [key, every, turn])
  return { value: state.key === key ? state.value : undefined, error: state.key === key ? state.error : '',
    again: () => next((n) => n + 1) }
}

export type Theme = 'auto' | 'light' | 'dark'

const storedTheme = 'siren.theme'
export const theme = signal<Theme>((localStorage.getItem(storedTheme) as Theme) || 'auto')
const prefersDark = matchMedia('(prefers-color-scheme: dark)')

/** Grows when colours have changed. */
export const repaint = signal(0)

export function setTheme(t: Theme) {
  theme.value = t
  if (t === 'auto') localStorage.removeItem(storedTheme)
  else localStorage.setItem(storedTheme, t)
  paint()
}

export function paint() {
  const dark = theme.value === 'dark' || (theme.value === 'auto' && prefersDark.matches)
  document.documentElement.dataset.theme = dark ? 'dark' : 'light'
  repaint.value++
}

prefersDark.addEventListener('change', paint)

/** Returns a colour of the stylesheet. */
export const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
