package doctor

import (
	"fmt"
	"strings"
	"time"
)

// Few names the first most of many, and counts the others; one more than most is named too.
func Few(names []string, most int) string {
	if len(names) > most+1 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// Delay judges how fast a server answers; why and fix are for one that is slow.
func Delay(c Check, who string, took time.Duration, why, fix string) Finding {
	what := fmt.Sprintf("%s answers within %s", who, took.Round(10*time.Microsecond))
	if took > 100*time.Millisecond {
		return c.Warning(what, why, fix)
	}
	return c.OK(what)
}
