package keyspace

import (
	"encoding/json"
	"strconv"
	"time"
)

// Millis returns t as the integer that is stored; 0 for the zero time.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// FromMillis returns the time that was stored; the zero time for 0.
func FromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Number parses the integer that was stored; 0 for what is none.
func Number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

// Time parses the time that was stored as text; the zero time for "".
func Time(ms string) time.Time { return FromMillis(Number(ms)) }

// Encode returns v in JSON.
func Encode(v any) string {
	text, _ := json.Marshal(v) // of values that always can be
	return string(text)
}

// Decode reads what Encode wrote, as far as it can be read.
func Decode(text string, into any) {
	if text != "" {
		_ = json.Unmarshal([]byte(text), into)
	}
}
