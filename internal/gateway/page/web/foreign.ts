// Text that strangers wrote is data. Preact makes text nodes of it, never markup; this has each character that would
// steer the text shown instead, in every view at once, and lets links lead nowhere but to this page and to http(s).
import { options, type VNode } from 'preact'

const steering = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0]/gu

/** Shows control, direction and invisible characters; line ends and tabs stay. */
export function clean(text: string): string {
  return text.replace(steering, (c) => {
    const n = c.codePointAt(0)!
    if (n === 9 || n === 10) return c
    if (n < 32) return String.fromCodePoint(0x2400 + n)
    if (n === 127) return '\u2421'
    return `\u27e8U+${n.toString(16).toUpperCase().padStart(4, '0')}\u27e9`
  })
}

/** Returns the address if a link may lead there, else undefined. */
export function safeHref(href: string): string | undefined {
  if (/^(#main$|#\/|\/[a-z.]+$)/.test(href)) return href
  try {
    const { protocol } = new URL(href)
    return protocol === 'https:' || protocol === 'http:' ? href : undefined
  } catch {
    return undefined
  }
}

const said = ['title', 'alt', 'aria-label', 'placeholder'] // attributes that are read

/** Has all that is rendered pass through here. */
export function guardText() {
  const before = options.vnode
  options.vnode = (v: VNode<any>) => {
    if ((v.type as unknown) === null) {
      const text = v.props as unknown
      if (typeof text === 'string') v.props = clean(text)
    } else if (typeof v.type === 'string') {
      for (const a of said) if (typeof v.props[a] === 'string') v.props[a] = clean(v.props[a])
      if (typeof v.props.href === 'string') v.props.href = safeHref(v.props.href)
      delete v.props.dangerouslySetInnerHTML
    }
    before?.(v)
  }
}
