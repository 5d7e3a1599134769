package redis

import (
	"encoding/json"
	"strconv"
	"time"
)

// millis is t as the integer that is stored; 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// fromMillis is the time that was stored; the zero time for 0.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

func at(ms string) time.Time { return fromMillis(number(ms)) }

func encode(v any) string {
	text, _ := json.Marshal(v) // of values that always can be
	return string(text)
}

func decode(text string, into any) {
	if text != "" {
		_ = json.Unmarshal([]byte(text), into)
	}
}
