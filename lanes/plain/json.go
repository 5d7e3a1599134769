package plain

import (
	"bytes"
	"encoding/json"
)

// JSON returns v as JSON that leaves URLs as they are: it doesn't make six characters of each & in them.
func JSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
