package plain

import (
	"fmt"
	"strings"
)

// Suggest returns `; did you mean "x"?` for the candidate that is at most two edits away (one for a word of two or
// three letters), else "".
func Suggest(word string, candidates []string) string {
	best, distance := "", min(2, len(word)/2)+1
	for _, c := range candidates {
		if max(len(c)-len(word), len(word)-len(c)) >= distance {
			continue
		}
		if d := edits(word, c); d < distance {
			best, distance = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// ThereAre goes on after a name that isn't there: what was perhaps meant, and what there is.
func ThereAre(name string, names []string) string {
	if meant := Suggest(name, names); meant != "" {
		return meant + " There are " + strings.Join(names, ", ")
	}
	return "; there are " + strings.Join(names, ", ")
}

// edits returns the number of letters to insert, delete, change or swap to get from a to b (optimal string alignment).
func edits(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
