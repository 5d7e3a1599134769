package dead

import (
	"testing"
	"time"
)

// A filter reads well behind "the dead jobs", whatever is in it.
func TestPhrase(t *testing.T) {
	for want, f := range map[string]Filter{
		"":                          {},
		"in lane bulk":              {Lane: "bulk"},
		"of kind hls":               {Kind: "hls"},
		"of kind hls and tenant me": {Kind: "hls", Tenant: "me"},
		"of tenant me in lane bulk": {Tenant: "me", Lane: "bulk"},
		"that died of bad input":    {DiedOf: []string{"bad input"}},
		"that died of bad input or timed out in the last 1h": {
			DiedOf: []string{"bad input", "timed out"}, Since: time.Hour,
		},
		"that died over 168h ago":                   {OlderThan: 168 * time.Hour},
		"that died in the last 24h and over 1h ago": {Since: 24 * time.Hour, OlderThan: time.Hour},
		"whose labels match a=b,c":                  {Selector: "a=b,c"},
		"in lane bulk that died of poison and whose labels match a": {
			Lane: "bulk", DiedOf: []string{"poison"}, Selector: "a",
		},
	} {
		if got := f.Phrase("died"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := (Filter{Since: time.Hour}).Phrase("were enqueued"); got != "that were enqueued in the last 1h" {
		t.Error(got)
	}
}
