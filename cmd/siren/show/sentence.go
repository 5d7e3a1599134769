package show

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Sentence writes a text for people after what begins its line. Where w is a terminal with shorter lines it is broken
// between words, and goes on below where it began.
func Sentence(w io.Writer, begin, text string) {
	width, _ := size(w)
	room := width - utf8.RuneCountInString(begin)
	fmt.Fprintln(w, begin+strings.Join(broken(Harmless(text), room), "\n"+strings.Repeat(" ", width-room)))
}

// leastRoom is how many characters a line has to have for it to be worth breaking a text.
const leastRoom = 20

// broken breaks a text into lines of so many characters, a word that is longer in no place.
func broken(text string, room int) (lines []string) {
	if room < leastRoom || utf8.RuneCountInString(text) <= room {
		return []string{text}
	}
	line, used := "", 0
	for word := range strings.SplitSeq(text, " ") {
		n := utf8.RuneCountInString(word)
		if used > 0 && used+1+n > room {
			lines, line, used = append(lines, line), "", 0
		}
		if used > 0 {
			line, used = line+" ", used+1
		}
		line, used = line+word, used+n
	}
	return append(lines, line)
}
