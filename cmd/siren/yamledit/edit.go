package yamledit

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// edit is a YAML text that is changed in places. YAML libraries write a document anew, and lose its layout.
type edit struct{ text []byte }

var errLayout = errors.New("the file's layout can't be changed in place here; write it on one line")

// set sets the value of a map's key. Null takes the key away.
func (e *edit) set(m *yaml.Node, key string, value *yaml.Node) error {
	i := keyIn(m, key)
	switch {
	case value.Tag == "!!null" && i < 0:
		return nil
	case value.Tag == "!!null":
		return e.remove(m, i)
	case i < 0:
		return e.add(m, key, value)
	}
	old := m.Content[i+1]
	if old.Kind == yaml.MappingNode && value.Kind == yaml.MappingNode {
		return e.setAll(m, key, value)
	}
	if old.Kind != yaml.ScalarNode || old.Value == "" {
		return errLayout
	}
	end, err := e.end(old)
	if err != nil {
		return err
	}
	return e.replace(e.start(old), end, value)
}

// setAll sets the parts of a map's key one by one: each changes where the next one is.
func (e *edit) setAll(m *yaml.Node, key string, value *yaml.Node) error {
	line, column := m.Line, m.Column
	for i := 0; i < len(value.Content); i += 2 {
		var doc yaml.Node
		if err := yaml.Unmarshal(e.text, &doc); err != nil {
			return err
		}
		at := mapAt(&doc, line, column)
		if at == nil {
			return errLayout
		}
		part := at.Content[keyIn(at, key)+1]
		if err := e.set(part, value.Content[i].Value, value.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// mapAt finds the innermost map that begins there.
func mapAt(n *yaml.Node, line, column int) (found *yaml.Node) {
	if n.Kind == yaml.MappingNode && n.Line == line && n.Column == column {
		found = n
	}
	for _, c := range n.Content {
		if inner := mapAt(c, line, column); inner != nil {
			found = inner
		}
	}
	return found
}

// remove takes away the key at that place of a map, with its value.
func (e *edit) remove(m *yaml.Node, i int) error {
	from := e.start(m.Content[i])
	to, err := e.end(m.Content[i+1])
	switch {
	case err != nil:
		return err
	case len(m.Content) == 2:
		return errLayout
	case m.Style&yaml.FlowStyle == 0:
		from, to = e.lineStart(from), e.lineEnd(to)
		if i == 0 && len(bytes.TrimSpace(e.text[from:e.start(m.Content[i])])) > 0 { // behind the dash of a list
			return errLayout
		}
	case i+2 < len(m.Content):
		to = e.start(m.Content[i+2])
	default:
		from = len(bytes.TrimRight(e.text[:from], ", \t\n"))
	}
	e.splice(from, to, "")
	return nil
}

// add puts a key behind the last one of a map.
func (e *edit) add(m *yaml.Node, key string, value *yaml.Node) error {
	if m.Kind != yaml.MappingNode || len(m.Content) == 0 {
		return errLayout
	}
	end, err := e.end(m.Content[len(m.Content)-1])
	if err != nil {
		return err
	}
	entry := key + ": "
	if m.Style&yaml.FlowStyle != 0 {
		entry = ", " + entry
	} else {
		if end = e.lineEnd(end); end > 0 && e.text[end-1] != '\n' {
			e.splice(end, end, "\n")
			end++
		}
		e.splice(end, end, "\n")
		entry = strings.Repeat(" ", m.Content[0].Column-1) + entry
	}
	e.splice(end, end, entry)
	end += len(entry)
	return e.replace(end, end, value)
}

// replace puts a value, on one line, in the place of what is between two offsets.
func (e *edit) replace(from, to int, value *yaml.Node) error {
	plainStyle(value)
	text, err := yaml.Marshal(value)
	if err == nil {
		e.splice(from, to, strings.TrimSpace(string(text)))
	}
	return err
}

// plainStyle drops JSON's quotes from texts where YAML needs none.
func plainStyle(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		n.Style = 0
	}
	for _, c := range n.Content {
		plainStyle(c)
	}
}

func (e *edit) splice(from, to int, text string) {
	e.text = bytes.Join([][]byte{e.text[:from], e.text[to:]}, []byte(text))
}

// start returns the offset of a node. Columns are counted in characters.
func (e *edit) start(n *yaml.Node) int {
	at := 0
	for range n.Line - 1 {
		at = e.lineEnd(at)
	}
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(e.text[at:])
		at += size
	}
	return at
}

// end returns the offset behind a node.
func (e *edit) end(n *yaml.Node) (int, error) {
	at := e.start(n)
	switch {
	case n.Anchor != "" || n.Kind == yaml.AliasNode ||
		n.Style&(yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0:
		return 0, errLayout
	case n.Style&yaml.FlowStyle != 0 && n.Kind != yaml.ScalarNode:
		return e.closing(at)
	case n.Kind == yaml.ScalarNode && n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		return e.closing(at)
	case n.Kind == yaml.ScalarNode:
		if !bytes.HasPrefix(e.text[at:], []byte(n.Value)) { // over several lines
			return 0, errLayout
		}
		return at + len(n.Value), nil
	case len(n.Content) == 0:
		return 0, errLayout
	default:
		return e.end(n.Content[len(n.Content)-1])
	}
}

// closing returns the offset behind what closes the quote or bracket that opens there.
func (e *edit) closing(at int) (int, error) {
	depth, quote := 0, byte(0)
	for ; at < len(e.text); at++ {
		switch c := e.text[at]; {
		case quote == '"' && c == '\\':
			at++
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
		case c == '"' || c == '\'' && !wordBefore(e.text[:at]): // it's an apostrophe inside of a word
			quote = c
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == '#' && (e.text[at-1] == ' ' || e.text[at-1] == '\n'):
			at = e.lineEnd(at) - 1
		default:
			continue
		}
		if depth == 0 && quote == 0 {
			return at + 1, nil
		}
	}
	return 0, errLayout
}

func wordBefore(text []byte) bool {
	r, _ := utf8.DecodeLastRune(text)
	return len(text) > 0 && !strings.ContainsRune(" \t\n,[{:", r)
}

func (e *edit) lineStart(at int) int { return bytes.LastIndexByte(e.text[:at], '\n') + 1 }

// lineEnd returns the offset of the next line.
func (e *edit) lineEnd(at int) int {
	if i := bytes.IndexByte(e.text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(e.text)
}

// keyIn returns the place of a key in a map's content, which its value follows; -1 when it isn't there.
func keyIn(m *yaml.Node, key string) int {
	for i := 0; m.Kind == yaml.MappingNode && i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return i
		}
	}
	return -1
}
