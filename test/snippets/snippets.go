// Package snippets has tests run the programs of a page as they stand there, against a gateway that gives them trouble.
// It owns what a page's fences are, and what trouble that is; what a program has to do then is the test's to say.
package snippets

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

var fence = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// Of returns the page's only code block in the language, as its fence names it.
func Of(page, language string) (string, error) {
	text, err := os.ReadFile(page)
	if err != nil {
		return "", err
	}
	var found []string
	for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
		if m[1] == language {
			found = append(found, m[2])
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%s has %d blocks of %s, want one", page, len(found), language)
	}
	return strings.TrimSpace(found[0]) + "\n", nil
}
